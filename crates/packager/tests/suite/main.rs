//! The packager from outside: each module is one feature and has one `check` door.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adts;
mod captions;
mod cases;
mod manifests;
mod package;
mod presentation;
mod progressive;
mod protection;
mod sample_entries;
mod segments;
mod slices;
