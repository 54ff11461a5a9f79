//! Where the bytes of an uploaded file come from: byte ranges, read ahead a little, never the whole file.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use isobmff::{ByteRange, Demuxer, Limits, Movie, Progress};

use crate::feed::Feed;
use crate::process::{Fed, Hold, Input};

/// A file that can be read in pieces, wherever it is kept. Object-safe.
pub trait ReadRange: Send + Sync {
    /// Length of the file in bytes.
    fn file_len(&self) -> u64;

    /// Exactly the bytes of `range`. A range that ends behind the file is [`io::ErrorKind::UnexpectedEof`].
    fn read_range(&self, range: ByteRange) -> RangeFuture<'_>;
}

/// What [`ReadRange::read_range`] answers.
pub type RangeFuture<'a> = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send + 'a>>;

/// A file on a local disk.
#[derive(Debug, Clone)]
pub struct LocalFile {
    file: Arc<File>,
    len: u64,
}

impl LocalFile {
    /// Reads from `file`, whatever its position.
    ///
    /// # Errors
    /// When its length cannot be told.
    pub fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), len })
    }
}

impl ReadRange for LocalFile {
    fn file_len(&self) -> u64 {
        self.len
    }

    fn read_range(&self, range: ByteRange) -> RangeFuture<'_> {
        let file = self.file.clone();
        let inside = range.offset.checked_add(range.len).is_some_and(|end| end <= self.len);
        Box::pin(async move {
            if !inside {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let len = usize::try_from(range.len).map_err(io::Error::other)?;
            let read = move || {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, range.offset).map(|()| Bytes::from(bytes))
            };
            tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
        })
    }
}

/// A file in memory.
impl ReadRange for Bytes {
    fn file_len(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    fn read_range(&self, range: ByteRange) -> RangeFuture<'_> {
        let end = range.offset.checked_add(range.len).and_then(|end| usize::try_from(end).ok());
        let slice = usize::try_from(range.offset)
            .ok()
            .zip(end)
            .filter(|(_, end)| *end <= self.len())
            .map(|(start, end)| self.slice(start..end));
        Box::pin(std::future::ready(slice.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())))
    }
}

/// Why a source has no index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The source could not be read.
    #[error("the source could not be read")]
    Read(#[from] io::Error),
    /// The source was read, but is not what it should be.
    #[error(transparent)]
    Format(#[from] isobmff::Error),
}

/// Reads the sample tables of an MP4 or MOV.
///
/// # Errors
/// [`IndexError::Format`] is final; [`IndexError::Read`] may go away.
pub async fn index(source: &dyn ReadRange, limits: Limits) -> Result<Movie, IndexError> {
    let mut demuxer = Demuxer::new(source.file_len(), limits);
    while let Progress::Need(range) = demuxer.advance()? {
        demuxer.supply(&source.read_range(range).await?)?;
    }
    Ok(demuxer.finish()?)
}

/// Streams `feed` into a program, with a few MiB of the source read ahead.
///
/// Returns early when the program has closed its input.
pub(crate) async fn stream_feed(
    source: &dyn ReadRange,
    feed: Feed,
    mut input: Input,
    hold: &Hold,
) -> io::Result<()> {
    if input.write(&feed.init).await? == Fed::Closed {
        return Ok(());
    }
    let mut reads = stream::iter(plan_reads(feed))
        .map(|read| async move {
            let bytes = source.read_range(read.range).await?;
            Ok::<_, io::Error>((bytes, read.writes))
        })
        .buffered(READS_AHEAD);
    while let Some(read) = hold.during(reads.next()).await {
        let (bytes, writes) = read?;
        for write in writes {
            let piece = match &write {
                Write::Header(header) => header,
                Write::Span { start, end } => bytes.get(*start..*end).ok_or(io::ErrorKind::UnexpectedEof)?,
            };
            if input.write(piece).await? == Fed::Closed {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// With [`LONGEST_READ`], how much of the source is in memory at most.
const READS_AHEAD: usize = 4;
const LONGEST_READ: u64 = 1 << 20;
/// Sound between the pictures of an interleaved file: reading over it is cheaper than asking twice.
const LONGEST_GAP: u64 = 1 << 16;

/// One request to the source, and what is written when it is answered.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    range: ByteRange,
    writes: Vec<Write>,
}

#[derive(Debug, PartialEq, Eq)]
enum Write {
    /// Bytes that are ours.
    Header(Vec<u8>),
    /// Positions in the answer.
    Span { start: usize, end: usize },
}

/// Joins neighbouring ranges to requests of at most [`LONGEST_READ`] bytes, and cuts longer ones.
fn plan_reads(feed: Feed) -> Vec<Read> {
    let mut reads: Vec<Read> = Vec::new();
    for fragment in feed.fragments {
        let header = Write::Header(fragment.header);
        match reads.last_mut() {
            Some(read) => read.writes.push(header),
            None => reads.push(Read { range: ByteRange { offset: 0, len: 0 }, writes: vec![header] }),
        }
        for piece in fragment.ranges.into_iter().flat_map(cut) {
            if let Some(last) = reads.last_mut()
                && last.join(piece).is_some()
            {
                continue;
            }
            let mut read = Read { range: ByteRange { offset: piece.offset, len: 0 }, writes: Vec::new() };
            read.join(piece).expect("an empty request takes any piece that is cut to size");
            reads.push(read);
        }
    }
    reads
}

impl Read {
    /// Extends the request to `piece` when that is near enough behind it.
    fn join(&mut self, piece: ByteRange) -> Option<()> {
        if self.range.len == 0 {
            self.range.offset = piece.offset;
        }
        let end = self.range.offset.checked_add(self.range.len)?;
        let gap = piece.offset.checked_sub(end)?;
        let len = self.range.len.checked_add(gap)?.checked_add(piece.len)?;
        if gap > LONGEST_GAP || len > LONGEST_READ {
            return None;
        }
        let start = usize::try_from(len.checked_sub(piece.len)?).ok()?;
        self.writes.push(Write::Span { start, end: usize::try_from(len).ok()? });
        self.range.len = len;
        Some(())
    }
}

fn cut(range: ByteRange) -> impl Iterator<Item = ByteRange> {
    let mut rest = range;
    std::iter::from_fn(move || {
        let len = rest.len.min(LONGEST_READ);
        let piece = ByteRange { offset: rest.offset, len };
        rest = ByteRange { offset: rest.offset.saturating_add(len), len: rest.len.saturating_sub(len) };
        (len > 0).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::{Strategy, any, prop, proptest};

    use super::*;
    use crate::feed::FeedFragment;

    fn any_feed() -> impl Strategy<Value = Feed> {
        let near = (0_u64..400, 0_u64..300)
            .prop_map(|(offset, len)| ByteRange { offset: offset * 2000, len: len * 9000 });
        let ranges = prop::collection::vec(near, 0..6);
        let header = prop::collection::vec(any::<u8>(), 0..20);
        let fragment = (header, ranges).prop_map(|(header, ranges)| FeedFragment { header, ranges });
        prop::collection::vec(fragment, 0..8).prop_map(|fragments| Feed { init: Vec::new(), fragments })
    }

    proptest! {
        /// What is written is what the feed says, byte for byte, and no request is longer than it may be.
        #[test]
        fn reads_give_the_feed(feed in any_feed()) {
            static SOURCE: LazyLock<Vec<u8>> =
                LazyLock::new(|| (0..1_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect());
            let source = &*SOURCE;
            let at = |range: ByteRange| {
                let start = usize::try_from(range.offset).unwrap();
                &source[start..start + usize::try_from(range.len).unwrap()]
            };
            let mut wanted = Vec::new();
            for fragment in &feed.fragments {
                wanted.extend_from_slice(&fragment.header);
                fragment.ranges.iter().for_each(|range| wanted.extend_from_slice(at(*range)));
            }
            let mut written = Vec::new();
            for read in plan_reads(feed) {
                assert!(read.range.len <= LONGEST_READ);
                let answer = at(read.range);
                for write in read.writes {
                    match write {
                        Write::Header(header) => written.extend_from_slice(&header),
                        Write::Span { start, end } => written.extend_from_slice(&answer[start..end]),
                    }
                }
            }
            assert!(written == wanted);
        }
    }

    #[test]
    fn sound_between_pictures_is_read_over() {
        let range = |offset, len| ByteRange { offset, len };
        let fragment = |header: u8, ranges| FeedFragment { header: vec![header], ranges };
        let feed = Feed {
            init: Vec::new(),
            fragments: vec![
                fragment(1, vec![range(1000, 10), range(1500, 10)]),
                fragment(2, vec![range(2000, 10), range(900_000, 10)]),
            ],
        };
        let ranges: Vec<ByteRange> = plan_reads(feed).iter().map(|read| read.range).collect();
        assert_eq!(ranges, [range(1000, 1010), range(900_000, 10)]);
    }

    #[tokio::test]
    async fn a_range_behind_the_end_is_an_error() {
        let memory = Bytes::from_static(b"0123456789");
        let mut file = tempfile::tempfile().expect("a file");
        io::Write::write_all(&mut file, &memory).expect("written");
        let file = LocalFile::new(file).expect("a length");
        let sources: [&dyn ReadRange; 2] = [&memory, &file];
        for source in sources {
            let read = source.read_range(ByteRange { offset: 4, len: 6 }).await.expect("inside");
            assert_eq!(read, "456789");
            for range in [(4, 7), (11, 0), (u64::MAX, 2)].map(|(offset, len)| ByteRange { offset, len }) {
                let error = source.read_range(range).await.expect_err("outside");
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{range:?}");
            }
        }
    }
}
