//! The packager from outside: each module is one feature and has one `check` door.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cases;
mod manifests;
mod presentation;
