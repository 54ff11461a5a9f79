//! Chunks: runs of segments that one process encodes.

use isobmff::Track;
use serde::{Deserialize, Serialize};

use crate::timeline::Timeline;

/// A run of segments for a set of rungs: what a job names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkSpec {
    /// First segment, from 0.
    pub first_segment: u32,
    /// How many segments, at least 1.
    pub segments: u32,
    /// Indices into the ladder, increasing, at least one.
    pub rungs: Vec<u32>,
    /// Whether the poster and storyboard frames of these segments come out too.
    pub stills: Stills,
}

/// Whether a chunk makes still pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stills {
    /// Another job makes them.
    Skip,
    /// On pipes of their own, from the same decode.
    Make,
}

/// Cuts the timeline into chunks; each names every rung and makes its stills.
pub fn plan_chunks(track: &Track, timeline: &Timeline, rungs: u32) -> Vec<ChunkSpec> {
    let _ = (track, timeline, rungs);
    todo!()
}
