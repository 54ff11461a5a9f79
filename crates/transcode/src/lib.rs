//! From the index of a source to its renditions: the timeline, the ladder, the chunks, what ffmpeg is fed, told and
//! checked by, and the modules that run it.
//!
//! What it deliberately does not do: everything here but the modules that run a process is pure. No I/O, no clock,
//! no randomness, no process: a plan is a function of (source index, settings), so a retry on another machine makes
//! the same one. Nobody outside this crate starts a process.
//!
//! The way through: [`isobmff::Movie`] → [`feed::head`] fed to ffprobe → [`probe::Probe`] → [`picture::Picture`];
//! [`timeline::Timeline`], [`ladder::plan_ladder`], [`chunk::plan_chunks`]; then for each chunk one
//! [`job::ChunkJob`]: what goes into ffmpeg's stdin ([`feed`]), its arguments ([`args`]) and the [`check`] that
//! alone says whether it worked.
//!
//! The modules that run something: [`encode`] a chunk, [`audio_run`] the sound, [`probe_run`] a probe,
//! [`normalise_run`] a whole file, [`portrait`] and [`poster_run`] a picture, [`examine`] ffmpeg itself. They read a [`source`]
//! and go through one [`runner`] to [`process`] (pipes, stalls, ends), which starts every program in the [`sandbox`].

#![deny(clippy::as_conversions, clippy::indexing_slicing)]

pub mod args;
pub mod artwork;
mod attempts;
pub mod audio;
pub mod audio_run;
mod boundary;
pub mod check;
pub mod chunk;
mod edit;
pub mod encode;
pub mod examine;
pub mod feed;
pub mod job;
pub mod jpeg;
pub mod ladder;
pub mod normalise_run;
pub mod picture;
pub mod portrait;
pub mod poster_run;
pub mod probe;
pub mod probe_run;
pub mod process;
pub mod reordering;
pub mod runner;
mod salvage;
pub mod sandbox;
pub mod settings;
pub mod source;
pub mod still_run;
#[cfg(test)]
mod synthetic;
pub mod timeline;
pub mod toolchain;
