//! Stored segments → one progressive file that is nowhere as a whole: its beginning in memory, and which bytes of which
//! segment follow.

use std::ops::Range;

use bytes::Bytes;
use isobmff::{
    Edit, EditList, FileType, FourCc, FragmentIndex, InitTrack, Movie, MovieChunk, MovieSpec, MovieTrack,
    Track, write_movie,
};

use crate::layout::Flavour;

/// A rendition that goes into the file.
#[derive(Debug, Clone, Copy)]
pub struct ProgressiveTrack<'a> {
    /// Its init segment.
    pub init: &'a Movie,
    /// All of its segments, in order.
    pub segments: &'a [FragmentIndex],
}

/// A progressive file, laid out: `ftyp`, `moov`, and an `mdat` in which the media of all tracks follow each other
/// segment by segment, by the times they start at. Every sample is what it is in its segment, at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progressive {
    head: Bytes,
    /// By position, without a gap, none empty.
    chunks: Vec<Chunk>,
    len: u64,
}

/// Bytes that come one after the other in the file and lie together elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePiece {
    /// They are here.
    Head(Bytes),
    /// They are in a segment.
    Media {
        /// Index of the track among those given.
        track: usize,
        /// Index of the segment in its track.
        segment: usize,
        /// First byte, in the segment.
        start: u64,
        /// First byte that is not among them.
        end: u64,
    },
}

/// Why renditions make no progressive file. Tracks and segments count from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgressiveError {
    /// There is no rendition at all.
    #[error("there are no tracks")]
    NoTracks,
    /// An init segment that is of more or less than one track with one sample entry.
    #[error("the init segment of track `{track}` is not of one track with one sample entry")]
    NotOneTrack {
        /// Which rendition.
        track: usize,
    },
    /// Players of files have no keys.
    #[error("track `{track}` is encrypted")]
    Encrypted {
        /// Which rendition.
        track: usize,
    },
    /// An edit list that does more than to skip the beginning.
    #[error("the edit list of track `{track}` does more than to skip its beginning")]
    Edits {
        /// Which rendition.
        track: usize,
    },
    /// A segment that does not start when the one before ends, the first one at 0.
    #[error("segment `{segment}` of track `{track}` starts at tick `{found}` and not at `{expected}`")]
    Gap {
        /// Which rendition.
        track: usize,
        /// Which segment.
        segment: usize,
        /// When it starts.
        found: u64,
        /// When the one before ends.
        expected: u64,
    },
    /// A segment with another sample entry than the only one, or without samples.
    #[error("segment `{segment}` of track `{track}` has no samples of its track's sample entry")]
    Samples {
        /// Which rendition.
        track: usize,
        /// Which segment.
        segment: usize,
    },
    /// More bytes than can be counted.
    #[error("the file is too long")]
    TooLong,
}

/// The media of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chunk {
    /// Of its first byte behind the head.
    position: u64,
    track: usize,
    segment: usize,
    media: Range<u64>,
}

impl Progressive {
    /// Lays out the file that these renditions make together, the picture first.
    ///
    /// # Errors
    /// Every situation of [`ProgressiveError`].
    pub fn lay_out(flavour: Flavour, tracks: &[ProgressiveTrack<'_>]) -> Result<Self, ProgressiveError> {
        let inits = tracks.iter().enumerate().map(|(index, track)| single_track(index, track.init));
        let inits = inits.collect::<Result<Vec<_>, _>>()?;
        let edits = inits.iter().enumerate().map(|(index, track)| edit_list(index, &track.edits));
        let edits = edits.collect::<Result<Vec<_>, _>>()?;
        for (index, track) in tracks.iter().enumerate() {
            check_segments(index, track.segments)?;
        }
        if tracks.is_empty() {
            return Err(ProgressiveError::NoTracks);
        }
        let (chunks, media_len) = interleave(tracks, &inits)?;
        let mut of_track: Vec<Vec<MovieChunk<'_>>> = vec![Vec::new(); tracks.len()];
        for chunk in &chunks {
            let samples = tracks.get(chunk.track).and_then(|track| track.segments.get(chunk.segment));
            if let (Some(chunks), Some(segment)) = (of_track.get_mut(chunk.track), samples) {
                chunks.push(MovieChunk { position: chunk.position, samples: &segment.samples });
            }
        }
        let movie_tracks = (1_u32..).zip(inits.iter().zip(edits)).zip(of_track).map(|(named, chunks)| {
            let (id, (init, edit)) = named;
            let entries = init.entries.iter().map(|entry| entry.raw.as_slice()).collect();
            let track = InitTrack {
                id,
                handler: init.handler,
                timescale: init.timescale,
                language: init.language,
                matrix: init.matrix,
                width: init.width,
                height: init.height,
                entries,
                edit,
            };
            MovieTrack { track, chunks }
        });
        let spec = MovieSpec { file_type: file_type(flavour), tracks: movie_tracks.collect(), media_len };
        let head = Bytes::from(write_movie(&spec));
        let head_len = u64::try_from(head.len()).map_err(|_| ProgressiveError::TooLong)?;
        let len = head_len.checked_add(media_len).ok_or(ProgressiveError::TooLong)?;
        // What is empty is no piece of the file.
        let chunks = chunks.into_iter().filter(|chunk| !chunk.media.is_empty()).collect();
        Ok(Self { head, chunks, len })
    }

    /// Bytes of the whole file.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// Everything before the media.
    pub fn head(&self) -> &Bytes {
        &self.head
    }

    /// What this takes in memory, about.
    pub fn footprint(&self) -> usize {
        self.head.len().saturating_add(self.chunks.len().saturating_mul(size_of::<Chunk>()))
    }

    /// The bytes from `position` on, as far as they lie together; `None` at the end of the file and behind it.
    pub fn piece_at(&self, position: u64) -> Option<FilePiece> {
        if let Some(position) = usize::try_from(position).ok().filter(|position| *position < self.head.len())
        {
            return Some(FilePiece::Head(self.head.slice(position..)));
        }
        let behind_head = position.checked_sub(u64::try_from(self.head.len()).ok()?)?;
        let next = self.chunks.partition_point(|chunk| chunk.position <= behind_head);
        let chunk = self.chunks.get(next.checked_sub(1)?)?;
        let start = chunk.media.start.checked_add(behind_head.checked_sub(chunk.position)?)?;
        let (track, segment, end) = (chunk.track, chunk.segment, chunk.media.end);
        (start < end).then_some(FilePiece::Media { track, segment, start, end })
    }
}

impl FilePiece {
    /// How many bytes they are, never 0.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Head(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Media { start, end, .. } => end.saturating_sub(*start),
        }
    }
}

/// Brands of plain files: what is in them needs no newer specification. As in init segments, a QuickTime file differs
/// in nothing else.
fn file_type(flavour: Flavour) -> FileType {
    let plain = [FourCc(*b"isom"), FourCc(*b"iso2"), FourCc(*b"avc1"), FourCc(*b"mp41")];
    match flavour {
        Flavour::Mp4 => FileType { major: FourCc(*b"isom"), minor: 0x200, compatible: plain.to_vec() },
        Flavour::Mov => {
            let compatible = std::iter::once(FourCc::QT).chain(plain).collect();
            FileType { major: FourCc::QT, minor: 0x200, compatible }
        }
    }
}

fn single_track(index: usize, init: &Movie) -> Result<&Track, ProgressiveError> {
    let [track] = init.tracks.as_slice() else { return Err(ProgressiveError::NotOneTrack { track: index }) };
    match track.entries.as_slice() {
        [entry] if entry.is_encrypted() => Err(ProgressiveError::Encrypted { track: index }),
        [_] => Ok(track),
        _ => Err(ProgressiveError::NotOneTrack { track: index }),
    }
}

fn edit_list(index: usize, edits: &[Edit]) -> Result<EditList, ProgressiveError> {
    match edits {
        [] => Ok(EditList::None),
        [Edit { duration: 0, media_time: Some(time), rate: 0x1_0000 }] => match u64::try_from(*time) {
            Ok(0) => Ok(EditList::None),
            Ok(media_time) => Ok(EditList::Skip { media_time }),
            Err(_) => Err(ProgressiveError::Edits { track: index }),
        },
        _ => Err(ProgressiveError::Edits { track: index }),
    }
}

/// Tables of a progressive file have durations and no times: what is to be at its time follows without a gap.
fn check_segments(track: usize, segments: &[FragmentIndex]) -> Result<(), ProgressiveError> {
    let mut expected: u64 = 0;
    for (number, segment) in segments.iter().enumerate() {
        if segment.entry != 1 || segment.samples.is_empty() {
            return Err(ProgressiveError::Samples { track, segment: number });
        }
        let found = segment.base_decode_time;
        if found != expected {
            return Err(ProgressiveError::Gap { track, segment: number, found, expected });
        }
        expected = expected.checked_add(segment.duration()).ok_or(ProgressiveError::TooLong)?;
    }
    Ok(())
}

/// The media of all segments, by the time they start at; of those that start together, in the order of the tracks. Also
/// how many bytes they are.
fn interleave(
    tracks: &[ProgressiveTrack<'_>],
    inits: &[&Track],
) -> Result<(Vec<Chunk>, u64), ProgressiveError> {
    // In ticks of all tracks together.
    let mut scales = inits.iter().map(|init| u128::from(init.timescale));
    let common = scales.try_fold(1_u128, u128::checked_mul).ok_or(ProgressiveError::TooLong)?;
    let mut order: Vec<(u128, Chunk)> = Vec::new();
    for (track, (rendition, init)) in tracks.iter().zip(inits).enumerate() {
        let ticks = common / u128::from(init.timescale.max(1));
        for (segment, index) in rendition.segments.iter().enumerate() {
            let start = u128::from(index.base_decode_time).saturating_mul(ticks);
            order.push((start, Chunk { position: 0, track, segment, media: index.media.clone() }));
        }
    }
    order.sort_by_key(|(start, chunk)| (*start, chunk.track, chunk.segment));
    let mut position: u64 = 0;
    let mut chunks = Vec::with_capacity(order.len());
    for (_, chunk) in order {
        let len = chunk.media.end.saturating_sub(chunk.media.start);
        chunks.push(Chunk { position, ..chunk });
        position = position.checked_add(len).ok_or(ProgressiveError::TooLong)?;
    }
    Ok((chunks, position))
}
