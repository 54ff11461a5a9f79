//! Tracks for tests, without a file.

use isobmff::{Edit, FileType, FourCc, Matrix, Movie, Sample, SampleEntry, SampleTable, Track};
use proptest::prelude::*;

/// How a synthetic track is coded.
#[derive(Debug, Clone)]
pub(crate) struct Clip {
    pub(crate) timescale: u32,
    /// When each picture is shown, strictly increasing.
    pub(crate) times: Vec<i64>,
    /// Length of the last picture.
    pub(crate) last: u32,
    /// Pictures from one sync sample to the next.
    pub(crate) gop: usize,
    /// Pictures between two references that are decoded after both.
    pub(crate) reordered: usize,
    /// Whether pictures before a sync sample may be decoded after it.
    pub(crate) open: bool,
    /// Bytes between two samples in the file.
    pub(crate) gap: u64,
}

impl Clip {
    /// `frames` pictures, `rate` a second, closed GOPs without reordering.
    pub(crate) fn regular(frames: usize, rate: u32, gop: usize) -> Self {
        let timescale = rate * 512;
        let times = (0..frames).map(|frame| i64::try_from(frame).unwrap() * 512).collect();
        Self { timescale, times, last: 512, gop, reordered: 0, open: false, gap: 0 }
    }

    pub(crate) fn with_reordered(self, reordered: usize) -> Self {
        Self { reordered, ..self }
    }

    /// Decode order as indices in order of presentation, with which of them are sync samples.
    fn decode_order(&self) -> Vec<(usize, bool)> {
        let mut order = Vec::new();
        let mut shown = 0;
        while shown < self.times.len() {
            // The next reference stands behind the reordered pictures, but not behind the start of a GOP. Only an
            // open GOP has reordered pictures before its sync sample.
            let next_gop = shown.next_multiple_of(self.gop);
            let mut reference = (shown + self.reordered).min(self.times.len() - 1).min(next_gop.max(shown));
            if reference == next_gop && reference > shown && !self.open {
                reference -= 1;
            }
            let is_sync = reference % self.gop == 0;
            order.push((reference, is_sync));
            order.extend((shown..reference).map(|picture| (picture, false)));
            shown = reference + 1;
        }
        order
    }

    pub(crate) fn track(&self) -> Track {
        let order = self.decode_order();
        let ends = self
            .times
            .iter()
            .skip(1)
            .copied()
            .chain([self.times[self.times.len() - 1] + i64::from(self.last)]);
        let mut offset = 48;
        let rows = order.iter().zip(&self.times).zip(ends).enumerate();
        let samples: SampleTable = rows
            .map(|(index, ((&(shown, sync), &decode_time), end))| {
                let size = u32::try_from(index % 7).unwrap() + 1;
                let sample = Sample {
                    decode_time,
                    duration: u32::try_from(end - decode_time).unwrap(),
                    composition_offset: i32::try_from(self.times[shown] - decode_time).unwrap(),
                    offset,
                    size,
                    sync,
                    entry: 0,
                };
                offset += u64::from(size) + self.gap;
                sample
            })
            .collect();
        track(*b"vide", self.timescale, samples)
    }
}

pub(crate) fn track(handler: [u8; 4], timescale: u32, samples: SampleTable) -> Track {
    let format = if handler == *b"vide" { FourCc(*b"avc1") } else { FourCc(*b"mp4a") };
    Track {
        id: 1,
        handler: FourCc(handler),
        enabled: true,
        timescale,
        language: *b"und",
        matrix: Matrix::UNITY,
        width: 320 << 16,
        height: 180 << 16,
        entries: vec![SampleEntry { format, raw: entry(format) }],
        edits: Vec::new(),
        samples,
    }
}

/// The bytes of a sample entry that nobody looks into.
fn entry(format: FourCc) -> Vec<u8> {
    let mut raw = vec![0, 0, 0, 16];
    raw.extend(format.0);
    raw.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    raw
}

pub(crate) fn movie(track: Track) -> Movie {
    Movie {
        file_type: FileType { major: FourCc(*b"isom"), minor: 512, compatible: vec![FourCc(*b"isom")] },
        timescale: 1000,
        fragmented: false,
        file_len: track.samples.media_end(),
        tracks: vec![track],
    }
}

pub(crate) fn edit(duration: u64, media_time: Option<i64>) -> Edit {
    Edit { duration, media_time, rate: 0x1_0000 }
}

/// Sound: `count` samples of `duration` ticks and `size` bytes.
pub(crate) fn sound(timescale: u32, count: u32, duration: u32, size: u32) -> Track {
    let row = |index: u32| Sample {
        decode_time: i64::from(index) * i64::from(duration),
        duration,
        composition_offset: 0,
        offset: 48 + u64::from(index) * u64::from(size),
        size,
        sync: true,
        entry: 0,
    };
    track(*b"soun", timescale, (0..count).map(row).collect())
}

/// Clips of all kinds: regular and not, with rare and frequent sync samples, reordered, open.
pub(crate) fn any_clip() -> impl Strategy<Value = Clip> {
    let gaps = prop_oneof![
        4 => (1_i64..4000).prop_map(|gap| (gap, 0)),
        2 => (1_i64..4000, 1_i64..3000).prop_map(|(gap, jitter)| (gap, jitter)),
        1 => (1_i64..4000, 10_000_i64..20_000).prop_map(|(gap, jitter)| (gap, jitter)),
    ];
    (
        gaps,
        1_usize..600,
        1_usize..400,
        0_usize..4,
        any::<bool>(),
        any::<u64>(),
        prop_oneof![Just(600_u32), Just(24_000), Just(90_000)],
    )
        .prop_map(|((gap, jitter), frames, gop, reordered, open, seed, timescale)| {
            let mut random = seed | 1;
            let mut time = 0;
            let times = (0..frames)
                .map(|_| {
                    let shown = time;
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let extra =
                        if jitter > 0 { i64::try_from(random % 1_000_003).unwrap() % jitter } else { 0 };
                    time += gap + extra;
                    shown
                })
                .collect();
            Clip { timescale, times, last: u32::try_from(gap).unwrap(), gop, reordered, open, gap: seed % 3 }
        })
}
