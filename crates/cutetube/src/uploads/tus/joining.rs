//! Making one file of the pieces of an upload, and a video of the file.
//!
//! An upload that is whole becomes a video whether or not its client comes back: if the request that brought the last byte
//! does not get to it, the next look at what is left over does, on any node. Until the video is recorded the pieces stay.

use std::error::Error as _;

use axum::http::StatusCode;
use catalog::{
    ids::VideoId,
    resumable::{self, Piece, Turn, Upload},
};
use futures_util::TryStreamExt;
use tokio::{
    task::JoinSet,
    time::{Duration, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use uuid::Builder;

use super::{
    super::{
        Rejection,
        actions::{self, Arrived, Recording},
        form::Reception,
        sniff, v5,
    },
    metadata::{self, Described},
    receiving::discard,
    turn::Held,
};
use crate::{
    AppState, ambient,
    blobs::{BlobError, StorageKey, Stored},
    http::{Problem, log_internal},
};

/// What became of an upload that is whole.
pub(super) enum Joined {
    /// It is recorded as a video.
    Video(VideoId),
    /// It is none, and why.
    Refused(Problem),
    /// Somebody else is at it, or it is tried again.
    Later,
}

/// How often it is looked whether there is something left over.
const LOOK: Duration = Duration::from_secs(5);
/// How many of those are put together at once.
const AT_ONCE: usize = 4;
/// How long an upload waits that does not fit: its owner may delete others.
const UNTIL_THERE_IS_ROOM: Duration = Duration::from_secs(60);
const UNTIL_IT_GOES_BETTER: Duration = Duration::from_secs(10);

/// Makes videos of uploads that are whole, and whose requests did not come to it, until `stop`.
pub(crate) async fn finish_left_over(state: AppState, stop: CancellationToken) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut joins = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
        }
        while joins.try_join_next().is_some() {}
        let room = u32::try_from(AT_ONCE.saturating_sub(joins.len())).unwrap_or_default();
        match resumable::left_over(&state.db, room).await {
            Ok(found) => {
                for upload in found {
                    let held = Held::new(&state, turn(upload));
                    joins.spawn(join(state.clone(), held));
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "uploads that are whole were not looked for"
                );
            }
        }
    }
}

/// A turn that nobody else has.
pub(super) fn turn(upload: catalog::ids::UploadId) -> Turn {
    Turn { upload, writer: Builder::from_random_bytes(ambient::random()).into_uuid() }
}

/// Makes the video, if the upload is whole and nobody else is at it.
pub(super) async fn join(state: AppState, mut held: Held) -> Joined {
    let turn = held.turn();
    let upload = match resumable::begin_joining(&state.db, turn).await {
        Ok(Some(upload)) => upload,
        Ok(None) => {
            held.release().await;
            return Joined::Later;
        }
        Err(error) => {
            log_internal(&error);
            return Joined::Later;
        }
    };
    let outcome = async {
        let pieces =
            resumable::pieces(&state.db, upload.id).await.map_err(|error| Rejection::internal(&error))?;
        let made = held.during(make(&state, &upload, &pieces, turn)).await;
        let video = made.map_err(|error| Rejection::internal(&error))??;
        Ok((video, pieces))
    };
    match outcome.await {
        Ok((video, pieces)) => {
            held.over();
            tokio::spawn(discard_all(state, pieces));
            Joined::Video(video)
        }
        Err(rejection) => {
            let joined = give_up(&state, turn, &upload, rejection).await;
            held.over();
            joined
        }
    }
}

/// Writes the file, and records it. The pieces are needed until it is recorded.
async fn make(state: &AppState, upload: &Upload, pieces: &[Piece], turn: Turn) -> Result<VideoId, Rejection> {
    let described = metadata::parse(&upload.metadata, Reception::of(state));
    // It was right when the upload began; a server may have lost what it takes to protect videos since.
    let Described { said, name, extension } = described.map_err(|_| {
        Rejection::field("video", "What was said about this file cannot be done any more. Upload it again.")
    })?;
    let id = ambient::id(VideoId::new);
    let key = StorageKey::Source { video: id, extension };
    let stored = put_together(state, upload, pieces, &key).await?;
    let began = Duration::from_micros(u64::try_from(upload.created_at.unix_micros()).unwrap_or_default());
    let arrived = Arrived { id, key, name, extension, stored, began };
    let video = actions::settle(state, upload.owner_id, arrived, said, Recording::Joined(turn)).await?;
    Ok(video.id)
}

async fn put_together(
    state: &AppState,
    upload: &Upload,
    pieces: &[Piece],
    key: &StorageKey,
) -> Result<Stored, Rejection> {
    let lost = || Rejection::video("The server's storage has lost bytes of this file. Upload it again.");
    let mut writer = state.blobs.writer(key, upload.received).await?;
    let mut head = Vec::new();
    let mut end = 0_u64;
    for piece in pieces {
        let object: StorageKey = piece.object_key.parse().map_err(|_| lost())?;
        let bytes = match state.blobs.stream_whole(&object).await {
            Ok(bytes) => bytes,
            Err(BlobError::NotFound { .. }) => return Err(lost()),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = std::pin::pin!(bytes);
        while let Some(some) = bytes.try_next().await? {
            if head.len() < sniff::SNIFF_BYTES {
                head.extend(some.iter().take(sniff::SNIFF_BYTES - head.len()));
                if head.len() == sniff::SNIFF_BYTES {
                    sniff::first_bytes(&head)?;
                }
            }
            writer.write(some).await?;
        }
        end = end.saturating_add(piece.bytes);
        if writer.len() != end {
            return Err(lost());
        }
    }
    if end != upload.received {
        return Err(lost());
    }
    if head.len() < sniff::SNIFF_BYTES {
        sniff::first_bytes(&head)?;
        return Err(Rejection::video("The file ends before it begins."));
    }
    Ok(writer.finish().await?)
}

/// Records why there is no video, or not yet.
async fn give_up(state: &AppState, turn: Turn, upload: &Upload, rejection: Rejection) -> Joined {
    let sentence = rejection.sentence.clone();
    let recorded = match rejection.status {
        StatusCode::BAD_REQUEST => {
            let pieces = resumable::pieces(&state.db, upload.id).await;
            let refused = resumable::refuse(&state.db, turn, &sentence).await;
            if let (Ok(pieces), Ok(())) = (pieces, &refused) {
                tokio::spawn(discard_all(state.clone(), pieces));
            }
            refused
        }
        StatusCode::FORBIDDEN | StatusCode::PAYLOAD_TOO_LARGE => {
            resumable::put_off(&state.db, turn, Some(&sentence), UNTIL_THERE_IS_ROOM).await
        }
        _ => resumable::put_off(&state.db, turn, None, UNTIL_IT_GOES_BETTER).await,
    };
    if let Err(error) = recorded {
        log_internal(&error);
        return Joined::Later;
    }
    if matches!(rejection.status, StatusCode::CONFLICT) || rejection.status.is_server_error() {
        if rejection.source().is_some() {
            log_internal(&rejection);
        }
        return Joined::Later;
    }
    Joined::Refused(v5::problem(rejection))
}

async fn discard_all(state: AppState, pieces: Vec<Piece>) {
    for piece in pieces {
        discard(&state, &piece.object_key).await;
    }
}
