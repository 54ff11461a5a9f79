//! The sound: passed through or encoded once, whole, to AAC frames of 1024 samples from 0.
//!
//! Sound is never encoded in chunks: each join would add the encoder's priming and a drop-out.

use isobmff::{FourCc, Movie, SampleEntry, SampleTable, Track};
use serde::{Deserialize, Serialize};

use crate::{
    edit::{ComplexEdits, Shown, rescale},
    feed::{self, Feed},
    probe::AudioProbe,
    settings::EncodeSettings,
    timeline::{Instant, Timeline},
};

#[cfg(test)]
mod tests;

/// Samples in one AAC-LC frame.
pub const FRAME_SAMPLES: u32 = 1024;

/// One frame of silence in AAC-LC stereo, any sample rate.
pub const SILENT_STEREO_FRAME: [u8; 9] = [0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80];

/// Hertz of sound that is encoded.
pub const ENCODED_RATE: u32 = 48_000;

/// What happens to the sound. Frame n of the rendition lasts from n · 1024 to (n + 1) · 1024 in its sample rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AudioPlan {
    /// No sound is shown.
    None,
    /// The source's own AAC frames.
    PassThrough(PassThrough),
    /// One ffmpeg process over the whole track.
    Encode(AudioEncode),
}

/// Copies frames of the source; silence is [`SILENT_STEREO_FRAME`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassThrough {
    /// Sample rate and timescale.
    pub sample_rate: u32,
    /// Frames of silence before.
    pub lead: u64,
    /// Index of the first sample of the source's table that is copied.
    pub first: u32,
    /// How many are copied.
    pub count: u32,
    /// Frames of silence after.
    pub tail: u64,
}

/// Encodes to AAC-LC stereo of [`ENCODED_RATE`]. ADTS comes out; frame 0 holds only priming and is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioEncode {
    /// Frames of the rendition, after the priming frame is dropped: exactly so many must come.
    pub frames: u64,
    /// Hertz of the decoder's output, the time base of the filters.
    decoded_rate: u32,
    /// Media times that are heard, in `decoded_rate`.
    from: i64,
    /// `None` is to the end.
    until: Option<i64>,
    /// Media time of timeline 0.
    origin: i64,
    mix: Mix,
}

/// How channels become two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mix {
    /// The same on both sides; the resampler's own way would cost 3 dB.
    Mono,
    /// By the layout.
    Layout,
    /// The first two of channels that nobody knows the place of.
    FirstTwo,
}

/// Why a track gives no sound.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum AudioError {
    /// Several pieces, speeds or pauses: normalise the file first.
    #[error(
        "the sound's edit list has `{0}` media edits that are not one uninterrupted piece at normal speed"
    )]
    ComplexEdits(usize),
}

/// The audio tracks worth trying, the enabled ones first: the sound is the first of them that ffprobe can decode.
pub fn candidates(movie: &Movie) -> impl Iterator<Item = &Track> {
    let usable = |track: &&Track| {
        track.is_audio() && !track.samples.is_empty() && !track.entries.iter().any(SampleEntry::is_encrypted)
    };
    let enabled = movie.tracks.iter().filter(|track| track.enabled);
    enabled.chain(movie.tracks.iter().filter(|track| !track.enabled)).filter(usable)
}

/// Where the sound of a track ends on the timeline; `None` when nothing is heard.
pub fn natural_end(movie: &Movie, track: &Track) -> Result<Option<Instant>, AudioError> {
    let shown = shown(movie, track)?;
    let end = shown.media.end.min(track.samples.end());
    let heard = end > shown.media.start && !track.samples.is_empty();
    let ticks = u64::try_from(end.saturating_sub(shown.origin)).unwrap_or_default();
    Ok((heard && ticks > 0).then_some(Instant { ticks, timescale: track.timescale }))
}

impl AudioPlan {
    /// What to do with `track`, so that the sound ends with the video or less than one frame before: padded with
    /// silence where it is shorter, cut where it is longer.
    pub fn new(
        movie: &Movie,
        track: &Track,
        probe: &AudioProbe,
        timeline: &Timeline,
        settings: &EncodeSettings,
    ) -> Result<Self, AudioError> {
        if natural_end(movie, track)?.is_none() {
            return Ok(Self::None);
        }
        let shown = shown(movie, track)?;
        let pass_through =
            is_copyable(track, probe, settings).then(|| PassThrough::new(track, &shown, timeline));
        if let Some(pass_through) = pass_through.flatten() {
            return Ok(Self::PassThrough(pass_through));
        }
        let rate = probe.sample_rate;
        let in_rate = |ticks: i64| match u64::try_from(ticks) {
            Ok(ticks) => rescale(ticks, track.timescale, rate),
            Err(_) => rescale(ticks.unsigned_abs(), track.timescale, rate).saturating_neg(),
        };
        Ok(Self::Encode(AudioEncode {
            frames: frames_until(timeline, ENCODED_RATE),
            decoded_rate: rate,
            from: in_rate(shown.media.start),
            until: (shown.media.end != i64::MAX).then(|| in_rate(shown.media.end)),
            origin: in_rate(shown.origin),
            mix: match (probe.channels, &probe.layout) {
                (1, _) => Mix::Mono,
                (_, Some(_)) => Mix::Layout,
                (_, None) => Mix::FirstTwo,
            },
        }))
    }
}

impl AudioEncode {
    /// The whole track for stdin.
    pub fn feed(&self, movie: &Movie, track: &Track) -> Feed {
        feed::whole(movie, track)
    }

    /// ffmpeg's arguments; ADTS goes to the descriptor `pipe`: one priming frame, then [`AudioEncode::frames`].
    pub fn args(&self, pipe: i32, settings: &EncodeSettings) -> Vec<String> {
        let samples = self.frames.saturating_mul(FRAME_SAMPLES.into());
        let until = self.until.map(|until| format!(":end_pts={until}")).unwrap_or_default();
        let mix = match self.mix {
            Mix::Mono => "pan=stereo|c0=c0|c1=c0,",
            Mix::Layout => "",
            Mix::FirstTwo => "pan=stereo|c0=c0|c1=c1,",
        };
        // Gaps of the source stay gaps, and what comes late stays late.
        let resample = format!("aresample={ENCODED_RATE}:ochl=stereo:async=1:min_hard_comp=0.02:first_pts=0");
        let graph = format!(
            "[0:a:0]atrim=start_pts={}{until},asetpts=PTS-({}),{mix}{resample},\
             apad=whole_len={samples},atrim=end_sample={samples}[a]",
            self.from, self.origin
        );
        let bit_rate = settings.audio_bitrate.to_string();
        let output = format!("pipe:{pipe}");
        #[rustfmt::skip]
        let args = [
            "-hide_banner", "-nostdin", "-loglevel", "warning", "-protocol_whitelist", "pipe", "-copyts",
            "-f", "mov", "-i", "pipe:0", "-filter_complex", &graph, "-map", "[a]", "-vn", "-sn", "-dn",
            "-map_metadata", "-1", "-c:a", "aac", "-b:a", &bit_rate, "-f", "adts", "-flush_packets", "1", &output,
        ];
        args.map(str::to_owned).to_vec()
    }
}

fn shown(movie: &Movie, track: &Track) -> Result<Shown, AudioError> {
    Shown::of(movie, track).map_err(|ComplexEdits(count)| AudioError::ComplexEdits(count))
}

/// Whole frames until the end of the video.
fn frames_until(timeline: &Timeline, rate: u32) -> u64 {
    let samples = u128::from(timeline.end) * u128::from(rate) / u128::from(timeline.timescale.max(1));
    u64::try_from(samples / u128::from(FRAME_SAMPLES)).unwrap_or(u64::MAX)
}

/// Whether every frame is AAC-LC stereo of 1024 samples, at most at the target's rate.
fn is_copyable(track: &Track, probe: &AudioProbe, settings: &EncodeSettings) -> bool {
    let samples = &track.samples;
    let full = |index: u32, duration: u32| duration == FRAME_SAMPLES || index + 1 == samples.len();
    probe.codec == "aac"
        && probe.profile.as_deref() == Some("LC")
        && probe.channels == 2
        && COPIED_RATES.contains(&probe.sample_rate)
        && track.timescale == probe.sample_rate
        && track.entries.len() == 1
        && track.entries.first().is_some_and(|entry| entry.format == FourCc(*b"mp4a"))
        && (0..)
            .zip(samples)
            .all(|(index, sample)| full(index, sample.duration) && sample.composition_offset == 0)
        && bit_rate(samples, track.timescale) <= u64::from(settings.audio_bitrate) / 100 * RATE_TOLERANCE
}

/// Sample rates that CMAF's AAC profiles allow and AAC has an index for.
const COPIED_RATES: [u32; 9] = [48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];

/// Percent of the target that a source "at the target" may have: encoders do not meet their rate exactly.
const RATE_TOLERANCE: u64 = 105;

fn bit_rate(samples: &SampleTable, timescale: u32) -> u64 {
    let duration = u64::from(samples.len()).saturating_mul(FRAME_SAMPLES.into()).max(1);
    samples.total_size().saturating_mul(8).saturating_mul(timescale.into()) / duration
}

impl PassThrough {
    /// Frames of the rendition.
    pub fn frames(&self) -> u64 {
        self.lead.saturating_add(self.count.into()).saturating_add(self.tail)
    }

    /// `None` when whole frames would be put more than 5 ms off, which asks for a new encode.
    fn new(track: &Track, shown: &Shown, timeline: &Timeline) -> Option<Self> {
        let frame = i64::from(FRAME_SAMPLES);
        let start = track.samples.get(0)?.decode_time.saturating_sub(shown.origin);
        // Where the first sample of the table starts, in frames from timeline 0.
        let position = start.saturating_add(frame / 2).div_euclid(frame);
        if start.saturating_sub(position.saturating_mul(frame)).abs() * 200 >= i64::from(track.timescale) {
            return None;
        }
        let wanted = frames_until(timeline, track.timescale);
        let hidden = u64::try_from(position.min(0).saturating_neg()).ok()?;
        let lead = u64::try_from(position.max(0)).ok()?.min(wanted);
        // What the edit list hides at the end is not copied: frames that start before its end are.
        let heard = shown.media.end.min(track.samples.end()).saturating_sub(shown.origin);
        let heard = u64::try_from(heard.saturating_add(frame - 1).div_euclid(frame)).ok()?;
        let available = u64::from(track.samples.len()).saturating_sub(hidden);
        let count = wanted.min(heard).saturating_sub(lead).min(available);
        (count > 0).then_some(Self {
            sample_rate: track.timescale,
            lead,
            first: u32::try_from(hidden).ok()?,
            count: u32::try_from(count).ok()?,
            tail: wanted.saturating_sub(lead).saturating_sub(count),
        })
    }
}
