//! Files that are stored nowhere as a whole: bytes in memory and ranges of objects, one after the other.

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::{BlobError, BlobStore, StorageKey};

/// What such a file is made of.
pub(crate) trait Assembly: fmt::Debug + Send + Sync {
    /// The bytes from `position` on, as far as they lie together, which is one at least; `None` behind the end.
    fn piece_at(&self, position: u64) -> Option<AssemblyPiece>;
}

/// Bytes that lie together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AssemblyPiece {
    /// Here.
    Here(Bytes),
    /// In an object.
    Stored(StorageKey, Range<u64>),
}

impl AssemblyPiece {
    fn len(&self) -> u64 {
        match self {
            Self::Here(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Stored(_, range) => range.end.saturating_sub(range.start),
        }
    }

    /// No more than the first `most` bytes.
    fn within(self, most: u64) -> Self {
        match self {
            Self::Here(bytes) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
                Self::Here(bytes.slice(..most))
            }
            Self::Stored(key, range) => {
                let end = range.end.min(range.start.saturating_add(most));
                Self::Stored(key, range.start..end)
            }
        }
    }
}

impl BlobStore {
    /// The bytes of `range`, as the reader takes them: an object is opened when those before it have been read.
    pub(crate) fn stream_assembly(
        &self,
        assembly: Arc<dyn Assembly>,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, BlobError>> + Send + use<> {
        let store = self.clone();
        let pieces = stream::unfold(range.start, move |position| {
            let left = range.end.saturating_sub(position);
            let piece = assembly.piece_at(position).filter(|_| left > 0).map(|piece| piece.within(left));
            std::future::ready(piece.map(|piece| {
                let behind = position.saturating_add(piece.len());
                (piece, behind)
            }))
        });
        let opened = pieces.then(move |piece| {
            let store = store.clone();
            async move {
                match piece {
                    AssemblyPiece::Here(bytes) => Ok(stream::iter([Ok(bytes)]).left_stream()),
                    AssemblyPiece::Stored(key, range) => Ok(store.stream(&key, range).await?.right_stream()),
                }
            }
        });
        opened.try_flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use catalog::ids::{Revision, VideoId};

    use crate::blobs::MediaObject;

    fn segment(number: u32) -> StorageKey {
        let object = MediaObject::Segment("360p".parse().unwrap(), number);
        StorageKey::Media { video: VideoId::new(1, &[0; 10]), revision: Revision::FIRST, object }
    }

    /// `abcdefghij`, in four pieces of which two are stored.
    #[derive(Debug)]
    struct Alphabet;

    impl Assembly for Alphabet {
        fn piece_at(&self, position: u64) -> Option<AssemblyPiece> {
            let here = |text: &'static str, from: u64| {
                let from = usize::try_from(position - from).unwrap();
                Some(AssemblyPiece::Here(Bytes::from_static(&text.as_bytes()[from..])))
            };
            match position {
                0..3 => here("abc", 0),
                3..6 => Some(AssemblyPiece::Stored(segment(1), position - 2..4)),
                6..7 => here("g", 6),
                7..10 => Some(AssemblyPiece::Stored(segment(2), position - 7..3)),
                _ => None,
            }
        }
    }

    proptest! {
        #[test]
        fn every_range_is_read_exactly(start in 0_u64..12, len in 0_u64..12) {
            let folder = tempfile::tempdir().unwrap();
            let store = BlobStore::export(folder.path()).unwrap();
            let end = (start + len).min(10);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let read: Result<Vec<Bytes>, _> = runtime.block_on(async {
                store.put(&segment(1), vec![Bytes::from_static(b"-def-")]).await?;
                store.put(&segment(2), vec![Bytes::from_static(b"hij-")]).await?;
                store.stream_assembly(Arc::new(Alphabet), start..end).try_collect().await
            });
            let expected = "abcdefghij".get(usize::try_from(start).unwrap()..usize::try_from(end).unwrap());
            prop_assert_eq!(read.unwrap().concat(), expected.unwrap_or_default().as_bytes());
        }
    }

    #[tokio::test]
    async fn what_is_lost_is_an_error_and_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::export(folder.path()).unwrap();
        let read: Result<Vec<Bytes>, _> =
            store.stream_assembly(Arc::new(Alphabet), 0..10).try_collect().await;
        assert!(matches!(read, Err(BlobError::NotFound { .. })));
    }
}
