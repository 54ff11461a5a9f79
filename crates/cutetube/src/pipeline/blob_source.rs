//! An object in the store, as a source that is read by byte ranges.

use std::fs::File;
use std::io;

use bytes::Bytes;
use transcode::source::{RangeFuture, ReadRange};

use crate::blobs::{BlobError, BlobStore, Fingerprint, LocalCopy, StorageKey, Stored};
use crate::keys::source::SourceCipher;

/// A source in the store.
#[derive(Debug, Clone)]
pub(crate) struct BlobSource {
    store: BlobStore,
    key: StorageKey,
    len: u64,
    /// Of one that is kept encrypted.
    cipher: Option<SourceCipher>,
}

/// How much of a source is copied at once.
const STEP: u64 = 1 << 20;

impl BlobSource {
    /// The object `key`, which must exist.
    pub(crate) async fn open(store: BlobStore, key: StorageKey) -> Result<Self, BlobError> {
        let len = store.head(&key).await?.len;
        Ok(Self { store, key, len, cipher: None })
    }

    /// The object `key`, which must exist and is encrypted with `cipher`.
    pub(crate) async fn open_sealed(
        store: BlobStore,
        key: StorageKey,
        cipher: SourceCipher,
    ) -> Result<Self, BlobError> {
        Ok(Self { cipher: Some(cipher), ..Self::open(store, key).await? })
    }

    /// Writes the object `to`, which is this one encrypted with `cipher`.
    pub(crate) async fn seal(&self, to: &StorageKey, cipher: &SourceCipher) -> Result<Stored, BlobError> {
        let mut writer = self.store.writer(to, u64::MAX).await?;
        let mut at = 0;
        while at < self.len {
            let mut bytes = self.read(at..(at + STEP).min(self.len)).await?.to_vec();
            cipher.apply(at, &mut bytes);
            at += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            writer.write(bytes.into()).await?;
        }
        writer.finish().await
    }

    /// The source as a local file, for a program that reads one. One that is kept encrypted is decrypted into a
    /// [`LocalCopy`].
    pub(crate) async fn file(&self) -> Result<File, BlobError> {
        if self.cipher.is_none() {
            return self.store.file(&self.key).await;
        }
        let mut copy = LocalCopy::new(&self.key)?;
        let mut at = 0;
        while at < self.len {
            let bytes = self.read(at..(at + STEP).min(self.len)).await?;
            at += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            copy = copy.write(bytes).await?;
        }
        copy.finish()
    }

    /// Length and hash of the source as it was uploaded, whether it is kept encrypted or not.
    pub(crate) async fn fingerprint(&self) -> Result<Stored, BlobError> {
        if self.cipher.is_none() {
            return self.store.fingerprint(&self.key).await;
        }
        let mut found = Fingerprint::default();
        let mut at = 0;
        while at < self.len {
            let bytes = self.read(at..(at + STEP).min(self.len)).await?;
            at += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            found.add(&bytes);
        }
        Ok(found.finish())
    }

    async fn read(&self, range: std::ops::Range<u64>) -> Result<Bytes, BlobError> {
        let bytes = self.store.read(&self.key, range.clone()).await?;
        let Some(cipher) = &self.cipher else { return Ok(bytes) };
        let mut bytes = bytes.to_vec();
        cipher.apply(range.start, &mut bytes);
        Ok(bytes.into())
    }
}

impl ReadRange for BlobSource {
    fn file_len(&self) -> u64 {
        self.len
    }

    fn read_range(&self, range: isobmff::ByteRange) -> RangeFuture<'_> {
        let range = range.offset..range.offset.saturating_add(range.len);
        Box::pin(async move { self.read(range).await.map_err(io::Error::other) })
    }
}
