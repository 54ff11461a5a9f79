//! A licence server of a vendor, which answers what it was asked.

use crate::http::{HttpRequest, Response, Stub, StubReply};

/// Answers each request with its own body, backwards: nobody takes that for the request.
#[derive(Debug)]
pub struct LicenceServer {
    stub: Stub,
}

impl LicenceServer {
    /// Listens on a free loopback port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let stub = Stub::start(|request| Response {
            status: 200,
            headers: vec![("Content-Type", "application/octet-stream; from=stub".to_owned())],
            body: request.body.iter().rev().copied().collect(),
        });
        Self { stub: stub.await }
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("http://{}/licence?for=test", self.stub.address())
    }

    /// What it does from now on.
    pub fn reply(&self, reply: StubReply) {
        self.stub.reply(reply);
    }

    /// The requests so far, once there are this many.
    pub async fn heard(&self, count: usize) -> Vec<HttpRequest> {
        self.stub.heard(count).await
    }

    /// Lets go of the port.
    pub async fn stop(&mut self) {
        self.stub.stop().await;
    }
}
