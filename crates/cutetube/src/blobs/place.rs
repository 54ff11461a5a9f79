//! One folder or bucket, with everything that is done in it.

use std::{fmt, fs::File, io, ops::Range, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use object_store::{
    GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, aws::AmazonS3, local::LocalFileSystem,
    path::Path,
};

use super::{
    BlobError, BlobInfo, Journal, KeyPrefix, Listed, StorageKey, Stored,
    error::{failure, of_place},
    local_copy::{self, LocalCopy},
    s3::{self, Persistence},
    staged,
    writer::{self, Fingerprint, Open},
};
use crate::config::S3;

/// A folder on this machine, or a prefix in a bucket. Cheap to clone.
#[derive(Clone)]
pub(super) struct Place {
    store: Arc<dyn ObjectStore>,
    kind: Kind,
    persistence: Persistence,
}

#[derive(Clone)]
enum Kind {
    /// A folder on this machine.
    Local { root: PathBuf },
    /// Below a prefix in a bucket.
    S3 { client: Arc<AmazonS3>, prefix: Path },
}

/// Objects that are deleted by one request.
const DELETED_AT_ONCE: usize = 1000;

impl Place {
    /// The store that `url` names: `file://` and an absolute or relative folder, which is made when missing, or
    /// `s3://`, a bucket and a prefix, reached as `s3` says.
    pub(super) fn open(url: &str, s3: &S3) -> Result<Self, BlobError> {
        if url.starts_with("s3://") {
            let s3::Bucket { client, prefix } = s3::open(url, s3)?;
            return Ok(Self {
                store: client.clone(),
                kind: Kind::S3 { client, prefix },
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
    pub(super) fn export(folder: &std::path::Path) -> Result<Self, BlobError> {
        Self::local(folder, |folder| folder.with_fsync(false))
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
            kind: Kind::Local { root },
            persistence: Persistence(Duration::ZERO),
        })
    }

    /// Writes a whole object at once: `parts` one after the other, which are not joined in memory.
    pub(super) async fn put(&self, key: &StorageKey, parts: Vec<Bytes>) -> Result<Stored, BlobError> {
        let stored = Stored::of(&parts);
        let payload: PutPayload = parts.into_iter().collect();
        self.store.put(&self.path(key), payload).await.map_err(|error| failure(key, error))?;
        Ok(stored)
    }

    /// Starts an object.
    pub(super) async fn start(
        &self,
        key: &StorageKey,
        journal: &Arc<dyn Journal>,
    ) -> Result<Open, BlobError> {
        Ok(match &self.kind {
            Kind::Local { root } => {
                let upload = self.store.put_multipart(&self.path(key)).await;
                let upload = upload.map_err(|error| failure(key, error))?;
                Open::Local { upload, folder: root.join(key.to_string()).parent().map(PathBuf::from) }
            }
            Kind::S3 { client, .. } => Open::S3 {
                client: client.clone(),
                path: self.path(key),
                journal: journal.clone(),
                persistence: self.persistence,
                begun: None,
            },
        })
    }

    /// Length and age of an object.
    pub(super) async fn head(&self, key: &StorageKey) -> Result<BlobInfo, BlobError> {
        let meta = self.store.head(&self.path(key)).await.map_err(|error| failure(key, error))?;
        Ok(BlobInfo::of(&meta))
    }

    /// A whole object; for those known to be small.
    pub(super) async fn get(&self, key: &StorageKey) -> Result<Bytes, BlobError> {
        let found = self.store.get(&self.path(key)).await.map_err(|error| failure(key, error))?;
        found.bytes().await.map_err(|error| failure(key, error))
    }

    /// Exactly the bytes of `range`.
    pub(super) async fn read(&self, key: &StorageKey, range: Range<u64>) -> Result<Bytes, BlobError> {
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

    /// What the store gives back for a whole object.
    pub(super) async fn fingerprint(&self, key: &StorageKey) -> Result<Stored, BlobError> {
        let bytes = self.stream_with(key, GetOptions::new()).await?;
        let read = |mut stored: Fingerprint, bytes: Bytes| {
            stored.add(&bytes);
            std::future::ready(Ok(stored))
        };
        bytes.try_fold(Fingerprint::default(), read).await.map(Fingerprint::finish)
    }

    pub(super) async fn stream_with(
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
    pub(super) async fn file(&self, key: &StorageKey) -> Result<File, BlobError> {
        if let Kind::Local { root } = &self.kind {
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
    pub(super) async fn delete(&self, key: &StorageKey) -> Result<(), BlobError> {
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

    /// Removes what a folder on this machine has under `prefix`, files of objects that have not appeared included.
    pub(super) async fn clear_folder(&self, prefix: &KeyPrefix) {
        if let Kind::Local { root } = &self.kind {
            // What stays is found by a sweep.
            let _ = tokio::fs::remove_dir_all(root.join(prefix.to_string())).await;
        }
    }

    /// Removes these objects, which a listing of `prefix` has named.
    pub(super) async fn delete_listed(&self, prefix: &KeyPrefix, listed: &[Listed]) -> Result<(), BlobError> {
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
        if let Kind::Local { root } = &self.kind {
            let folder = root.join(prefix.to_string());
            // A folder that stays costs nothing.
            let _ = tokio::task::spawn_blocking(move || staged::remove_empty_folders(&folder)).await;
        }
        Ok(())
    }

    /// The folders directly under `prefix`. They may be empty: only those of a bucket at Amazon never are.
    pub(super) async fn folders(&self, prefix: &KeyPrefix) -> Result<Vec<String>, BlobError> {
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

    /// Every object whose name begins with the folder `prefix`, by name.
    pub(super) async fn objects(&self, prefix: &str) -> Result<Vec<Listed>, BlobError> {
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

    /// The files of unfinished objects in a store on this machine.
    pub(super) async fn staged(&self, prefix: Option<&KeyPrefix>) -> Result<Vec<staged::Staged>, BlobError> {
        let Kind::Local { root } = &self.kind else { return Ok(Vec::new()) };
        let path = prefix.map_or_else(|| root.clone(), |prefix| root.join(prefix.to_string()));
        let failure = |source| BlobError::Folder { path: path.clone(), source };
        let folder = path.clone();
        let found = tokio::task::spawn_blocking(move || staged::find(&folder)).await;
        found.map_err(io::Error::other).and_then(|found| found).map_err(failure)
    }

    /// Ends the multipart upload `id` of an object by its name; one that does not exist is fine.
    pub(super) async fn abort_upload(&self, name: &str, id: &str) -> Result<(), BlobError> {
        let Kind::S3 { client, .. } = &self.kind else { return Ok(()) };
        let path = self.path_of(name);
        self.persistence
            .run(|| async {
                let aborted = writer::abort(client, &path, id).await;
                aborted.map_err(|error| of_place(name.to_owned(), error))
            })
            .await
    }

    /// Keys are made of characters that every store takes as they are.
    fn path(&self, key: &StorageKey) -> Path {
        self.path_of(&key.to_string())
    }

    fn path_of(&self, name: &str) -> Path {
        match &self.kind {
            Kind::Local { .. } => Path::from(name),
            Kind::S3 { prefix, .. } => prefix.parts().chain(Path::from(name).parts()).collect(),
        }
    }

    /// `None` for what lies elsewhere.
    fn name_of(&self, path: &Path) -> Option<String> {
        match &self.kind {
            Kind::Local { .. } => Some(path.to_string()),
            Kind::S3 { prefix, .. } => {
                let rest: Path = path.prefix_match(prefix)?.collect();
                Some(rest.to_string())
            }
        }
    }
}

impl fmt::Debug for Place {
    /// Its address: the client knows secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Local { root } => write!(f, "{}", root.display()),
            Kind::S3 { prefix, .. } => write!(f, "S3, {prefix}"),
        }
    }
}

impl BlobInfo {
    fn of(meta: &ObjectMeta) -> Self {
        Self { len: meta.size, written: meta.last_modified.into() }
    }
}
