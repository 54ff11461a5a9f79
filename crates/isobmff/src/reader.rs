//! The index of a file, through byte ranges: sample tables and fragment headers, never the media.

use crate::boxes::{BoxHeader, BoxLen};
use crate::error::Error;
use crate::fourcc::FourCc;
use crate::fragment::{TrackFragment, parse_fragment};
use crate::header::{MovieHeader, parse_file_type};
use crate::limits::{Limits, SampleBudget};
use crate::movie::{FileType, Movie, Track};
use crate::size::{to_u64, to_usize};
use crate::table::Sample;

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
    failure: Option<Error>,
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
            failure: None,
        }
    }

    /// What to read next, or that the index is complete.
    ///
    /// # Errors
    /// Every situation of [`Error`] that a file can be in.
    pub fn advance(&mut self) -> Result<Progress, Error> {
        match &self.failure {
            Some(failure) => Err(failure.clone()),
            None => self.walk().inspect_err(|failure| self.failure = Some(failure.clone())),
        }
    }

    /// The bytes of the range last asked for, complete.
    ///
    /// # Errors
    /// [`Error::WrongSupply`] when they are more or fewer.
    pub fn supply(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let wanted = self.wanted.take();
        let wanted_len = wanted.map_or(0, |range| range.len);
        match wanted {
            Some(range) if range.len == to_u64(bytes.len()) => {
                self.window.clear();
                self.window.extend_from_slice(bytes);
                self.window_start = range.offset;
                Ok(())
            }
            _ => Err(Error::WrongSupply { wanted: wanted_len, got: to_u64(bytes.len()) }),
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

    /// Goes on from box to box, as far as the bytes at hand reach.
    fn walk(&mut self) -> Result<Progress, Error> {
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
        if len < to_u64(header.header_len) {
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
            let held_len = to_usize(len);
            if self.held(held_len).is_none() {
                // With the header of what follows, which saves a read.
                return Ok(Some(self.want(len.saturating_add(to_u64(BoxHeader::MAX_LEN)))));
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
        let start = to_usize(self.position - self.window_start);
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
                self.probe_len = (to_u64(len) + 256).clamp(MIN_PROBE_LEN, PROBE_LEN);
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
        let left = to_usize(self.file_len - self.position);
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
    let mut demuxer = Demuxer::new(to_u64(file.len()), limits);
    while let Progress::Need(range) = demuxer.advance()? {
        let bytes = usize::try_from(range.offset)
            .ok()
            .and_then(|start| file.get(start..)?.get(..usize::try_from(range.len).ok()?))
            .expect("the demuxer asks only for ranges inside the file");
        demuxer.supply(bytes)?;
    }
    demuxer.finish()
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
