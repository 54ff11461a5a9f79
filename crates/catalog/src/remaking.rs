//! Making the media of a video again that plays: a new revision, while the old one is served.

use db::{Db, Tx};

use crate::{
    Error, Result, VideoEvent,
    ids::VideoId,
    stages,
    videos::{self, SourceState, Video},
};

/// Has all media of a video made again from its uploaded file. It goes on playing what it has, and changes over when the
/// new revision is published; when that cannot be made, nothing has changed. One that is being made again already is left
/// to it.
///
/// # Errors
/// [`Error::NoVideo`]; [`Error::Refused`] when it does not play; [`Error::NoSource`].
pub async fn request(db: &Db, id: VideoId) -> Result<Video> {
    let mut tx = db.begin().await?;
    let locked = videos::lock(&mut tx, id).await?;
    locked.after(VideoEvent::RemakeRequested)?;
    let video: Video = tx.query(BEGIN).bind(id).one().await?;
    if locked.remaking {
        return Ok(video);
    }
    if video.source_state == SourceState::Gone {
        return Err(Error::NoSource(id));
    }
    videos::start_over(&mut tx, &video).await?;
    tx.commit().await?;
    Ok(video)
}

/// It stays as it is.
pub(crate) async fn give_up(tx: &mut Tx, id: VideoId) -> Result<()> {
    tx.query(GIVE_UP).bind(id).execute().await?;
    stages::finish(tx, id).await
}

db::statements! {
    BEGIN { "UPDATE videos SET remaking = TRUE, updated_at = " NOW " WHERE id = $1 RETURNING *" }
    GIVE_UP { "UPDATE videos SET remaking = FALSE, updated_at = " NOW " WHERE id = $1" }
}
