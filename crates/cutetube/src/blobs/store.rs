//! Reading objects, and the one constructor that knows which kind of store there is.

use std::{
    fmt,
    fs::File,
    io,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use object_store::{
    GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, aws::AmazonS3, local::LocalFileSystem,
    path::Path,
};

use super::{
    BlobError, BlobWriter, Journal, KeyPrefix, StorageKey, Stored,
    error::{failure, of_place},
    journal::NoJournal,
    local_copy::{self, LocalCopy},
    s3::{self, Persistence},
    staged,
    writer::{self, Open},
};
use crate::config::S3;

/// Where objects are kept. Cheap to clone.
#[derive(Clone)]
pub struct BlobStore {
    store: Arc<dyn ObjectStore>,
    place: Place,
    journal: Arc<dyn Journal>,
    persistence: Persistence,
}

#[derive(Clone)]
enum Place {
    /// A folder on this machine.
    Local { root: PathBuf },
    /// Below a prefix in a bucket.
    S3 { client: Arc<AmazonS3>, prefix: Path },
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobInfo {
    /// In bytes.
    pub len: u64,
    /// When it was written, by the store's clock.
    pub written: SystemTime,
}

/// An object as a listing has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name: a [`StorageKey`], unless somebody else has put it there.
    pub name: String,
    /// What is known of it.
    pub info: BlobInfo,
}

/// What a store cannot do.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}")]
pub struct ExamineError {
    what: &'static str,
    source: BlobError,
}

/// Objects that are deleted by one request.
const DELETED_AT_ONCE: usize = 1000;

impl BlobStore {
    /// The store that `url` names: `file://` and an absolute or relative folder, which is made when missing, or
    /// `s3://`, a bucket and a prefix, reached as `s3` says.
    pub fn open(url: &str, s3: &S3) -> Result<Self, BlobError> {
        if url.starts_with("s3://") {
            let s3::Bucket { client, prefix } = s3::open(url, s3)?;
            return Ok(Self {
                store: client.clone(),
                place: Place::S3 { client, prefix },
                journal: Arc::new(NoJournal),
                persistence: Persistence(Duration::from_secs(s3.retry_seconds)),
            });
        }
        let bad = || BlobError::BadUrl { url: url.to_owned() };
        let path =
            PathBuf::from(url.strip_prefix("file://").filter(|path| !path.is_empty()).ok_or_else(bad)?);
        Self::local(&path, |folder| folder.with_fsync(true))
    }

    /// A folder, made when missing, whose objects appear whole but need not survive the loss of power: who loses them
    /// makes them again.
    pub fn export(folder: &std::path::Path) -> Result<Self, BlobError> {
        Self::local(folder, |folder| folder.with_fsync(false))
    }

    /// The same store, whose long uploads are remembered by `journal`.
    pub fn remembered_by(self, journal: Arc<dyn Journal>) -> Self {
        Self { journal, ..self }
    }

    fn local(
        path: &std::path::Path,
        set_up: impl FnOnce(LocalFileSystem) -> LocalFileSystem,
    ) -> Result<Self, BlobError> {
        let failure = |source| BlobError::Folder { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failure)?;
        let root = path.canonicalize().map_err(failure)?;
        let folder = LocalFileSystem::new_with_prefix(&root)
            .map_err(|source| BlobError::Store { key: path.display().to_string(), source })?;
        Ok(Self {
            store: Arc::new(set_up(folder)),
            place: Place::Local { root },
            journal: Arc::new(NoJournal),
            persistence: Persistence(Duration::ZERO),
        })
    }

    /// Writes a whole object at once: `parts` one after the other, which are not joined in memory.
    pub async fn put(&self, key: &StorageKey, parts: Vec<Bytes>) -> Result<Stored, BlobError> {
        let stored = Stored::of(&parts);
        let payload: PutPayload = parts.into_iter().collect();
        self.store.put(&self.path(key), payload).await.map_err(|error| failure(key, error))?;
        Ok(stored)
    }

    /// Starts an object of at most `limit` bytes; it appears when [`BlobWriter::finish`] returns, or never.
    pub async fn writer(&self, key: &StorageKey, limit: u64) -> Result<BlobWriter, BlobError> {
        let open = match &self.place {
            Place::Local { root } => {
                let upload = self.store.put_multipart(&self.path(key)).await;
                let upload = upload.map_err(|error| failure(key, error))?;
                Open::Local { upload, folder: root.join(key.to_string()).parent().map(PathBuf::from) }
            }
            Place::S3 { client, .. } => Open::S3 {
                client: client.clone(),
                path: self.path(key),
                journal: self.journal.clone(),
                persistence: self.persistence,
                begun: None,
            },
        };
        Ok(BlobWriter::new(key.clone(), open, limit))
    }

    /// Length and age of an object.
    pub async fn head(&self, key: &StorageKey) -> Result<BlobInfo, BlobError> {
        let meta = self.store.head(&self.path(key)).await.map_err(|error| failure(key, error))?;
        Ok(BlobInfo::of(&meta))
    }

    /// A whole object; for those known to be small.
    pub async fn get(&self, key: &StorageKey) -> Result<Bytes, BlobError> {
        let found = self.store.get(&self.path(key)).await.map_err(|error| failure(key, error))?;
        found.bytes().await.map_err(|error| failure(key, error))
    }

    /// Exactly the bytes of `range`.
    pub async fn read(&self, key: &StorageKey, range: Range<u64>) -> Result<Bytes, BlobError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let wanted = range.end - range.start;
        match self.store.get_range(&self.path(key), range.clone()).await {
            Ok(bytes) if u64::try_from(bytes.len()).is_ok_and(|len| len == wanted) => Ok(bytes),
            Ok(_) => Err(BlobError::OutOfRange { key: key.to_string(), range }),
            Err(error) => {
                let failure = failure(key, error);
                if !matches!(failure, BlobError::Store { .. }) {
                    return Err(failure);
                }
                let inside = self.head(key).await.is_ok_and(|info| range.end <= info.len);
                Err(if inside { failure } else { BlobError::OutOfRange { key: key.to_string(), range } })
            }
        }
    }

    /// The bytes of `range`, as the reader takes them.
    pub async fn stream(
        &self,
        key: &StorageKey,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Bytes, BlobError>> + Send + use<>, BlobError> {
        self.stream_with(key, GetOptions::new().with_range(Some(range))).await
    }

    /// What the store gives back for a whole object.
    pub async fn fingerprint(&self, key: &StorageKey) -> Result<Stored, BlobError> {
        let bytes = self.stream_with(key, GetOptions::new()).await?;
        let read = |mut stored: writer::Fingerprint, bytes: Bytes| {
            stored.add(&bytes);
            std::future::ready(Ok(stored))
        };
        bytes.try_fold(writer::Fingerprint::default(), read).await.map(writer::Fingerprint::finish)
    }

    async fn stream_with(
        &self,
        key: &StorageKey,
        options: GetOptions,
    ) -> Result<impl Stream<Item = Result<Bytes, BlobError>> + Send + use<>, BlobError> {
        let found = self.store.get_opts(&self.path(key), options).await;
        let key = key.clone();
        let found = found.map_err(|error| failure(&key, error))?;
        Ok(found.into_stream().map_err(move |error| failure(&key, error)))
    }

    /// The object as a file for a program to read. In a store on another machine it is fetched into a [`LocalCopy`].
    pub async fn file(&self, key: &StorageKey) -> Result<File, BlobError> {
        if let Place::Local { root } = &self.place {
            let name = key.to_string();
            return File::open(root.join(&name)).map_err(|error| local_copy::failure(&name, error));
        }
        let mut copy = LocalCopy::new(key)?;
        let mut bytes = std::pin::pin!(self.stream_with(key, GetOptions::new()).await?);
        while let Some(piece) = bytes.try_next().await? {
            copy = copy.write(piece).await?;
        }
        copy.finish()
    }

    /// Removes an object; one that is not there is fine.
    pub async fn delete(&self, key: &StorageKey) -> Result<(), BlobError> {
        let path = self.path(key);
        self.persistence
            .run(|| async {
                match self.store.delete(&path).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                    Err(error) => Err(failure(key, error)),
                }
            })
            .await
    }

    /// Removes every object under `prefix` and tells how many there were.
    pub async fn delete_prefix(&self, prefix: &KeyPrefix) -> Result<u64, BlobError> {
        let listed = self.objects(prefix).await?;
        self.delete_listed(prefix, &listed).await?;
        if let Place::Local { root } = &self.place {
            // What has not appeared goes too.
            let _ = tokio::fs::remove_dir_all(root.join(prefix.to_string())).await;
        }
        Ok(u64::try_from(listed.len()).unwrap_or(u64::MAX))
    }

    /// Removes these objects, which a listing of `prefix` has named.
    pub async fn delete_listed(&self, prefix: &KeyPrefix, listed: &[Listed]) -> Result<(), BlobError> {
        for batch in listed.chunks(DELETED_AT_ONCE) {
            self.persistence
                .run(|| async {
                    let paths: Vec<_> = batch.iter().map(|object| Ok(self.path_of(&object.name))).collect();
                    let deleted = self.store.delete_stream(stream::iter(paths).boxed());
                    let mut outcomes = std::pin::pin!(deleted);
                    while let Some(outcome) = outcomes.next().await {
                        match outcome {
                            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                            Err(error) => return Err(of_place(prefix.to_string(), error)),
                        }
                    }
                    Ok(())
                })
                .await?;
        }
        if let Place::Local { root } = &self.place {
            let folder = root.join(prefix.to_string());
            // A folder that stays costs nothing.
            let _ = tokio::task::spawn_blocking(move || staged::remove_empty_folders(&folder)).await;
        }
        Ok(())
    }

    /// Every object under `prefix`, by name.
    pub async fn objects(&self, prefix: &KeyPrefix) -> Result<Vec<Listed>, BlobError> {
        self.list_below(&prefix.to_string()).await
    }

    /// The folders directly under `prefix`. They may be empty: only those of a bucket at Amazon never are.
    pub async fn folders(&self, prefix: &KeyPrefix) -> Result<Vec<String>, BlobError> {
        let path = self.path_of(&prefix.to_string());
        let found = self
            .persistence
            .run(|| async {
                let found = self.store.list_with_delimiter(Some(&path)).await;
                found.map_err(|error| of_place(prefix.to_string(), error))
            })
            .await?;
        let name = |path: &Path| path.filename().map(str::to_owned);
        let mut names: Vec<String> = found.common_prefixes.iter().filter_map(name).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Names of all objects, sorted; for tests and reports.
    pub async fn list(&self) -> Result<Vec<String>, BlobError> {
        Ok(self.list_below("").await?.into_iter().map(|listed| listed.name).collect())
    }

    async fn list_below(&self, prefix: &str) -> Result<Vec<Listed>, BlobError> {
        let path = self.path_of(prefix);
        let found: Vec<ObjectMeta> = self
            .persistence
            .run(|| async {
                let found = self.store.list(Some(&path)).try_collect().await;
                found.map_err(|error| of_place(prefix.to_owned(), error))
            })
            .await?;
        let mut listed: Vec<Listed> = found
            .iter()
            .filter_map(|meta| Some(Listed { name: self.name_of(&meta.location)?, info: BlobInfo::of(meta) }))
            .collect();
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// Removes what killed processes left of objects under `prefix` that never appeared. Only a store on this machine
    /// keeps such files beside the objects.
    ///
    /// An object that is being written under `prefix` at this moment may be lost.
    pub async fn discard_unfinished(&self, prefix: &KeyPrefix) -> Result<(), BlobError> {
        for file in self.staged(Some(prefix)).await? {
            self.discard_staged(file).await?;
        }
        Ok(())
    }

    /// The files of unfinished objects in a store on this machine.
    pub(crate) async fn staged(&self, prefix: Option<&KeyPrefix>) -> Result<Vec<staged::Staged>, BlobError> {
        let Place::Local { root } = &self.place else { return Ok(Vec::new()) };
        let path = prefix.map_or_else(|| root.clone(), |prefix| root.join(prefix.to_string()));
        let failure = |source| BlobError::Folder { path: path.clone(), source };
        let folder = path.clone();
        let found = tokio::task::spawn_blocking(move || staged::find(&folder)).await;
        found.map_err(io::Error::other).and_then(|found| found).map_err(failure)
    }

    /// Removes such a file, and its folder when that is empty.
    pub(crate) async fn discard_staged(&self, file: staged::Staged) -> Result<(), BlobError> {
        let path = file.path.clone();
        file.discard().await.map_err(|source| BlobError::Folder { path, source })
    }

    /// Ends the multipart upload `id` of an object by its name; one that does not exist is fine.
    pub async fn abort_upload(&self, name: &str, id: &str) -> Result<(), BlobError> {
        let Place::S3 { client, .. } = &self.place else { return Ok(()) };
        let path = self.path_of(name);
        self.persistence
            .run(|| async {
                let aborted = writer::abort(client, &path, id).await;
                aborted.map_err(|error| of_place(name.to_owned(), error))
            })
            .await
    }

    /// Writes, reads back, cuts out of and deletes an object.
    pub async fn probe(&self) -> Result<(), BlobError> {
        self.clock().await.map(drop)
    }

    /// Tries everything that the program does with a store, and tells what did not work.
    pub async fn examine(&self) -> Result<(), ExamineError> {
        let step = |what| move |source| ExamineError { what, source };
        let key = probe_key();
        self.put(&key, vec![Bytes::from_static(b"probe")]).await.map_err(step("write an object"))?;
        let rest = async {
            self.fingerprint(&key).await.map_err(step("read an object"))?;
            self.read(&key, 1..4).await.map_err(step("read a part of an object"))?;
            self.objects(&KeyPrefix::Probes).await.map_err(step("list objects"))?;
            self.write_in_parts(&key).await.map_err(step("upload an object in parts"))
        };
        let rest = rest.await;
        let deleted = self.delete(&key).await.map_err(step("delete an object"));
        rest.and(deleted)
    }

    async fn write_in_parts(&self, key: &StorageKey) -> Result<(), BlobError> {
        let mut writer = self.writer(key, u64::MAX).await?;
        for _ in 0..6 {
            writer.write(Bytes::from(vec![0x5a; 1 << 20])).await?;
        }
        let written = writer.finish().await?;
        match self.fingerprint(key).await? == written {
            true => Ok(()),
            false => Err(BlobError::Changed { key: key.to_string() }),
        }
    }

    /// What time it is by the store's clock, found out with an object that is written, read and deleted.
    pub async fn clock(&self) -> Result<SystemTime, BlobError> {
        let key = probe_key();
        self.put(&key, vec![Bytes::from_static(b"probe")]).await?;
        let found = async {
            match &*self.read(&key, 1..4).await? {
                b"rob" => self.head(&key).await,
                _ => Err(BlobError::Changed { key: key.to_string() }),
            }
        };
        let found = found.await;
        self.delete(&key).await?;
        Ok(found?.written)
    }

    /// Keys are made of characters that every store takes as they are.
    fn path(&self, key: &StorageKey) -> Path {
        self.path_of(&key.to_string())
    }

    fn path_of(&self, name: &str) -> Path {
        match &self.place {
            Place::Local { .. } => Path::from(name),
            Place::S3 { prefix, .. } => prefix.parts().chain(Path::from(name).parts()).collect(),
        }
    }

    /// `None` for what lies elsewhere.
    fn name_of(&self, path: &Path) -> Option<String> {
        match &self.place {
            Place::Local { .. } => Some(path.to_string()),
            Place::S3 { prefix, .. } => {
                let rest: Path = path.prefix_match(prefix)?.collect();
                Some(rest.to_string())
            }
        }
    }
}

impl fmt::Debug for BlobStore {
    /// Its address: the client knows secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Local { root } => write!(f, "BlobStore({})", root.display()),
            Place::S3 { prefix, .. } => write!(f, "BlobStore(S3, {prefix})"),
        }
    }
}

impl BlobInfo {
    fn of(meta: &ObjectMeta) -> Self {
        Self { len: meta.size, written: meta.last_modified.into() }
    }
}

/// Unlike any that is in use now.
fn probe_key() -> StorageKey {
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let name = (u64::from(std::process::id()) << 32) | PROBES.fetch_add(1, Ordering::Relaxed);
    StorageKey::Probe { name }
}
