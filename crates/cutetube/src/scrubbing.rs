//! Reading back every object that is recorded, and having made again what is lost.
//!
//! Safe beside everything that is going on: of a video that seems to lack something it is looked up whether it is still
//! the same one, and if not, it is read again. What was read is recorded in the catalogue by video, so that a round which
//! is interrupted goes on where it stopped. Nothing is written to the store: what is damaged is made again as a new
//! revision, by workers, while what is left of the old one is served.

use std::{collections::BTreeMap, fmt, time::Duration};

use catalog::{
    VideoState, captions,
    ids::{Revision, VideoId},
    keys, outputs, pictures, posters, remaking,
    scrubs::{self, Reading},
    storage::Amount,
    videos::{self, SourceState, Video},
    work,
};
use db::Db;
use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};

use crate::{
    blobs::{BlobError, BlobStore, Flavour, MediaObject, SealedFile, StorageKey, Stored},
    keys::{KeyError, Keys},
    pipeline::blob_source::BlobSource,
};

/// What a round needs.
pub(crate) struct Scrub<'a> {
    pub(crate) db: &'a Db,
    pub(crate) blobs: &'a BlobStore,
    /// To look into encrypted files; without keys they are told as [`Problem::Locked`].
    pub(crate) keys: Option<&'a Keys>,
}

/// An object that is not what was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Damaged {
    pub(crate) key: String,
    pub(crate) part: Part,
    pub(crate) problem: Problem,
}

/// What an object is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// What viewers are served.
    Media,
    /// The uploaded file.
    Source,
    /// The poster that the owner chose.
    Poster,
}

/// What is wrong with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Problem {
    /// It is not there.
    Missing,
    /// It has another length or another SHA-256.
    Changed,
    /// It is encrypted, and this process lacks the key: nothing is known about it.
    Locked,
}

/// What is wrong with one video.
pub(crate) type Damage = Vec<Damaged>;

/// What became of a video that was found damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub(crate) enum Outcome {
    /// Nobody was asked to do anything about it.
    Found,
    /// A new revision has taken its place.
    MadeAgain { revision: Revision },
    /// The poster that its owner chose is lost, and the one is shown that was made with the video.
    PosterWithdrawn,
    /// Nobody can do anything about it, for this reason.
    Lost { reason: Loss },
    /// Making it again did not work.
    Failed { error: String },
    /// It was deleted in the meantime.
    Deleted,
}

/// Why a video cannot be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Loss {
    /// The uploaded file is not what it was, either.
    SourceDamaged,
    /// The uploaded file was not kept.
    SourceNotKept,
    /// The media are whole; it is the uploaded file that is not.
    OnlySource,
}

/// Why a round was not brought to its end. What was read so far is recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScrubError {
    #[error(transparent)]
    Store(#[from] BlobError),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// Objects that are read at once, each in pieces of some kilobytes.
const READ_AT_ONCE: usize = 8;

/// Videos that are looked up at once.
const PAGE: u32 = 64;

/// How long a change of the queue is waited for before the videos are looked at anyway.
const SLOW_POLL: Duration = Duration::from_secs(2);

impl Scrub<'_> {
    /// Goes on with the round, to its end, and answers what all of it has found. `advance` hears of bytes that were read.
    pub(crate) async fn round(
        &self,
        advance: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Vec<Reading<Damage>>, ScrubError> {
        let mut after = None;
        loop {
            let page = scrubs::next(self.db, after, PAGE).await?;
            match page.last() {
                Some(last) => after = Some(last.id),
                None if after.is_none() => break,
                // What was published since it was passed.
                None => after = None,
            }
            for video in page {
                if let Some(reading) = self.read(video, advance).await? {
                    scrubs::record(self.db, &reading).await?;
                }
            }
        }
        Ok(scrubs::read(self.db).await?)
    }

    /// How much is left of the round.
    pub(crate) async fn remaining(&self) -> Result<Amount, ScrubError> {
        Ok(scrubs::remaining(self.db).await?)
    }

    /// Reads some videos, outside of any round.
    pub(crate) async fn some(
        &self,
        videos: &[VideoId],
        advance: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Vec<Reading<Damage>>, ScrubError> {
        let mut readings = Vec::new();
        for id in videos {
            let video = videos::video(self.db, *id).await?;
            readings.extend(self.read(video, advance).await?);
        }
        Ok(readings)
    }

    /// Reads back the pictures of people, and answers the keys of those that are lost or damaged. `advance` hears of bytes
    /// that were read. One that was replaced meanwhile is nobody's loss.
    pub(crate) async fn pictures(
        &self,
        advance: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Vec<String>, ScrubError> {
        let mut lost = Vec::new();
        let mut after = None;
        loop {
            let mut tx = self.db.snapshot().await?;
            let page = pictures::page(&mut tx, after, PAGE).await?;
            tx.rollback().await?;
            let Some(last) = page.last() else { break };
            after = Some(last.user_id);
            for picture in page {
                let stored = Stored { len: picture.bytes, sha256: picture.sha256 };
                let check = Check::new(picture.object_key, Part::Media, Proof::Is(stored));
                let Proved { len, damaged } = self.prove(check).await?;
                advance(len);
                lost.extend(damaged.map(|damaged| damaged.key));
            }
        }
        let still_shown = pictures::shown(self.db, &lost).await?;
        lost.retain(|key| still_shown.contains(key));
        Ok(lost)
    }

    /// Reads all objects of a video; `None` when it is gone by then.
    async fn read(
        &self,
        mut video: Video,
        advance: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Option<Reading<Damage>>, ScrubError> {
        loop {
            let before = captions::progress(self.db, video.id).await?;
            let mut reading = self.look_at(&video, advance).await?;
            let now = match videos::video(self.db, video.id).await {
                Ok(now) if now.state != VideoState::Deleting => now,
                Ok(_) | Err(catalog::Error::NoVideo(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            if reading.damage.is_empty() {
                return Ok(Some(reading));
            }
            let after = captions::progress(self.db, video.id).await?;
            if has_same_objects(&video, &now) && before == after {
                // Manifests that are being written again are neither the old ones nor recorded yet.
                if after.shown.is_some_and(|shown| shown != after.edition) {
                    reading.damage.retain(|damaged| !is_rewritten(&damaged.key));
                }
                return Ok(Some(reading));
            }
            video = now;
        }
    }

    async fn look_at(
        &self,
        video: &Video,
        advance: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Reading<Damage>, ScrubError> {
        let mut reading = Reading {
            video: video.id,
            revision: video.published_revision,
            objects: 0,
            bytes: 0,
            damage: Damage::new(),
        };
        let mut checks = self.media(video).await?;
        checks.extend(self.source(video).await?);
        checks.extend(posters::of(self.db, video.id).await?.map(|poster| {
            let stored = Stored { len: poster.bytes, sha256: poster.sha256 };
            Check::new(poster.object_key, Part::Poster, Proof::Is(stored))
        }));
        let mut proofs = stream::iter(checks).map(|check| self.prove(check)).buffer_unordered(READ_AT_ONCE);
        while let Some(proved) = proofs.next().await {
            let Proved { len, damaged } = proved?;
            reading.objects += 1;
            reading.bytes = reading.bytes.saturating_add(len);
            reading.damage.extend(damaged);
            advance(len);
        }
        drop(proofs);
        reading.damage.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(reading)
    }

    /// What there has to be of the revision that is served.
    async fn media(&self, video: &Video) -> Result<Vec<Check>, ScrubError> {
        let Some(revision) = video.published_revision else { return Ok(Vec::new()) };
        let mut tx = self.db.snapshot().await?;
        let recorded = outputs::recorded(&mut tx, video.id, revision).await?;
        tx.rollback().await?;
        let mut checks: BTreeMap<String, Check> = recorded
            .into_iter()
            .map(|object| {
                let stored = Stored { len: object.bytes, sha256: object.sha256 };
                (object.key.clone(), Check::new(object.key, Part::Media, Proof::Is(stored)))
            })
            .collect();
        // Recorded since there are documents in the ledger; of what is older it is only known that they have to be there.
        for object in
            Flavour::ALL.into_iter().flat_map(|one| [MediaObject::Mpd(one), MediaObject::Master(one)])
        {
            let key = StorageKey::Media { video: video.id, revision, object }.to_string();
            checks.entry(key.clone()).or_insert_with(|| Check::new(key, Part::Media, Proof::IsThere));
        }
        Ok(checks.into_values().collect())
    }

    /// What there has to be of the uploaded file.
    async fn source(&self, video: &Video) -> Result<Option<Check>, ScrubError> {
        let source = &video.source;
        let proof = match (video.source_state, source.sha256) {
            (SourceState::Gone, _) => return Ok(None),
            (SourceState::Clear, Some(sha256)) => Proof::Is(Stored { len: source.bytes, sha256 }),
            (SourceState::Clear | SourceState::Sealed, None) => Proof::HasLength(source.bytes),
            (SourceState::Sealed, Some(sha256)) => match self.cipher(video).await? {
                Some(cipher) => Proof::Decrypts(cipher, Stored { len: source.bytes, sha256 }),
                None => Proof::NoKey,
            },
        };
        let key = match video.source_state {
            SourceState::Sealed => {
                StorageKey::Sealed { video: video.id, file: SealedFile::Source }.to_string()
            }
            SourceState::Clear | SourceState::Gone => source.key.clone(),
        };
        Ok(Some(Check::new(key, Part::Source, proof)))
    }

    /// `None` without the master key that it is under.
    async fn cipher(
        &self,
        video: &Video,
    ) -> Result<Option<Box<crate::keys::source::SourceCipher>>, ScrubError> {
        let Some(keys) = self.keys else { return Ok(None) };
        let rows = keys::of_video(self.db, video.id).await?;
        match keys.read(&rows) {
            Ok(keys) => Ok(keys.source(SealedFile::Source).map(Box::new)),
            Err(error) => {
                let cause: &KeyError = &error;
                tracing::warn!(video.id = %video.id, error = cause as &dyn std::error::Error, "the keys of video `{}` cannot be read", video.id);
                Ok(None)
            }
        }
    }

    async fn prove(&self, check: Check) -> Result<Proved, ScrubError> {
        let Check { name, part, proof } = check;
        let told = |problem| Damaged { key: name.clone(), part, problem };
        let Ok(key) = name.parse::<StorageKey>() else {
            return Ok(Proved { len: 0, damaged: Some(told(Problem::Missing)) });
        };
        let (len, is_right) = match proof {
            Proof::Is(wanted) => {
                (wanted.len, self.blobs.fingerprint(&key).await.map(|found| found == wanted))
            }
            Proof::HasLength(len) => (len, self.blobs.head(&key).await.map(|found| found.len == len)),
            Proof::IsThere => (0, self.blobs.head(&key).await.map(|found| found.len > 0)),
            Proof::Decrypts(cipher, wanted) => {
                let found = async {
                    BlobSource::open_sealed(self.blobs.clone(), key, *cipher).await?.fingerprint().await
                };
                (wanted.len, found.await.map(|found| found == wanted))
            }
            Proof::NoKey => {
                let there = self.blobs.head(&key).await;
                let problem = match there {
                    Ok(_) => Problem::Locked,
                    Err(BlobError::NotFound { .. }) => Problem::Missing,
                    Err(error) => return Err(error.into()),
                };
                return Ok(Proved { len: 0, damaged: Some(told(problem)) });
            }
        };
        let problem = match is_right {
            Ok(true) => None,
            Ok(false) => Some(Problem::Changed),
            Err(BlobError::NotFound { .. }) => Some(Problem::Missing),
            // It became shorter while it was read.
            Err(BlobError::OutOfRange { .. }) => Some(Problem::Changed),
            Err(error) => return Err(error.into()),
        };
        Ok(Proved { len, damaged: problem.map(told) })
    }

    /// Has damaged videos made again, and waits until that is done. `told` hears of each that is.
    pub(crate) async fn repair(
        &self,
        damaged: &[Reading<Damage>],
        told: &mut dyn FnMut(VideoId, &Outcome),
    ) -> Result<BTreeMap<VideoId, Outcome>, ScrubError> {
        let mut outcomes = BTreeMap::new();
        let mut asked = BTreeMap::new();
        let mut listener = self.db.listen(jobs::CHANNEL).await?;
        for reading in damaged {
            let lacks = |part| reading.damage.iter().any(|damaged| damaged.part == part);
            if lacks(Part::Poster) {
                match posters::withdraw(self.db, reading.video).await {
                    Ok(_) | Err(catalog::Error::NoVideo(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let outcome = match lacks(Part::Media) {
                false if !lacks(Part::Source) => Some(Outcome::PosterWithdrawn),
                false => Some(Outcome::Lost { reason: Loss::OnlySource }),
                true if lacks(Part::Source) => Some(Outcome::Lost { reason: Loss::SourceDamaged }),
                true => match remaking::request(self.db, reading.video).await {
                    Ok(_) => None,
                    Err(catalog::Error::NoSource(_)) => Some(Outcome::Lost { reason: Loss::SourceNotKept }),
                    Err(catalog::Error::NoVideo(_) | catalog::Error::Refused(_)) => Some(Outcome::Deleted),
                    Err(error) => return Err(error.into()),
                },
            };
            match outcome {
                Some(outcome) => drop(outcomes.insert(reading.video, outcome)),
                None => drop(asked.insert(reading.video, reading.revision)),
            }
        }
        while !asked.is_empty() {
            let mut open = BTreeMap::new();
            for (id, revision) in asked {
                match self.outcome(id, revision).await? {
                    Some(outcome) => {
                        told(id, &outcome);
                        outcomes.insert(id, outcome);
                    }
                    None => drop(open.insert(id, revision)),
                }
            }
            asked = open;
            if !asked.is_empty() {
                listener.wait(SLOW_POLL).await;
            }
        }
        Ok(outcomes)
    }

    /// What became of a video that was to be made again; `None` while that goes on.
    async fn outcome(&self, id: VideoId, old: Option<Revision>) -> Result<Option<Outcome>, ScrubError> {
        let video = match videos::video(self.db, id).await {
            Ok(video) if video.state != VideoState::Deleting => video,
            Ok(_) | Err(catalog::Error::NoVideo(_)) => return Ok(Some(Outcome::Deleted)),
            Err(error) => return Err(error.into()),
        };
        match video.published_revision {
            _ if video.remaking => Ok(None),
            Some(revision) if Some(revision) != old => Ok(Some(Outcome::MadeAgain { revision })),
            _ => {
                let jobs = jobs::group(self.db, &work::group(id)).await.map_err(catalog::Error::from)?;
                let dead =
                    jobs.into_iter().filter(|job| job.state == jobs::State::Dead).max_by_key(|job| job.id);
                let error = dead.and_then(|job| job.error).unwrap_or_else(|| "it was stopped".to_owned());
                let error = error.lines().next().unwrap_or_default().to_owned();
                Ok(Some(Outcome::Failed { error }))
            }
        }
    }
}

/// An object that has to be there.
struct Check {
    name: String,
    part: Part,
    proof: Proof,
}

/// By what an object is known to be the right one.
enum Proof {
    Is(Stored),
    HasLength(u64),
    IsThere,
    Decrypts(Box<crate::keys::source::SourceCipher>, Stored),
    NoKey,
}

struct Proved {
    len: u64,
    damaged: Option<Damaged>,
}

impl Check {
    fn new(name: String, part: Part, proof: Proof) -> Self {
        Self { name, part, proof }
    }
}

/// Whether what was read of the one is what there has to be of the other.
fn has_same_objects(one: &Video, other: &Video) -> bool {
    (one.published_revision, one.source_state, one.poster)
        == (other.published_revision, other.source_state, other.poster)
}

/// Whether an object changes with the captions of a video.
fn is_rewritten(key: &str) -> bool {
    match key.parse() {
        Ok(StorageKey::Media { object, .. }) => object.is_manifest() || object.is_of_captions(),
        _ => false,
    }
}

impl Outcome {
    /// Whether nothing is left to be done.
    pub(crate) fn is_mended(&self) -> bool {
        matches!(self, Self::MadeAgain { .. } | Self::PosterWithdrawn | Self::Deleted)
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.part {
            Part::Media => "",
            Part::Source => "the uploaded file ",
            Part::Poster => "the chosen poster ",
        };
        let problem = match self.problem {
            Problem::Missing => "is missing",
            Problem::Changed => "is not what was recorded",
            Problem::Locked => "cannot be looked into: its master key is not here",
        };
        write!(f, "{what}`{}` {problem}", self.key)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found => f.write_str("nothing was done about it"),
            Self::MadeAgain { revision } => write!(f, "it was made again: revision {revision} is served now"),
            Self::PosterWithdrawn => f.write_str(
                "its chosen poster is lost, and the one is shown that was made with it: choose another one",
            ),
            Self::Lost { reason: Loss::SourceDamaged } => f.write_str(
                "its uploaded file is damaged, too, and nothing can make it again: upload it again",
            ),
            Self::Lost { reason: Loss::SourceNotKept } => {
                f.write_str("its uploaded file was not kept, and nothing can make it again: upload it again")
            }
            Self::Lost { reason: Loss::OnlySource } => f.write_str(
                "it plays, and could not be made again if it did not: keep a copy of its file elsewhere",
            ),
            Self::Failed { error } => write!(f, "it could not be made again: {error}"),
            Self::Deleted => f.write_str("it was deleted in the meantime"),
        }
    }
}
