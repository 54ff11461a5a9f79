//! One suite for both databases.

mod accounts;
mod administration;
mod audience;
mod browse;
mod captions;
mod comments;
mod endings;
mod history;
mod idempotency;
mod keys;
mod leaving;
mod letters;
mod licences;
mod notices;
mod outbox;
mod pipeline;
mod posters;
mod processes;
mod quality;
mod quotas;
mod rates;
mod remaking;
mod repair;
mod resumable;
mod search;
mod standing;
mod storage;
mod throttle;
mod tokens;
mod usage;
mod videos;
mod views;

use std::{ops::Range, time::Duration};

use db::{Db, Settings};
use jobs::{Claim, Job, WorkerId};
use serde_json::{Value, json};
use testbed::Database;

use crate::{
    accounts::{NewUser, PasswordHash, Role, User, create_user},
    events::{
        self, Errand,
        deliveries::{self, Channels},
        webhooks,
    },
    ids::{ProcessId, RenditionId, UserId, VideoId},
    names::{
        ClaimedDuration, Description, Email, PersonName, SourceExtension, SourceName, Tags, Title, Username,
    },
    outputs::{
        Image, ImageKind, NewChunk, NewPlan, NewRendition, Object, Output, Part, RenditionKind,
        RenditionOutput,
    },
    processes::Process,
    videos::{NewVideo, Protection, Source, Video, Visibility, create},
    work::{Class, EncodeJob, PIPELINE_QUEUE, UPKEEP_QUEUE, Work},
};

const LEASE: Duration = Duration::from_secs(20);

db::statements! {
    /// Moves every moment of the queue into the past, which is what waiting does.
    PASS_TIME { "UPDATE jobs SET run_at = run_at - $1, lease_until = lease_until - $1" }
    /// What runs has run for longer.
    STARTED_EARLIER { "UPDATE jobs SET started_at = started_at - $1" }
    /// Whatever runs has had all its other attempts.
    LAST_ATTEMPT { "UPDATE jobs SET attempt = max_attempts WHERE state = 'running'" }
    /// The same for the videos.
    AGE_VIDEOS { "UPDATE videos SET created_at = created_at - $1" }
    /// The same for sessions.
    AGE_SESSIONS { "UPDATE sessions SET expires_at = expires_at - $1" }
    /// The same for API tokens.
    AGE_TOKENS { "UPDATE api_tokens SET expires_at = expires_at - $1" }
    /// The same for links in letters.
    AGE_LINKS { "UPDATE account_links SET created_at = created_at - $1, expires_at = expires_at - $1" }
    /// The same for invitations.
    AGE_INVITES { "UPDATE invites SET expires_at = expires_at - $1" }
    /// The same for attempts.
    AGE_ATTEMPTS { "UPDATE attempts SET last_at = last_at - $1, blocked_until = blocked_until - $1" }
    COUNT_OBJECTS { "SELECT count(*) FROM objects" }
}

async fn open(database: &Database) -> Db {
    let db = Db::connect(&Settings::new(database.url().parse().unwrap())).await.unwrap();
    db.migrate(crate::MIGRATIONS).await.unwrap();
    db
}

fn new_user(number: u64, username: &str, email: &str) -> NewUser {
    NewUser {
        id: UserId::new(number, &[1; 10]),
        username: Username::parse(username).unwrap(),
        email: Email::parse(email).unwrap(),
        first_name: PersonName::parse("Ann").unwrap(),
        last_name: PersonName::parse("Other").unwrap(),
        password_hash: PasswordHash("$argon2id$…".to_owned()),
        role: Role::Creator,
    }
}

async fn ann(db: &Db) -> User {
    create_user(db, &new_user(1, "ann", "ann@example.org")).await.unwrap()
}

fn new_video(owner: &User, number: u64) -> NewVideo {
    NewVideo {
        id: VideoId::new(number, &[2; 10]),
        process: ProcessId::new(number, &[3; 10]),
        owner: owner.id,
        title: Title::parse(&format!("Video {number}")).unwrap(),
        description: Description::parse("Two\nlines").unwrap(),
        tags: Tags::default(),
        claimed_duration: Some(ClaimedDuration::parse("00:00:20").unwrap()),
        visibility: Visibility::Public,
        protection: Protection::None,
        source: Source {
            name: SourceName::of_file("holiday.mp4"),
            extension: SourceExtension::Mp4,
            key: format!("sources/{number}/source.mp4"),
            bytes: 1234,
            sha256: Some([9; 32]),
        },
    }
}

async fn upload(db: &Db, number: u64) -> Video {
    let owner = match crate::accounts::find_by_credential(db, "ann").await.unwrap() {
        Some(found) => found.user,
        None => ann(db).await,
    };
    create(db, &new_video(&owner, number)).await.unwrap()
}

fn rendition(name: &str) -> RenditionId {
    name.parse().unwrap()
}

/// Two rungs of five segments in chunks of at most two, with sound and a poster.
fn plan() -> NewPlan<Value> {
    let rung = |name: &str, width, height| NewRendition {
        id: rendition(name),
        kind: RenditionKind::Video,
        size: Some((width, height)),
        bitrate: 800_000,
        timescale: 15_360,
        segments: 5,
    };
    let audio = NewRendition {
        id: rendition("audio"),
        kind: RenditionKind::Audio,
        size: None,
        bitrate: 128_000,
        timescale: 48_000,
        segments: 5,
    };
    let chunk = |segments: Range<u32>| NewChunk {
        segments,
        rungs: vec![rendition("360p"), rendition("720p")],
        class: Class::Normal,
    };
    NewPlan {
        document: json!({ "boundaries": [0, 30, 60] }),
        measured_duration: Duration::from_micros(19_987_000),
        warnings: vec!["The sound is shorter than the picture.".to_owned()],
        renditions: vec![rung("360p", 640, 360), rung("720p", 1280, 720), audio],
        chunks: vec![chunk(0..2), chunk(2..4), chunk(4..5)],
    }
}

fn object(part: Part, seed: u8) -> Object {
    let start = match part {
        Part::Init => 0,
        Part::Media(index) => u64::from(index) * 61_440,
    };
    Object {
        part,
        key: format!("{}-{seed}", part.index()),
        bytes: 1000 + u64::from(seed),
        sha256: [seed; 32],
        iframe_bytes: (part != Part::Init).then_some(100),
        start,
        duration: if part == Part::Init { 0 } else { 61_440 },
    }
}

/// What a worker would have made of this job. Another seed gives other bytes.
fn output(work: &Work, seed: u8) -> Output {
    let of = |name: &RenditionId, segments: Range<u32>| {
        let init = (segments.start == 0).then(|| object(Part::Init, seed));
        RenditionOutput {
            id: name.clone(),
            codecs: "avc1.640028".to_owned(),
            sample_entry: name.as_str().as_bytes().to_vec(),
            objects: init.into_iter().chain(segments.map(|index| object(Part::Media(index), seed))).collect(),
        }
    };
    let poster = Image {
        kind: ImageKind::Poster,
        index: 0,
        key: "poster.jpg".to_owned(),
        bytes: 5,
        sha256: [seed; 32],
    };
    match work {
        Work::Encode(EncodeJob { segments, rungs, .. }) => Output {
            renditions: rungs.iter().map(|name| of(name, segments.clone())).collect(),
            images: (segments.start == 0).then_some(poster).into_iter().collect(),
            ..Output::default()
        },
        Work::Audio(job) => Output { renditions: vec![of(&job.rendition, 0..5)], ..Output::default() },
        Work::Inspect(_) | Work::Publish(_) | Work::Captions(_) | Work::Delete(_) => Output::default(),
    }
}

async fn process(db: &Db, id: VideoId) -> Process {
    crate::processes::read(db, &[id]).await.unwrap().pop().expect("the video exists")
}

async fn take(db: &Db, queue: &str, limit: u32) -> Vec<Job> {
    let worker = WorkerId("w".to_owned());
    let any = Claim { worker: &worker, queue, kinds: &[], min_priority: i64::MIN, limit, lease: LEASE };
    jobs::claim(db, &any).await.unwrap()
}

async fn take_one(db: &Db) -> Job {
    take(db, PIPELINE_QUEUE, 1).await.pop().expect("a job is ready")
}

/// Takes the inspection and records [`plan`].
async fn inspect(db: &Db) {
    let job = take_one(db).await;
    let Work::Inspect(inspection) = Work::of(&job).unwrap() else { panic!("{job:?}") };
    crate::outputs::record_plan(db, &job.lease, inspection.video, &plan()).await.unwrap();
}

/// Plans a video, and makes everything that is in the plan: what is left is to publish it.
async fn encode(db: &Db) {
    inspect(db).await;
    for job in take(db, PIPELINE_QUEUE, 100).await {
        complete(db, &job, 1).await.unwrap();
    }
}

/// Does what the job asks for, as far as the catalogue is concerned.
async fn complete(db: &Db, job: &Job, seed: u8) -> crate::Result<()> {
    let work = Work::of(job).unwrap();
    match &work {
        Work::Inspect(inspection) => {
            crate::outputs::record_plan(db, &job.lease, inspection.video, &plan()).await.map(drop)
        }
        Work::Publish(job_of) => {
            crate::outputs::publish(db, &job.lease, job_of.video, job_of.revision).await.map(drop)
        }
        Work::Captions(_) => crate::endings::done(db, &job.lease).await,
        Work::Delete(deletion) => crate::endings::finish_delete(db, &job.lease, deletion.video).await,
        Work::Encode(EncodeJob { revision, .. }) => {
            let output = output(&work, seed);
            crate::outputs::record(db, &job.lease, work.stage().unwrap(), work.video(), *revision, &output)
                .await
        }
        Work::Audio(job_of) => {
            let output = output(&work, seed);
            crate::outputs::record(
                db,
                &job.lease,
                work.stage().unwrap(),
                work.video(),
                job_of.revision,
                &output,
            )
            .await
        }
    }
}

/// How many jobs have not ended, when all events are announced to nobody.
async fn unfinished(db: &Db) -> u64 {
    let nobody = Channels { email: Vec::new(), amqp: false, cdn: false, failures: 3 };
    for job in take(db, events::QUEUE, 1000).await {
        let Errand::Announce(announce) = Errand::of(&job).unwrap() else { panic!("{job:?}") };
        deliveries::announce(db, &job.lease, announce.event, &nobody).await.unwrap();
    }
    jobs::unfinished(db).await.unwrap()
}

/// Works until nothing is ready.
async fn work_off(db: &Db) {
    loop {
        let mut jobs = take(db, PIPELINE_QUEUE, 3).await;
        jobs.extend(take(db, UPKEEP_QUEUE, 3).await);
        if jobs.is_empty() {
            return;
        }
        for job in jobs {
            complete(db, &job, 1).await.unwrap();
        }
    }
}

async fn every_statement_can_be_prepared(database: Database) {
    let db = open(&database).await;
    let modules = [
        crate::accounts::STATEMENTS,
        crate::accounts::STANDING_STATEMENTS,
        crate::comments::STATEMENTS,
        crate::invites::STATEMENTS,
        crate::likes::STATEMENTS,
        crate::quality::STATEMENTS,
        crate::leaving::STATEMENTS,
        crate::keys::STATEMENTS,
        crate::letters::STATEMENTS,
        crate::licences::STATEMENTS,
        crate::notices::STATEMENTS,
        crate::pictures::STATEMENTS,
        crate::quotas::STATEMENTS,
        crate::throttle::STATEMENTS,
        crate::tokens::STATEMENTS,
        crate::browse::STATEMENTS,
        crate::captions::STATEMENTS,
        crate::endings::STATEMENTS,
        crate::idempotency::STATEMENTS,
        events::STATEMENTS,
        deliveries::STATEMENTS,
        webhooks::STATEMENTS,
        crate::rates::STATEMENTS,
        crate::remaking::STATEMENTS,
        crate::resumable::STATEMENTS,
        crate::scrubs::STATEMENTS,
        crate::search::STATEMENTS,
        crate::search::near::STATEMENTS,
        crate::sessions::STATEMENTS,
        crate::stages::STATEMENTS,
        crate::storage::STATEMENTS,
        crate::usage::STATEMENTS,
        crate::videos::STATEMENTS,
        crate::views::STATEMENTS,
        STATEMENTS,
    ];
    for (name, statement) in modules.into_iter().chain(crate::outputs::STATEMENTS).flatten() {
        db.prepare(*statement).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

testbed::on_both_databases!(every_statement_can_be_prepared);
