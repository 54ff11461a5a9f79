//! The index of a file, through byte ranges: sample tables and fragment headers, never the media.

use crate::boxes::{BoxHeader, BoxLen, length};
use crate::fourcc::FourCc;
use crate::fragment::{TrackFragment, parse_fragment};
use crate::header::{MovieHeader, parse_file_type};
use crate::movie::{FileType, Movie, Track};
use crate::table::Sample;

/// What a file may cost before it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest `moov` or `moof` that is read, in bytes.
    pub max_header_bytes: u64,
    /// Samples over all tracks, after grouping of PCM frames. Each costs up to 26 bytes.
    pub max_samples: u64,
    /// Tracks of `moov`.
    pub max_tracks: usize,
    /// Boxes at the top level (fragments included).
    pub max_boxes: u64,
}

impl Default for Limits {
    /// Enough for a day of 60 pictures a second with sound, at most about 400 MB of memory.
    fn default() -> Self {
        Self { max_header_bytes: 128 << 20, max_samples: 10_000_000, max_tracks: 256, max_boxes: 500_000 }
    }
}

/// Bytes of the file that the [`Demuxer`] wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// Position of the first byte.
    pub offset: u64,
    /// How many, never 0. The range is inside the file.
    pub len: u64,
}

/// What [`Demuxer::advance`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Read this range and hand it to [`Demuxer::supply`].
    Need(ByteRange),
    /// The index is complete: call [`Demuxer::finish`].
    Done,
}

/// Why a file has no index. Each variant names a situation an uploader can be told about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no bytes at all.
    #[error("the file is empty")]
    Empty,
    /// The first bytes are not those of any box a file begins with.
    #[error("not an ISO base media or QuickTime file")]
    NotIsobmff,
    /// The file began well but has no `moov`: a recording that was not finished, or an upload that was cut.
    #[error("no `moov` in the file of `{file_len}` bytes")]
    NoMovie {
        /// Length of the file.
        file_len: u64,
    },
    /// The file ends inside `moov`.
    #[error("`moov` needs a file of `{needed}` bytes, there are `{file_len}`")]
    TruncatedMovie {
        /// Where `moov` ends.
        needed: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// QuickTime's compressed movie header.
    #[error("`moov` is compressed")]
    CompressedMovie,
    /// `moov` has no `trak`.
    #[error("`moov` has no tracks")]
    NoTracks,
    /// A box that would have to be held in memory is longer than allowed.
    #[error("`{kind}` of `{len}` bytes is longer than the limit of `{limit}`")]
    HeaderTooLong {
        /// Which box.
        kind: FourCc,
        /// Its length.
        len: u64,
        /// The most allowed.
        limit: u64,
    },
    /// The tables declare more samples than allowed.
    #[error("more than `{limit}` samples")]
    TooManySamples {
        /// The most allowed.
        limit: u64,
    },
    /// There are more tracks than allowed.
    #[error("more than `{limit}` tracks")]
    TooManyTracks {
        /// The most allowed.
        limit: usize,
    },
    /// There are more boxes at the top level than allowed.
    #[error("more than `{limit}` boxes")]
    TooManyBoxes {
        /// The most allowed.
        limit: u64,
    },
    /// A box says it is longer than the box it is in, or shorter than its own header.
    #[error("the length of `{kind}` does not fit into the `{room}` bytes there are")]
    BoxTooLong {
        /// Which box.
        kind: FourCc,
        /// The bytes left in its parent.
        room: u64,
    },
    /// A box ends before its fields do.
    #[error("`{kind}` ends before its fields do")]
    BoxTooShort {
        /// Which box.
        kind: FourCc,
    },
    /// A table declares more entries than its box holds.
    #[error("`{kind}` declares `{count}` entries in `{room}` bytes")]
    TableTooLong {
        /// Which box.
        kind: FourCc,
        /// The declared number of entries.
        count: u32,
        /// The bytes there are for them.
        room: usize,
    },
    /// A box that must be there is not.
    #[error("no `{kind}` in `{parent}`")]
    MissingBox {
        /// Which box.
        kind: FourCc,
        /// Where it must be.
        parent: FourCc,
    },
    /// `stz2` with a width that does not exist.
    #[error("`stz2` with sizes of `{bits}` bits")]
    SizeFieldWidth {
        /// The declared width.
        bits: u8,
    },
    /// A timescale of 0, with which no time means anything.
    #[error("the timescale of `{kind}` is 0")]
    ZeroTimescale {
        /// `mvhd` or `mdhd`.
        kind: FourCc,
    },
    /// Samples lie beyond the end of any possible file.
    #[error("sample positions exceed 64 bits")]
    OffsetOverflow,
    /// A fragment belongs to a track that `moov` does not have.
    #[error("a fragment names the unknown track `{track_id}`")]
    UnknownTrack {
        /// `tfhd` track_ID.
        track_id: u32,
    },
    /// A fragment of a stream names bytes outside of the `mdat` that follows it.
    #[error("a fragment of track `{track_id}` names bytes outside of its `mdat`")]
    MediaOutsideFragment {
        /// `tfhd` track_ID.
        track_id: u32,
    },
    /// A fragment of a stream is not followed by its media.
    #[error("a fragment is followed by `{kind}` instead of its `mdat`")]
    FragmentWithoutMedia {
        /// The box that came instead.
        kind: FourCc,
    },
    /// A box of a stream has no length, so that nobody can tell when it is complete.
    #[error("`{kind}` in a stream has no length")]
    UnboundedBox {
        /// Which box.
        kind: FourCc,
    },
    /// The bytes supplied are not those asked for.
    #[error("`{got}` bytes supplied, `{wanted}` were asked for")]
    WrongSupply {
        /// How many were asked for, 0 when none were.
        wanted: u64,
        /// How many came.
        got: u64,
    },
    /// [`Demuxer::finish`] came before [`Progress::Done`].
    #[error("the index is not complete")]
    Unfinished,
}

impl Error {
    /// Whether one of the [`Limits`] is exceeded, so that the file may be sound but is too much.
    pub fn is_limit(&self) -> bool {
        matches!(
            self,
            Self::HeaderTooLong { .. }
                | Self::TooManySamples { .. }
                | Self::TooManyTracks { .. }
                | Self::TooManyBoxes { .. }
        )
    }
}

/// Builds a [`Movie`] from the byte ranges it asks for. Does no I/O.
///
/// Reads `ftyp`, `moov` and, where `moov` announces fragments, every `moof`; all else is stepped over.
/// Holds at most one of these boxes at a time. Errors are final.
#[derive(Debug)]
pub struct Demuxer {
    file_len: u64,
    limits: Limits,
    budget: SampleBudget,
    /// Where the next box starts.
    position: u64,
    boxes: u64,
    /// The bytes supplied last, and where they lie.
    window: Vec<u8>,
    window_start: u64,
    wanted: Option<ByteRange>,
    /// How much to read where only the next header is known to be.
    probe_len: u64,
    file_type: Option<FileType>,
    header: Option<MovieHeader>,
    fragmented: bool,
    done: bool,
}

/// One read should bring `ftyp` and a short `moov`, or a `moof` and the header after it.
const PROBE_LEN: u64 = 64 << 10;
const MIN_PROBE_LEN: u64 = 4 << 10;

impl Demuxer {
    /// For a file of `file_len` bytes.
    pub fn new(file_len: u64, limits: Limits) -> Self {
        Self {
            file_len,
            limits,
            budget: SampleBudget::new(limits.max_samples),
            position: 0,
            boxes: 0,
            window: Vec::new(),
            window_start: 0,
            wanted: None,
            probe_len: PROBE_LEN,
            file_type: None,
            header: None,
            fragmented: false,
            done: false,
        }
    }

    /// What to read next, or that the index is complete.
    ///
    /// # Errors
    /// Every situation of [`Error`] that a file can be in.
    pub fn advance(&mut self) -> Result<Progress, Error> {
        if self.file_len == 0 {
            return Err(Error::Empty);
        }
        while !self.done {
            if self.position >= self.file_len {
                self.end()?;
                break;
            }
            let Some(bytes) = self.held(BoxHeader::MAX_LEN) else {
                return Ok(self.want(self.probe_len));
            };
            match BoxHeader::parse(bytes) {
                Some(header) => {
                    if let Some(progress) = self.enter(header)? {
                        return Ok(progress);
                    }
                }
                None => self.end()?,
            }
        }
        Ok(Progress::Done)
    }

    /// The bytes of the range last asked for, complete.
    ///
    /// # Errors
    /// [`Error::WrongSupply`] when they are more or fewer.
    pub fn supply(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let wanted = self.wanted.take();
        let wanted_len = wanted.map_or(0, |range| range.len);
        match wanted {
            Some(range) if range.len == length(bytes) => {
                self.window.clear();
                self.window.extend_from_slice(bytes);
                self.window_start = range.offset;
                Ok(())
            }
            _ => Err(Error::WrongSupply { wanted: wanted_len, got: length(bytes) }),
        }
    }

    /// The index; only after [`Progress::Done`].
    ///
    /// # Errors
    /// [`Error::Unfinished`] before.
    pub fn finish(self) -> Result<Movie, Error> {
        let header = self.header.filter(|_| self.done).ok_or(Error::Unfinished)?;
        let quicktime = || FileType { major: FourCc::QT, minor: 0, compatible: Vec::new() };
        Ok(Movie {
            file_type: self.file_type.unwrap_or_else(quicktime),
            timescale: header.timescale,
            fragmented: self.fragmented,
            file_len: self.file_len,
            tracks: header.tracks,
        })
    }

    /// Handles the box at the position: reads it, asks for it or steps over it.
    fn enter(&mut self, header: BoxHeader) -> Result<Option<Progress>, Error> {
        if self.boxes == 0 && !begins_a_file(header.kind) {
            return Err(Error::NotIsobmff);
        }
        let room = self.file_len - self.position;
        let len = match header.len {
            BoxLen::Bytes(len) => len,
            BoxLen::ToEnd => room,
        };
        if len < length_of(header.header_len) {
            // Zeros or other padding behind the last box.
            return self.end().map(|()| None);
        }
        let needed = match header.kind {
            FourCc::FTYP => self.file_type.is_none(),
            FourCc::MOOV => self.header.is_none(),
            FourCc::MOOF => self.header.is_some(),
            _ => false,
        };
        if len > room {
            return match header.kind {
                FourCc::MOOV if needed => Err(Error::TruncatedMovie {
                    needed: self.position.saturating_add(len),
                    file_len: self.file_len,
                }),
                _ => self.end().map(|()| None),
            };
        }
        if needed {
            if len > self.limits.max_header_bytes {
                let limit = self.limits.max_header_bytes;
                return Err(Error::HeaderTooLong { kind: header.kind, len, limit });
            }
            let held_len = usize::try_from(len).unwrap_or(usize::MAX);
            if self.held(held_len).is_none() {
                return Ok(Some(self.want(len)));
            }
            self.read(header, held_len)?;
        }
        self.boxes += 1;
        if self.boxes > self.limits.max_boxes {
            return Err(Error::TooManyBoxes { limit: self.limits.max_boxes });
        }
        self.position += len;
        Ok(None)
    }

    /// Reads the box at the position, which the window holds.
    fn read(&mut self, header: BoxHeader, len: usize) -> Result<(), Error> {
        let window = std::mem::take(&mut self.window);
        let start = usize::try_from(self.position - self.window_start).unwrap_or(usize::MAX);
        let body = window.get(start..).and_then(|rest| rest.get(header.header_len..len)).unwrap_or_default();
        match header.kind {
            FourCc::FTYP => self.file_type = Some(parse_file_type(body)?),
            FourCc::MOOV => {
                let movie = MovieHeader::parse(body, &self.limits, &mut self.budget)?;
                self.done = movie.defaults.is_none();
                self.header = Some(movie);
            }
            _ => {
                self.read_fragment(body)?;
                // Fragments of a file are alike: the next read should bring one, and the header of what follows it.
                self.probe_len = (length_of(len) + 256).clamp(MIN_PROBE_LEN, PROBE_LEN);
            }
        }
        self.window = window;
        Ok(())
    }

    fn read_fragment(&mut self, moof: &[u8]) -> Result<(), Error> {
        let Some(header) = &mut self.header else { return Ok(()) };
        let defaults = header.defaults.as_deref().unwrap_or_default();
        for fragment in parse_fragment(moof, self.position, defaults)? {
            let track_id = fragment.track_id;
            let track = header.tracks.iter_mut().find(|track| track.id == track_id);
            append(track.ok_or(Error::UnknownTrack { track_id })?, &fragment, &mut self.budget)?;
        }
        self.fragmented = true;
        Ok(())
    }

    /// No box follows.
    fn end(&mut self) -> Result<(), Error> {
        self.done = true;
        match (&self.header, self.boxes) {
            (Some(_), _) => Ok(()),
            (None, 0) if self.file_len < 8 => Err(Error::NotIsobmff),
            (None, _) => Err(Error::NoMovie { file_len: self.file_len }),
        }
    }

    /// So many bytes from the position on, or all that the file has from there, if the window holds them.
    fn held(&self, len: usize) -> Option<&[u8]> {
        let left = usize::try_from(self.file_len - self.position).unwrap_or(usize::MAX);
        let start = usize::try_from(self.position.checked_sub(self.window_start)?).ok()?;
        self.window.get(start..)?.get(..len.min(left))
    }

    fn want(&mut self, len: u64) -> Progress {
        let range = ByteRange { offset: self.position, len: len.min(self.file_len - self.position) };
        self.wanted = Some(range);
        Progress::Need(range)
    }
}

/// [`Demuxer`] over a file that is in memory.
///
/// # Errors
/// Those of [`Demuxer::advance`].
pub fn index_slice(file: &[u8], limits: Limits) -> Result<Movie, Error> {
    let mut demuxer = Demuxer::new(length(file), limits);
    while let Progress::Need(range) = demuxer.advance()? {
        let bytes = usize::try_from(range.offset)
            .ok()
            .and_then(|start| file.get(start..)?.get(..usize::try_from(range.len).ok()?))
            .expect("the demuxer asks only for ranges inside the file");
        demuxer.supply(bytes)?;
    }
    demuxer.finish()
}

/// Counts samples over all tracks.
#[derive(Debug)]
pub(crate) struct SampleBudget {
    limit: u64,
    left: u64,
}

impl SampleBudget {
    pub(crate) fn new(limit: u64) -> Self {
        // Indices are 32 bits.
        let limit = limit.min(u32::MAX.into());
        Self { limit, left: limit }
    }

    /// Whether a table of so many samples may take one more.
    pub(crate) fn check(&self, samples: u32) -> Result<(), Error> {
        self.check_all(u64::from(samples) + 1)
    }

    /// Whether a table may have so many samples.
    pub(crate) fn check_all(&self, samples: u64) -> Result<(), Error> {
        if samples > self.left { Err(Error::TooManySamples { limit: self.limit }) } else { Ok(()) }
    }

    pub(crate) fn spend(&mut self, samples: u32) -> Result<(), Error> {
        self.check_all(samples.into())?;
        self.left -= u64::from(samples);
        Ok(())
    }
}

/// Appends the samples of a fragment to its track.
fn append(track: &mut Track, fragment: &TrackFragment<'_>, budget: &mut SampleBudget) -> Result<(), Error> {
    let index = fragment.entry.checked_sub(1).and_then(|index| u16::try_from(index).ok());
    let entry = index.filter(|index| usize::from(*index) < track.entries.len()).unwrap_or_default();
    let mut decode_time = fragment.decode_time.unwrap_or(track.samples.end);
    for run in &fragment.runs {
        budget.spend(run.count)?;
        let mut offset = run.offset;
        for sample in run.samples() {
            track.samples.push(Sample {
                decode_time,
                duration: sample.duration,
                composition_offset: sample.composition_offset,
                offset,
                size: sample.size,
                sync: sample.sync,
                entry,
            });
            decode_time = decode_time.saturating_add(sample.duration.into());
            offset = offset.saturating_add(sample.size.into());
        }
    }
    Ok(())
}

/// Boxes that files of this family start with. Anything else is another kind of file, whose first bytes only look like
/// a box.
fn begins_a_file(kind: FourCc) -> bool {
    const FIRST: [FourCc; 14] = [
        FourCc::FTYP,
        FourCc::STYP,
        FourCc::MOOV,
        FourCc::MDAT,
        FourCc::FREE,
        FourCc::SKIP,
        FourCc::WIDE,
        FourCc::UUID,
        FourCc::META,
        FourCc::PNOT,
        FourCc::MOOF,
        FourCc::SIDX,
        FourCc(*b"PICT"),
        FourCc(*b"junk"),
    ];
    FIRST.contains(&kind)
}

fn length_of(len: usize) -> u64 {
    u64::try_from(len).expect("no supported target has addresses beyond 64 bits")
}
