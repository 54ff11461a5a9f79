//! The verbs that take a video from its plan to its publication.

use std::collections::BTreeSet;

use db::{Db, Json, Tx};
use jobs::Lease;
use serde::Serialize;

use super::{Image, NewPlan, NewRendition, Object, Output, Recorded, RenditionKind, RenditionOutput, repair};
use crate::{
    Error, Result, Stage, VideoEvent, captions,
    events::{self, EventKind},
    ids::{Revision, UserId, VideoId},
    stages, usage,
    videos::{self, Locked, Video},
    work::{self, AudioJob, EncodeJob, PublishJob, Work},
};

/// Records the plan, ends the inspection and enqueues what the plan needs. The video is `processing` from here on.
///
/// # Errors
/// [`Error::lease_lost`]; [`Error::Refused`] when the video is not waiting for a plan.
pub async fn record_plan<P: Serialize>(
    db: &Db,
    lease: &Lease,
    video: VideoId,
    plan: &NewPlan<P>,
) -> Result<Revision> {
    let mut tx = db.begin().await?;
    let locked = lock_and_settle(&mut tx, video, lease).await?;
    let state = locked.after(VideoEvent::Planned)?;
    let planned: Planned = tx
        .query(SET_PLANNED)
        .bind(video)
        .bind(state)
        .bind(plan.measured_duration)
        .bind(Json(&plan.warnings))
        .one()
        .await?;
    let revision = planned.revision;
    tx.query(INSERT_PLAN).bind(video).bind(revision).bind(Json(&plan.document)).execute().await?;
    for rendition in &plan.renditions {
        insert_rendition(&mut tx, video, revision, rendition).await?;
    }
    plan_stages(&mut tx, video, plan).await?;
    let work = plan_work(video, revision, plan);
    let waits = u64::try_from(work.len()).unwrap_or(u64::MAX);
    if work.is_empty() {
        enqueue_publish(&mut tx, video, revision, planned.owner_id).await?;
    } else {
        jobs::counter::start(&mut tx, &work::publish_counter(video, revision), &work::group(video), waits)
            .await?;
        let new = work::planned_jobs(&mut tx, work, planned.owner_id).await?;
        jobs::enqueue_all(&mut tx, new).await?;
    }
    // Who hears of events has heard that it plays, and it still does.
    if !locked.remaking {
        events::log(&mut tx, EventKind::Processing, video).await?;
    }
    tx.commit().await?;
    Ok(revision)
}

/// Records what an encode or audio job has made, and ends the job. The last of them enqueues publishing.
///
/// An object that is recorded already stays as it is: the first valid result wins.
///
/// # Errors
/// [`Error::lease_lost`]; [`Error::SampleEntryDiffers`]; [`Error::NotPlanned`].
pub async fn record(
    db: &Db,
    lease: &Lease,
    stage: Stage,
    video: VideoId,
    revision: Revision,
    output: &Output,
) -> Result<()> {
    let mut tx = db.begin().await?;
    lock_and_settle(&mut tx, video, lease).await?;
    let mut units = 0;
    for rendition in &output.renditions {
        units += record_rendition(&mut tx, video, revision, rendition).await?;
    }
    for image in &output.images {
        insert_image(&mut tx, video, revision, image).await?;
    }
    stages::advance(&mut tx, video, stage, units).await?;
    add_warnings(&mut tx, video, &output.warnings).await?;
    if jobs::counter::count_down(&mut tx, &work::publish_counter(video, revision)).await? == Some(0) {
        let owner: UserId = tx.query(OWNER).bind(video).value().await?;
        enqueue_publish(&mut tx, video, revision, owner).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Lets people see the revision, and ends the job. Every segment of the plan must be recorded, and the manifests
/// must be in the blob store. Images are welcome and not required: a video plays without a poster.
///
/// # Errors
/// [`Error::lease_lost`]; [`Error::Incomplete`]; [`Error::Refused`] when the video is not processing.
pub async fn publish(db: &Db, lease: &Lease, video: VideoId, revision: Revision) -> Result<Video> {
    let mut tx = db.begin().await?;
    let published = publish_in(&mut tx, lease, video, revision).await?;
    tx.commit().await?;
    Ok(published)
}

/// The same, after which nothing needs the uploaded file any more: from this moment it may be removed.
///
/// # Errors
/// As [`publish`].
pub async fn publish_without_source(
    db: &Db,
    lease: &Lease,
    video: VideoId,
    revision: Revision,
) -> Result<Video> {
    let mut tx = db.begin().await?;
    publish_in(&mut tx, lease, video, revision).await?;
    let published = tx.query(LET_GO_OF_SOURCE).bind(video).one().await?;
    tx.commit().await?;
    Ok(published)
}

/// Records what was written beside the recorded objects and follows from them, before the revision is published. Whoever
/// writes it again writes the same.
///
/// # Errors
/// Those of the database; its foreign key when the revision is gone.
pub async fn record_documents(
    db: &Db,
    video: VideoId,
    revision: Revision,
    documents: &[Recorded],
) -> Result<()> {
    let mut tx = db.begin().await?;
    record_documents_in(&mut tx, video, revision, documents).await?;
    tx.commit().await?;
    Ok(())
}

/// The same as a part of something else; what has been recorded under a name is recorded anew.
pub(crate) async fn record_documents_in(
    tx: &mut Tx,
    video: VideoId,
    revision: Revision,
    documents: &[Recorded],
) -> Result<()> {
    for Recorded { key, bytes, sha256 } in documents {
        let query = tx.query(RECORD_DOCUMENT).bind(video).bind(revision).bind(key);
        query.bind(*bytes).bind(*sha256).execute().await?;
    }
    Ok(())
}

async fn publish_in(tx: &mut Tx, lease: &Lease, video: VideoId, revision: Revision) -> Result<Video> {
    let state = lock_and_settle(tx, video, lease).await?.after(VideoEvent::Published)?;
    let Completeness { recorded, planned } = tx.query(COMPLETENESS).bind(video).bind(revision).one().await?;
    if recorded != planned {
        return Err(Error::Incomplete { recorded, planned });
    }
    let published: Video = tx.query(SET_PUBLISHED).bind(video).bind(state).bind(revision).one().await?;
    stages::finish(tx, video).await?;
    captions::catch_up(tx, &published, revision).await?;
    usage::sum_up(tx, video, revision).await?;
    events::log(tx, EventKind::Ready, video).await?;
    Ok(published)
}

/// A video that is gone took its jobs with it: the lease is lost, which is what the worker has to know.
pub(super) async fn lock_and_settle(tx: &mut Tx, video: VideoId, lease: &Lease) -> Result<Locked> {
    let locked = videos::lock(tx, video).await;
    jobs::settle(tx, lease).await?;
    locked
}

/// What the planned jobs are asked to do.
fn plan_work<P>(video: VideoId, revision: Revision, plan: &NewPlan<P>) -> Vec<Work> {
    let chunks = plan.chunks.iter().cloned().map(|chunk| {
        let (segments, rungs, class) = (chunk.segments, chunk.rungs, chunk.class);
        Work::Encode(EncodeJob { video, revision, segments, rungs, class })
    });
    let sound = plan.renditions.iter().filter(|rendition| rendition.kind == RenditionKind::Audio);
    let audio = sound.map(|rendition| {
        let rendition = rendition.id.clone();
        Work::Audio(AudioJob { video, revision, rendition })
    });
    chunks.chain(audio).collect()
}

async fn plan_stages<P>(tx: &mut Tx, video: VideoId, plan: &NewPlan<P>) -> Result<()> {
    let units = |kind: RenditionKind| {
        let of_kind = plan.renditions.iter().filter(|rendition| rendition.kind == kind);
        of_kind.map(|rendition| u64::from(rendition.segments)).sum::<u64>()
    };
    stages::advance(tx, video, Stage::Inspect, 1).await?;
    for (stage, units) in [
        (Stage::Encode, units(RenditionKind::Video)),
        (Stage::Audio, units(RenditionKind::Audio)),
        (Stage::Publish, 1),
    ] {
        if units > 0 {
            stages::plan(tx, video, stage, units).await?;
        }
    }
    Ok(())
}

async fn enqueue_publish(tx: &mut Tx, video: VideoId, revision: Revision, owner: UserId) -> Result<()> {
    let publish = Work::Publish(PublishJob { video, revision });
    let repairs = repair::repairs(tx, video, revision).await?;
    jobs::enqueue(tx, publish.into_job_again(owner, repairs)).await?;
    Ok(())
}

async fn insert_rendition(
    tx: &mut Tx,
    video: VideoId,
    revision: Revision,
    rendition: &NewRendition,
) -> Result<()> {
    tx.query(INSERT_RENDITION)
        .bind(video)
        .bind(revision)
        .bind(&rendition.id)
        .bind(rendition.kind)
        .bind(rendition.size.map(|(width, _)| width))
        .bind(rendition.size.map(|(_, height)| height))
        .bind(rendition.bitrate)
        .bind(rendition.timescale)
        .bind(rendition.segments)
        .execute()
        .await?;
    Ok(())
}

/// Answers how many media segments were new.
async fn record_rendition(
    tx: &mut Tx,
    video: VideoId,
    revision: Revision,
    output: &RenditionOutput,
) -> Result<u64> {
    tx.query(SET_SAMPLE_ENTRY)
        .bind(video)
        .bind(revision)
        .bind(&output.id)
        .bind(&output.codecs)
        .bind(&output.sample_entry[..])
        .execute()
        .await?;
    let expected: Option<Expected> =
        tx.query(EXPECTED).bind(video).bind(revision).bind(&output.id).first().await?;
    let not_planned = |index| Error::NotPlanned { rendition: output.id.clone(), index };
    let expected = expected.ok_or_else(|| not_planned(0))?;
    if expected.sample_entry != output.sample_entry {
        return Err(Error::SampleEntryDiffers(output.id.clone()));
    }
    if let Some(beyond) = output.objects.iter().find(|object| object.part.index() > expected.segments) {
        return Err(not_planned(beyond.part.index()));
    }
    let rows: Vec<ObjectRow<'_>> = output.objects.iter().map(ObjectRow::from).collect();
    let new: Vec<u32> = tx
        .query(INSERT_OBJECTS)
        .bind(video)
        .bind(revision)
        .bind(&output.id)
        .bind(Json(rows))
        .values()
        .await?;
    Ok(new.into_iter().filter(|index| *index > 0).map(|_| 1).sum())
}

async fn insert_image(tx: &mut Tx, video: VideoId, revision: Revision, image: &Image) -> Result<()> {
    tx.query(INSERT_IMAGE)
        .bind(video)
        .bind(revision)
        .bind(image.kind)
        .bind(image.index)
        .bind(&image.key)
        .bind(image.bytes)
        .bind(image.sha256)
        .execute()
        .await?;
    Ok(())
}

/// Adds the warnings that the video does not have yet.
async fn add_warnings(tx: &mut Tx, video: VideoId, new: &[String]) -> Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let Json(had): Json<Vec<String>> = tx.query(WARNINGS).bind(video).value().await?;
    let all: BTreeSet<&String> = had.iter().chain(new).collect();
    if all.len() > had.len() {
        tx.query(SET_WARNINGS).bind(video).bind(Json(all)).execute().await?;
    }
    Ok(())
}

db::statements! {
    SET_PLANNED {
        "UPDATE videos SET state = $2, measured_duration = $3, warnings = $4, updated_at = " NOW ",
             revision = COALESCE(revision, 0) + 1
         WHERE id = $1 RETURNING revision, owner_id"
    }
    INSERT_PLAN {
        "INSERT INTO plans (video_id, revision, document, created_at) VALUES ($1, $2, $3, " NOW ")"
    }
    INSERT_RENDITION {
        "INSERT INTO renditions (video_id, revision, rendition, kind, width, height, bitrate, timescale, segments)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    }
    SET_SAMPLE_ENTRY {
        "UPDATE renditions SET codecs = $4, sample_entry = $5
         WHERE video_id = $1 AND revision = $2 AND rendition = $3 AND sample_entry IS NULL"
    }
    EXPECTED {
        "SELECT segments, sample_entry FROM renditions WHERE video_id = $1 AND revision = $2 AND rendition = $3"
    }
    INSERT_OBJECTS {
        "INSERT INTO objects (video_id, revision, rendition, idx, object_key, bytes, sha256, iframe_bytes,
                              start_time, duration)
         SELECT $1, $2, $3, new.idx, new.object_key, new.bytes, " [
             sqlite "unhex(new.sha256)" postgres "decode(new.sha256, 'hex')"
         ] ", new.iframe_bytes, new.start_time, new.duration
         FROM " [
             sqlite
                "(SELECT value ->> 'idx' AS idx, value ->> 'object_key' AS object_key, value ->> 'bytes' AS bytes,
                         value ->> 'sha256' AS sha256, value ->> 'iframe_bytes' AS iframe_bytes,
                         value ->> 'start_time' AS start_time, value ->> 'duration' AS duration
                  FROM json_each($4)) AS new WHERE true"
             postgres
                "jsonb_to_recordset(CAST($4 AS JSONB)) AS new (idx BIGINT, object_key TEXT, bytes BIGINT,
                         sha256 TEXT, iframe_bytes BIGINT, start_time BIGINT, duration BIGINT) ORDER BY new.idx"
         ]
        " ON CONFLICT (video_id, revision, rendition, idx) DO NOTHING RETURNING idx"
    }
    INSERT_IMAGE {
        "INSERT INTO images (video_id, revision, kind, idx, object_key, bytes, sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (video_id, revision, kind, idx) DO NOTHING"
    }
    RECORD_DOCUMENT {
        "INSERT INTO documents (video_id, revision, object_key, bytes, sha256) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (video_id, revision, object_key) DO UPDATE SET bytes = excluded.bytes, sha256 = excluded.sha256"
    }
    WARNINGS { "SELECT warnings FROM videos WHERE id = $1" }
    SET_WARNINGS { "UPDATE videos SET warnings = $2, updated_at = " NOW " WHERE id = $1" }
    OWNER { "SELECT owner_id FROM videos WHERE id = $1" }
    /// Every rendition has its init segment and its media segments; indices beyond them are refused on the way in.
    /// Images do not count: a video plays without them.
    COMPLETENESS {
        "SELECT (SELECT count(*) FROM objects WHERE video_id = $1 AND revision = $2) AS recorded,
                (SELECT CAST(COALESCE(sum(segments + 1), 0) AS BIGINT)
                 FROM renditions WHERE video_id = $1 AND revision = $2) AS planned"
    }
    LET_GO_OF_SOURCE { "UPDATE videos SET source_state = 'gone' WHERE id = $1 RETURNING *" }
    SET_PUBLISHED {
        "UPDATE videos SET state = $2, published_revision = $3, updated_at = " NOW ", remaking = FALSE,
             ready_at = CASE WHEN remaking THEN ready_at ELSE " NOW " END
         WHERE id = $1 RETURNING *"
    }
}

db::row! {
    struct Planned { revision: Revision, owner_id: UserId }
}

db::row! {
    struct Expected { segments: u32, sample_entry: Vec<u8> }
}

db::row! {
    struct Completeness { recorded: u64, planned: u64 }
}

/// One row of [`INSERT_OBJECTS`]' array.
#[derive(Serialize)]
struct ObjectRow<'a> {
    idx: u32,
    object_key: &'a str,
    bytes: u64,
    sha256: String,
    iframe_bytes: Option<u64>,
    start_time: u64,
    duration: u64,
}

impl<'a> From<&'a Object> for ObjectRow<'a> {
    fn from(object: &'a Object) -> Self {
        Self {
            idx: object.part.index(),
            object_key: &object.key,
            bytes: object.bytes,
            sha256: hex::encode(object.sha256),
            iframe_bytes: object.iframe_bytes,
            start_time: object.start,
            duration: object.duration,
        }
    }
}
