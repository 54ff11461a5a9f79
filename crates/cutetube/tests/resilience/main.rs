//! Work that survives: the real program is killed, stopped, starved and doubled while it makes real videos.

#![expect(clippy::unwrap_used, reason = "a test fails where it fails")]

mod accounts;
mod backups;
mod captions;
mod clip;
mod crowd;
mod deletion;
mod downloads;
mod edge;
mod faults;
mod kills;
mod moves;
mod object_storage;
mod outages;
mod platform;
mod posters;
mod protected;
mod resumable;
mod scrubs;
mod soak;
mod stops;
mod tls;
mod traces;
