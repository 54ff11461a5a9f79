//! The sound of a video: AAC frames, passed through or encoded once, cut into segments beside the video's.

use std::ops::Range;

use bytes::Bytes;
use isobmff::{ByteRange, Track};
use packager::{AdtsParser, AudioSpecificConfig, AudioTrack, IvRun, audio_segment_bounds};
use tokio::sync::mpsc;
use transcode::audio::{self, AudioEncode, AudioPlan, PassThrough, SILENT_STEREO_FRAME};
use transcode::audio_run::{AudioRunError, encode_audio};
use transcode::runner::Runner;
use transcode::source::ReadRange;

use super::blueprint::Blueprint;
use super::sealing::Seal;
use super::{Shelf, StageError, both_to_the_end, unreadable};
use crate::blobs::{Flavour, MediaObject, RenditionName, Stored};

/// The sound rendition as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MadeSound {
    pub(crate) config: AudioSpecificConfig,
    pub(crate) init: Stored,
    /// AAC frames of each segment.
    pub(crate) bounds: Vec<Range<u64>>,
    /// Segment objects, in order.
    pub(crate) segments: Vec<Stored>,
}

/// Where the sound rendition is cut, known before it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SoundLayout {
    pub(crate) sample_rate: u32,
    /// AAC frames of each segment.
    pub(crate) bounds: Vec<Range<u64>>,
}

/// The cuts of the sound; `None` when the video is silent.
pub(crate) fn layout(blueprint: &Blueprint) -> Option<SoundLayout> {
    let (sample_rate, frames) = match &blueprint.stored.sound {
        AudioPlan::None => return None,
        AudioPlan::PassThrough(plan) => (plan.sample_rate, plan.frames()),
        AudioPlan::Encode(plan) => (audio::ENCODED_RATE, plan.frames),
    };
    let timeline = &blueprint.stored.timeline;
    let boundaries: Vec<u64> = timeline.boundaries.iter().copied().chain([timeline.end]).collect();
    let bounds = audio_segment_bounds(&boundaries, timeline.timescale, sample_rate, frames);
    Some(SoundLayout { sample_rate, bounds })
}

/// What a decoder must know of the sound, known before it is made.
pub(crate) fn config(blueprint: &Blueprint) -> Result<Option<AudioSpecificConfig>, StageError> {
    let config = match (&blueprint.stored.sound, blueprint.sound_track()) {
        (AudioPlan::None, _) | (_, None) => return Ok(None),
        (AudioPlan::PassThrough(_), Some(track)) => {
            let entry = track.entries.first().expect("sound that passes through has a description");
            AudioSpecificConfig::from_sample_entry(entry)
        }
        (AudioPlan::Encode(_), Some(_)) => AudioSpecificConfig::new(audio::ENCODED_RATE, STEREO),
    };
    config.map(Some).map_err(|error| StageError::retry("the sound has no usable description", error))
}

/// Makes the whole sound rendition, init segments included, encrypted with `ivs` if the video is protected. `None` when the video is silent.
pub(crate) async fn make(
    runner: &Runner<'_>,
    source: &dyn ReadRange,
    blueprint: &Blueprint,
    shelf: &Shelf,
    ivs: IvRun,
) -> Result<Option<MadeSound>, StageError> {
    let (Some(track), Some(layout), Some(config)) =
        (blueprint.sound_track(), layout(blueprint), config(blueprint)?)
    else {
        return Ok(None);
    };
    let Some(made) = blueprint.audio_track(config) else { return Ok(None) };
    let mut rendition = Rendition::new(made, layout.bounds, shelf, Seal::audio(blueprint)?, ivs);
    match &blueprint.stored.sound {
        AudioPlan::None => {}
        AudioPlan::PassThrough(plan) => pass_through(plan, track, source, &mut rendition).await?,
        AudioPlan::Encode(plan) => encode(plan, runner, source, blueprint, &mut rendition).await?,
    }
    rendition.finish().await.map(Some)
}

/// channelConfiguration of encoded sound.
const STEREO: u8 = 2;

/// Copies the source's frames, a segment's worth of neighbours at a time.
async fn pass_through(
    plan: &PassThrough,
    track: &Track,
    source: &dyn ReadRange,
    rendition: &mut Rendition<'_>,
) -> Result<(), StageError> {
    let silence = Bytes::from_static(&SILENT_STEREO_FRAME);
    for _ in 0..plan.lead {
        rendition.push(silence.clone()).await?;
    }
    let mut samples = track.samples.range(plan.first..plan.first.saturating_add(plan.count)).peekable();
    while let Some(first) = samples.next() {
        let mut range = ByteRange { offset: first.offset, len: first.size.into() };
        let mut sizes = vec![first.size];
        let neighbour =
            |range: &ByteRange, offset| range.offset + range.len == offset && range.len < READ_BYTES;
        while let Some(sample) = samples.next_if(|sample| neighbour(&range, sample.offset)) {
            range.len += u64::from(sample.size);
            sizes.push(sample.size);
        }
        let mut bytes = source.read_range(range).await.map_err(unreadable)?;
        for size in sizes {
            let size = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len());
            rendition.push(bytes.split_to(size)).await?;
        }
    }
    for _ in 0..plan.tail {
        rendition.push(silence.clone()).await?;
    }
    Ok(())
}

/// Frames are read from the source in runs of about this many bytes.
const READ_BYTES: u64 = 256 * 1024;

/// Encodes the whole track and takes the frames as they come.
async fn encode(
    plan: &AudioEncode,
    runner: &Runner<'_>,
    source: &dyn ReadRange,
    blueprint: &Blueprint,
    rendition: &mut Rendition<'_>,
) -> Result<(), StageError> {
    let (sender, adts) = mpsc::channel::<Bytes>(8);
    let track = blueprint.sound_track().expect("a plan to encode sound has a track");
    let run = async {
        // The sender goes with the encoder, so that the channel ends when it does.
        let sender = sender;
        let settings = &blueprint.stored.settings;
        encode_audio(runner, source, plan, (&blueprint.movie, track), settings, &sender)
            .await
            .map_err(StageError::from)
    };
    let take = async {
        // So does the receiver with its reader.
        let mut adts = adts;
        let broken = |error| StageError::retry("the encoded sound is broken", error);
        let mut parser = AdtsParser::default();
        let mut priming = true;
        while let Some(bytes) = adts.recv().await {
            parser.push(&bytes);
            while let Some(frame) = parser.poll().map_err(broken)? {
                // The encoder's first frame holds only its delay.
                if !std::mem::take(&mut priming) {
                    rendition.push(frame).await?;
                }
            }
        }
        parser.finish().map_err(broken)?;
        match parser.config() {
            Some(config) if config == rendition.track.config => Ok(()),
            other => {
                Err(StageError::retry("the encoded sound is not what was planned", format!("{other:?}")))
            }
        }
    };
    both_to_the_end(run, take).await.map(|((), ())| ())
}

impl From<AudioRunError> for StageError {
    fn from(error: AudioRunError) -> Self {
        match error {
            AudioRunError::Run(error) => error.into(),
            error => Self::retry("the sound was not encoded", error),
        }
    }
}

/// The rendition while its frames arrive.
struct Rendition<'a> {
    shelf: &'a Shelf,
    track: AudioTrack,
    seal: Seal,
    ivs: IvRun,
    bounds: Vec<Range<u64>>,
    segments: Vec<Stored>,
    /// Frames of the segment that is being filled.
    pending: Vec<Bytes>,
    /// Frames taken, over all segments.
    taken: u64,
}

impl<'a> Rendition<'a> {
    fn new(track: AudioTrack, bounds: Vec<Range<u64>>, shelf: &'a Shelf, seal: Seal, ivs: IvRun) -> Self {
        Self { shelf, track, seal, ivs, bounds, segments: Vec::new(), pending: Vec::new(), taken: 0 }
    }

    /// Takes the next frame; frames beyond the plan are the encoder's tail and dropped.
    async fn push(&mut self, frame: Bytes) -> Result<(), StageError> {
        let Some(range) = self.bounds.get(self.segments.len()).cloned() else { return Ok(()) };
        self.pending.push(frame);
        self.taken += 1;
        if self.taken < range.end {
            return Ok(());
        }
        let number = u32::try_from(self.segments.len() + 1).expect("segments are counted in 32 bits");
        let size = |frame: &Bytes| u32::try_from(frame.len()).expect("an AAC frame is short");
        let sizes: Vec<u32> = self.pending.iter().map(size).collect();
        let frames = std::mem::take(&mut self.pending);
        let (media, information) = self.seal.apply(frames, sizes.iter().copied(), &mut self.ivs)?;
        let segment = self
            .track
            .segment(number, range.start, &sizes, &information)
            .map_err(|error| StageError::retry("the sound cannot be packaged", error))?;
        let parts = std::iter::once(segment.header.into()).chain(media).collect();
        self.segments
            .push(self.shelf.put(MediaObject::Segment(RenditionName::audio(), number), parts).await?);
        Ok(())
    }

    /// All frames are there: the init segments, and what was made.
    async fn finish(self) -> Result<MadeSound, StageError> {
        if self.segments.len() < self.bounds.len() {
            let missing =
                format!("{} of {} frames came", self.taken, self.bounds.last().map_or(0, |range| range.end));
            return Err(StageError::retry("the sound is incomplete", missing));
        }
        let mut init = None;
        for flavour in Flavour::ALL {
            let bytes = self.track.init(flavour).into();
            let stored =
                self.shelf.put(MediaObject::Init(flavour, RenditionName::audio()), vec![bytes]).await?;
            init.get_or_insert(stored);
        }
        let init = init.expect("there is at least one flavour");
        Ok(MadeSound { config: self.track.config, init, bounds: self.bounds, segments: self.segments })
    }
}
