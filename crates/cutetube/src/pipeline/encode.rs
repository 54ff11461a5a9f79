//! One chunk of the picture: encoded, packaged, stored.

use std::collections::BTreeMap;

use bytes::Bytes;
use packager::{IvRun, VideoSample, VideoTrack};
use tokio::sync::mpsc;
use transcode::artwork::StillKind;
use transcode::check::EncodedSegment;
use transcode::chunk::ChunkSpec;
use transcode::encode::{ChunkReport, Delivery, EncodeError, StillPicture, encode_chunk};
use transcode::runner::Runner;
use transcode::source::ReadRange;

use super::blueprint::Blueprint;
use super::sealing::Seal;
use super::{Shelf, StageError, both_to_the_end};
use crate::blobs::{Flavour, MediaObject, Stored};

/// What a chunk left in the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MadeChunk {
    /// By index into the ladder.
    pub(crate) rungs: BTreeMap<usize, MadeRung>,
    pub(crate) stills: Vec<MadeStill>,
    /// Sentences for the uploader, though the video will play.
    pub(crate) warnings: Vec<String>,
}

/// What a chunk left of one rung.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MadeRung {
    /// The whole `avc1` box.
    pub(crate) sample_entry: Bytes,
    /// The init segment; the chunk that begins the video writes it.
    pub(crate) init: Option<Stored>,
    pub(crate) segments: Vec<MadeSegment>,
}

/// A media segment in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MadeSegment {
    /// From 0.
    pub(crate) segment: u32,
    pub(crate) stored: Stored,
    /// From its start to the end of its first sample.
    pub(crate) iframe_bytes: u64,
}

/// A still picture in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MadeStill {
    pub(crate) object: MediaObject,
    pub(crate) stored: Stored,
}

/// Encodes `chunk` and stores every segment as it comes, encrypted with `ivs` if the video is protected. `progress` hears of encoded frames, over all rungs.
pub(crate) async fn make(
    runner: &Runner<'_>,
    source: &dyn ReadRange,
    blueprint: &Blueprint,
    chunk: &ChunkSpec,
    shelf: &Shelf,
    ivs: IvRun,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<MadeChunk, StageError> {
    let (sender, deliveries) = mpsc::channel(4);
    let plan = blueprint.video_plan();
    let encode = async {
        // The sender goes with the encoder, so that the channel ends when it does.
        let sender = sender;
        encode_chunk(runner, source, &plan, chunk, &sender).await.map_err(StageError::from)
    };
    let store = async {
        // So does the receiver with the store.
        let mut deliveries = deliveries;
        let mut desk =
            PackagingDesk { blueprint, shelf, ivs, made: MadeChunk::default(), tracks: BTreeMap::new() };
        while let Some(delivery) = deliveries.recv().await {
            match delivery {
                Delivery::Segment(segment) => {
                    let frames = segment.samples.len();
                    desk.segment(segment).await?;
                    progress(u64::try_from(frames).unwrap_or(u64::MAX));
                }
                Delivery::Still(still) => desk.still(still).await?,
            }
        }
        Ok(desk.made)
    };
    let (report, mut made) = both_to_the_end(encode, store).await?;
    made.warnings.extend(lost_pictures(blueprint, &report));
    Ok(made)
}

/// Where encoded segments become objects.
struct PackagingDesk<'a> {
    blueprint: &'a Blueprint,
    shelf: &'a Shelf,
    ivs: IvRun,
    made: MadeChunk,
    tracks: BTreeMap<usize, (VideoTrack, Seal)>,
}

impl PackagingDesk<'_> {
    async fn segment(&mut self, encoded: EncodedSegment) -> Result<(), StageError> {
        let timeline = &self.blueprint.timeline;
        let name = self.blueprint.rendition_name(encoded.rung);
        let made = self.made.rungs.entry(encoded.rung).or_default();
        if made.segments.is_empty() {
            made.sample_entry = encoded.sample_entry.clone();
            let track = self.blueprint.video_track_of(encoded.rung, &encoded.sample_entry);
            let seal = Seal::video(self.blueprint, encoded.rung, &encoded.sample_entry)?;
            self.tracks.insert(encoded.rung, (track, seal));
        }
        let (track, seal) =
            self.tracks.get_mut(&encoded.rung).expect("the first segment of a rung has brought its track");
        let samples: Vec<VideoSample> = encoded
            .samples
            .iter()
            .map(|sample| VideoSample {
                presentation_time: timeline.time(sample.frame),
                size: sample.size,
                sync: sample.sync,
            })
            .collect();
        let sizes = samples.iter().map(|sample| sample.size);
        let (media, information) = seal.apply(vec![encoded.data], sizes, &mut self.ivs)?;
        let number = encoded.segment + 1;
        let segment = track
            .segment(number, timeline.segment_span(encoded.segment), &samples, &information)
            .map_err(|error| StageError::retry("an encoded segment cannot be packaged", error))?;
        let iframe_bytes = segment.iframe_bytes();
        let parts = std::iter::once(segment.header.into()).chain(media).collect();
        let stored = self.shelf.put(MediaObject::Segment(name.clone(), number), parts).await?;
        made.segments.push(MadeSegment { segment: encoded.segment, stored, iframe_bytes });
        if encoded.segment == 0 {
            for flavour in Flavour::ALL {
                let init = vec![track.init(flavour).into()];
                let stored = self.shelf.put(MediaObject::Init(flavour, name.clone()), init).await?;
                if flavour == Flavour::Mp4 {
                    made.init = Some(stored);
                }
            }
        }
        Ok(())
    }

    async fn still(&mut self, still: StillPicture) -> Result<(), StageError> {
        let objects = match still.kind {
            StillKind::Poster => vec![MediaObject::Poster],
            StillKind::Storyboard => self
                .blueprint
                .artwork
                .tiles_of(still.frame)
                .map(|tile| MediaObject::StoryboardSheet(tile + 1))
                .collect(),
        };
        for object in objects {
            let stored = self.shelf.put(object.clone(), vec![still.jpeg.clone()]).await?;
            self.made.stills.push(MadeStill { object, stored });
        }
        Ok(())
    }
}

/// What to tell the uploader about pictures that could not be decoded.
fn lost_pictures(blueprint: &Blueprint, report: &ChunkReport) -> Option<String> {
    let &first = report.lost.first()?;
    let timeline = &blueprint.timeline;
    let seconds = timeline.time(first) / u64::from(timeline.timescale);
    let pictures = report.lost.len();
    Some(format!(
        "The file is damaged: {pictures} {} near {:02}:{:02}:{:02} could not be decoded; a neighbouring one is shown instead.",
        if pictures == 1 { "picture" } else { "pictures" },
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    ))
}

impl From<EncodeError> for StageError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Undecodable { from_seconds, to_seconds } => Self::reject(format!(
                "The file is damaged: no picture between {from_seconds:.1} s and {to_seconds:.1} s can be decoded. \
                 Export the video again and upload that."
            )),
            EncodeError::Process(error) => error.into(),
            error => Self::retry("a chunk was not encoded", error),
        }
    }
}
