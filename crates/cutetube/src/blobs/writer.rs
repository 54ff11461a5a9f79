//! Writing an object whose length is not known before: bytes in as they come, all or nothing out.

use std::{mem, path::PathBuf, sync::Arc};

use bytes::Bytes;
use object_store::{
    MultipartUpload, ObjectStoreExt, PutPayload,
    aws::AmazonS3,
    multipart::{MultipartStore, PartId},
    path::Path,
};
use sha2::{Digest, Sha256};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::spawn_blocking,
    time::{Duration, Instant},
};

use super::{BlobError, Journal, StorageKey, error::failure, place::Place, s3::Persistence};

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
    /// Of the parts before this one.
    hashed: Fingerprint,
    limit: u64,
    hands: Hands,
    /// Where an object of this name goes when this one appears.
    older: Option<Place>,
}

/// How many parts are hashed, or copied into files, at the same time. Cheap to clone.
///
/// Either keeps a core busy. More of them at once than there are cores are not done earlier, and stand in line before
/// whoever only has a short question.
#[derive(Debug, Clone)]
pub(super) struct Hands(Arc<Semaphore>);

/// The unfinished object in the store.
#[derive(Debug)]
pub(super) enum Open {
    /// A file of another name.
    Local {
        upload: Box<dyn MultipartUpload>,
        /// To be removed when the object does not appear and the folder is empty.
        folder: Option<PathBuf>,
    },
    /// A multipart upload, once there is more than one part.
    S3 {
        client: Arc<AmazonS3>,
        path: Path,
        journal: Arc<dyn Journal>,
        persistence: Persistence,
        begun: Option<Begun>,
    },
}

/// A multipart upload that the server knows.
#[derive(Debug)]
pub(super) struct Begun {
    id: String,
    parts: Vec<PartId>,
    touched: Instant,
}

/// A part is what an upload holds in memory, twice: one being filled, one being written.
const LOCAL_PART_BYTES: usize = 1 << 20;
/// The least that S3 takes. All parts are equally long, which some servers insist on, up to 20 GiB in all.
const S3_PART_BYTES: usize = 5 << 20;
const EQUAL_PARTS: usize = 4096;
/// There can be 10,000 parts: with longer ones at the end, 738 GiB.
const S3_LATE_PART_BYTES: usize = 128 << 20;

/// How often the journal hears of an upload that goes on.
const TOUCH: Duration = Duration::from_secs(60);

/// Length and hash of bytes that pass by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fingerprint {
    len: u64,
    hash: Sha256,
}

impl Stored {
    /// What writing `parts`, one after the other, leaves.
    pub fn of(parts: impl IntoIterator<Item: AsRef<[u8]>>) -> Self {
        let mut print = Fingerprint::default();
        for part in parts {
            print.add(part.as_ref());
        }
        print.finish()
    }
}

impl Fingerprint {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.len = self.len.saturating_add(len_of(bytes));
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn finish(self) -> Stored {
        Stored { len: self.len, sha256: self.hash.finalize().into() }
    }
}

impl BlobWriter {
    pub(super) fn new(key: StorageKey, open: Open, limit: u64, older: Option<Place>, hands: Hands) -> Self {
        let hashed = Fingerprint::default();
        Self { key, open: Some(open), part: Vec::new(), part_len: 0, hashed, limit, older, hands }
    }

    /// Takes the next bytes; returns when there is room for more.
    ///
    /// # Errors
    /// [`BlobError::TooLong`] as soon as the limit is passed, and what the store says.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        let longer = self.len().saturating_add(len_of(&bytes));
        if longer > self.limit {
            return Err(BlobError::TooLong { key: self.key.to_string(), limit: self.limit });
        }
        loop {
            let room = self.open().part_bytes() - self.part_len;
            if bytes.len() < room {
                break;
            }
            self.take(bytes.split_to(room));
            self.write_part().await?;
        }
        self.take(bytes);
        Ok(())
    }

    /// Bytes taken so far.
    pub fn len(&self) -> u64 {
        self.hashed.len().saturating_add(u64::try_from(self.part_len).unwrap_or(u64::MAX))
    }

    /// Whether no byte came yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the object appear, durably.
    pub async fn finish(mut self) -> Result<Stored, BlobError> {
        let key = self.key.clone();
        let len = self.len();
        let rest = self.hash_part().await;
        self.open().finish(&key, rest, len).await?;
        self.open = None;
        if let Some(older) = &self.older {
            older.delete(&key).await?;
        }
        Ok(mem::take(&mut self.hashed).finish())
    }

    /// What was taken so far.
    pub(crate) fn so_far(&self) -> Stored {
        let mut print = self.hashed.clone();
        for bytes in &self.part {
            print.add(bytes);
        }
        print.finish()
    }

    /// Gives the object up, and returns when nothing is left of it.
    pub async fn abort(mut self) -> Result<(), BlobError> {
        match self.open.take() {
            Some(open) => open.give_up(&self.key).await,
            None => Ok(()),
        }
    }

    fn open(&mut self) -> &mut Open {
        self.open.as_mut().expect("only `finish` and `abort` close a writer, and both consume it")
    }

    fn take(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.part_len += bytes.len();
            self.part.push(bytes);
        }
    }

    async fn write_part(&mut self) -> Result<(), BlobError> {
        let part = self.hash_part().await;
        let hands = self.hands.clone();
        let _hand = match self.open() {
            Open::Local { .. } => Some(hands.one().await),
            // It is the network that is waited for.
            Open::S3 { .. } => None,
        };
        let key = self.key.clone();
        self.open().put_part(&key, part).await
    }

    /// The part, which is hashed with those before it, where nobody waits for the thread.
    async fn hash_part(&mut self) -> PutPayload {
        let part: PutPayload = mem::take(&mut self.part).into_iter().collect();
        self.part_len = 0;
        let (pieces, mut print) = (part.clone(), mem::take(&mut self.hashed));
        let _hand = self.hands.one().await;
        let hashing = spawn_blocking(move || {
            for bytes in &pieces {
                print.add(bytes);
            }
            print
        });
        self.hashed = hashing.await.expect("hashing does not panic, and nobody aborts it");
        part
    }
}

impl Hands {
    /// As many as the process has cores.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(cores)))
    }

    async fn one(&self) -> SemaphorePermit<'_> {
        self.0.acquire().await.expect("nobody closes it")
    }
}

impl Open {
    /// Length of the next part.
    fn part_bytes(&self) -> usize {
        match self {
            Self::Local { .. } => LOCAL_PART_BYTES,
            Self::S3 { begun: Some(begun), .. } if begun.parts.len() >= EQUAL_PARTS => S3_LATE_PART_BYTES,
            Self::S3 { .. } => S3_PART_BYTES,
        }
    }

    async fn put_part(&mut self, key: &StorageKey, part: PutPayload) -> Result<(), BlobError> {
        let failure = |error| failure(key, error);
        match self {
            Self::Local { upload, .. } => upload.put_part(part).await.map_err(failure),
            Self::S3 { client, path, journal, persistence, begun } => {
                let begun = match begun {
                    Some(begun) => begun,
                    None => {
                        let new = Begun::new(client, path, key, *persistence, journal.as_ref());
                        begun.insert(new.await?)
                    }
                };
                let id = client.put_part(path, &begun.id, begun.parts.len(), part).await.map_err(failure)?;
                begun.parts.push(id);
                if begun.touched.elapsed() > TOUCH {
                    journal.touched(&begun.id).await.map_err(|source| unrecorded(key, source))?;
                    begun.touched = Instant::now();
                }
                Ok(())
            }
        }
    }

    /// Makes the object, of `len` bytes, of what was written and this rest of it.
    async fn finish(&mut self, key: &StorageKey, rest: PutPayload, len: u64) -> Result<(), BlobError> {
        let failure = |error| failure(key, error);
        match self {
            // What fits into one part needs no multipart upload.
            Self::S3 { client, path, begun: None, .. } => {
                client.put(path, rest).await.map(drop).map_err(failure)
            }
            Self::S3 { .. } | Self::Local { .. } => {
                if rest.content_length() > 0 {
                    self.put_part(key, rest).await?;
                }
                self.complete(key, len).await
            }
        }
    }

    async fn complete(&mut self, key: &StorageKey, len: u64) -> Result<(), BlobError> {
        let failure = |error| failure(key, error);
        match self {
            Self::Local { upload, .. } => upload.complete().await.map(drop).map_err(failure),
            Self::S3 { begun: None, .. } => Ok(()),
            Self::S3 { client, path, journal, persistence, begun: Some(begun) } => {
                let complete = || async {
                    let completed = client.complete_multipart(path, &begun.id, begun.parts.clone()).await;
                    completed.map(drop).map_err(failure)
                };
                match persistence.run(complete).await {
                    // An attempt whose answer was lost has done it, and the upload is no more.
                    Err(BlobError::NotFound { .. })
                        if client.head(path).await.is_ok_and(|object| object.size == len) => {}
                    outcome => outcome?,
                }
                // An entry that stays is of an upload that does not exist: the sweeper finds out.
                forget(journal.as_ref(), key, &begun.id).await;
                Ok(())
            }
        }
    }

    async fn give_up(self, key: &StorageKey) -> Result<(), BlobError> {
        match self {
            Self::Local { mut upload, folder } => {
                let given_up = upload.abort().await;
                if let Some(folder) = folder {
                    // Fails, as it should, when something else lives there.
                    let _ = tokio::fs::remove_dir(folder).await;
                }
                given_up.map_err(|error| failure(key, error))
            }
            Self::S3 { begun: None, .. } => Ok(()),
            Self::S3 { client, path, journal, persistence, begun: Some(begun) } => {
                let abort =
                    || async { abort(&client, &path, &begun.id).await.map_err(|error| failure(key, error)) };
                persistence.run(abort).await?;
                forget(journal.as_ref(), key, &begun.id).await;
                Ok(())
            }
        }
    }
}

impl Begun {
    /// Written down before the first byte is sent: whoever is killed from here on leaves a trace.
    async fn new(
        client: &AmazonS3,
        path: &Path,
        key: &StorageKey,
        persistence: Persistence,
        journal: &dyn Journal,
    ) -> Result<Self, BlobError> {
        // One that was begun and whose answer was lost holds no byte.
        let begin = || async { client.create_multipart(path).await.map_err(|error| failure(key, error)) };
        let id = persistence.run(begin).await?;
        if let Err(source) = journal.begun(&key.to_string(), &id).await {
            if let Err(error) = abort(client, path, &id).await {
                tracing::warn!(%key, %error, "the empty upload of `{key}` stays in the store");
            }
            return Err(unrecorded(key, source));
        }
        Ok(Self { id, parts: Vec::new(), touched: Instant::now() })
    }
}

/// Ends a multipart upload; one that does not exist, or is finished, is fine.
pub(super) async fn abort(client: &AmazonS3, path: &Path, id: &str) -> object_store::Result<()> {
    match client.abort_multipart(path, &id.to_owned()).await {
        Err(object_store::Error::NotFound { .. }) => Ok(()),
        outcome => outcome,
    }
}

async fn forget(journal: &dyn Journal, key: &StorageKey, id: &str) {
    if let Err(error) = journal.ended(id).await {
        tracing::warn!(%key, %error, "the end of the upload of `{key}` could not be recorded");
    }
}

fn len_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a length in memory fits 64 bits")
}

fn unrecorded(key: &StorageKey, source: Box<dyn std::error::Error + Send + Sync>) -> BlobError {
    BlobError::Journal { key: key.to_string(), source }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let key = self.key.clone();
            runtime.spawn(async move {
                if let Err(error) = open.give_up(&key).await {
                    tracing::warn!(%key, %error, "could not remove the unfinished object `{key}`");
                }
            });
        }
    }
}
