//! Events on their way out: the real program, and what it tells webhooks, people and a broker.

#![expect(clippy::unwrap_used, reason = "a test fails where it fails")]

mod broker;
mod letters;
mod mails;
mod receiver;
mod server;
mod webhooks;
