//! An HTTP server that does not do what it should, in front of one that does.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, sink},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

use crate::http::{content_length, read_head};

/// Passes HTTP/1.1 requests on, except for those that it was told to spoil. It lives as long as its runtime does.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    listening: AbortHandle,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status, and the server never hears of it.
    Status(u16),
    /// The connection ends after this many bytes of the request's body.
    CutRequest(usize),
    /// The server does what is asked for, and the connection ends after this many bytes of its answer, head included.
    CutAnswer(usize),
    /// The server hears nothing, and the client waits.
    Stall,
}

#[derive(Debug, Default)]
struct Plan {
    /// For the next requests, one after the other; `None` passes.
    next: VecDeque<Option<Fault>>,
    /// For all after them.
    always: Option<Fault>,
    /// How many requests were spoilt.
    spoilt: usize,
}

impl FaultProxy {
    /// Listens on a free loopback port for `server`, which is a host and a port.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let plan = Arc::new(Mutex::new(Plan::default()));
        let (server, shared) = (server.to_owned(), plan.clone());
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, plan) = (server.clone(), shared.clone());
                // A connection that breaks is what this is for.
                tokio::spawn(async move { drop(serve(client, &server, &plan).await) });
            }
        });
        Self { address, plan, listening: listening.abort_handle() }
    }

    /// What clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Spoils the next requests, one after the other.
    pub fn spoil(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.plan().next.extend(faults);
    }

    /// Spoils every request from now on, or none.
    pub fn spoil_all(&self, fault: Option<Fault>) {
        self.plan().always = fault;
    }

    /// How many requests were spoilt so far.
    pub fn spoilt(&self) -> usize {
        self.plan().spoilt
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// One request: both ends are told that the connection ends with it.
async fn serve(mut client: TcpStream, server: &str, plan: &Mutex<Plan>) -> io::Result<()> {
    let Some((head, body)) = read_head(&mut client).await? else { return Ok(()) };
    let fault = {
        let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = plan.next.pop_front().unwrap_or(plan.always);
        plan.spoilt += usize::from(fault.is_some());
        fault
    };
    let rest = content_length(&head).saturating_sub(body.len());
    if let Some(Fault::Status(status)) = fault {
        // Who is answered in the middle of sending takes that for a broken connection.
        copy(&mut (&mut client).take(u64::try_from(rest).unwrap_or(u64::MAX)), &mut sink()).await?;
        let answer = format!("HTTP/1.1 {status} Spoilt\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return client.write_all(answer.as_bytes()).await;
    }
    if fault == Some(Fault::Stall) {
        copy(&mut client, &mut sink()).await?;
        return Ok(());
    }
    let mut upstream = TcpStream::connect(server).await?;
    let (line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    upstream.write_all(format!("{line}\r\nConnection: close\r\n{headers}").as_bytes()).await?;
    if let Some(Fault::CutRequest(after)) = fault {
        upstream.write_all(body.get(..after).unwrap_or(&body)).await?;
        return Ok(());
    }
    upstream.write_all(&body).await?;
    copy(&mut (&mut client).take(u64::try_from(rest).unwrap_or(u64::MAX)), &mut upstream).await?;
    let most = match fault {
        Some(Fault::CutAnswer(after)) => u64::try_from(after).unwrap_or(u64::MAX),
        _ => u64::MAX,
    };
    copy(&mut upstream.take(most), &mut client).await?;
    Ok(())
}
