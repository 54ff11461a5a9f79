//! One address in front of servers that come and go, and a wire that can be cut.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::AbortHandle,
};

/// Forwards TCP connections to a server, for as long as it lives and its runtime does.
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddr,
    wire: watch::Sender<Wire>,
    listening: AbortHandle,
}

#[derive(Debug, Clone, Copy)]
struct Wire {
    target: SocketAddr,
    state: State,
    /// Connections of an earlier epoch are cut.
    epoch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Stalled,
    Cut,
}

impl Forwarder {
    /// Listens on a free loopback port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (wire, watched) = watch::channel(Wire { target, state: State::Open, epoch: 0 });
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, watched.clone()));
            }
        });
        Self { address, wire, listening: listening.abort_handle() }
    }

    /// What clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections, and gives new ones to another server.
    pub fn point_at(&self, target: SocketAddr) {
        self.wire.send_modify(|wire| *wire = Wire { target, state: State::Open, epoch: wire.epoch + 1 });
    }

    /// Cuts all connections, and every new one, until [`mend`](Self::mend).
    pub fn cut(&self) {
        self.wire.send_modify(|wire| *wire = Wire { state: State::Cut, epoch: wire.epoch + 1, ..*wire });
    }

    /// Lets no byte through and says nothing about it, until [`mend`](Self::mend).
    pub fn stall(&self) {
        self.wire.send_modify(|wire| wire.state = State::Stalled);
    }

    /// Lets bytes through again.
    pub fn mend(&self) {
        self.wire.send_modify(|wire| wire.state = State::Open);
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

/// One connection, until an end closes it or it is cut.
async fn forward(client: TcpStream, mut wire: watch::Receiver<Wire>) {
    let Some(Wire { target, epoch, .. }) = passable(&mut wire).await else { return };
    let Ok(server) = TcpStream::connect(target).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let mut cut = wire.clone();
    tokio::select! {
        () = pump(from_client, to_server, wire.clone()) => {}
        () = pump(from_server, to_client, wire) => {}
        _ = cut.wait_for(|wire| wire.epoch != epoch) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut wire: watch::Receiver<Wire>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if passable(&mut wire).await.is_none() || to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    // A closed end is news, and does not travel over a stalled wire either.
    let _ = passable(&mut wire).await;
}

/// Waits while the wire is stalled; `None` when it is cut.
async fn passable(wire: &mut watch::Receiver<Wire>) -> Option<Wire> {
    let wire = *wire.wait_for(|wire| wire.state != State::Stalled).await.ok()?;
    (wire.state == State::Open).then_some(wire)
}
