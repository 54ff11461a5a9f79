//! As much of HTTP/1.1 as a server in a test needs: one request for each connection.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, sink},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Request line and headers, with the empty line that ends them.
    pub head: String,
    /// As many bytes as its `Content-Length` says.
    pub body: Vec<u8>,
}

/// What a stub does with requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StubReply {
    /// What it is there for.
    Normal,
    /// It answers this status and a page.
    Status(u16),
    /// It names another address.
    Redirect(String),
    /// It answers bytes that are no document of any kind.
    Garbage,
    /// It answers, and does not end.
    Endless,
    /// It hears, and does not answer.
    Stall,
}

/// A server of one address.
#[derive(Debug)]
pub(crate) struct Stub {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

/// What a handler answers.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
struct Shared {
    reply: Mutex<StubReply>,
    heard: watch::Sender<Vec<HttpRequest>>,
}

impl HttpRequest {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

impl Stub {
    /// Listens on a free loopback port.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) async fn start(handler: impl Fn(&HttpRequest) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (heard, _) = watch::channel(Vec::new());
        let shared = Arc::new(Shared { reply: Mutex::new(StubReply::Normal), heard });
        let (state, handler) = (shared.clone(), Arc::new(handler));
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (state, handler) = (state.clone(), handler.clone());
                // Clients that give up are what this is for.
                tokio::spawn(async move { drop(serve(client, &state, &*handler).await) });
            }
        });
        Self { address, shared, listening }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn reply(&self, reply: StubReply) {
        *lock(&self.shared.reply) = reply;
    }

    /// The requests so far, once there are this many.
    pub(crate) async fn heard(&self, count: usize) -> Vec<HttpRequest> {
        let mut heard = self.shared.heard.subscribe();
        let heard = heard.wait_for(|heard| heard.len() >= count).await;
        heard.expect("the stub holds the other end").clone()
    }

    /// Lets go of the port.
    pub(crate) async fn stop(&mut self) {
        self.listening.abort();
        // It was cancelled, as it was meant to be.
        let _ = (&mut self.listening).await;
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    mut client: TcpStream,
    shared: &Shared,
    handler: &(dyn Fn(&HttpRequest) -> Response + Send + Sync),
) -> io::Result<()> {
    let Some((head, mut body)) = read_head(&mut client).await? else { return Ok(()) };
    let rest = content_length(&head).saturating_sub(body.len());
    (&mut client).take(u64::try_from(rest).unwrap_or(u64::MAX)).read_to_end(&mut body).await?;
    let request = HttpRequest { head, body };
    let reply = lock(&shared.reply).clone();
    shared.heard.send_modify(|heard| heard.push(request.clone()));
    let plain = |status, headers, body: &[u8]| Response { status, headers, body: body.to_vec() };
    let response = match reply {
        StubReply::Normal => handler(&request),
        StubReply::Status(status) => {
            plain(status, vec![("Content-Type", "text/html".to_owned())], b"<p>No.</p>")
        }
        StubReply::Redirect(to) => plain(307, vec![("Location", to)], b""),
        StubReply::Garbage => plain(200, Vec::new(), b"\xff<\0<<>garbage"),
        StubReply::Endless => {
            client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await?;
            loop {
                client.write_all(&[b' '; 1 << 14]).await?;
            }
        }
        StubReply::Stall => {
            copy(&mut client, &mut sink()).await?;
            return Ok(());
        }
    };
    write(&mut client, &response).await
}

async fn write(client: &mut TcpStream, response: &Response) -> io::Result<()> {
    let Response { status, headers, body } = response;
    let length = body.len();
    let mut head = format!("HTTP/1.1 {status} Stub\r\nConnection: close\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    client.write_all(&[head.as_bytes(), b"\r\n", body].concat()).await
}

/// The head with the empty line that ends it, and what has come of the body.
pub(crate) async fn read_head(client: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(END.len()).position(|bytes| bytes == END) {
            let body = read.split_off(end + END.len());
            return Ok(Some((String::from_utf8_lossy(&read).into_owned(), body)));
        }
        if client.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
    }
}

pub(crate) fn content_length(head: &str) -> usize {
    header(head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
