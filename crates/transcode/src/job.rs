//! One chunk as a value: what ffmpeg is fed and told, and how its outputs are checked.

use isobmff::{Movie, Track};

use crate::{
    check::ChunkCheck,
    chunk::ChunkSpec,
    feed::{Feed, FeedStart},
    ladder::Rung,
    picture::Picture,
    settings::EncodeSettings,
    timeline::Timeline,
};

/// Everything that is known of a video before it is encoded.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the types say it")]
pub struct VideoPlan<'a> {
    pub movie: &'a Movie,
    /// The video track of `movie`.
    pub track: &'a Track,
    pub timeline: &'a Timeline,
    pub picture: &'a Picture,
    pub ladder: &'a [Rung],
    pub settings: &'a EncodeSettings,
}

/// One ffmpeg process to run.
#[derive(Debug, Clone)]
pub struct ChunkJob {
    /// For stdin.
    pub feed: Feed,
    /// One pipe each, in this order.
    pub outputs: Vec<Output>,
}

/// What comes out of one pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Fragmented MP4 for [`ChunkCheck::push`] with this `slot`.
    Rung {
        /// Index into [`ChunkSpec::rungs`].
        slot: usize,
        /// Index into the ladder.
        rung: usize,
    },
    /// JPEGs back to back, one for each of these frames, in this order; a frame that the decoder lost has none.
    Stills {
        /// Poster or storyboard.
        kind: crate::artwork::StillKind,
        /// Indices into the timeline's frames.
        frames: Vec<u32>,
    },
}

impl ChunkJob {
    /// The process for `chunk`, decoding from `start`.
    pub fn new(plan: &VideoPlan<'_>, chunk: &ChunkSpec, start: FeedStart) -> Self {
        let _ = (plan, chunk, start);
        todo!()
    }

    /// ffmpeg's arguments when the outputs are these descriptors.
    pub fn args(&self, pipes: &[i32]) -> Vec<String> {
        let _ = pipes;
        todo!()
    }

    /// The check of its outputs.
    pub fn check(&self) -> ChunkCheck {
        todo!()
    }
}
