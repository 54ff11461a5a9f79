//! The jobs of the pipeline as typed data: what a worker is asked to do.

use std::ops::Range;

use db::Tx;
use jobs::{Lease, NewJob};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error, Result, Stage,
    ids::{RenditionId, Revision, UserId, VideoId},
};

/// One job of the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Read the source's index and plan.
    Inspect(InspectJob),
    /// Encode a chunk of the picture, and make its still images.
    Encode(EncodeJob),
    /// Encode the sound.
    Audio(AudioJob),
    /// Write the manifests and let people see the video.
    Publish(PublishJob),
    /// Write the manifests again, with other captions.
    Captions(CaptionsJob),
    /// Remove everything a video has.
    Delete(DeleteJob),
}

/// Read the source's index, decide the plan, and record it with [`record_plan`](crate::outputs::record_plan).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectJob {
    /// The video.
    pub video: VideoId,
}

/// Encode one chunk and record it with [`record`](crate::outputs::record).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncodeJob {
    /// The video.
    pub video: VideoId,
    /// The output it belongs to.
    pub revision: Revision,
    /// The segments of the timeline, counted from 0.
    pub segments: Range<u32>,
    /// The renditions to make of it.
    pub rungs: Vec<RenditionId>,
    /// How urgent it is.
    pub class: Class,
}

/// Encode one sound track whole and record it with [`record`](crate::outputs::record).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioJob {
    /// The video.
    pub video: VideoId,
    /// The output it belongs to.
    pub revision: Revision,
    /// The rendition to make.
    pub rendition: RenditionId,
}

/// Write the manifests, then [`publish`](crate::outputs::publish).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishJob {
    /// The video.
    pub video: VideoId,
    /// The output to be published.
    pub revision: Revision,
}

/// Write the manifests of the published revision with the captions that there are, then [`show`](crate::captions::show).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptionsJob {
    /// The video.
    pub video: VideoId,
    /// The change that led to it. There may be a later one by now.
    pub edition: u64,
}

/// Remove every object of a video from the blob store, then [`finish_delete`](crate::endings::finish_delete).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteJob {
    /// The video.
    pub video: VideoId,
}

db::text_enum! {
    /// How urgent a job is. Only the queue decides what runs next; this is what it goes by.
    pub enum Class {
        /// Can wait for everything else.
        Background = "background",
        /// A step of ordinary processing.
        Normal = "normal",
        /// Short, and somebody is waiting for it.
        Interactive = "interactive",
    }
}

/// The queue of everything that makes a video.
pub const PIPELINE_QUEUE: &str = "pipeline";

/// The queue of everything that nobody waits for.
pub const UPKEEP_QUEUE: &str = "upkeep";

/// How many jobs of one owner go before what others have plenty of: about the chunks of two minutes.
const PROMPT_JOBS: usize = 12;

/// The priority of these jobs: between ordinary ones and those that somebody is waiting for.
const PROMPT: i64 = 50;

/// The jobs of a plan for the queue. An owner with little to be done does not wait for one with a lot: the first few
/// jobs that an owner has open at a time go before the many of others, whose turns come among themselves.
pub(crate) async fn planned_jobs(tx: &mut Tx, work: Vec<Work>, owner: UserId) -> Result<Vec<NewJob>> {
    let most = u32::try_from(PROMPT_JOBS).unwrap_or(u32::MAX);
    let open = jobs::open_jobs(tx, PIPELINE_QUEUE, &owner.to_string(), most).await?;
    let prompt = PROMPT_JOBS.saturating_sub(usize::try_from(open).unwrap_or(usize::MAX));
    let new = work.into_iter().enumerate().map(|(index, work)| {
        let raise = index < prompt && work.class() == Class::Normal;
        let job = work.into_job(owner);
        if raise { job.priority(PROMPT) } else { job }
    });
    Ok(new.collect())
}

impl Class {
    /// The priority of [`Class::Interactive`].
    pub const INTERACTIVE_PRIORITY: i64 = 100;

    /// The priority of this class in the queue.
    pub fn priority(self) -> i64 {
        match self {
            Self::Background => -100,
            Self::Normal => 0,
            Self::Interactive => Self::INTERACTIVE_PRIORITY,
        }
    }
}

impl Work {
    /// The work that a claimed job asks for.
    ///
    /// # Errors
    /// [`Error::UnknownWork`] when another version of the program enqueued something else.
    pub fn of(job: &jobs::Job) -> Result<Self> {
        Self::parse(&job.kind, &job.payload)
    }

    /// The work that a job of this kind asks for with this payload.
    ///
    /// # Errors
    /// [`Error::UnknownWork`], as for [`Work::of`].
    pub fn parse(kind: &str, payload: &str) -> Result<Self> {
        match kind {
            "inspect" => parse(kind, payload).map(Self::Inspect),
            "encode" => parse(kind, payload).map(Self::Encode),
            "audio" => parse(kind, payload).map(Self::Audio),
            "publish" => parse(kind, payload).map(Self::Publish),
            "captions" => parse(kind, payload).map(Self::Captions),
            "delete" => parse(kind, payload).map(Self::Delete),
            _ => {
                Err(Error::UnknownWork { kind: kind.to_owned(), reason: "there is no such kind".to_owned() })
            }
        }
    }

    /// The kind of the job, as the queue stores it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Inspect(_) => "inspect",
            Self::Encode(_) => "encode",
            Self::Audio(_) => "audio",
            Self::Publish(_) => "publish",
            Self::Captions(_) => "captions",
            Self::Delete(_) => "delete",
        }
    }

    /// The video it is about.
    pub fn video(&self) -> VideoId {
        match self {
            Self::Inspect(InspectJob { video })
            | Self::Encode(EncodeJob { video, .. })
            | Self::Audio(AudioJob { video, .. })
            | Self::Publish(PublishJob { video, .. })
            | Self::Captions(CaptionsJob { video, .. })
            | Self::Delete(DeleteJob { video }) => *video,
        }
    }

    /// The stage of processing it belongs to; what is done to a video afterwards is none.
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Self::Inspect(_) => Some(Stage::Inspect),
            Self::Encode(_) => Some(Stage::Encode),
            Self::Audio(_) => Some(Stage::Audio),
            Self::Publish(_) => Some(Stage::Publish),
            Self::Captions(_) | Self::Delete(_) => None,
        }
    }

    /// How many units of its stage it does, of `total` in all.
    pub(crate) fn units(&self, total: u64) -> u64 {
        match self {
            Self::Encode(job) => {
                let segments = u64::from(job.segments.end.saturating_sub(job.segments.start));
                segments.saturating_mul(u64::try_from(job.rungs.len()).unwrap_or(u64::MAX))
            }
            Self::Audio(_) | Self::Inspect(_) | Self::Publish(_) => total,
            Self::Captions(_) | Self::Delete(_) => 0,
        }
    }

    /// The job for the queue, in the share of `owner`. Jobs that process a video are one group, which ends
    /// together; a deletion is not in it, because it outlives that end.
    pub(crate) fn into_job(self, owner: UserId) -> NewJob {
        self.into_job_again(owner, 0)
    }

    /// The same for the time after `repairs` repairs: a job of its own, though one for the same work is done.
    pub(crate) fn into_job_again(self, owner: UserId, repairs: u32) -> NewJob {
        let (queue, payload) = match &self {
            Self::Inspect(job) => (PIPELINE_QUEUE, serde_json::to_value(job)),
            Self::Encode(job) => (PIPELINE_QUEUE, serde_json::to_value(job)),
            Self::Audio(job) => (PIPELINE_QUEUE, serde_json::to_value(job)),
            Self::Publish(job) => (PIPELINE_QUEUE, serde_json::to_value(job)),
            Self::Captions(job) => (PIPELINE_QUEUE, serde_json::to_value(job)),
            Self::Delete(job) => (UPKEEP_QUEUE, serde_json::to_value(job)),
        };
        let payload = payload.expect("structs of ids and numbers are always JSON");
        let job = NewJob::new(queue, self.kind(), &payload)
            .owner(owner.to_string())
            .priority(self.class().priority());
        let job = match &self {
            Self::Delete(_) => job.max_attempts(100).max_failures(20),
            _ => job.group(group(self.video())),
        };
        match self.dedup_key() {
            Some(key) if repairs > 0 => job.dedup_key(format!("{key}:repair-{repairs}")),
            Some(key) => job.dedup_key(key),
            None => job,
        }
    }

    /// The same once more, after the job that `lease` was of.
    pub(crate) fn into_job_after(self, owner: UserId, lease: &Lease) -> NewJob {
        let key = self.dedup_key().map(|key| format!("{key}:after-{}", lease.id));
        let job = self.into_job(owner);
        match key {
            Some(key) => job.dedup_key(key),
            None => job,
        }
    }

    /// Steps that take no time, and that every later one waits for, do not queue behind chunks.
    fn class(&self) -> Class {
        match self {
            Self::Encode(job) => job.class,
            Self::Inspect(_) | Self::Publish(_) | Self::Captions(_) => Class::Interactive,
            Self::Audio(_) => Class::Normal,
            Self::Delete(_) => Class::Background,
        }
    }

    /// The key under which it is in the queue only once. An inspection has none: a video that is tried again is
    /// inspected again.
    pub fn dedup_key(&self) -> Option<String> {
        match self {
            Self::Inspect(_) => None,
            Self::Encode(job) => {
                let Range { start, end } = job.segments;
                let rungs = job.rungs.iter().map(RenditionId::as_str).collect::<Vec<_>>().join("+");
                Some(format!("encode:{}:{}:{start}-{end}:{rungs}", job.video, job.revision))
            }
            Self::Audio(job) => Some(format!("audio:{}:{}:{}", job.video, job.revision, job.rendition)),
            Self::Publish(job) => Some(format!("publish:{}:{}", job.video, job.revision)),
            Self::Captions(job) => Some(format!("captions:{}:{}", job.video, job.edition)),
            Self::Delete(job) => Some(format!("delete:{}", job.video)),
        }
    }
}

/// The group of all jobs that process a video.
pub fn group(video: VideoId) -> String {
    format!("video:{video}")
}

/// The video that a [`group`] is of.
pub fn video_of_group(group: &str) -> Option<VideoId> {
    group.strip_prefix("video:")?.parse().ok()
}

/// The counter of the jobs that publishing a revision waits for.
pub(crate) fn publish_counter(video: VideoId, revision: Revision) -> String {
    format!("publish:{video}:{revision}")
}

fn parse<T: DeserializeOwned>(kind: &str, payload: &str) -> Result<T> {
    serde_json::from_str(payload)
        .map_err(|error| Error::UnknownWork { kind: kind.to_owned(), reason: error.to_string() })
}
