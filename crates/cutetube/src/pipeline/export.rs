//! All stages one after the other, into a folder: no database, no queue.

use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use packager::{EntryOf, IvRun, Presentation, Protection, VideoSegment, check_same_entry};
use transcode::encode::planned_frames;
use transcode::runner::Runner;
use transcode::settings::EncodeSettings;
use transcode::source::{LocalFile, ReadRange};

use super::blueprint::Blueprint;
use super::encode::{self, MadeChunk};
use super::prepare::prepare;
use super::publish::{self, MadeVideo};
use super::{Shelf, StageError, sound, unreadable};
use crate::blobs::{BlobStore, MediaObject, StorageKey};

/// How [`export`] works.
#[derive(Debug, Clone)]
pub(crate) struct ExportOptions {
    pub(crate) settings: EncodeSettings,
    /// Segments of a chunk; `None` leaves it to the plan.
    pub(crate) segments_per_chunk: Option<NonZeroU32>,
    /// Chunks that are encoded at once.
    pub(crate) jobs: usize,
    /// Keys, to encrypt everything but the still pictures.
    pub(crate) protection: Option<Protection>,
}

/// What was made.
#[derive(Debug)]
pub(crate) struct Exported {
    pub(crate) presentation: Presentation,
    /// Sentences for whoever brought the file.
    pub(crate) warnings: Vec<String>,
}

/// Makes the whole presentation of `file` below the folder `out`. Each chunk, and the sound, gets initialisation vectors
/// from `draw_ivs`. `progress` hears frames done and frames in all.
pub(crate) async fn export(
    runner: &Runner<'_>,
    file: &Path,
    out: &Path,
    options: &ExportOptions,
    draw_ivs: &(dyn Fn() -> IvRun + Sync),
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Exported, StageError> {
    let store = BlobStore::export(out)?;
    let original = LocalFile::new(File::open(file).map_err(unreadable)?).map_err(unreadable)?;
    let open = async || File::open(file).map_err(unreadable);
    let prepared =
        prepare(runner, &original, open, &options.settings, &store, &StorageKey::Rewritten).await?;
    let blueprint = match options.segments_per_chunk {
        Some(segments) => prepared.blueprint.in_chunks_of(segments, &options.settings),
        None => prepared.blueprint,
    };
    let blueprint = match options.protection.clone() {
        Some(protection) => blueprint.protected_by(protection).map_err(|error| {
            StageError::reject(format!("The ladder of this video needs a key for `{}`, too.", error.class))
        })?,
        None => blueprint,
    };
    let source: &dyn ReadRange = match &prepared.rewritten {
        Some(rewritten) => rewritten,
        None => &original,
    };
    let shelf = Shelf::export(store.clone());
    let outcome = make(runner, source, &blueprint, &shelf, options.jobs, draw_ivs, progress).await;
    store.delete(&StorageKey::Rewritten).await?;
    outcome
}

/// Encodes, packages and writes the manifests.
async fn make(
    runner: &Runner<'_>,
    source: &dyn ReadRange,
    blueprint: &Blueprint,
    shelf: &Shelf,
    jobs: usize,
    draw_ivs: &(dyn Fn() -> IvRun + Sync),
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Exported, StageError> {
    let plan = blueprint.video_plan();
    let total = blueprint.stored.chunks.iter().map(|chunk| planned_frames(&plan, chunk)).sum();
    let done = AtomicU64::new(0);
    let advance = |frames| progress(done.fetch_add(frames, Ordering::Relaxed) + frames, total);
    let chunks = stream::iter(&blueprint.stored.chunks)
        .map(|chunk| encode::make(runner, source, blueprint, chunk, shelf, draw_ivs(), &advance))
        .buffer_unordered(jobs.max(1))
        .try_collect::<Vec<_>>();
    let (chunks, sound) =
        tokio::try_join!(chunks, sound::make(runner, source, blueprint, shelf, draw_ivs()))?;
    let mut made = Made::default();
    for chunk in chunks {
        made.add(blueprint, chunk)?;
    }
    let sheets = publish::complete_storyboard(blueprint, shelf, &made.sheets).await?;
    let presentation = publish::presentation(blueprint, &made.video(), sound.as_ref(), &sheets.bytes)?;
    publish::write(&presentation, shelf).await?;
    Ok(Exported { presentation, warnings: made.warnings })
}

/// What all chunks have made together.
#[derive(Default)]
struct Made {
    entries: BTreeMap<usize, Bytes>,
    segments: BTreeMap<usize, BTreeMap<u32, VideoSegment>>,
    /// Bytes of the storyboard's sheets, by tile.
    sheets: BTreeMap<u32, u64>,
    warnings: Vec<String>,
}

impl Made {
    fn add(&mut self, blueprint: &Blueprint, chunk: MadeChunk) -> Result<(), StageError> {
        for (rung, made) in chunk.rungs {
            let first = self.entries.entry(rung).or_insert_with(|| made.sample_entry.clone());
            let rung_id = &blueprint.rung(rung).id;
            check_same_entry(
                EntryOf { origin: rung_id, entry: first },
                EntryOf { origin: &format!("another chunk of {rung_id}"), entry: &made.sample_entry },
            )
            .map_err(|error| StageError::retry("the chunks do not fit together", error))?;
            let segments = made.segments.into_iter().map(|made| {
                (made.segment, VideoSegment { bytes: made.stored.len, iframe_bytes: made.iframe_bytes })
            });
            self.segments.entry(rung).or_default().extend(segments);
        }
        for still in chunk.stills {
            if let MediaObject::StoryboardSheet(number) = still.object {
                self.sheets.insert(number - 1, still.stored.len);
            }
        }
        self.warnings.extend(chunk.warnings);
        Ok(())
    }

    fn video(&self) -> Vec<MadeVideo> {
        let rendition = |(&rung, sample_entry): (&usize, &Bytes)| MadeVideo {
            rung,
            sample_entry: sample_entry.clone(),
            segments: self.segments.get(&rung).into_iter().flat_map(BTreeMap::values).copied().collect(),
        };
        self.entries.iter().map(rendition).collect()
    }
}
