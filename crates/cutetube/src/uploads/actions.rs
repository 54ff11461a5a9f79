//! What becomes of a file that arrives.

use std::{error::Error, time::Duration};

use axum::{extract::Multipart, http::StatusCode};
use catalog::{
    accounts::{Role, User},
    idempotency::Hold,
    ids::{ProcessId, UserId, VideoId},
    names::{SourceExtension, SourceName},
    quotas::{self, Exceeded, Quota},
    resumable::{self, Turn},
    videos::{self, NewVideo, Source, Video},
};
use db::Db;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use transcode::source::index;

use super::{
    Rejection,
    form::{self, Form, Reception, Said},
    sink::Sink,
    sniff,
};
use crate::{
    AppState, ambient,
    blobs::{StorageKey, Stored},
    config::Verification,
    http::log_internal,
    pipeline::blob_source::BlobSource,
};

/// Somebody who may upload now, and a place among the uploads that are received at once.
#[derive(Debug)]
pub(crate) struct Admission {
    owner: User,
    quota: Quota,
    _permit: OwnedSemaphorePermit,
}

/// How an upload is recorded.
#[derive(Debug, Clone)]
pub(crate) enum Creation {
    /// As often as it is sent.
    Plain,
    /// Once for a key.
    Once(Hold),
}

/// How a file that is whole is recorded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Recording<'a> {
    Plain,
    Once(&'a Hold, [u8; 32]),
    /// By whoever has the turn to make a video of its pieces.
    Joined(Turn),
}

/// Whether `owner` may upload another file, before any of it is read. A request of `declared` bytes that cannot fit is
/// refused here; one that does not say how long it is, or says it wrongly, when it has become too long.
pub(crate) async fn admit(
    state: &AppState,
    owner: &User,
    declared: Option<u64>,
) -> Result<Admission, Rejection> {
    may_upload(state, owner)?;
    let accounts = &state.config.accounts;
    let quota = quotas::of(&state.db, owner.id, accounts.quota.limits()).await.map_err(not_recorded)?;
    let at_least = declared.unwrap_or_default().saturating_sub(form::LONGEST_BESIDES);
    quota.admit(at_least)?;
    let permit = slot(state)?;
    Ok(Admission { owner: owner.clone(), quota, _permit: permit })
}

/// Whether `owner` may upload files at all.
pub(super) fn may_upload(state: &AppState, owner: &User) -> Result<(), Rejection> {
    let forbidden = |sentence: &'static str| Err(Rejection::new(StatusCode::FORBIDDEN, sentence));
    let accounts = &state.config.accounts;
    if owner.role < Role::Creator {
        return forbidden("Your account may watch, but not upload.");
    }
    if accounts.verification == Verification::Required && owner.verified_at.is_none() {
        return forbidden(
            "Confirm your e-mail address before you upload: a letter with a link was sent to it.",
        );
    }
    Ok(())
}

/// A place among the uploads that are received at once.
pub(super) fn slot(state: &AppState) -> Result<OwnedSemaphorePermit, Rejection> {
    state.upload_slots.clone().try_acquire_owned().map_err(|_| {
        Rejection::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many uploads are being received. Try again in a minute.",
        )
    })
}

/// Receives a video and records it with its first job. On any failure nothing is left of it.
pub(crate) async fn receive(
    state: &AppState,
    admission: Admission,
    parts: Multipart,
    creation: Creation,
) -> Result<Video, Rejection> {
    let id = ambient::id(VideoId::new);
    let began = ambient::unix_time();
    let limits = &state.config.limits;
    let longest = admission.quota.bytes_left().unwrap_or(u64::MAX).min(limits.upload_bytes);
    let receiving = form::receive(parts, Reception::of(state), |extension| {
        let key = StorageKey::Source { video: id, extension };
        async move { state.blobs.writer(&key, longest).await.map(Sink::Store) }
    });
    let form = tokio::select! {
        form = receiving => form.map_err(|rejection| admission.explain(rejection, longest, limits.upload_bytes))?,
        () = state.cut_off.cancelled() => {
            let sentence = "The server is restarting, and kept nothing of this file. Upload it again in a minute.";
            return Err(Rejection::new(StatusCode::SERVICE_UNAVAILABLE, sentence));
        }
    };
    let key = StorageKey::Source { video: id, extension: form.file.extension };
    // Whoever hangs up from here on still gets what they uploaded, or nothing: never a file without its row.
    let keep = keep(state.clone(), id, admission, key, form, creation, began);
    tokio::spawn(keep).await.expect("recording an upload does not panic and is not cancelled")
}

/// Makes the file exist, looks at it, and records it; the file goes again when one of these fails for certain.
async fn keep(
    state: AppState,
    id: VideoId,
    admission: Admission,
    key: StorageKey,
    form: Form,
    creation: Creation,
    began: Duration,
) -> Result<Video, Rejection> {
    let Form { said, file } = form;
    let stored = file.sink.finish().await?;
    let fingerprint = said.fingerprint(&file.name, &stored);
    let recording = match &creation {
        Creation::Plain => Recording::Plain,
        Creation::Once(hold) => Recording::Once(hold, fingerprint),
    };
    let arrived = Arrived { id, key, name: file.name, extension: file.extension, stored, began };
    settle(&state, admission.owner.id, arrived, said, recording).await
}

/// A file that is in the store.
#[derive(Debug)]
pub(super) struct Arrived {
    /// What it is to be.
    pub(super) id: VideoId,
    pub(super) key: StorageKey,
    pub(super) name: SourceName,
    pub(super) extension: SourceExtension,
    pub(super) stored: Stored,
    /// Since 1970, when the first of it came.
    pub(super) began: Duration,
}

/// Looks at a file, and records it; the file goes again when one of these fails for certain.
pub(super) async fn settle(
    state: &AppState,
    owner: UserId,
    arrived: Arrived,
    said: Said,
    recording: Recording<'_>,
) -> Result<Video, Rejection> {
    let Arrived { id, key, name, extension, stored, began } = arrived;
    let recorded = async {
        let source = BlobSource::open(state.blobs.clone(), key.clone()).await?;
        sniff::index_outcome(index(&source, sniff::limits()).await)?;
        let new = NewVideo {
            id,
            process: ambient::id(ProcessId::new),
            owner,
            title: said.title,
            description: said.description,
            tags: said.tags,
            claimed_duration: said.duration,
            visibility: said.visibility,
            protection: said.protection,
            source: Source {
                name,
                extension,
                key: key.to_string(),
                bytes: stored.len,
                sha256: Some(stored.sha256),
            },
        };
        let everybody = state.config.accounts.quota.limits();
        record(&state.db, &new, everybody, recording).await.map_err(not_recorded)
    };
    let recorded = recorded.await;
    match &recorded {
        Ok(video) => {
            tracing::info!(
                video.id = %video.id, user.id = %owner, bytes = stored.len, "video `{}` was uploaded", video.id
            );
            state.traces.uploaded(video, began);
        }
        Err(rejection) => {
            tracing::info!(user.id = %owner, bytes = stored.len, "an upload was refused: {rejection}");
            // A database that went away in the middle may have recorded it.
            let may_be_recorded = rejection.status == StatusCode::SERVICE_UNAVAILABLE;
            if may_be_recorded {
                return recorded;
            }
            if let Err(error) = state.blobs.delete_prefix(&crate::blobs::KeyPrefix::Source(id)).await {
                log_internal(&error);
            }
        }
    }
    recorded
}

impl Admission {
    /// A file that is as long as anybody's may be and longer than fits is not too long for the server.
    fn explain(&self, rejection: Rejection, longest: u64, allowed: u64) -> Rejection {
        let is_too_long = rejection.status == StatusCode::PAYLOAD_TOO_LARGE;
        match self.quota.admit(u64::MAX) {
            Err(exceeded) if is_too_long && longest < allowed => {
                Rejection { cause: rejection.cause, ..exceeded.into() }
            }
            _ => rejection,
        }
    }
}

impl From<Exceeded> for Rejection {
    fn from(exceeded: Exceeded) -> Self {
        match exceeded {
            Exceeded::Bytes { .. } => {
                Self { status: StatusCode::PAYLOAD_TOO_LARGE, ..Self::video(exceeded.to_string()) }
            }
            Exceeded::Videos { .. } | Exceeded::Minutes { .. } => {
                Self::new(StatusCode::FORBIDDEN, exceeded.to_string())
            }
        }
    }
}

fn not_recorded(error: catalog::Error) -> Rejection {
    match error {
        catalog::Error::Exceeded(exceeded) => exceeded.into(),
        catalog::Error::NoUser | catalog::Error::Standing(_) => {
            Rejection::new(StatusCode::FORBIDDEN, "This account may not be used any more.")
        }
        catalog::Error::Upload(_) => {
            Rejection::new(StatusCode::CONFLICT, "Another request has taken over this upload.")
        }
        catalog::Error::KeyLost => {
            let sentence =
                "Another request came with the same Idempotency-Key. Nothing of this one was kept.";
            Rejection::new(StatusCode::CONFLICT, sentence)
        }
        error => Rejection::internal(&error),
    }
}

/// Records the video. A file that came in whole is not thrown away because the database is restarting.
async fn record(
    db: &Db,
    new: &NewVideo,
    everybody: quotas::Limits,
    recording: Recording<'_>,
) -> catalog::Result<Video> {
    const PATIENCE: Duration = Duration::from_secs(30);
    const PAUSE: Duration = Duration::from_millis(500);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let recorded = match recording {
            Recording::Plain => videos::create_within(db, new, everybody).await,
            Recording::Once(hold, fingerprint) => {
                videos::create_once(db, new, everybody, hold, fingerprint).await
            }
            Recording::Joined(turn) => resumable::become_video(db, new, everybody, turn).await,
        };
        match recorded {
            Err(error) if error.is_transient() && Instant::now() < deadline => {
                tracing::warn!(video.id = %new.id, error = &error as &dyn Error, "video `{}` is not recorded yet", new.id);
                tokio::time::sleep(PAUSE).await;
            }
            // An attempt whose answer was lost has done it: nobody else has this id.
            Err(catalog::Error::Db(error)) if error.unique_constraint().is_some() => {
                return videos::video(db, new.id).await;
            }
            recorded => return recorded,
        }
    }
}
