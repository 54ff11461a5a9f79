//! Everything decided about a video before a byte of it is encoded: a pure function of its index, of what ffprobe
//! says of its first samples, and of the settings.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use isobmff::{Movie, Track};
use packager::{
    AudioSpecificConfig, AudioTrack, KeyClass, MissingKey, Protection, TrackProtection, VideoTrack,
};
use serde::{Deserialize, Serialize};
use transcode::artwork::Artwork;
use transcode::audio::{self, AudioError, AudioPlan};
use transcode::chunk::{ChunkSpec, plan_chunks, plan_equal_chunks};
use transcode::job::VideoPlan;
use transcode::ladder::{Rung, plan_ladder};
use transcode::picture::{Picture, PictureError};
use transcode::probe::{AudioProbe, VideoProbe};
use transcode::reordering::Reordering;
use transcode::settings::EncodeSettings;
use transcode::timeline::{Instant, StoredTimeline, Timeline, TimelineError};

use crate::blobs::RenditionName;

/// Pictures may be decoded ahead of their time by a second's this part. More is what players see in no other stream:
/// ffmpeg takes HLS whose first decode time is earlier for a jump, and whoever ignores edit lists shows that much delay.
const REORDER_DELAYS_PER_SECOND: u64 = 10;

/// What was learnt of a source before planning.
#[derive(Debug, Clone)]
pub(crate) struct Inspection {
    pub(crate) movie: Movie,
    pub(crate) video: Inspected<VideoProbe>,
    pub(crate) audio: Option<Inspected<AudioProbe>>,
}

/// A track and what ffprobe says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inspected<Probe> {
    /// `tkhd` id of the track.
    pub(crate) track_id: u32,
    pub(crate) probe: Probe,
}

/// The plan of a video, complete: what stages work from.
#[derive(Debug, Clone)]
pub(crate) struct Blueprint {
    pub(crate) movie: Movie,
    pub(crate) stored: StoredBlueprint,
    pub(crate) timeline: Timeline,
    pub(crate) artwork: Artwork,
    /// Keys, of a protected video. They are kept elsewhere than the plan.
    pub(crate) protection: Option<Protection>,
    reordering: Reordering,
    /// What every composition offset of every rung is raised by.
    reorder_delay: u64,
}

/// What is kept of a [`Blueprint`] beside the source; the index of the source gives the rest again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredBlueprint {
    pub(crate) settings: EncodeSettings,
    pub(crate) video: Inspected<VideoProbe>,
    pub(crate) audio: Option<Inspected<AudioProbe>>,
    pub(crate) picture: Picture,
    pub(crate) timeline: StoredTimeline,
    pub(crate) ladder: Vec<Rung>,
    pub(crate) chunks: Vec<ChunkSpec>,
    pub(crate) sound: AudioPlan,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// The file shows no single, evenly running piece of video: encode it anew first. Carries the reason.
    #[error("{0}")]
    Normalise(String),
    /// A limit, or nothing to show: a sentence for the uploader.
    #[error("{0}")]
    Reject(String),
}

impl Blueprint {
    /// The plan for a source that was just inspected.
    pub(crate) fn new(inspection: Inspection, mut settings: EncodeSettings) -> Result<Self, PlanError> {
        let Inspection { movie, video, audio } = inspection;
        let track = movie.track(video.track_id).expect("the inspection chose a track of this movie");
        let picture = Picture::new(track, &video.probe, settings.max_pixels)
            .map_err(|error| picture_refused(&error))?;
        let sound_track = audio.as_ref().and_then(|audio| movie.track(audio.track_id));
        let audio_end = sound_end(&movie, sound_track)?;
        let timeline =
            Timeline::build(&movie, track, audio_end, &settings).map_err(|error| timeline_refused(&error))?;
        let ladder = plan_ladder(picture.display, timeline.peak_frame_rate(), &settings);
        let sound = match (&audio, sound_track) {
            (Some(audio), Some(track)) => AudioPlan::new(&movie, track, &audio.probe, &timeline, &settings)?,
            _ => AudioPlan::None,
        };
        let chunks = plan_chunks(track, &timeline, rung_count(&ladder));
        settings.threads = settings.threads_for(chunks.len());
        let stored = StoredBlueprint {
            timeline: timeline.stored(),
            settings,
            video,
            audio,
            picture,
            ladder,
            chunks,
            sound,
        };
        Ok(Self::complete(movie, stored, timeline))
    }

    /// The same plan in chunks of `segments` segments each, with the threads that `settings` give to so many.
    pub(crate) fn in_chunks_of(mut self, segments: NonZeroU32, settings: &EncodeSettings) -> Self {
        let rungs = rung_count(&self.stored.ladder);
        self.stored.chunks = plan_equal_chunks(self.video_track(), &self.timeline, rungs, segments);
        self.stored.settings.threads = settings.threads_for(self.stored.chunks.len());
        self
    }

    /// The plan that was stored, with the source's index read again.
    ///
    /// # Errors
    /// When the index does not give the stored timeline: it is not the file that was planned.
    pub(crate) fn again(movie: Movie, stored: StoredBlueprint) -> Result<Self, PlanError> {
        let changed = || timeline_refused(&TimelineError::Changed);
        let track = movie.track(stored.video.track_id).ok_or_else(changed)?;
        let sound_track = stored.audio.as_ref().and_then(|audio| movie.track(audio.track_id));
        let audio_end = sound_end(&movie, sound_track)?;
        let timeline = Timeline::build(&movie, track, audio_end, &stored.settings)
            .map_err(|error| timeline_refused(&error))?;
        stored.timeline.check(&timeline).map_err(|error| timeline_refused(&error))?;
        Ok(Self::complete(movie, stored, timeline))
    }

    fn complete(movie: Movie, stored: StoredBlueprint, timeline: Timeline) -> Self {
        let artwork = Artwork::plan(&timeline, stored.picture.display);
        let times = |segment| timeline.segment_frames(segment).map(|frame| timeline.time(frame));
        let delay = |reordering: Reordering| {
            (reordering, packager::reorder_delay((0..timeline.segments()).map(times), reordering.depth()))
        };
        let is_short =
            |(_, delay): &(_, u64)| delay * REORDER_DELAYS_PER_SECOND <= u64::from(timeline.timescale);
        let (reordering, reorder_delay) =
            Reordering::ALL.into_iter().map(delay).find(is_short).unwrap_or((Reordering::None, 0));
        Self { movie, stored, timeline, artwork, protection: None, reordering, reorder_delay }
    }

    /// The same plan for a protected video, when there is a key for every rendition.
    pub(crate) fn protected_by(mut self, protection: Protection) -> Result<Self, MissingKey> {
        for class in self.key_classes() {
            protection.track(class)?;
        }
        self.protection = Some(protection);
        Ok(self)
    }

    fn key_classes(&self) -> BTreeSet<KeyClass> {
        let video = self.stored.ladder.iter().map(|rung| KeyClass::of_picture(rung.width, rung.height));
        video.chain(self.sound_track().map(|_| KeyClass::Audio)).collect()
    }

    /// What the init segments of renditions under this class of keys tell.
    fn track_protection(&self, class: KeyClass) -> Option<TrackProtection> {
        let protection = self.protection.as_ref()?;
        Some(protection.track(class).expect("keys are checked where they join the plan"))
    }

    /// What the chunk encoder works from.
    pub(crate) fn video_plan(&self) -> VideoPlan<'_> {
        VideoPlan {
            movie: &self.movie,
            track: self.video_track(),
            timeline: &self.timeline,
            picture: &self.stored.picture,
            ladder: &self.stored.ladder,
            settings: &self.stored.settings,
            reordering: self.reordering,
        }
    }

    /// How much of the video a chunk is.
    pub(crate) fn length_of(&self, chunk: &ChunkSpec) -> Duration {
        let last = chunk.first_segment + chunk.segments.saturating_sub(1);
        let ticks =
            self.timeline.segment_span(chunk.first_segment).start..self.timeline.segment_span(last).end;
        let micros =
            (ticks.end - ticks.start).saturating_mul(1_000_000) / u64::from(self.timeline.timescale.max(1));
        Duration::from_micros(micros)
    }

    /// The packager's view of a rung, from which its init segment and all of its segments are made.
    pub(crate) fn video_track_of(&self, rung: usize, sample_entry: &Bytes) -> VideoTrack {
        let rung = self.rung(rung);
        let pixels = |side: u32| u16::try_from(side).expect("a rung's sides are bounded by its level");
        VideoTrack {
            timescale: self.timeline.timescale,
            width: pixels(rung.width),
            height: pixels(rung.height),
            sample_entry: sample_entry.to_vec(),
            reorder_delay: self.reorder_delay,
            protection: self.track_protection(KeyClass::of_picture(rung.width, rung.height)),
        }
    }

    /// The same of the sound; `None` when the video is silent.
    pub(crate) fn audio_track(&self, config: AudioSpecificConfig) -> Option<AudioTrack> {
        let language = self.sound_track()?.language;
        Some(AudioTrack { config, language, protection: self.track_protection(KeyClass::Audio) })
    }

    /// A rung by its index in the ladder.
    pub(crate) fn rung(&self, index: usize) -> &Rung {
        self.stored.ladder.get(index).expect("rungs are named by their index in the ladder")
    }

    /// Name and folder of a rung.
    pub(crate) fn rendition_name(&self, rung: usize) -> RenditionName {
        self.rung(rung).id.parse().expect("a ladder names its rungs `360p` and the like")
    }

    pub(crate) fn video_track(&self) -> &Track {
        self.movie.track(self.stored.video.track_id).expect("both constructors have looked it up")
    }

    /// The track that is heard, if any.
    pub(crate) fn sound_track(&self) -> Option<&Track> {
        self.stored.audio.as_ref().and_then(|audio| self.movie.track(audio.track_id))
    }
}

fn rung_count(ladder: &[Rung]) -> u32 {
    u32::try_from(ladder.len()).expect("a ladder has few rungs")
}

fn sound_end(movie: &Movie, track: Option<&Track>) -> Result<Option<Instant>, AudioError> {
    track.map_or(Ok(None), |track| audio::natural_end(movie, track))
}

impl From<AudioError> for PlanError {
    fn from(error: AudioError) -> Self {
        Self::Normalise(error.to_string())
    }
}

fn picture_refused(error: &PictureError) -> PlanError {
    PlanError::Reject(match error {
        PictureError::TooLarge { width, height, limit } => format!(
            "The pictures of this video are {width} × {height}, which is more than the {limit} pixels this server \
             decodes. Export it in a smaller size and upload that."
        ),
        PictureError::Encrypted => {
            "The video is protected (DRM) and cannot be processed. Upload an unprotected copy.".to_owned()
        }
        PictureError::NoSize => {
            "The video does not say how large its pictures are. Export it again.".to_owned()
        }
    })
}

fn timeline_refused(error: &TimelineError) -> PlanError {
    match error {
        TimelineError::ComplexEdits(_) | TimelineError::Timescale(_) | TimelineError::Changed => {
            PlanError::Normalise(error.to_string())
        }
        TimelineError::Empty => {
            PlanError::Reject("The video shows no picture at all. Export it again.".to_owned())
        }
        TimelineError::TooLong { seconds, limit } => PlanError::Reject(format!(
            "The video lasts {seconds} seconds, this server takes at most {limit}. Upload it in parts."
        )),
    }
}
