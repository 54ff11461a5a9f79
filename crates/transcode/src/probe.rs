//! What ffprobe says of the first samples, parsed from its JSON.
//!
//! ffprobe sees [`crate::feed::head`], so it is asked only for what the decoder knows: edit lists, lengths and
//! rotation are the index's business.

use serde::{Deserialize, Deserializer, Serialize};

/// ffprobe's answer to [`crate::args::probe_args`] on [`crate::feed::head`] of one track.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Probe {
    /// The first video stream.
    pub video: Option<VideoProbe>,
    /// The first audio stream.
    pub audio: Option<AudioProbe>,
}

/// A video stream. Names are ffmpeg's; `None` is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VideoProbe {
    /// E.g. `h264`.
    pub codec: String,
    /// E.g. `High 4:2:2`.
    pub profile: Option<String>,
    /// E.g. `yuv420p10le`.
    pub pixel_format: Option<String>,
    /// Pixels of a decoded picture, cropping applied.
    pub width: u32,
    /// Pixels of a decoded picture, cropping applied.
    pub height: u32,
    /// Width and height of a pixel; `None` where it is unknown or makes no sense.
    pub sample_aspect: Option<(u32, u32)>,
    /// Whether pictures hold two fields.
    pub interlaced: bool,
    /// `tv` or `pc`.
    pub range: Option<String>,
    /// E.g. `bt709`.
    pub matrix: Option<String>,
    /// E.g. `smpte2084`.
    pub transfer: Option<String>,
    /// E.g. `bt2020`.
    pub primaries: Option<String>,
    /// How many of the first frames were decoded.
    pub decoded: usize,
}

/// An audio stream. Names are ffmpeg's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AudioProbe {
    /// E.g. `aac`.
    pub codec: String,
    /// E.g. `LC`.
    pub profile: Option<String>,
    /// Hertz, as decoded.
    pub sample_rate: u32,
    /// As decoded.
    pub channels: u32,
    /// E.g. `5.1(side)`.
    pub layout: Option<String>,
}

/// Why ffprobe's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Not the JSON that [`crate::args::probe_args`] asks for.
    #[error("ffprobe's answer is not understood")]
    Json(#[from] serde_json::Error),
    /// No decoder knows the codec, or the first samples are no media.
    #[error("there is no stream that ffmpeg can decode")]
    NoStream,
}

impl Probe {
    /// Parses ffprobe's standard output.
    pub fn parse(json: &[u8]) -> Result<Self, ProbeError> {
        let answer: Answer = serde_json::from_slice(json)?;
        let find =
            |kind: &str| answer.streams.iter().find(|stream| stream.codec_type.as_deref() == Some(kind));
        let probe = Self {
            video: find("video").and_then(|stream| stream.video(&answer.frames)),
            audio: find("audio").and_then(Stream::audio),
        };
        if probe.video.is_none() && probe.audio.is_none() { Err(ProbeError::NoStream) } else { Ok(probe) }
    }
}

/// The JSON as ffprobe writes it.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    frames: Vec<ProbedFrame>,
}

#[derive(Deserialize)]
struct Stream {
    codec_type: Option<String>,
    codec_name: Option<String>,
    profile: Option<String>,
    pix_fmt: Option<String>,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    sample_aspect_ratio: Option<String>,
    field_order: Option<String>,
    color_range: Option<String>,
    color_space: Option<String>,
    color_transfer: Option<String>,
    color_primaries: Option<String>,
    #[serde(default, deserialize_with = "number_in_quotes")]
    sample_rate: u32,
    #[serde(default)]
    channels: u32,
    channel_layout: Option<String>,
}

#[derive(Deserialize)]
struct ProbedFrame {
    media_type: Option<String>,
    #[serde(default)]
    interlaced_frame: u8,
    color_range: Option<String>,
    color_space: Option<String>,
    color_transfer: Option<String>,
    color_primaries: Option<String>,
}

impl Stream {
    fn video(&self, frames: &[ProbedFrame]) -> Option<VideoProbe> {
        let frames: Vec<&ProbedFrame> =
            frames.iter().filter(|frame| frame.media_type.as_deref() == Some("video")).collect();
        let first = frames.first().copied();
        // Containers call progressive video interlaced more often than decoders do.
        let interlaced = if frames.is_empty() {
            matches!(self.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt"))
        } else {
            2 * frames.iter().filter(|frame| frame.interlaced_frame == 1).count() >= frames.len()
        };
        let known = |stream: &Option<String>, frame: Option<&String>| {
            let known = |name: &&String| !matches!(name.as_str(), "unknown" | "unspecified" | "reserved");
            stream.as_ref().filter(known).or(frame.filter(known)).cloned()
        };
        Some(VideoProbe {
            codec: self.codec_name.clone()?,
            profile: self.profile.clone(),
            pixel_format: self.pix_fmt.clone(),
            width: self.width,
            height: self.height,
            sample_aspect: self.sample_aspect_ratio.as_deref().and_then(sample_aspect),
            interlaced,
            range: known(&self.color_range, first.and_then(|frame| frame.color_range.as_ref())),
            matrix: known(&self.color_space, first.and_then(|frame| frame.color_space.as_ref())),
            transfer: known(&self.color_transfer, first.and_then(|frame| frame.color_transfer.as_ref())),
            primaries: known(&self.color_primaries, first.and_then(|frame| frame.color_primaries.as_ref())),
            decoded: frames.len(),
        })
    }

    fn audio(&self) -> Option<AudioProbe> {
        let probe = AudioProbe {
            codec: self.codec_name.clone()?,
            profile: self.profile.clone(),
            sample_rate: self.sample_rate,
            channels: self.channels,
            layout: self.channel_layout.clone().filter(|layout| layout != "unknown"),
        };
        (probe.sample_rate > 0 && probe.channels > 0).then_some(probe)
    }
}

/// Pixels more than this many times as wide as high, or the reverse, are a mistake.
const STRANGEST_PIXEL: u32 = 8;

fn sample_aspect(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once(':')?;
    let (width, height): (u32, u32) = (width.parse().ok()?, height.parse().ok()?);
    let sane =
        width > 0 && height > 0 && width / height < STRANGEST_PIXEL && height / width < STRANGEST_PIXEL;
    sane.then_some((width, height))
}

fn number_in_quotes<'de, D: Deserializer<'de>>(number: D) -> Result<u32, D::Error> {
    let text = String::deserialize(number)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_is_believed_more_than_the_container() {
        let probe = Probe::parse(
            br#"{"frames": [{"media_type": "video", "interlaced_frame": 0, "color_transfer": "arib-std-b67"}],
                "streams": [{"codec_type": "video", "codec_name": "hevc", "profile": "Main 10", "width": 1280,
                "height": 720, "sample_aspect_ratio": "0:1", "pix_fmt": "yuv420p10le", "field_order": "tt",
                "color_transfer": "unknown", "color_range": "tv"}]}"#,
        );
        insta::assert_debug_snapshot!(probe.expect("well-formed"), @r#"
        Probe {
            video: Some(
                VideoProbe {
                    codec: "hevc",
                    profile: Some(
                        "Main 10",
                    ),
                    pixel_format: Some(
                        "yuv420p10le",
                    ),
                    width: 1280,
                    height: 720,
                    sample_aspect: None,
                    interlaced: false,
                    range: Some(
                        "tv",
                    ),
                    matrix: None,
                    transfer: Some(
                        "arib-std-b67",
                    ),
                    primaries: None,
                    decoded: 1,
                },
            ),
            audio: None,
        }
        "#);
    }

    #[test]
    fn sound_says_what_the_decoder_makes_of_it() {
        let probe = Probe::parse(
            br#"{"streams": [{"codec_type": "audio", "codec_name": "aac", "profile": "HE-AACv2",
                "sample_rate": "48000", "channels": 2, "channel_layout": "stereo"}]}"#,
        );
        insta::assert_debug_snapshot!(probe.expect("well-formed").audio, @r#"
        Some(
            AudioProbe {
                codec: "aac",
                profile: Some(
                    "HE-AACv2",
                ),
                sample_rate: 48000,
                channels: 2,
                layout: Some(
                    "stereo",
                ),
            },
        )
        "#);
    }

    #[test]
    fn nothing_to_decode_is_an_error() {
        assert!(matches!(Probe::parse(b"{}"), Err(ProbeError::NoStream)));
        assert!(matches!(Probe::parse(b"nonsense"), Err(ProbeError::Json(_))));
        let nameless = br#"{"streams": [{"codec_type": "video", "width": 640, "height": 360}]}"#;
        assert!(matches!(Probe::parse(nameless), Err(ProbeError::NoStream)));
    }

    #[test]
    fn pixel_shapes_that_make_no_sense_are_unknown() {
        let shapes = ["64:45", "1:1", "0:1", "N/A", "1:0", "1:4000", "9:1"].map(sample_aspect);
        assert_eq!(shapes, [Some((64, 45)), Some((1, 1)), None, None, None, None, None]);
    }
}
