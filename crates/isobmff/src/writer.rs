//! Exact bytes of init segments and fragment headers.

use crate::encryption::SampleEncryption;
use crate::fourcc::FourCc;
use crate::movie::{FileType, Matrix};

/// An init segment: `ftyp`, `moov` with empty tables, `mvex`.
#[derive(Debug, Clone)]
pub struct InitSpec<'a> {
    /// Major brand, its version and the compatible brands.
    pub file_type: FileType,
    /// At least one; the movie's timescale is that of the first.
    pub tracks: Vec<InitTrack<'a>>,
    /// Whole boxes appended to `moov` (`pssh`).
    pub extra: &'a [u8],
}

/// One track of an init segment.
#[derive(Debug, Clone)]
pub struct InitTrack<'a> {
    /// Not 0, and different for each track.
    pub id: u32,
    /// `vide`, `soun` or another handler type.
    pub handler: FourCc,
    /// Ticks per second of the track's times.
    pub timescale: u32,
    /// ISO 639-2/T code in lower case; anything else is written as `und`.
    pub language: [u8; 3],
    /// How the picture is turned for presentation.
    pub matrix: Matrix,
    /// 16.16.
    pub width: u32,
    /// 16.16.
    pub height: u32,
    /// Whole sample entry boxes, verbatim.
    pub entries: Vec<&'a [u8]>,
    /// Where the presentation starts in the media.
    pub edit: EditList,
}

/// The only edit lists we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditList {
    /// No `edts`: everything, from 0.
    None,
    /// One `elst` v1 entry {duration, media_time, rate 1}: presentation starts `media_time` ticks into the media. The
    /// duration is that of the track, and 0 where fragments say it.
    Skip {
        /// In the track's timescale.
        media_time: u64,
    },
}

/// One sample of a fragment to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentSample {
    /// In the track's timescale.
    pub duration: u32,
    /// Length in bytes.
    pub size: u32,
    /// Whether decoding can start here.
    pub sync: bool,
    /// Presentation time minus decode time.
    pub composition_offset: i32,
}

/// A fragment of one track.
#[derive(Debug, Clone, Copy)]
pub struct FragmentSpec<'a> {
    /// Counts the fragments of a presentation upwards.
    pub sequence_number: u32,
    /// The track of the init segment.
    pub track_id: u32,
    /// 1-based index into the init segment's sample entries.
    pub entry: u32,
    /// Decode time of the first sample, in the track's timescale.
    pub base_decode_time: u64,
    /// In decode order.
    pub samples: &'a [FragmentSample],
    /// What decrypts the samples, where they are encrypted.
    pub encryption: Option<SampleEncryption<'a>>,
}

/// `ftyp` and `moov`.
pub fn write_init(spec: &InitSpec<'_>) -> Vec<u8> {
    let mut out = BoxWriter::with_capacity(2048);
    write_file_type(&mut out, &spec.file_type);
    // §8.2.1
    out.nest(b"moov", |out| {
        // No duration: the fragments have it.
        let tracks = || spec.tracks.iter();
        write_movie_header(out, tracks().next().map_or(1, |track| track.timescale), 0, tracks());
        for track in &spec.tracks {
            write_track(out, track, Durations { movie: 0, media: 0 }, write_empty_tables);
        }
        // §8.8.1
        out.nest(b"mvex", |out| {
            for track in &spec.tracks {
                // §8.8.3: sample entry 1; every fragment states the rest itself.
                out.nest_full(b"trex", 0, 0, |out| out.u32s(&[track.id, 1, 0, 0, 0]));
            }
        });
        out.bytes(spec.extra);
    });
    out.bytes
}

/// `moof` and the header of the `mdat` that the samples' bytes follow.
///
/// `tfhd` default-base-is-moof, `tfdt` v1, `trun` v1 with duration, size, flags and composition offset of each sample
/// (§8.8). `mdat` gets a 64-bit size when it needs one.
///
/// # Panics
/// When the header itself would exceed 2 GiB, which takes 134 million samples.
pub fn write_fragment_header(spec: &FragmentSpec<'_>) -> Vec<u8> {
    let media_len: u64 = spec.samples.iter().map(|sample| u64::from(sample.size)).sum();
    let mdat_header_len = if media_len + 8 > u32::MAX.into() { 16 } else { 8 };
    let information = spec.encryption.map_or(0, |encryption| encryption.information.len());
    let mut out = BoxWriter::with_capacity(200 + 17 * spec.samples.len() + information);
    let mut data_offset_at = 0;
    // §8.8.4
    out.nest(b"moof", |out| {
        // §8.8.5
        out.nest_full(b"mfhd", 0, 0, |out| out.u32(spec.sequence_number));
        // §8.8.6
        out.nest(b"traf", |out| {
            // §8.8.7: default-base-is-moof, sample-description-index-present.
            out.nest_full(b"tfhd", 0, 0x2_0002, |out| out.u32s(&[spec.track_id, spec.entry]));
            // §8.8.12
            out.nest_full(b"tfdt", 1, 0, |out| out.u64(spec.base_decode_time));
            // §8.8.8: data offset; duration, size, flags and composition offset of each sample.
            out.nest_full(b"trun", 1, 0xf01, |out| {
                out.u32(u32::try_from(spec.samples.len()).expect(TOO_LONG));
                data_offset_at = out.bytes.len();
                out.u32(0);
                for sample in spec.samples {
                    out.bytes(&sample.row());
                }
            });
            if let Some(encryption) = spec.encryption {
                encryption.write(out);
            }
        });
    });
    let data_offset = i32::try_from(out.bytes.len() + mdat_header_len).expect(TOO_LONG);
    out.patch(data_offset_at, data_offset.to_be_bytes());
    out.media_header(media_len);
    out.bytes
}

const TOO_LONG: &str = "the header of a fragment or a movie stays far below 2 GiB";

impl FragmentSample {
    /// sample_depends_on and sample_is_non_sync_sample (§8.8.3.1), as ffmpeg writes them.
    fn flags(&self) -> u32 {
        if self.sync { 0x0200_0000 } else { 0x0101_0000 }
    }

    /// The row of `trun`.
    fn row(&self) -> [u8; 16] {
        let [a, b, c, d] = self.duration.to_be_bytes();
        let [e, f, g, h] = self.size.to_be_bytes();
        let [i, j, k, l] = self.flags().to_be_bytes();
        let [m, n, o, p] = self.composition_offset.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }
}

/// How long a track is, once in ticks of the movie and once in its own. 0 where fragments say it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Durations {
    pub(crate) movie: u64,
    pub(crate) media: u64,
}

/// §4.3
pub(crate) fn write_file_type(out: &mut BoxWriter, file_type: &FileType) {
    out.nest(b"ftyp", |out| {
        out.fourcc(file_type.major);
        out.u32(file_type.minor);
        for brand in &file_type.compatible {
            out.fourcc(*brand);
        }
    });
}

/// §8.2.2
pub(crate) fn write_movie_header<'a>(
    out: &mut BoxWriter,
    timescale: u32,
    duration: u64,
    tracks: impl Iterator<Item = &'a InitTrack<'a>>,
) {
    let next_track_id = tracks.map(|track| track.id).max().unwrap_or_default().saturating_add(1);
    out.nest_timed(b"mvhd", 0, &[timescale], duration, |out| {
        out.u32(0x1_0000);
        out.u16(0x100);
        out.zeros(10);
        out.matrix(&Matrix::UNITY);
        out.zeros(24);
        out.u32(next_track_id);
    });
}

/// §8.3.1. `tables` writes what comes after the sample entries.
pub(crate) fn write_track(
    out: &mut BoxWriter,
    track: &InitTrack<'_>,
    durations: Durations,
    tables: impl FnOnce(&mut BoxWriter),
) {
    out.nest(b"trak", |out| {
        // §8.3.2: enabled, in the movie.
        out.nest_timed(b"tkhd", 3, &[track.id, 0], durations.movie, |out| {
            out.zeros(12);
            out.u16(if track.handler == FourCc::SOUN { 0x100 } else { 0 });
            out.zeros(2);
            out.matrix(&track.matrix);
            out.u32s(&[track.width, track.height]);
        });
        if let EditList::Skip { media_time } = track.edit {
            // §8.6.5, §8.6.6
            out.nest(b"edts", |out| {
                out.nest_full(b"elst", 1, 0, |out| {
                    out.u32(1);
                    out.u64(durations.movie);
                    out.u64(media_time);
                    out.u32(0x1_0000);
                });
            });
        }
        // §8.4.1
        out.nest(b"mdia", |out| {
            // §8.4.2
            out.nest_timed(b"mdhd", 0, &[track.timescale], durations.media, |out| {
                out.u16(pack_language(track.language));
                out.u16(0);
            });
            write_handler(out, track.handler);
            // §8.4.4
            out.nest(b"minf", |out| {
                write_media_header(out, track.handler);
                write_data_information(out);
                // §8.5.1
                out.nest(b"stbl", |out| {
                    write_sample_entries(out, &track.entries);
                    tables(out);
                });
            });
        });
    });
}

/// §8.4.3
fn write_handler(out: &mut BoxWriter, handler: FourCc) {
    let name: &[u8] = match handler {
        FourCc::VIDE => b"VideoHandler\0",
        FourCc::SOUN => b"SoundHandler\0",
        _ => b"DataHandler\0",
    };
    out.nest_full(b"hdlr", 0, 0, |out| {
        out.u32(0);
        out.fourcc(handler);
        out.zeros(12);
        out.bytes(name);
    });
}

/// §12.1.2, §12.2.2, §8.4.5.2
fn write_media_header(out: &mut BoxWriter, handler: FourCc) {
    match handler {
        FourCc::VIDE => out.nest_full(b"vmhd", 0, 1, |out| out.zeros(8)),
        FourCc::SOUN => out.nest_full(b"smhd", 0, 0, |out| out.zeros(4)),
        _ => out.nest_full(b"nmhd", 0, 0, |_| {}),
    }
}

/// §8.7.1, §8.7.2: the media is in the same file.
fn write_data_information(out: &mut BoxWriter) {
    out.nest(b"dinf", |out| {
        out.nest_full(b"dref", 0, 0, |out| {
            out.u32(1);
            out.nest_full(b"url ", 0, 1, |_| {});
        });
    });
}

/// §8.5.2
fn write_sample_entries(out: &mut BoxWriter, entries: &[&[u8]]) {
    out.nest_full(b"stsd", 0, 0, |out| {
        out.length(entries.len());
        for entry in entries {
            out.bytes(entry);
        }
    });
}

/// The mandatory tables with nothing in them.
fn write_empty_tables(out: &mut BoxWriter) {
    out.nest_full(b"stts", 0, 0, |out| out.u32(0));
    out.nest_full(b"stsc", 0, 0, |out| out.u32(0));
    out.nest_full(b"stsz", 0, 0, |out| out.u32s(&[0, 0]));
    out.nest_full(b"stco", 0, 0, |out| out.u32(0));
}

/// Three letters of five bits (§8.4.2.3).
fn pack_language(language: [u8; 3]) -> u16 {
    let letters = if language.iter().all(u8::is_ascii_lowercase) { language } else { *b"und" };
    letters.iter().fold(0, |packed, letter| packed << 5 | u16::from(letter - b'`'))
}

/// Boxes inside boxes: a length is written when its box is complete.
pub(crate) struct BoxWriter {
    pub(crate) bytes: Vec<u8>,
}

impl BoxWriter {
    pub(crate) fn with_capacity(len: usize) -> Self {
        Self { bytes: Vec::with_capacity(len) }
    }

    pub(crate) fn nest(&mut self, kind: &[u8; 4], body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.u32(0);
        self.bytes(kind);
        body(self);
        let len = u32::try_from(self.bytes.len() - start).expect(TOO_LONG);
        self.patch(start, len.to_be_bytes());
    }

    /// A full box (§4.2.2).
    pub(crate) fn nest_full(
        &mut self,
        kind: &[u8; 4],
        version: u8,
        flags: u32,
        body: impl FnOnce(&mut Self),
    ) {
        self.nest(kind, |out| {
            out.u32(u32::from(version) << 24 | flags);
            body(out);
        });
    }

    /// A full box that begins with two dates, which are left out, these fields, and a duration. All ones would mean an
    /// unknown duration, so that what needs them is version 1 (§8.2.2.3).
    fn nest_timed(
        &mut self,
        kind: &[u8; 4],
        flags: u32,
        fields: &[u32],
        duration: u64,
        body: impl FnOnce(&mut Self),
    ) {
        let short = u32::try_from(duration).ok().filter(|duration| *duration < u32::MAX);
        self.nest_full(kind, if short.is_some() { 0 } else { 1 }, flags, |out| {
            out.zeros(if short.is_some() { 8 } else { 16 });
            out.u32s(fields);
            match short {
                Some(duration) => out.u32(duration),
                None => out.u64(duration),
            }
            body(out);
        });
    }

    fn patch(&mut self, at: usize, value: [u8; 4]) {
        let place = self.bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut());
        *place.expect("room was written before") = value;
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len() + count, 0);
    }

    pub(crate) fn fourcc(&mut self, code: FourCc) {
        self.bytes(&code.0);
    }

    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Of the `mdat` that `media_len` bytes follow (§8.1.1).
    pub(crate) fn media_header(&mut self, media_len: u64) {
        match u32::try_from(media_len.saturating_add(8)) {
            Ok(len) => {
                self.u32(len);
                self.bytes(b"mdat");
            }
            Err(_) => {
                self.u32(1);
                self.bytes(b"mdat");
                self.u64(media_len.saturating_add(16));
            }
        }
    }

    /// A length or a count.
    pub(crate) fn length(&mut self, length: usize) {
        self.u32(u32::try_from(length).expect(TOO_LONG));
    }

    pub(crate) fn u32s(&mut self, values: &[u32]) {
        for value in values {
            self.u32(*value);
        }
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    fn matrix(&mut self, Matrix(elements): &Matrix) {
        for element in elements {
            self.bytes(&element.to_be_bytes());
        }
    }
}
