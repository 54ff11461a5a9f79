//! A folder over HTTP/1.1 on 127.0.0.1, just enough for players: GET, ranges, one request per connection.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};

/// Serves until it is dropped.
#[derive(Debug)]
pub struct StaticServer {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl StaticServer {
    /// Serves `root` on a free port.
    pub fn start(root: &Path) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
        let address = listener.local_addr()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let (root, flag) = (root.to_owned(), Arc::clone(&stopping));
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if flag.load(Ordering::SeqCst) {
                    return;
                }
                let root = root.clone();
                std::thread::spawn(move || {
                    // A client that hangs up early (ffmpeg does, after a probe) is no fault of the server.
                    let _ = answer(&root, stream);
                });
            }
        });
        Ok(Self { address, stopping, acceptor: Some(acceptor) })
    }

    /// The URL of a file below the root.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

impl Drop for StaticServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn answer(root: &Path, mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut range = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            range = Some(value.trim().to_owned());
        }
    }
    let target = request.split(' ').nth(1).unwrap_or("/");
    let Some(body) = local_path(root, target).and_then(|path| fs::read(path).ok()) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let total = body.len();
    let (status, part) = match range.as_deref().and_then(|text| parse_range(text, total)) {
        Some((start, end)) => {
            (format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}", end - 1), start..end)
        }
        None => ("200 OK".to_owned(), 0..total),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {}\r\nContent-Length: {}\r\nAccept-Ranges: bytes\r\nConnection: close\r\n\r\n",
        content_type(target),
        part.len()
    )?;
    stream.write_all(body.get(part).unwrap_or_default())
}

/// Below `root` and nowhere else.
fn local_path(root: &Path, target: &str) -> Option<PathBuf> {
    let relative = Path::new(target.split('?').next()?.trim_start_matches('/'));
    let inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
    inside.then(|| root.join(relative))
}

/// `bytes=a-b` and `bytes=a-` as a half-open range; anything else is answered with the whole file.
fn parse_range(text: &str, total: usize) -> Option<(usize, usize)> {
    let (start, end) = text.strip_prefix("bytes=")?.split_once('-')?;
    let start: usize = start.parse().ok()?;
    let end = if end.is_empty() { total } else { end.parse::<usize>().ok()?.checked_add(1)?.min(total) };
    (start < end).then_some((start, end))
}

fn content_type(target: &str) -> &'static str {
    match target.rsplit('.').next() {
        Some("mpd") => "application/dash+xml",
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("jpg") => "image/jpeg",
        Some("vtt") => "text/vtt",
        _ => "video/mp4",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file() {
        assert_eq!(parse_range("bytes=2-3", 10), Some((2, 4)));
        assert_eq!(parse_range("bytes=2-", 10), Some((2, 10)));
        assert_eq!(parse_range("bytes=2-99", 10), Some((2, 10)));
        assert_eq!(parse_range("bytes=10-", 10), None);
        assert_eq!(parse_range("lines=2-3", 10), None);
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        let root = Path::new("/srv");
        assert_eq!(local_path(root, "/a/b.m4s?x=1"), Some(PathBuf::from("/srv/a/b.m4s")));
        assert_eq!(local_path(root, "/../etc/passwd"), None);
    }
}
