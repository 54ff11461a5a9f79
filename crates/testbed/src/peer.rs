//! Another process that works on the same database.

use std::{
    path::Path,
    process::{Child, Stdio},
};

use crate::postgres::command;

/// How a peer learns what it is to work on.
const ARGUMENT: &str = "TESTBED_PEER_ARGUMENT";

/// One test of this test binary, run in a process of its own. Killed when dropped.
#[derive(Debug)]
pub struct Peer(Child);

impl Peer {
    /// Starts the test with this full name, which reads `argument` through [`peer_argument`].
    pub fn start(test: &str, argument: &str) -> Self {
        let binary = std::env::current_exe().expect("a test runs from a file");
        let child = command(Path::new(&binary))
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(ARGUMENT, argument)
            .stdout(Stdio::null())
            .spawn()
            .expect("a test binary can be started again");
        Self(child)
    }

    /// Ends it with SIGKILL, wherever it is.
    pub fn kill(mut self) {
        self.0.kill().expect("a child can be killed");
        self.0.wait().expect("a killed child ends");
    }

    /// Waits until it has passed.
    ///
    /// # Panics
    /// When it has failed.
    pub fn join(mut self) {
        let status = self.0.wait().expect("a child can be waited for");
        assert!(status.success(), "the peer ended with {status}");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already, which is all that is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What this process was started to work on; `None` when it is not a [`Peer`], and the test has nothing to do.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is how a process is told; no program depends on this"
)]
pub fn peer_argument() -> Option<String> {
    std::env::var(ARGUMENT).ok()
}
