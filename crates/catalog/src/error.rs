//! What can go wrong with the catalogue.

use crate::{
    Refused,
    accounts::Standing,
    comments,
    ids::{EventId, RenditionId, VideoId, WebhookId},
    names::FieldErrors,
    quotas::Exceeded,
    resumable,
};

/// The result of an operation on the catalogue.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on the catalogue failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such video, or it is being deleted.
    #[error("there is no video `{0}`")]
    NoVideo(VideoId),
    /// There is no such account.
    #[error("there is no such account")]
    NoUser,
    /// The account is in no standing for this.
    #[error("the account is `{0}`, and this cannot be done with it")]
    Standing(Standing),
    /// There is no such invitation, or it has made all its accounts, or it has ended.
    #[error("the invitation is not good, or not any more")]
    NoInvite,
    /// Somebody has as much as they may have.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// Nothing was added to an upload that comes in pieces.
    #[error(transparent)]
    Upload(#[from] resumable::Refusal),
    /// Nothing was said about a video.
    #[error(transparent)]
    Comment(#[from] comments::Refusal),
    /// There is no such webhook.
    #[error("there is no webhook `{0}`")]
    NoWebhook(WebhookId),
    /// There is no such event in the log, or it is too old to be kept.
    #[error("there is no event `{0}`")]
    NoEvent(EventId),
    /// A person has as many webhooks as a person may have.
    #[error("there may be `{0}` webhooks at most")]
    TooManyWebhooks(u32),
    /// A person has as many API tokens as a person may have.
    #[error("there may be `{0}` tokens at most")]
    TooManyTokens(u32),
    /// Fields hold what somebody else has already.
    #[error("{0}")]
    Fields(FieldErrors),
    /// The video is not in a state for this.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is no such job, or no more.
    #[error("there is no job `{0}`")]
    NoJob(jobs::JobId),
    /// The job is not in a state for this.
    #[error("job `{job}` is `{state}`, and this cannot be done with it")]
    JobState {
        /// The job.
        job: jobs::JobId,
        /// Where it is in its life.
        state: jobs::State,
    },
    /// Somebody has changed the video since.
    #[error("video `{0}` was changed in the meantime")]
    Changed(VideoId),
    /// A creation lost its key: its client went away, or nothing was heard of it for too long.
    #[error("the request does not hold its idempotency key any more")]
    KeyLost,
    /// Chunks of one rendition were encoded with different parameter sets and cannot be played in one piece.
    #[error("a chunk of rendition `{0}` has another sample entry than the chunks before it")]
    SampleEntryDiffers(RenditionId),
    /// An object belongs to a rendition that the plan does not have, or lies beyond its last segment.
    #[error("object `{index}` of rendition `{rendition}` is not in the plan")]
    NotPlanned {
        /// The rendition it was recorded for.
        rendition: RenditionId,
        /// Its index: 0 for the init segment, n for the nth media segment.
        index: u32,
    },
    /// A revision lacks objects of its plan and cannot be published.
    #[error("the revision is incomplete: `{recorded}` of `{planned}` objects are recorded")]
    Incomplete {
        /// How many are there.
        recorded: u64,
        /// How many the plan has.
        planned: u64,
    },
    /// Nothing can be made from the uploaded file, which was not kept.
    #[error("the uploaded file of video `{0}` was not kept")]
    NoSource(VideoId),
    /// Objects of a revision were made again too often.
    #[error("objects of the revision were lost again after they had been made anew `{repairs}` times")]
    BeyondRepair {
        /// How often.
        repairs: u32,
    },
    /// A job has a kind or a payload that this program does not know.
    #[error("job of kind `{kind}` is not understood: {reason}")]
    UnknownWork {
        /// The kind as stored.
        kind: String,
        /// What is wrong.
        reason: String,
    },
    /// The queue failed.
    #[error(transparent)]
    Jobs(#[from] jobs::Error),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl Error {
    /// Whether the job was cancelled or another worker has it. There is nothing left to do for this one.
    pub fn lease_lost(&self) -> bool {
        matches!(self, Self::Jobs(jobs::Error::LeaseLost(_)))
    }

    /// Whether the same call may well succeed later: the database is busy, full or out of reach.
    pub fn is_transient(&self) -> bool {
        db::is_transient(self)
    }
}
