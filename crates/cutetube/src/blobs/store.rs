//! Reading objects, and the one constructor that knows which kind of store there is.

use std::{
    io,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, local::LocalFileSystem, path::Path};

use super::{BlobWriter, KeyPrefix, StorageKey, Stored};

/// Where objects are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BlobStore {
    store: Arc<dyn ObjectStore>,
    /// Of a store on this machine.
    root: Option<PathBuf>,
    part_bytes: usize,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobInfo {
    /// In bytes.
    pub len: u64,
}

/// Why an object could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such object.
    #[error("there is no object `{key}`")]
    NotFound {
        /// The object.
        key: String,
    },
    /// More bytes came than are allowed.
    #[error("`{key}` is longer than {limit} bytes")]
    TooLong {
        /// The object.
        key: String,
        /// In bytes.
        limit: u64,
    },
    /// The store is full.
    #[error("there is no space left for `{key}`")]
    NoSpace {
        /// The object.
        key: String,
    },
    /// Bytes were asked for that the object does not have.
    #[error("`{key}` has no bytes {}..{}", range.start, range.end)]
    OutOfRange {
        /// The object.
        key: String,
        /// What was asked for.
        range: Range<u64>,
    },
    /// What is read is not what was written.
    #[error("the store did not give back what was written to `{key}`")]
    Changed {
        /// The object.
        key: String,
    },
    /// `storage.url` names no store.
    #[error("`{url}` is not a place to store objects")]
    BadUrl {
        /// As configured.
        url: String,
    },
    /// A folder of a local store cannot be used.
    #[error("cannot use the folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Anything else.
    #[error("the store failed on `{key}`")]
    Store {
        /// Object or prefix.
        key: String,
        /// What it said.
        source: object_store::Error,
    },
}

/// A part is what an upload holds in memory, twice: one being filled, one being written.
const LOCAL_PART_BYTES: usize = 1 << 20;

impl BlobStore {
    /// The store that `url` names: `file://` and an absolute or relative folder, which is made when missing.
    pub fn open(url: &str) -> Result<Self, BlobError> {
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

    fn local(
        path: &std::path::Path,
        set_up: impl FnOnce(LocalFileSystem) -> LocalFileSystem,
    ) -> Result<Self, BlobError> {
        let failure = |source| BlobError::Folder { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failure)?;
        let root = path.canonicalize().map_err(failure)?;
        let folder = LocalFileSystem::new_with_prefix(&root)
            .map_err(|source| BlobError::Store { key: path.display().to_string(), source })?;
        Ok(Self { store: Arc::new(set_up(folder)), root: Some(root), part_bytes: LOCAL_PART_BYTES })
    }

    /// Writes a whole object at once: `parts` one after the other, which are not joined in memory.
    pub async fn put(&self, key: &StorageKey, parts: Vec<Bytes>) -> Result<Stored, BlobError> {
        let stored = Stored::of(&parts);
        let payload: PutPayload = parts.into_iter().collect();
        self.store.put(&path(key), payload).await.map_err(|error| failure(key, error))?;
        Ok(stored)
    }

    /// Starts an object of at most `limit` bytes; it appears when [`BlobWriter::finish`] returns, or never.
    pub async fn writer(&self, key: &StorageKey, limit: u64) -> Result<BlobWriter, BlobError> {
        let upload = self.store.put_multipart(&path(key)).await.map_err(|error| failure(key, error))?;
        let folder =
            self.root.as_ref().and_then(|root| Some(root.join(key.to_string()).parent()?.to_owned()));
        Ok(BlobWriter::new(key.clone(), upload, self.part_bytes, limit, folder))
    }

    /// Length of an object.
    pub async fn head(&self, key: &StorageKey) -> Result<BlobInfo, BlobError> {
        let meta = self.store.head(&path(key)).await.map_err(|error| failure(key, error))?;
        Ok(BlobInfo { len: meta.size })
    }

    /// A whole object; for those known to be small.
    pub async fn get(&self, key: &StorageKey) -> Result<Bytes, BlobError> {
        let found = self.store.get(&path(key)).await.map_err(|error| failure(key, error))?;
        found.bytes().await.map_err(|error| failure(key, error))
    }

    /// Exactly the bytes of `range`.
    pub async fn read(&self, key: &StorageKey, range: Range<u64>) -> Result<Bytes, BlobError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let wanted = range.end - range.start;
        match self.store.get_range(&path(key), range.clone()).await {
            Ok(bytes) if u64::try_from(bytes.len()).is_ok_and(|len| len == wanted) => Ok(bytes),
            Ok(_) => Err(BlobError::OutOfRange { key: key.to_string(), range }),
            Err(error) => {
                let failure = failure(key, error);
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
        let options = object_store::GetOptions::new().with_range(Some(range));
        let found = self.store.get_opts(&path(key), options).await.map_err(|error| failure(key, error))?;
        let key = key.clone();
        Ok(found.into_stream().map_err(move |error| failure(&key, error)))
    }

    /// Removes an object; one that is not there is fine.
    pub async fn delete(&self, key: &StorageKey) -> Result<(), BlobError> {
        match self.store.delete(&path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failure(key, error)),
        }
    }

    /// Removes every object under `prefix` and tells how many there were.
    pub async fn delete_prefix(&self, prefix: &KeyPrefix) -> Result<u64, BlobError> {
        let failure = |source| BlobError::Store { key: prefix.to_string(), source };
        let found =
            self.store.list(Some(&Path::from(prefix.to_string()))).map_ok(|meta| meta.location).boxed();
        let count = self
            .store
            .delete_stream(found)
            .try_fold(0, |count, _| std::future::ready(Ok(count + 1)))
            .await
            .map_err(failure)?;
        if let Some(root) = &self.root {
            // A store without folders has nothing left; this one has empty ones.
            let _ = tokio::fs::remove_dir_all(root.join(prefix.to_string())).await;
        }
        Ok(count)
    }

    /// Removes what killed processes left of objects under `prefix` that never appeared. Only a store on this machine
    /// keeps such files under the objects' names; others forget unfinished uploads by themselves.
    ///
    /// An object that is being written under `prefix` at this moment may be lost.
    pub async fn discard_unfinished(&self, prefix: &KeyPrefix) -> Result<(), BlobError> {
        let Some(root) = &self.root else { return Ok(()) };
        let path = root.join(prefix.to_string());
        let failure = |source| BlobError::Folder { path: path.clone(), source };
        let folder = path.clone();
        let discarded = tokio::task::spawn_blocking(move || discard_unfinished(&folder)).await;
        discarded.map_err(io::Error::other).map_err(failure)?.map_err(failure)
    }

    /// Writes, reads back, cuts out of and deletes an object.
    pub async fn probe(&self) -> Result<(), BlobError> {
        static PROBES: AtomicU64 = AtomicU64::new(0);
        let name = (u64::from(std::process::id()) << 32) | PROBES.fetch_add(1, Ordering::Relaxed);
        let key = StorageKey::Probe { name };
        self.put(&key, vec![Bytes::from_static(b"probe")]).await?;
        let read = self.read(&key, 1..4).await;
        self.delete(&key).await?;
        match &*read? {
            b"rob" => Ok(()),
            _ => Err(BlobError::Changed { key: key.to_string() }),
        }
    }

    /// Names of all objects, sorted; for tests and reports.
    pub async fn list(&self) -> Result<Vec<String>, BlobError> {
        let failure = |source| BlobError::Store { key: String::new(), source };
        let mut names: Vec<_> = self
            .store
            .list(None)
            .map_ok(|meta| meta.location.to_string())
            .try_collect()
            .await
            .map_err(failure)?;
        names.sort_unstable();
        Ok(names)
    }

    /// The file that holds an object, in a store on this machine.
    pub fn local_path(&self, key: &StorageKey) -> Option<PathBuf> {
        Some(self.root.as_ref()?.join(key.to_string()))
    }
}

pub(super) fn failure(key: &StorageKey, error: object_store::Error) -> BlobError {
    let key = key.to_string();
    match error {
        object_store::Error::NotFound { .. } => BlobError::NotFound { key },
        error if is_full(&error) => BlobError::NoSpace { key },
        source => BlobError::Store { key, source },
    }
}

/// Keys are made of characters that every store takes as they are.
fn path(key: &StorageKey) -> Path {
    Path::from(key.to_string())
}

/// The local store writes an object as `{name}#{number}` first.
fn discard_unfinished(folder: &std::path::Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.rsplit_once('#')).map(|(_, number)| number);
        if entry.file_type()?.is_dir() {
            discard_unfinished(&entry.path())?;
        } else if number.is_some_and(|number| number.parse::<u64>().is_ok()) {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn is_full(error: &object_store::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use catalog::{ids::VideoId, names::SourceExtension};

    use super::*;

    fn store() -> (tempfile::TempDir, BlobStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(&format!("file://{}", folder.path().join("blobs").display())).unwrap();
        (folder, store)
    }

    fn video(number: u64) -> VideoId {
        VideoId::new(number, &[0; 10])
    }

    fn source(number: u64) -> StorageKey {
        StorageKey::Source { video: video(number), extension: SourceExtension::Mp4 }
    }

    fn source_folders(folder: &tempfile::TempDir) -> usize {
        std::fs::read_dir(folder.path().join("blobs/sources")).unwrap().count()
    }

    #[tokio::test]
    async fn an_object_appears_whole_or_not_at_all() {
        let (_folder, store) = store();
        let content: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let mut writer = store.writer(&source(1), 3_000_000).await.unwrap();
        for piece in content.chunks(70_001) {
            assert_eq!(store.list().await.unwrap(), Vec::<String>::new());
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        let stored = writer.finish().await.unwrap();
        assert_eq!(stored, Stored::of([&content]));
        assert_eq!(store.list().await.unwrap(), ["sources/00000000-0001-7000-8000-000000000000/source.mp4"]);
        assert_eq!(store.get(&source(1)).await.unwrap(), content);
        assert_eq!(
            store.read(&source(1), 1_048_570..1_048_590).await.unwrap(),
            content[1_048_570..1_048_590]
        );
        let pieces: Vec<Bytes> =
            store.stream(&source(1), 5..2_999_999).await.unwrap().try_collect().await.unwrap();
        assert_eq!(pieces.concat(), content[5..2_999_999]);
    }

    #[tokio::test]
    async fn what_is_given_up_leaves_nothing() {
        let (folder, store) = store();
        let mut writer = store.writer(&source(1), 10).await.unwrap();
        writer.write(Bytes::from_static(b"0123456789")).await.unwrap();
        let too_long = writer.write(Bytes::from_static(b"x")).await.unwrap_err();
        assert!(matches!(too_long, BlobError::TooLong { limit: 10, .. }));
        writer.abort().await.unwrap();
        assert_eq!(source_folders(&folder), 0);
    }

    #[tokio::test]
    async fn reading_outside_is_told_from_other_failures() {
        let (_folder, store) = store();
        store.put(&source(1), vec![Bytes::from_static(b"0123456789")]).await.unwrap();
        for range in [5..11, 10..11, 100..200] {
            let error = store.read(&source(1), range).await.unwrap_err();
            assert!(matches!(error, BlobError::OutOfRange { .. }), "{error:?}");
        }
        assert_eq!(store.read(&source(1), 3..3).await.unwrap(), Bytes::new());
        assert!(matches!(store.head(&source(2)).await.unwrap_err(), BlobError::NotFound { .. }));
    }

    #[tokio::test]
    async fn deleting_is_repeatable_and_stays_inside_its_prefix() {
        let (folder, store) = store();
        for number in [1, 2] {
            store.put(&source(number), vec![Bytes::from_static(b"x")]).await.unwrap();
        }
        let prefix = KeyPrefix::Source(video(1));
        assert_eq!(store.delete_prefix(&prefix).await.unwrap(), 1);
        assert_eq!(store.delete_prefix(&prefix).await.unwrap(), 0);
        store.delete(&source(1)).await.unwrap();
        assert_eq!(store.list().await.unwrap(), [source(2).to_string()]);
        assert_eq!(source_folders(&folder), 1);
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_discarded() {
        let (folder, store) = store();
        store.put(&source(1), vec![Bytes::from_static(b"x")]).await.unwrap();
        let mut killed = store.writer(&source(1), 10).await.unwrap();
        killed.write(Bytes::from_static(b"y")).await.unwrap();
        let files =
            || std::fs::read_dir(folder.path().join("blobs/sources").join(video(1).to_string())).unwrap();
        assert_eq!(files().count(), 2);
        store.discard_unfinished(&KeyPrefix::Source(video(1))).await.unwrap();
        store.discard_unfinished(&KeyPrefix::Source(video(2))).await.unwrap();
        assert_eq!(files().count(), 1);
        assert_eq!(store.get(&source(1)).await.unwrap(), "x");
    }

    #[tokio::test]
    async fn the_probe_passes_and_cleans_up() {
        let (_folder, store) = store();
        store.probe().await.unwrap();
        assert_eq!(store.list().await.unwrap(), Vec::<String>::new());
    }

    #[test]
    fn other_urls_are_refused() {
        for url in ["", "file://", "/tmp/x", "ftp://x", "s3://bucket"] {
            assert!(matches!(BlobStore::open(url).unwrap_err(), BlobError::BadUrl { .. }));
        }
    }
}
