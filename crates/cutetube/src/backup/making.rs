//! From a running platform to an archive.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, Write},
    path::{Path, PathBuf},
};

use bytes::{Buf, Bytes};
use catalog::{pictures, storage};
use db::{Db, Tx};
use futures_util::TryStreamExt;
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    task::spawn_blocking,
};

use super::{
    BLOBS, Cell, FORMAT, KeptSecret, LIST, MANIFEST, Manifest, ObjectEntry, Objects, ROWS, SchemaStep,
    TableEntry, archive::Writing,
};
use crate::{
    ambient,
    blobs::{BlobError, BlobStore, Fingerprint, StorageKey},
    config::Config,
    inventory::{Inventory, InventoryError, Object},
};

/// What is in a backup that was made.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) tables: usize,
    pub(crate) rows: u64,
    /// Objects that are listed.
    pub(crate) objects: u64,
    /// Bytes of those that are in it.
    pub(crate) bytes: u64,
    /// Secrets that were in the data folder.
    pub(crate) secrets: usize,
    /// Objects that should be in it and are not what was recorded, or not there at all.
    pub(crate) lost: Vec<String>,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read `{}`", path.display())]
    Secret { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Db(#[from] db::Error),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    #[error(transparent)]
    Store(#[from] BlobError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The archive cannot be written, which its writer tells better.
    #[error("the archive was given up")]
    GivenUp,
}

/// How long an entry of rows gets.
const PIECE: usize = 1 << 20;

/// Videos that are looked up at once.
const PAGE: u32 = 64;

/// A step on the way to an archive.
enum Step {
    /// An entry.
    Whole {
        name: String,
        bytes: Vec<u8>,
    },
    /// An entry of so many bytes, which come with the next steps.
    Begin {
        name: String,
        len: u64,
    },
    Bytes(Bytes),
    /// There is nothing more, and it may have its name.
    End,
}

/// Makes a backup. `advance` hears of bytes of objects that are in it.
pub(crate) async fn make(
    config: &Config,
    db: &Db,
    blobs: &BlobStore,
    path: &Path,
    objects: Objects,
    advance: &mut (dyn FnMut(u64) + Send),
) -> Result<Made, MakeError> {
    let (steps, from) = mpsc::channel(4);
    let writer = spawn_blocking({
        let path = path.to_owned();
        move || write(&path, from)
    });
    let mut making = Making { config, db, blobs, steps, made: Made::default() };
    let made = making.all(objects, advance).await;
    let Making { steps, made: found, .. } = making;
    drop(steps);
    let written = writer.await.map_err(io::Error::other).and_then(|written| written);
    match (made, written) {
        (Ok(()) | Err(MakeError::GivenUp), Err(source)) => {
            Err(MakeError::Write { path: path.to_owned(), source })
        }
        (Err(error), _) => Err(error),
        (Ok(()), Ok(())) => Ok(found),
    }
}

struct Making<'a> {
    config: &'a Config,
    db: &'a Db,
    blobs: &'a BlobStore,
    steps: Sender<Step>,
    made: Made,
}

impl Making<'_> {
    async fn all(
        &mut self,
        objects: Objects,
        advance: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), MakeError> {
        let mut tx = self.db.snapshot().await?;
        let tables = self.manifest(&mut tx, objects).await?;
        for (index, table) in tables.iter().enumerate() {
            self.rows(&mut tx, index, table).await?;
        }
        self.secrets().await?;
        let list = self.list(&mut tx).await?;
        tx.rollback().await?;
        if objects == Objects::Included {
            self.objects(list, advance).await?;
        }
        self.step(Step::End).await
    }

    async fn manifest(&mut self, tx: &mut Tx, objects: Objects) -> Result<Vec<db::Table>, MakeError> {
        let tables = tx.tables().await?;
        let schema = tx.steps().await?;
        let entry = |table: &db::Table| TableEntry {
            name: table.name.clone(),
            columns: table.columns.iter().map(|column| column.name.clone()).collect(),
            last_number: table.last_number,
        };
        let manifest = Manifest {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            made_at_ms: u64::try_from(ambient::unix_time().as_millis()).unwrap_or(u64::MAX),
            schema: schema
                .into_iter()
                .map(|step| SchemaStep { name: step.name, checksum: step.checksum })
                .collect(),
            tables: tables.iter().map(entry).collect(),
            objects_included: objects == Objects::Included,
        };
        self.made.tables = tables.len();
        let bytes = serde_json::to_vec_pretty(&manifest).expect("names and numbers are always JSON");
        self.step(Step::Whole { name: MANIFEST.to_owned(), bytes }).await?;
        Ok(tables)
    }

    async fn rows(&mut self, tx: &mut Tx, index: usize, table: &db::Table) -> Result<(), MakeError> {
        let (to, mut from) = mpsc::channel(2);
        let copy = async move {
            let copied = tx.rows(table, &to).await;
            drop(to);
            copied
        };
        let steps = &self.steps;
        let mut rows = 0;
        let store = async {
            let mut entry = Lines::new(format!("{ROWS}{index:03}"));
            while let Some(batch) = from.recv().await {
                for row in batch {
                    rows += 1;
                    let cells: Vec<Cell> = row.into_iter().map(Cell::from).collect();
                    entry.add(&cells, steps).await?;
                }
            }
            entry.end(steps).await
        };
        let (copied, stored) = tokio::join!(copy, store);
        copied?;
        stored?;
        self.made.rows += rows;
        Ok(())
    }

    async fn secrets(&mut self) -> Result<(), MakeError> {
        for secret in KeptSecret::ALL.into_iter().filter(|secret| !secret.is_configured(self.config)) {
            let path = secret.file(self.config);
            match std::fs::read(&path) {
                Ok(bytes) => {
                    self.made.secrets += 1;
                    self.step(Step::Whole { name: secret.entry().to_owned(), bytes }).await?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(MakeError::Secret { path, source }),
            }
        }
        Ok(())
    }

    /// Lists the objects, also in a file for the next step: there may be many.
    async fn list(&mut self, tx: &mut Tx) -> Result<File, MakeError> {
        let mut file = tempfile::tempfile().map_err(temporary)?;
        let mut entry = Lines::new(LIST.trim_end_matches('/').to_owned());
        let mut after = None;
        loop {
            let page = storage::holders(tx, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for video in page {
                for object in Inventory::of(tx, self.blobs, &video).await?.lasting {
                    self.add(&object, &mut entry, &mut file).await?;
                }
            }
        }
        let mut after = None;
        loop {
            let page = pictures::page(tx, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.user_id);
            for object in page.iter().filter_map(Object::of_picture) {
                self.add(&object, &mut entry, &mut file).await?;
            }
        }
        entry.end(&self.steps).await?;
        file.rewind().map_err(temporary)?;
        Ok(file)
    }

    async fn add(&mut self, object: &Object, entry: &mut Lines, file: &mut File) -> Result<(), MakeError> {
        self.made.objects += 1;
        let listed = ObjectEntry {
            key: object.key.to_string(),
            bytes: object.len,
            sha256: object.sha256.map(hex::encode),
        };
        let line = entry.add(&listed, &self.steps).await?;
        file.write_all(&line).map_err(temporary)
    }

    async fn objects(&mut self, list: File, advance: &mut (dyn FnMut(u64) + Send)) -> Result<(), MakeError> {
        for line in BufReader::new(list).lines() {
            let line = line.map_err(temporary)?;
            let listed: ObjectEntry = serde_json::from_str(&line).expect("it was written as such");
            let Ok(key) = listed.key.parse::<StorageKey>() else { continue };
            let is_right = match self.object(&key, &listed).await {
                Ok(is_right) => is_right,
                Err(MakeError::Store(BlobError::NotFound { .. })) => false,
                Err(error) => return Err(error),
            };
            if !is_right {
                self.made.lost.push(listed.key);
            }
            advance(listed.bytes);
        }
        Ok(())
    }

    /// Puts an object into the archive, and answers whether it is what was recorded.
    async fn object(&mut self, key: &StorageKey, listed: &ObjectEntry) -> Result<bool, MakeError> {
        let len = self.blobs.head(key).await?.len;
        let mut bytes = std::pin::pin!(self.blobs.stream_whole(key).await?);
        self.step(Step::Begin { name: format!("{BLOBS}{key}"), len }).await?;
        let mut found = Fingerprint::default();
        while let Some(piece) = bytes.try_next().await? {
            found.add(&piece);
            self.step(Step::Bytes(piece)).await?;
        }
        let found = found.finish();
        if found.len != len {
            return Err(BlobError::Changed { key: key.to_string() }.into());
        }
        self.made.bytes = self.made.bytes.saturating_add(len);
        let sha256 = hex::encode(found.sha256);
        Ok(found.len == listed.bytes && listed.sha256.as_ref().is_none_or(|recorded| *recorded == sha256))
    }

    async fn step(&self, step: Step) -> Result<(), MakeError> {
        self.steps.send(step).await.map_err(|_| MakeError::GivenUp)
    }
}

/// Lines of JSON, as entries of some length.
struct Lines {
    folder: String,
    part: u32,
    bytes: Vec<u8>,
}

impl Lines {
    fn new(folder: String) -> Self {
        Self { folder, part: 0, bytes: Vec::new() }
    }

    /// Adds a line, and answers it.
    async fn add<T: serde::Serialize>(&mut self, line: &T, to: &Sender<Step>) -> Result<Vec<u8>, MakeError> {
        let mut line = serde_json::to_vec(line).expect("numbers and texts are always JSON");
        line.push(b'\n');
        self.bytes.extend_from_slice(&line);
        if self.bytes.len() >= PIECE {
            self.send(to).await?;
        }
        Ok(line)
    }

    async fn end(mut self, to: &Sender<Step>) -> Result<(), MakeError> {
        if self.bytes.is_empty() { Ok(()) } else { self.send(to).await }
    }

    async fn send(&mut self, to: &Sender<Step>) -> Result<(), MakeError> {
        self.part += 1;
        let name = format!("{}/{:06}.jsonl", self.folder, self.part);
        let bytes = std::mem::take(&mut self.bytes);
        to.send(Step::Whole { name, bytes }).await.map_err(|_| MakeError::GivenUp)
    }
}

/// Writes what comes. Without an end there is no archive.
fn write(path: &Path, mut from: Receiver<Step>) -> io::Result<()> {
    let mut archive = Writing::new(path)?;
    loop {
        match from.blocking_recv() {
            Some(Step::Whole { name, bytes }) => {
                archive.add(&name, u64::try_from(bytes.len()).unwrap_or(u64::MAX), &bytes[..])?;
            }
            Some(Step::Begin { name, len }) => {
                archive.add(&name, len, Coming { from: &mut from, piece: Bytes::new() })?;
            }
            Some(Step::End) => return archive.finish(),
            Some(Step::Bytes(_)) | None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The bytes of an entry, as they come.
struct Coming<'a> {
    from: &'a mut Receiver<Step>,
    piece: Bytes,
}

impl Read for Coming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.from.blocking_recv() {
                Some(Step::Bytes(piece)) => self.piece = piece,
                _ => return Ok(0),
            }
        }
        let len = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(buffer.get_mut(..len).unwrap_or_default());
        Ok(len)
    }
}

fn temporary(source: io::Error) -> MakeError {
    MakeError::Write { path: std::env::temp_dir(), source }
}
