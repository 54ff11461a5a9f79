//! How to encode: what an operator may set. Stored with each video's plan, so that a retry repeats itself.

use serde::{Deserialize, Serialize};

/// Encoder settings of the whole ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncodeSettings {
    /// x264's preset.
    pub preset: Preset,
    /// What the rates of [`EncodeSettings::rungs`] mean.
    pub rate_control: RateControl,
    /// Constant rate factor under [`RateControl::CappedCrf`], 0–51.
    pub crf: u8,
    /// Threads of the decoder and of each encoder; 0 takes what the number of chunks asks for, see
    /// [`EncodeSettings::threads_for`]. Part of the result: other counts give other bytes, and with more than one the
    /// bytes differ from run to run where the VBV binds.
    pub threads: u16,
    /// AAC bit/s; a source's AAC-LC stereo at or below it passes through untouched.
    pub audio_bitrate: u32,
    /// Rungs, any order; a source gets those that it need not be enlarged for.
    pub rungs: Vec<LadderStep>,
    /// Largest coded picture that is decoded, in pixels.
    pub max_pixels: u64,
    /// Longest video, in seconds.
    pub max_seconds: u32,
}

impl Default for EncodeSettings {
    fn default() -> Self {
        let step = |short_side, max_rate| LadderStep { short_side, max_rate };
        Self {
            preset: Preset::Veryfast,
            rate_control: RateControl::CappedCrf,
            crf: 23,
            threads: 0,
            audio_bitrate: 128_000,
            rungs: vec![
                step(360, 800_000),
                step(480, 1_200_000),
                step(720, 2_400_000),
                step(1080, 4_800_000),
            ],
            max_pixels: 36_000_000,
            max_seconds: 24 * 3600,
        }
    }
}

impl EncodeSettings {
    /// How many threads each codec gets when there are `chunks` chunks to work on side by side. A plan holds the answer.
    ///
    /// Where there are enough of them, chunks keep the cores busy, and a second thread only costs: threads of one encoder
    /// wait for each other. A short video has not enough, and would leave cores idle.
    pub fn threads_for(&self, chunks: usize) -> u16 {
        match self.threads {
            0 if chunks >= MANY_CHUNKS => 1,
            0 => 2,
            threads => threads,
        }
    }
}

/// From here on the last chunk, which a single core may be busy with while the others are idle, is a small part of a video.
const MANY_CHUNKS: usize = 8;

/// One step of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderStep {
    /// Length of the picture's shorter side in pixels, so that portrait video works the same.
    pub short_side: u32,
    /// Bit/s: the cap under capped CRF, the average under ABR.
    pub max_rate: u32,
}

/// How x264 spends bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateControl {
    /// Constant quality; the ladder's rates are upper bounds (VBV).
    CappedCrf,
    /// Average bit rate, unbounded peaks.
    Abr,
}

/// x264's speed presets. Ultrafast is missing on purpose: with VBV its bytes differ from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are x264's")]
pub enum Preset {
    Superfast,
    Veryfast,
    Faster,
    Fast,
    Medium,
    Slow,
    Slower,
    Veryslow,
}

impl Preset {
    /// As x264 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Superfast => "superfast",
            Self::Veryfast => "veryfast",
            Self::Faster => "faster",
            Self::Fast => "fast",
            Self::Medium => "medium",
            Self::Slow => "slow",
            Self::Slower => "slower",
            Self::Veryslow => "veryslow",
        }
    }

    /// Reference frames that the preset uses.
    pub(crate) fn references(self) -> u8 {
        match self {
            Self::Superfast | Self::Veryfast => 1,
            Self::Faster | Self::Fast => 2,
            Self::Medium => 3,
            Self::Slow => 5,
            Self::Slower => 8,
            Self::Veryslow => 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_chunks_need_no_threads() {
        let threads = |set, chunks| EncodeSettings { threads: set, ..Default::default() }.threads_for(chunks);
        assert_eq!([1, 7, 8, 900].map(|chunks| threads(0, chunks)), [2, 2, 1, 1]);
        assert_eq!([1, 900].map(|chunks| threads(6, chunks)), [6, 6]);
    }
}
