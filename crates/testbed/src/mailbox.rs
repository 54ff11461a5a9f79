//! A mail server for one test: `aiosmtpd`, which says what it is sent.

use std::{
    io::{BufRead as _, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Stdio},
};

use crate::{ports, postgres::command};

/// A mail server that says each mail it is sent. It ends with this value, or with the process.
///
/// It refuses recipients that begin with `later` the first time (451), and those with `never` every time (550).
#[derive(Debug)]
pub struct Mailbox {
    port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    server: Child,
}

const SERVER: &str = include_str!("mailbox.py");

/// Where `scripts/setup test` puts Python packages.
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.setup/python");

impl Mailbox {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When `aiosmtpd` is not installed.
    pub fn start() -> Self {
        (0..5).find_map(|_| Self::try_start()).expect("tests need aiosmtpd: scripts/setup test")
    }

    fn try_start() -> Option<Self> {
        let port = ports::free();
        let mut server = command(Path::new("python3"))
            .args(["-c", SERVER, &port.to_string()])
            .env("PYTHONPATH", PACKAGES)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python is installed");
        let mut lines = BufReader::new(server.stdout.take().expect("the output is piped")).lines();
        if lines.next().and_then(Result::ok).as_deref() == Some("ready") {
            return Some(Self { port, lines, server });
        }
        server.wait().expect("it ends after it has failed");
        None
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next mail: a line of JSON with `from`, `to`, `headers` and `parts` by content type.
    ///
    /// # Panics
    /// When the server has ended.
    pub fn next_mail(&mut self) -> String {
        self.lines.next().expect("the server lives as long as its value").expect("it speaks in text")
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // It ends when its input does; this only makes it sooner.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
