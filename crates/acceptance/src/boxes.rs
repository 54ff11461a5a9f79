//! A stored rendition as `mp4-atom` reads it: the init segment and every media segment.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use mp4_atom::{Any, Avcc, Codec, DecodeMaybe, Moof, Moov, Traf, Trex};

/// `{folder}/init.mp4` and `{folder}/1.m4s`, `2.m4s`, … as far as they go.
#[derive(Debug)]
pub struct Rendition {
    /// Folder name, also its id in manifests.
    pub id: String,
    /// Where its files lie.
    pub folder: PathBuf,
    /// Ticks per second of every time of the rendition (`mdhd`).
    pub timescale: u32,
    /// `media_time` of the only edit list entry, 0 without one.
    pub media_start: i64,
    /// By the sample entry.
    pub kind: Kind,
    /// Segment 1 first.
    pub segments: Vec<Segment>,
}

/// What the sample entry says.
#[derive(Debug)]
pub enum Kind {
    /// `avc1`; the size in samples.
    Video {
        /// The decoder's configuration.
        avcc: Avcc,
        /// In samples.
        width: u16,
        /// In samples.
        height: u16,
    },
    /// `mp4a`; the rate in Hz.
    Audio {
        /// In Hz.
        sample_rate: u16,
        /// As the sample entry counts them.
        channels: u16,
    },
}

/// One media segment.
#[derive(Debug)]
pub struct Segment {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Where `moof` starts.
    pub moof_start: usize,
    /// `mfhd`.
    pub sequence_number: u32,
    /// `tfdt`.
    pub base: i64,
    /// In decode order.
    pub samples: Vec<Sample>,
}

/// Times in the rendition's timescale; `time` is the presentation time after the edit list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// `tfdt` and the durations before it.
    pub decode_time: i64,
    /// When it is shown.
    pub time: i64,
    /// To the next decode time.
    pub duration: i64,
    /// By the flags; the NAL units may say otherwise.
    pub sync: bool,
    /// Position in [`Segment::bytes`].
    pub range: Range<usize>,
}

impl Rendition {
    /// Reads every file of the rendition below `root`.
    pub fn read(root: &Path, id: &str) -> Result<Self> {
        let folder = root.join(id);
        let init = fs::read(folder.join("init.mp4")).with_context(|| format!("{id}/init.mp4"))?;
        let moov = init_header(&init).with_context(|| format!("{id}/init.mp4"))?;
        let [track] = &moov.trak[..] else { bail!("{id}/init.mp4 has {} tracks", moov.trak.len()) };
        let extends = moov.mvex.as_ref().and_then(|mvex| mvex.trex.first()).context("init without `trex`")?;
        let edits = track.edts.as_ref().and_then(|edts| edts.elst.as_ref());
        let media_start = match edits.map(|elst| &elst.entries[..]) {
            None | Some([]) => 0,
            Some([edit]) => i64::try_from(edit.media_time.context("an empty edit")?)?,
            Some(more) => bail!("{id}/init.mp4 has {} edits", more.len()),
        };
        let kind = match &track.mdia.minf.stbl.stsd.codecs[..] {
            [Codec::Avc1(entry)] => Kind::Video {
                avcc: entry.avcc.clone(),
                width: entry.visual.width,
                height: entry.visual.height,
            },
            [Codec::Mp4a(entry)] => Kind::Audio {
                sample_rate: entry.audio.sample_rate.integer(),
                channels: entry.audio.channel_count,
            },
            other => bail!("{id}/init.mp4 has sample entries {other:?}"),
        };
        let mut segments = Vec::new();
        for number in 1.. {
            let path = folder.join(format!("{number}.m4s"));
            if !path.is_file() {
                break;
            }
            let segment = Segment::parse(fs::read(&path)?, extends, media_start);
            segments.push(segment.with_context(|| format!("{id}/{number}.m4s"))?);
        }
        ensure!(!segments.is_empty(), "{id} has no segments");
        let timescale = track.mdia.mdhd.timescale;
        Ok(Self { id: id.to_owned(), folder, timescale, media_start, kind, segments })
    }

    /// Every sample, in decode order.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.segments.iter().flat_map(|segment| &segment.samples)
    }

    /// Presentation times, sorted.
    pub fn times(&self) -> Vec<i64> {
        let mut times: Vec<i64> = self.samples().map(|sample| sample.time).collect();
        times.sort_unstable();
        times
    }

    /// Where each segment starts on the timeline: its smallest presentation time.
    pub fn starts(&self) -> Vec<i64> {
        self.segments.iter().map(Segment::start).collect()
    }

    /// Where the last sample ends in decode time, which is where the presentation ends.
    pub fn end(&self) -> i64 {
        self.samples().last().map_or(0, |sample| sample.decode_time + sample.duration)
    }

    /// Init and segments in one buffer: what a player appends.
    pub fn concatenated(&self) -> Result<Vec<u8>> {
        let mut whole = fs::read(self.folder.join("init.mp4"))?;
        for segment in &self.segments {
            whole.extend(&segment.bytes);
        }
        Ok(whole)
    }
}

impl Segment {
    fn parse(bytes: Vec<u8>, extends: &Trex, media_start: i64) -> Result<Self> {
        let mut rest = &bytes[..];
        let (mut moof, mut media) = (None, None);
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            match Any::decode_maybe(&mut rest)?.context("the last box is cut short")? {
                Any::Moof(found) => {
                    ensure!(moof.replace((at, found)).is_none(), "more than one `moof`");
                }
                Any::Mdat(_) => {
                    ensure!(moof.is_some(), "`mdat` before `moof`");
                    ensure!(media.replace(bytes.len() - rest.len()).is_none(), "more than one `mdat`");
                }
                _ => {}
            }
        }
        let (moof_start, moof) = moof.context("no `moof`")?;
        let media_end = media.context("no `mdat`")?;
        let fragment = one_track(&moof)?;
        let base = i64::try_from(fragment.tfdt.as_ref().context("no `tfdt`")?.base_media_decode_time)?;
        let samples = samples(fragment, extends, moof_start, base, media_start)?;
        let last = samples.last().context("no samples")?;
        ensure!(last.range.end == media_end, "samples end at {}, `mdat` at {media_end}", last.range.end);
        let sequence_number = moof.mfhd.sequence_number;
        Ok(Self { moof_start, sequence_number, base, samples, bytes })
    }

    /// The smallest presentation time.
    pub fn start(&self) -> i64 {
        self.samples.iter().map(|sample| sample.time).min().unwrap_or_default()
    }

    /// The bytes of one sample.
    pub fn media(&self, sample: &Sample) -> &[u8] {
        self.bytes.get(sample.range.clone()).unwrap_or_default()
    }
}

/// Types of the NAL units of a sample with 4-byte lengths.
pub fn nal_types(mut sample: &[u8]) -> Result<Vec<u8>> {
    let mut types = Vec::new();
    while let Some((length, rest)) = sample.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let unit = rest.get(..length).context("a NAL unit reaches over its sample")?;
        types.push(unit.first().context("an empty NAL unit")? & 0x1f);
        sample = &rest[length..];
    }
    ensure!(sample.is_empty(), "{} stray bytes after the last NAL unit", sample.len());
    Ok(types)
}

fn init_header(init: &[u8]) -> Result<Moov> {
    let mut rest = init;
    while let Some(atom) = Any::decode_maybe(&mut rest)? {
        if let Any::Moov(moov) = atom {
            return Ok(moov);
        }
    }
    bail!("no `moov`")
}

fn one_track(moof: &Moof) -> Result<&Traf> {
    let [fragment] = &moof.traf[..] else { bail!("{} `traf`s in a segment", moof.traf.len()) };
    ensure!(fragment.tfhd.default_base_is_moof, "`tfhd` without default-base-is-moof");
    Ok(fragment)
}

fn samples(
    fragment: &Traf,
    extends: &Trex,
    moof_start: usize,
    base: i64,
    media_start: i64,
) -> Result<Vec<Sample>> {
    const NON_SYNC: u32 = 0x1_0000;
    let header = &fragment.tfhd;
    let flags = header.default_sample_flags.unwrap_or(extends.default_sample_flags);
    let duration = header.default_sample_duration.unwrap_or(extends.default_sample_duration);
    let size = header.default_sample_size.unwrap_or(extends.default_sample_size);
    let (mut samples, mut decode_time, mut position) = (Vec::new(), base, 0);
    for run in &fragment.trun {
        if let Some(offset) = run.data_offset {
            position = moof_start + usize::try_from(offset)?;
        }
        for entry in &run.samples {
            let duration = i64::from(entry.duration.unwrap_or(duration));
            let size = entry.size.unwrap_or(size) as usize;
            samples.push(Sample {
                decode_time,
                time: decode_time + entry.cts.unwrap_or(0) - media_start,
                duration,
                sync: entry.flags.unwrap_or(flags) & NON_SYNC == 0,
                range: position..position + size,
            });
            decode_time += duration;
            position += size;
        }
    }
    Ok(samples)
}
