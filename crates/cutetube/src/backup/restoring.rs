//! From an archive to a platform: everything in it is checked before anything is written.

use std::{
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use db::{Db, Table, Tx, Value};
use futures_util::stream::{self, StreamExt};
use tokio::{
    sync::mpsc::{self, Sender},
    task::{JoinHandle, spawn_blocking},
};

use super::{
    BLOBS, Cell, FORMAT, KeptSecret, LIST, MANIFEST, Manifest, ObjectEntry, ROWS, TableEntry,
    archive::{Archive, ArchiveError, damaged, lines, text},
};
use crate::{
    blobs::{BlobError, BlobStore, BlobWriter, Fingerprint, StorageKey, Stored},
    config::{self, Config},
};

/// What was restored.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// The version of the program that made the backup.
    pub(crate) program: String,
    pub(crate) tables: usize,
    pub(crate) rows: u64,
    /// Secrets that were put into the data folder.
    pub(crate) secrets: usize,
    /// Objects that were put into the store.
    pub(crate) put: u64,
    /// Objects that are listed.
    pub(crate) objects: u64,
    /// Of those, how many are not in the store, or are others there.
    pub(crate) lost: u64,
    /// The first of them.
    pub(crate) named: Vec<String>,
}

/// Why a backup was not restored. The database is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("the backup has form {found}, and this program knows {FORMAT}")]
    NewerForm { found: u32 },
    #[error("the backup is of another schema than this program's")]
    Schema(#[source] db::Error),
    #[error("the database is not empty")]
    NotEmpty,
    #[error("`{}` holds another secret than the backup", path.display())]
    OtherSecret { path: PathBuf },
    #[error("cannot write `{}`", path.display())]
    Secret { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Db(#[from] db::Error),
    #[error(transparent)]
    Jobs(#[from] jobs::Error),
    #[error(transparent)]
    Store(#[from] BlobError),
}

/// Rows that are handed on together.
const BATCH: usize = 256;

/// Objects that are looked up at once.
const LOOKED_UP_AT_ONCE: usize = 8;

/// Lost objects that are named.
const NAMED: usize = 20;

/// A backup that is whole and that this program understands.
struct Backup {
    archive: Arc<Archive>,
    manifest: Manifest,
    secrets: Vec<(KeptSecret, String)>,
}

/// Restores the backup `path` into a database without tables, into the data folder and, if objects are in it, into the
/// store; then looks for those that it lists.
pub(crate) async fn restore(
    config: &Config,
    db: &Db,
    blobs: &BlobStore,
    path: &Path,
) -> Result<Restored, RestoreError> {
    let backup = Backup::open(path).await?;
    let steps: Vec<db::Step> = backup
        .manifest
        .schema
        .iter()
        .map(|step| db::Step { name: step.name.clone(), checksum: step.checksum.clone() })
        .collect();
    let schema = db::known_steps(catalog::MIGRATIONS, &steps).map_err(RestoreError::Schema)?;
    let secrets = backup.new_secrets(config)?;
    let mut tx = db.begin().await?;
    let is_blank = tx.is_blank().await?;
    tx.rollback().await?;
    if !is_blank {
        return Err(RestoreError::NotEmpty);
    }
    let mut restored = Restored {
        program: backup.manifest.program.clone(),
        tables: backup.manifest.tables.len(),
        ..Restored::default()
    };
    if backup.manifest.objects_included {
        backup.put_objects(blobs, &mut restored).await?;
    }
    let mut tx = db.begin().await?;
    if !tx.is_blank().await? {
        return Err(RestoreError::NotEmpty);
    }
    tx.migrate(schema).await?;
    backup.put_rows(&mut tx, &mut restored).await?;
    tx.migrate(catalog::MIGRATIONS).await?;
    jobs::workers::forget_all(&mut tx).await?;
    for (secret, text) in secrets {
        let path = secret.file(config);
        let written =
            std::fs::create_dir_all(&config.data).and_then(|()| config::replace_secret(&path, &text));
        written.map_err(|source| RestoreError::Secret { path, source })?;
        restored.secrets += 1;
    }
    tx.commit().await?;
    backup.look_for_objects(blobs, &mut restored).await?;
    Ok(restored)
}

impl Backup {
    /// Reads all of it.
    async fn open(path: &Path) -> Result<Self, RestoreError> {
        let archive = Arc::new(Archive::open(path)?);
        let reading = spawn_blocking({
            let archive = archive.clone();
            move || {
                let manifest = archive.verify(MANIFEST)?;
                Ok((manifest, secrets(&archive)?))
            }
        });
        let (manifest, secrets) = ended(&archive, reading).await?;
        #[derive(serde::Deserialize)]
        struct Form {
            format: u32,
        }
        let unreadable = |error: serde_json::Error| archive.damaged(&error.to_string());
        let Form { format } = serde_json::from_slice(&manifest).map_err(unreadable)?;
        if format != FORMAT {
            return Err(RestoreError::NewerForm { found: format });
        }
        let manifest = serde_json::from_slice(&manifest).map_err(unreadable)?;
        Ok(Self { archive, manifest, secrets })
    }

    /// The secrets that are neither configured nor in the data folder.
    fn new_secrets(&self, config: &Config) -> Result<Vec<(KeptSecret, String)>, RestoreError> {
        let mut new = Vec::new();
        for (secret, text) in self.secrets.iter().filter(|(secret, _)| !secret.is_configured(config)) {
            let path = secret.file(config);
            match std::fs::read_to_string(&path) {
                Ok(kept) if kept == *text => {}
                Ok(_) => return Err(RestoreError::OtherSecret { path }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => new.push((*secret, text.clone())),
                Err(source) => return Err(RestoreError::Secret { path, source }),
            }
        }
        Ok(new)
    }

    async fn put_rows(&self, tx: &mut Tx, restored: &mut Restored) -> Result<(), RestoreError> {
        let tables = tx.tables().await?;
        // What migrations have put there is in the backup, too.
        for table in tables.iter().rev() {
            tx.empty(table).await?;
        }
        let (to, mut from) = mpsc::channel(2);
        let archive = self.archive.clone();
        let reading = spawn_blocking(move || read_rows(&archive, &to));
        while let Some((index, rows)) = from.recv().await {
            let (entry, table) = self.table(&tables, index)?;
            tx.fill(table, &entry.columns, &rows).await?;
            restored.rows += count(rows.len());
        }
        ended(&self.archive, reading).await?;
        for index in 0..self.manifest.tables.len() {
            let (entry, table) = self.table(&tables, index)?;
            if let Some(last) = entry.last_number {
                tx.number_after(table, last).await?;
            }
        }
        Ok(())
    }

    /// A table of the backup, and the same in the database.
    fn table<'a>(
        &'a self,
        tables: &'a [Table],
        index: usize,
    ) -> Result<(&'a TableEntry, &'a Table), RestoreError> {
        let unknown = || self.archive.damaged("it has rows of a table that its schema does not have");
        let entry = self.manifest.tables.get(index).ok_or_else(unknown)?;
        let table = tables.iter().find(|table| table.name == entry.name).ok_or_else(unknown)?;
        Ok((entry, table))
    }

    /// Puts the objects into the store. What is there already stays, and is told when it is another.
    async fn put_objects(&self, blobs: &BlobStore, restored: &mut Restored) -> Result<(), RestoreError> {
        let (to, mut from) = mpsc::channel(4);
        let archive = self.archive.clone();
        let reading = spawn_blocking(move || read_objects(&archive, &to));
        let mut open = None;
        while let Some(step) = from.recv().await {
            match (step, &mut open) {
                (Step::Begin(key), open) => {
                    let target = match blobs.head(&key).await {
                        Ok(_) => Target::There(Fingerprint::default()),
                        Err(BlobError::NotFound { .. }) => Target::New(blobs.writer(&key, u64::MAX).await?),
                        Err(error) => return Err(error.into()),
                    };
                    *open = Some((key, target));
                }
                (Step::Bytes(bytes), Some((_, Target::New(writer)))) => writer.write(bytes).await?,
                (Step::Bytes(bytes), Some((_, Target::There(print)))) => print.add(&bytes),
                (Step::End, open) => {
                    if let Some((key, target)) = open.take() {
                        let is_new = matches!(target, Target::New(_));
                        let wanted = target.finish().await?;
                        match blobs.fingerprint(&key).await? == wanted {
                            true => restored.put += u64::from(is_new),
                            false if is_new => return Err(BlobError::Changed { key: key.to_string() }.into()),
                            false => restored.lose(&key.to_string(), "is another in the store"),
                        }
                    }
                }
                (Step::Bytes(_), None) => {}
            }
        }
        ended(&self.archive, reading).await
    }

    async fn look_for_objects(&self, blobs: &BlobStore, restored: &mut Restored) -> Result<(), RestoreError> {
        let (to, mut from) = mpsc::channel(2);
        let archive = self.archive.clone();
        let reading = spawn_blocking(move || read_list(&archive, &to));
        while let Some(listed) = from.recv().await {
            restored.objects += count(listed.len());
            let mut looks =
                stream::iter(listed).map(|entry| look_for(blobs, entry)).buffer_unordered(LOOKED_UP_AT_ONCE);
            while let Some(looked) = looks.next().await {
                if let Some((key, problem)) = looked? {
                    restored.lose(&key, problem);
                }
            }
        }
        ended(&self.archive, reading).await
    }
}

impl Restored {
    fn lose(&mut self, key: &str, problem: &str) {
        self.lost += 1;
        if self.named.len() < NAMED {
            self.named.push(format!("`{key}` {problem}"));
        }
    }
}

/// Where the bytes of an object go.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum Target {
    New(BlobWriter),
    There(Fingerprint),
}

impl Target {
    async fn finish(self) -> Result<Stored, BlobError> {
        match self {
            Self::New(writer) => writer.finish().await,
            Self::There(print) => Ok(print.finish()),
        }
    }
}

/// What is wrong with an object that there should be.
async fn look_for(
    blobs: &BlobStore,
    entry: ObjectEntry,
) -> Result<Option<(String, &'static str)>, RestoreError> {
    let Ok(key) = entry.key.parse::<StorageKey>() else { return Ok(Some((entry.key, "is no object"))) };
    match blobs.head(&key).await {
        Ok(found) if found.len == entry.bytes => Ok(None),
        Ok(_) => Ok(Some((entry.key, "has another length in the store"))),
        Err(BlobError::NotFound { .. }) => Ok(Some((entry.key, "is not in the store"))),
        Err(error) => Err(error.into()),
    }
}

/// A step of reading objects.
enum Step {
    Begin(StorageKey),
    Bytes(Bytes),
    End,
}

fn secrets(archive: &Archive) -> Result<Vec<(KeptSecret, String)>, ArchiveError> {
    let mut found = Vec::new();
    archive.each(|name, entry| {
        if let Some(secret) = KeptSecret::ALL.into_iter().find(|secret| secret.entry() == name) {
            let text = String::from_utf8(text(entry)?).map_err(|_| damaged("a secret is no text"))?;
            found.push((secret, text));
        }
        // They come before the objects.
        Ok(if name.starts_with(BLOBS) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// Rows of a table, by its place in the manifest.
type Rows = (usize, Vec<Vec<Value>>);

fn read_rows(archive: &Archive, to: &Sender<Rows>) -> Result<(), ArchiveError> {
    archive.each(|name, entry| {
        let Some(place) = name.strip_prefix(ROWS) else {
            // They come first.
            return Ok(if name == MANIFEST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
        };
        let index = place.split('/').next().and_then(|index| index.parse().ok());
        let index: usize = index.ok_or_else(|| damaged("an entry has a strange name"))?;
        let mut batch = Vec::new();
        for line in lines(entry) {
            let cells: Vec<Cell> = serde_json::from_str(&line?)?;
            let row = cells.into_iter().map(Value::try_from).collect::<Result<Vec<_>, _>>();
            batch.push(row.map_err(|error| damaged(&error.to_string()))?);
            if batch.len() == BATCH && to.blocking_send((index, std::mem::take(&mut batch))).is_err() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let is_taken = batch.is_empty() || to.blocking_send((index, batch)).is_ok();
        Ok(if is_taken { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })
}

fn read_list(archive: &Archive, to: &Sender<Vec<ObjectEntry>>) -> Result<(), ArchiveError> {
    archive.each(|name, entry| {
        if name.starts_with(BLOBS) {
            return Ok(ControlFlow::Break(()));
        }
        if !name.starts_with(LIST) {
            return Ok(ControlFlow::Continue(()));
        }
        let mut listed = Vec::new();
        for line in lines(entry) {
            listed.push(serde_json::from_str(&line?)?);
        }
        let is_taken = to.blocking_send(listed).is_ok();
        Ok(if is_taken { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })
}

fn read_objects(archive: &Archive, to: &Sender<Step>) -> Result<(), ArchiveError> {
    archive.each(|name, entry| {
        let Some(key) = name.strip_prefix(BLOBS) else { return Ok(ControlFlow::Continue(())) };
        let key = key.parse().map_err(|_| damaged("it has an object with a strange name"))?;
        let send = |step| to.blocking_send(step).is_ok();
        let mut is_taken = send(Step::Begin(key));
        while is_taken {
            let mut piece = vec![0; 1 << 16];
            let len = entry.read(&mut piece)?;
            if len == 0 {
                is_taken = send(Step::End);
                break;
            }
            piece.truncate(len);
            is_taken = send(Step::Bytes(piece.into()));
        }
        Ok(if is_taken { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })
}

/// What reading on another thread came to.
async fn ended<T>(
    archive: &Archive,
    reading: JoinHandle<Result<T, ArchiveError>>,
) -> Result<T, RestoreError> {
    match reading.await {
        Ok(read) => Ok(read?),
        Err(error) => Err(archive.damaged(&error.to_string()).into()),
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
