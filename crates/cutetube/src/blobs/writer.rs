//! Writing an object whose length is not known before: bytes in as they come, all or nothing out.

use std::{mem, path::PathBuf};

use bytes::Bytes;
use object_store::{MultipartUpload, PutPayload};
use sha2::{Digest, Sha256};

use super::{BlobError, StorageKey, store::failure};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// In bytes.
    pub len: u64,
    /// Of all bytes.
    pub sha256: [u8; 32],
}

/// An object being written. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct BlobWriter {
    key: StorageKey,
    /// Gone once the object is finished or given up.
    open: Option<Open>,
    part: Vec<Bytes>,
    part_len: usize,
    part_bytes: usize,
    written: u64,
    limit: u64,
    hash: Sha256,
}

#[derive(Debug)]
struct Open {
    upload: Box<dyn MultipartUpload>,
    /// Folder to remove when the object does not appear and the folder is empty.
    folder: Option<PathBuf>,
}

impl Stored {
    /// What writing `parts`, one after the other, leaves.
    pub fn of(parts: impl IntoIterator<Item: AsRef<[u8]>>) -> Self {
        let mut hash = Sha256::new();
        let mut len = 0_u64;
        for part in parts {
            let part = part.as_ref();
            hash.update(part);
            len += u64::try_from(part.len()).expect("a length in memory fits 64 bits");
        }
        Self { len, sha256: hash.finalize().into() }
    }
}

impl BlobWriter {
    pub(super) fn new(
        key: StorageKey,
        upload: Box<dyn MultipartUpload>,
        part_bytes: usize,
        limit: u64,
        folder: Option<PathBuf>,
    ) -> Self {
        let open = Some(Open { upload, folder });
        Self { key, open, part: Vec::new(), part_len: 0, part_bytes, written: 0, limit, hash: Sha256::new() }
    }

    /// Takes the next bytes; returns when there is room for more.
    ///
    /// # Errors
    /// [`BlobError::TooLong`] as soon as the limit is passed, and what the store says.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        let len = u64::try_from(bytes.len()).expect("a length in memory fits 64 bits");
        self.written = self.written.saturating_add(len);
        if self.written > self.limit {
            return Err(BlobError::TooLong { key: self.key.to_string(), limit: self.limit });
        }
        self.hash.update(&bytes);
        while self.part_len + bytes.len() >= self.part_bytes {
            self.take(bytes.split_to(self.part_bytes - self.part_len));
            self.write_part().await?;
        }
        self.take(bytes);
        Ok(())
    }

    /// Bytes taken so far.
    pub fn len(&self) -> u64 {
        self.written
    }

    /// Whether no byte came yet.
    pub fn is_empty(&self) -> bool {
        self.written == 0
    }

    /// Makes the object appear, durably.
    pub async fn finish(mut self) -> Result<Stored, BlobError> {
        if self.part_len > 0 {
            self.write_part().await?;
        }
        self.upload().complete().await.map_err(|error| failure(&self.key, error))?;
        self.open = None;
        let sha256 = mem::take(&mut self.hash).finalize().into();
        Ok(Stored { len: self.written, sha256 })
    }

    /// Gives the object up, and returns when nothing is left of it.
    pub async fn abort(mut self) -> Result<(), BlobError> {
        match self.open.take() {
            Some(open) => open.give_up().await.map_err(|error| failure(&self.key, error)),
            None => Ok(()),
        }
    }

    fn upload(&mut self) -> &mut dyn MultipartUpload {
        &mut *self
            .open
            .as_mut()
            .expect("only `finish` and `abort` close a writer, and both consume it")
            .upload
    }

    fn take(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.part_len += bytes.len();
            self.part.push(bytes);
        }
    }

    async fn write_part(&mut self) -> Result<(), BlobError> {
        let payload: PutPayload = mem::take(&mut self.part).into_iter().collect();
        self.part_len = 0;
        self.upload().put_part(payload).await.map_err(|error| failure(&self.key, error))
    }
}

impl Open {
    async fn give_up(mut self) -> object_store::Result<()> {
        let given_up = self.upload.abort().await;
        if let Some(folder) = self.folder {
            // Fails, as it should, when something else lives there.
            let _ = tokio::fs::remove_dir(folder).await;
        }
        given_up
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let key = self.key.to_string();
            runtime.spawn(async move {
                if let Err(error) = open.give_up().await {
                    tracing::warn!(key, %error, "could not remove the unfinished object `{key}`");
                }
            });
        }
    }
}
