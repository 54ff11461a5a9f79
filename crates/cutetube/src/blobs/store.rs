//! Reading and writing objects: in one place, and for the time of a move in two.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use futures_util::Stream;
use object_store::GetOptions;

use super::{
    BlobError, BlobWriter, Journal, KeyPrefix, StorageKey, Stored, journal::NoJournal, place::Place, staged,
    writer::Hands,
};
use crate::config::S3;

/// Where objects are kept. Cheap to clone.
#[derive(Clone)]
pub struct BlobStore {
    here: Place,
    /// Where objects are that have not been moved here yet.
    older: Option<Place>,
    journal: Arc<dyn Journal>,
    hands: Hands,
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

/// Looks here, and for what is not here where it was before. Somebody may write it here and remove it there between these
/// two looks: what is in neither is looked for here once more.
macro_rules! look {
    ($store:expr, $place:ident => $look:expr) => {{
        let found = {
            let $place = &$store.here;
            $look
        };
        match (found, &$store.older) {
            (Err(BlobError::NotFound { .. }), Some($place)) => match $look {
                Err(BlobError::NotFound { .. }) => {
                    let $place = &$store.here;
                    $look
                }
                found => found,
            },
            (found, _) => found,
        }
    }};
}

impl BlobStore {
    /// The store that `url` names: `file://` and an absolute or relative folder, which is made when missing, or
    /// `s3://`, a bucket and a prefix, reached as `s3` says.
    pub fn open(url: &str, s3: &S3) -> Result<Self, BlobError> {
        Ok(Self::at(Place::open(url, s3)?))
    }

    /// A folder, made when missing, whose objects appear whole but need not survive the loss of power: who loses them
    /// makes them again.
    pub fn export(folder: &std::path::Path) -> Result<Self, BlobError> {
        Ok(Self::at(Place::export(folder)?))
    }

    fn at(here: Place) -> Self {
        Self { here, older: None, journal: Arc::new(NoJournal), hands: Hands::new() }
    }

    /// The same store, whose long uploads are remembered by `journal`.
    pub fn remembered_by(self, journal: Arc<dyn Journal>) -> Self {
        Self { journal, ..self }
    }

    /// The same store while objects are moved to it from `older`: what is not here is read there. What is written is
    /// written here, and whatever has its name there is removed, so that no other process finds what is not any more;
    /// what is deleted is deleted in both.
    pub fn over(self, older: Self) -> Self {
        Self { older: Some(older.here), ..self }
    }

    /// Writes a whole object at once: `parts` one after the other, which are not joined in memory.
    pub async fn put(&self, key: &StorageKey, parts: Vec<Bytes>) -> Result<Stored, BlobError> {
        let stored = self.here.put(key, parts).await?;
        if let Some(older) = &self.older {
            older.delete(key).await?;
        }
        Ok(stored)
    }

    /// Starts an object of at most `limit` bytes; it appears when [`BlobWriter::finish`] returns, or never.
    pub async fn writer(&self, key: &StorageKey, limit: u64) -> Result<BlobWriter, BlobError> {
        let open = self.here.start(key, &self.journal).await?;
        Ok(BlobWriter::new(key.clone(), open, limit, self.older.clone(), self.hands.clone()))
    }

    /// Length and age of an object.
    pub async fn head(&self, key: &StorageKey) -> Result<BlobInfo, BlobError> {
        look!(self, place => place.head(key).await)
    }

    /// A whole object; for those known to be small.
    pub async fn get(&self, key: &StorageKey) -> Result<Bytes, BlobError> {
        look!(self, place => place.get(key).await)
    }

    /// Exactly the bytes of `range`.
    pub async fn read(&self, key: &StorageKey, range: Range<u64>) -> Result<Bytes, BlobError> {
        look!(self, place => place.read(key, range.clone()).await)
    }

    /// The bytes of `range`, as the reader takes them.
    pub async fn stream(
        &self,
        key: &StorageKey,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Bytes, BlobError>> + Send + use<>, BlobError> {
        look!(self, place => place.stream_with(key, GetOptions::new().with_range(Some(range.clone()))).await)
    }

    /// All bytes, as the reader takes them.
    pub(crate) async fn stream_whole(
        &self,
        key: &StorageKey,
    ) -> Result<impl Stream<Item = Result<Bytes, BlobError>> + Send + use<>, BlobError> {
        look!(self, place => place.stream_with(key, GetOptions::new()).await)
    }

    /// What the store gives back for a whole object.
    pub async fn fingerprint(&self, key: &StorageKey) -> Result<Stored, BlobError> {
        look!(self, place => place.fingerprint(key).await)
    }

    /// The object as a file for a program to read. In a store on another machine it is fetched into a temporary one.
    pub async fn file(&self, key: &StorageKey) -> Result<File, BlobError> {
        look!(self, place => place.file(key).await)
    }

    /// Removes an object; one that is not there is fine.
    pub async fn delete(&self, key: &StorageKey) -> Result<(), BlobError> {
        for place in self.places() {
            place.delete(key).await?;
        }
        Ok(())
    }

    /// Removes every object under `prefix` and tells how many there were.
    pub async fn delete_prefix(&self, prefix: &KeyPrefix) -> Result<u64, BlobError> {
        let listed = self.objects(prefix).await?;
        self.delete_listed(prefix, &listed).await?;
        for place in self.places() {
            place.clear_folder(prefix).await;
        }
        Ok(u64::try_from(listed.len()).unwrap_or(u64::MAX))
    }

    /// Removes these objects, which a listing of `prefix` has named.
    pub async fn delete_listed(&self, prefix: &KeyPrefix, listed: &[Listed]) -> Result<(), BlobError> {
        for place in self.places() {
            place.delete_listed(prefix, listed).await?;
        }
        Ok(())
    }

    /// Every object under `prefix`, by name.
    pub async fn objects(&self, prefix: &KeyPrefix) -> Result<Vec<Listed>, BlobError> {
        self.list_below(&prefix.to_string()).await
    }

    /// The folders directly under `prefix`. They may be empty: only those of a bucket at Amazon never are.
    pub async fn folders(&self, prefix: &KeyPrefix) -> Result<Vec<String>, BlobError> {
        let mut names = Vec::new();
        for place in self.places() {
            names.extend(place.folders(prefix).await?);
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Names of all objects, sorted; for tests and reports.
    pub async fn list(&self) -> Result<Vec<String>, BlobError> {
        Ok(self.list_below("").await?.into_iter().map(|listed| listed.name).collect())
    }

    /// What is here hides what has the same name in the other place.
    async fn list_below(&self, prefix: &str) -> Result<Vec<Listed>, BlobError> {
        let here = self.here.objects(prefix).await?;
        let Some(older) = &self.older else { return Ok(here) };
        let older = older.objects(prefix).await?;
        let all = older.into_iter().chain(here).map(|listed| (listed.name.clone(), listed));
        Ok(all.collect::<BTreeMap<_, _>>().into_values().collect())
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
        let mut found = Vec::new();
        for place in self.places() {
            found.extend(place.staged(prefix).await?);
        }
        Ok(found)
    }

    /// Removes such a file, and its folder when that is empty.
    pub(crate) async fn discard_staged(&self, file: staged::Staged) -> Result<(), BlobError> {
        let path = file.path.clone();
        file.discard().await.map_err(|source| BlobError::Folder { path, source })
    }

    /// Ends the multipart upload `id` of an object by its name; one that does not exist is fine.
    pub async fn abort_upload(&self, name: &str, id: &str) -> Result<(), BlobError> {
        for place in self.places() {
            place.abort_upload(name, id).await?;
        }
        Ok(())
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        std::iter::once(&self.here).chain(&self.older)
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
            self.write_in_parts(&key).await.map_err(step("upload an object in parts"))?;
            match &self.older {
                Some(older) => {
                    older.objects("probe").await.map(drop).map_err(step("list objects in `storage.fallback`"))
                }
                None => Ok(()),
            }
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
}

impl fmt::Debug for BlobStore {
    /// Its address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.older {
            None => write!(f, "BlobStore({:?})", self.here),
            Some(older) => write!(f, "BlobStore({:?}, over {older:?})", self.here),
        }
    }
}

/// Unlike any that is in use now.
fn probe_key() -> StorageKey {
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let name = (u64::from(std::process::id()) << 32) | PROBES.fetch_add(1, Ordering::Relaxed);
    StorageKey::Probe { name }
}
