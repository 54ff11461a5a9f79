//! What becomes of a file that arrives.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{extract::Multipart, http::StatusCode};
use catalog::{
    accounts::{Role, User},
    ids::{ProcessId, VideoId},
    videos::{self, NewVideo, Source, Video, Visibility},
};
use db::Db;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use transcode::source::index;

use super::{
    Rejection,
    form::{self, Form},
    sniff,
};
use crate::{
    AppState, ambient,
    blobs::StorageKey,
    http::{OUR_FAULT, log_internal},
    pipeline::blob_source::BlobSource,
};

/// A place among the uploads that are received at once.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
}

/// Takes a place, or asks to come back.
pub(crate) fn take_slot(slots: &Arc<Semaphore>) -> Result<Slot, Rejection> {
    slots.clone().try_acquire_owned().map(|permit| Slot { _permit: permit }).map_err(|_| {
        Rejection::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many uploads are being received. Try again in a minute.",
        )
    })
}

/// Receives a video of `owner` and records it with its first job. On any failure nothing is left of it.
pub(crate) async fn receive(
    state: &AppState,
    _slot: Slot,
    owner: &User,
    parts: Multipart,
) -> Result<Video, Rejection> {
    if owner.role < Role::Creator {
        return Err(Rejection::new(StatusCode::FORBIDDEN, "Your account may watch, but not upload."));
    }
    let id = ambient::id(VideoId::new);
    let limits = &state.config.limits;
    let receiving = form::receive(parts, Duration::from_secs(limits.upload_stall_seconds), |extension| {
        let key = StorageKey::Source { video: id, extension };
        async move { state.blobs.writer(&key, limits.upload_bytes).await }
    });
    let form = tokio::select! {
        form = receiving => form?,
        () = state.cut_off.cancelled() => {
            let sentence = "The server is restarting, and kept nothing of this file. Upload it again in a minute.";
            return Err(Rejection::new(StatusCode::SERVICE_UNAVAILABLE, sentence));
        }
    };
    let key = StorageKey::Source { video: id, extension: form.file.extension };
    // Whoever hangs up from here on still gets what they uploaded, or nothing: never a file without its row.
    let keep = keep(state.clone(), id, owner.clone(), key, form);
    tokio::spawn(keep).await.expect("recording an upload does not panic and is not cancelled")
}

/// Makes the file exist, looks at it, and records it; the file goes again when one of these fails for certain.
async fn keep(
    state: AppState,
    id: VideoId,
    owner: User,
    key: StorageKey,
    form: Form,
) -> Result<Video, Rejection> {
    let stored = form.file.writer.finish().await?;
    let recorded = async {
        let source = BlobSource::open(state.blobs.clone(), key.clone()).await?;
        sniff::index_outcome(index(&source, sniff::limits()).await)?;
        let new = NewVideo {
            id,
            process: ambient::id(ProcessId::new),
            owner: owner.id,
            title: form.title,
            description: form.description,
            claimed_duration: form.duration,
            visibility: Visibility::Public,
            protection: form.protection,
            source: Source {
                name: form.file.name,
                extension: form.file.extension,
                key: key.to_string(),
                bytes: stored.len,
                sha256: Some(stored.sha256),
            },
        };
        record(&state.db, &new).await.map_err(|error| Rejection::new(log_internal(&error), OUR_FAULT))
    };
    let recorded = recorded.await;
    match &recorded {
        Ok(video) => tracing::info!(
            video.id = %video.id, user.id = %owner.id, bytes = stored.len, "video `{}` was uploaded", video.id
        ),
        Err(rejection) => {
            tracing::info!(user.id = %owner.id, bytes = stored.len, "an upload was refused: {rejection}");
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

/// Records the video. A file that came in whole is not thrown away because the database is restarting.
async fn record(db: &Db, new: &NewVideo) -> catalog::Result<Video> {
    const PATIENCE: Duration = Duration::from_secs(30);
    const PAUSE: Duration = Duration::from_millis(500);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let recorded = videos::create(db, new).await;
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
