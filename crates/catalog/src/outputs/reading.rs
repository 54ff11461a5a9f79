//! What is recorded about a revision.

use db::{Db, Json, Tx};
use serde::de::DeserializeOwned;

use super::{Contents, Image, Object, Part, Recorded, Rendition, RenditionSize};
use crate::{
    Error, Result,
    ids::{RenditionId, Revision, VideoId},
};

/// The plan of a revision.
///
/// # Errors
/// [`Error::NoVideo`] when there is no such plan.
pub async fn plan<P: DeserializeOwned>(db: &Db, video: VideoId, revision: Revision) -> Result<P> {
    let document: Option<Json<P>> = db.read(PLAN).bind(video).bind(revision).first_value().await?;
    document.map(|document| document.0).ok_or(Error::NoVideo(video))
}

/// Everything recorded about a revision, complete or not.
///
/// # Errors
/// [`Error::NoVideo`] when there is no such revision.
pub async fn contents<P: DeserializeOwned>(
    db: &Db,
    video: VideoId,
    revision: Revision,
) -> Result<Contents<P>> {
    let plan = plan(db, video, revision).await?;
    let mut renditions = renditions(db, video, revision).await?;
    let objects: Vec<ObjectRow> = db.read(OBJECTS).bind(video).bind(revision).all().await?;
    for row in objects {
        if let Ok(position) = renditions.binary_search_by(|rendition| rendition.id.cmp(&row.rendition)) {
            renditions[position].objects.push(row.object);
        }
    }
    let images = db.read(IMAGES).bind(video).bind(revision).all().await?;
    Ok(Contents { plan, renditions, images })
}

/// The renditions of a revision by name, without their objects.
///
/// # Errors
/// Those of the database.
pub async fn renditions(db: &Db, video: VideoId, revision: Revision) -> Result<Vec<Rendition>> {
    let mut renditions: Vec<Rendition> = db.read(RENDITIONS).bind(video).bind(revision).all().await?;
    // The databases sort text each in its own way.
    renditions.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Ok(renditions)
}

/// Every object of a revision that is recorded, by name: media, images and documents.
///
/// # Errors
/// Those of the database.
pub async fn recorded(tx: &mut Tx, video: VideoId, revision: Revision) -> Result<Vec<Recorded>> {
    Ok(tx.query(RECORDED).bind(video).bind(revision).all().await?)
}

/// What is recorded of one rendition, in the order of [`Part`].
///
/// # Errors
/// Those of the database.
pub async fn objects(
    db: &Db,
    video: VideoId,
    revision: Revision,
    rendition: &RenditionId,
) -> Result<Vec<Object>> {
    let rows: Vec<ObjectRow> = db.read(OBJECTS_OF).bind(video).bind(revision).bind(rendition).all().await?;
    Ok(rows.into_iter().map(|row| row.object).collect())
}

/// How many bytes are stored of each rendition of a revision, in no order.
///
/// # Errors
/// Those of the database.
pub async fn sizes(db: &Db, video: VideoId, revision: Revision) -> Result<Vec<RenditionSize>> {
    Ok(db.read(SIZES).bind(video).bind(revision).all().await?)
}

/// One segment, if it is recorded.
///
/// # Errors
/// Those of the database.
pub async fn object(
    db: &Db,
    video: VideoId,
    revision: Revision,
    rendition: &RenditionId,
    part: Part,
) -> Result<Option<Object>> {
    let row: Option<ObjectRow> =
        db.read(OBJECT).bind(video).bind(revision).bind(rendition).bind(part.index()).first().await?;
    Ok(row.map(|row| row.object))
}

db::statements! {
    PLAN { "SELECT document FROM plans WHERE video_id = $1 AND revision = $2" }
    RENDITIONS { "SELECT * FROM renditions WHERE video_id = $1 AND revision = $2" }
    OBJECTS { "SELECT * FROM objects WHERE video_id = $1 AND revision = $2 ORDER BY rendition, idx" }
    OBJECTS_OF {
        "SELECT * FROM objects WHERE video_id = $1 AND revision = $2 AND rendition = $3 ORDER BY idx"
    }
    SIZES {
        "SELECT rendition, CAST(sum(bytes) AS BIGINT) AS bytes FROM objects
         WHERE video_id = $1 AND revision = $2 GROUP BY rendition"
    }
    OBJECT { "SELECT * FROM objects WHERE video_id = $1 AND revision = $2 AND rendition = $3 AND idx = $4" }
    RECORDED {
        "SELECT object_key AS key, bytes, sha256 FROM objects WHERE video_id = $1 AND revision = $2
         UNION ALL SELECT object_key, bytes, sha256 FROM images WHERE video_id = $1 AND revision = $2
         UNION ALL SELECT object_key, bytes, sha256 FROM documents WHERE video_id = $1 AND revision = $2
         ORDER BY key"
    }
    IMAGES { "SELECT * FROM images WHERE video_id = $1 AND revision = $2 ORDER BY kind, idx" }
}

struct ObjectRow {
    rendition: RenditionId,
    object: Object,
}

impl db::FromRow for ObjectRow {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        let object = Object {
            part: Part::from_index(row.get("idx")?),
            key: row.get("object_key")?,
            bytes: row.get("bytes")?,
            sha256: row.get("sha256")?,
            iframe_bytes: row.get("iframe_bytes")?,
            start: row.get("start_time")?,
            duration: row.get("duration")?,
        };
        Ok(Self { rendition: row.get("rendition")?, object })
    }
}

impl db::FromRow for Rendition {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        let (width, height): (Option<u32>, Option<u32>) = (row.get("width")?, row.get("height")?);
        Ok(Self {
            id: row.get("rendition")?,
            kind: row.get("kind")?,
            size: width.zip(height),
            bitrate: row.get("bitrate")?,
            timescale: row.get("timescale")?,
            segments: row.get("segments")?,
            codecs: row.get("codecs")?,
            sample_entry: row.get("sample_entry")?,
            objects: Vec::new(),
        })
    }
}

impl db::FromRow for Image {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self {
            kind: row.get("kind")?,
            index: row.get("idx")?,
            key: row.get("object_key")?,
            bytes: row.get("bytes")?,
            sha256: row.get("sha256")?,
        })
    }
}
