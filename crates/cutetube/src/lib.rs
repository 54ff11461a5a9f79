//! The program: command line, configuration, HTTP, pipeline and workers, over the crates that hold the rules.
//!
//! What it deliberately does not do: it names no SQL (that is `catalog` and `jobs`), starts no process (that is
//! `transcode`), and knows no box (that is `isobmff`). Time, randomness and the environment enter here and are
//! handed down as values.

mod accounts;
mod admin;
mod ambient;
mod assets;
mod audience;
mod backup;
pub mod blobs;
mod calendar;
mod captions;
pub mod cli;
mod comments;
pub mod config;
mod events;
pub mod http;
mod inventory;
mod journal;
mod keys;
mod licences;
mod limits;
mod live;
mod metrics;
mod moving;
mod outbound;
mod pages;
mod people;
mod pipeline;
mod playback;
mod processes;
mod progress;
mod quality;
mod scrubbing;
mod state;
mod stills;
mod sweeping;
mod telemetry;
mod texts;
mod tls;
mod uploads;
mod videos;
mod views;
mod workers;

pub use state::AppState;
