//! The index of a media file that is an object or a plain file: byte ranges for `isobmff`'s demuxer.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use bytes::Bytes;
use isobmff::{ByteRange, Demuxer, Limits, Movie, Progress};

use super::{BlobError, BlobStore, StorageKey};

/// Why a file has no index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file is at fault.
    #[error(transparent)]
    Media(#[from] isobmff::Error),
    /// The store is at fault.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The disk is at fault.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
}

impl BlobStore {
    /// Reads the sample tables of the media file `key`, and nothing of its media.
    pub async fn index(&self, key: &StorageKey, limits: Limits) -> Result<Movie, IndexError> {
        let len = self.head(key).await?.len;
        let (store, key, runtime) = (self.clone(), key.clone(), tokio::runtime::Handle::current());
        // Parsing the tables of a long recording takes longer than other requests should wait.
        let indexing = tokio::task::spawn_blocking(move || {
            index(len, limits, |range| {
                let range = range.offset..range.offset.saturating_add(range.len);
                Ok(runtime.block_on(store.read(&key, range))?)
            })
        });
        indexing.await.expect("the demuxer does not panic and nobody cancels it")
    }
}

/// Reads the sample tables of an open media file.
pub fn index_file(file: &mut File, limits: Limits) -> Result<Movie, IndexError> {
    let len = file.metadata()?.len();
    index(len, limits, |range| {
        file.seek(SeekFrom::Start(range.offset))?;
        // The demuxer asks only for what the file has, and within its limits.
        let mut bytes = Vec::new();
        file.take(range.len).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    })
}

fn index(
    len: u64,
    limits: Limits,
    mut read: impl FnMut(ByteRange) -> Result<Bytes, IndexError>,
) -> Result<Movie, IndexError> {
    let mut demuxer = Demuxer::new(len, limits);
    while let Progress::Need(range) = demuxer.advance()? {
        demuxer.supply(&read(range)?)?;
    }
    Ok(demuxer.finish()?)
}
