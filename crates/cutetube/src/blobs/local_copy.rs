//! Objects as files of this machine, for programs that read files.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsRawFd as _,
};

use bytes::Bytes;

use super::{BlobError, StorageKey};

/// A file without a name, which nobody has to remove: it goes with its last reader.
#[derive(Debug)]
pub(crate) struct LocalCopy {
    file: File,
    key: String,
}

impl LocalCopy {
    /// An empty copy of `key`.
    pub(crate) fn new(key: &StorageKey) -> Result<Self, BlobError> {
        let key = key.to_string();
        match tempfile::tempfile() {
            Ok(file) => Ok(Self { file, key }),
            Err(error) => Err(failure(&key, error)),
        }
    }

    /// Appends.
    pub(crate) async fn write(self, bytes: Bytes) -> Result<Self, BlobError> {
        let Self { mut file, key } = self;
        let write = tokio::task::spawn_blocking(move || file.write_all(&bytes).map(|()| file));
        match write.await.map_err(io::Error::other).and_then(|written| written) {
            Ok(file) => Ok(Self { file, key }),
            Err(error) => Err(failure(&key, error)),
        }
    }

    /// The copy for whoever may read it, and begins at its beginning.
    pub(crate) fn finish(self) -> Result<File, BlobError> {
        let Self { file, key } = self;
        File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(|error| failure(&key, error))
    }
}

/// A file of this machine that was to be a copy of `key`.
pub(super) fn failure(key: &str, source: io::Error) -> BlobError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            BlobError::NoSpace { key: format!("a temporary copy of {key}") }
        }
        _ => BlobError::Folder { path: std::env::temp_dir(), source },
    }
}
