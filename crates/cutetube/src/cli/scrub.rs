//! `cutetube scrub`

use std::{collections::BTreeMap, io::Write};

use anyhow::bail;
use catalog::{
    ids::VideoId,
    pictures,
    scrubs::{self, Reading},
    videos::{self, Video},
};
use clap::Args;
use db::Db;
use serde::Serialize;

use super::{Advised, ConfigArgs, Environment, print};
use crate::{
    config::{self, Config},
    keys::Keys,
    progress::{Progress, Unit},
    scrubbing::{Damage, Damaged, Outcome, Scrub as Scrubbing},
    state::{open_store, prepare_database},
    telemetry,
};

/// Read back every object that is recorded, and say which are lost or damaged
#[derive(Debug, Args)]
pub(super) struct Scrub {
    #[command(flatten)]
    config: ConfigArgs,
    /// Have videos made again from their uploaded files where something is lost, and wait until workers have done it
    #[arg(long)]
    repair: bool,
    /// Only these videos [default: all, going on where an interrupted round has stopped]
    #[arg(long, value_name = "ID", num_args = 1..)]
    videos: Vec<VideoId>,
    /// Begin a new round, whatever an interrupted one has read
    #[arg(long, conflicts_with = "videos")]
    afresh: bool,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// What a round has found, for people and programs.
#[derive(Debug, Default, Serialize)]
struct Report {
    videos: u64,
    objects: u64,
    bytes: u64,
    damaged: Vec<DamagedVideo>,
    /// Keys of pictures of people that are lost or damaged.
    pictures: Vec<String>,
}

#[derive(Debug, Serialize)]
struct DamagedVideo {
    video: VideoId,
    title: String,
    objects: Damage,
    #[serde(flatten)]
    outcome: Outcome,
    /// The outcome as a sentence.
    said: String,
}

impl Scrub {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        let config = self.config.load(env, Vec::new())?;
        telemetry::init(&config.log)?;
        let db = prepare_database(&config).await?;
        let blobs = open_store(&config, &db)?;
        let keys = keys(&config)?;
        let scrub = Scrubbing { db: &db, blobs: &blobs, keys: keys.as_ref() };
        if self.afresh {
            scrubs::end(&db).await?;
        }
        let readings = read(&scrub, &self.videos).await?;
        let damaged: Vec<Reading<Damage>> =
            readings.iter().filter(|reading| !reading.damage.is_empty()).cloned().collect();
        let outcomes = match self.repair {
            true if !damaged.is_empty() => scrub.repair(&damaged, &mut tell).await?,
            _ => BTreeMap::new(),
        };
        let mut report = Report::new(&db, &readings, outcomes).await?;
        if self.videos.is_empty() {
            report.pictures = scrub.pictures(&mut |_| ()).await?;
        }
        report.print(self.json)?;
        if self.repair {
            // Nobody can make them again but their owners. Until then there are initials.
            for key in std::mem::take(&mut report.pictures) {
                pictures::withdraw(&db, &key).await?;
            }
        }
        if self.videos.is_empty() {
            scrubs::end(&db).await?;
        }
        db.close().await;
        report.verdict(self.repair)
    }
}

async fn read(scrub: &Scrubbing<'_>, videos: &[VideoId]) -> anyhow::Result<Vec<Reading<Damage>>> {
    let total = match videos {
        [] => scrub.remaining().await?.bytes,
        some => some_bytes(scrub.db, some).await?,
    };
    let mut progress = Progress::new("reading", total, Unit::Bytes);
    let mut advance = |bytes| progress.advance(bytes);
    let readings = match videos {
        [] => scrub.round(&mut advance).await?,
        some => scrub.some(some, &mut advance).await?,
    };
    progress.finish();
    Ok(readings)
}

/// Their files: what was made of them is about as long.
async fn some_bytes(db: &Db, videos: &[VideoId]) -> anyhow::Result<u64> {
    let found = videos::some(db, videos).await?;
    Ok(found.iter().map(|video| video.source.bytes).fold(0, u64::saturating_add).saturating_mul(2))
}

/// Those that there are: none are made for looking.
fn keys(config: &Config) -> anyhow::Result<Option<Keys>> {
    match config.drm.master_key.is_some() || config::master_key_file(config).exists() {
        true => Keys::open(config).map(Some),
        false => Ok(None),
    }
}

/// While workers are waited for.
fn tell(video: VideoId, outcome: &Outcome) {
    // Nobody is told when standard error is closed.
    let _ = writeln!(std::io::stderr(), "video `{video}`: {outcome}");
}

impl Report {
    async fn new(
        db: &Db,
        readings: &[Reading<Damage>],
        mut outcomes: BTreeMap<VideoId, Outcome>,
    ) -> anyhow::Result<Self> {
        let mut report = Self::default();
        for reading in readings {
            report.videos += 1;
            report.objects += reading.objects;
            report.bytes = report.bytes.saturating_add(reading.bytes);
        }
        let damaged: Vec<_> = readings.iter().filter(|reading| !reading.damage.is_empty()).collect();
        let ids: Vec<VideoId> = damaged.iter().map(|reading| reading.video).collect();
        let found: BTreeMap<VideoId, Video> =
            videos::some(db, &ids).await?.into_iter().map(|video| (video.id, video)).collect();
        for reading in damaged {
            let video = found.get(&reading.video);
            let outcome = match video {
                None => Outcome::Deleted,
                Some(_) => outcomes.remove(&reading.video).unwrap_or(Outcome::Found),
            };
            report.damaged.push(DamagedVideo {
                video: reading.video,
                title: video.map(|video| video.title.to_string()).unwrap_or_default(),
                objects: reading.damage.clone(),
                said: outcome.to_string(),
                outcome,
            });
        }
        Ok(report)
    }

    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return print(&serde_json::to_string_pretty(self)?);
        }
        let lost: usize = self.damaged.iter().map(|video| video.objects.len()).sum();
        let Self { videos, objects, bytes, damaged, pictures } = self;
        print(&format!(
            "read {objects} objects of {videos} videos, {bytes} bytes: {lost} are lost or damaged"
        ))?;
        for DamagedVideo { video, title, objects, said, .. } in damaged {
            print(&format!("video `{video}`, {title}: {said}"))?;
            for object in objects {
                let object: &Damaged = object;
                print(&format!("  {object}"))?;
            }
        }
        for key in pictures {
            print(&format!("`{key}` is lost: the picture of a person, who has to choose it again"))?;
        }
        Ok(())
    }

    fn verdict(&self, repair: bool) -> anyhow::Result<()> {
        let left: Vec<_> = self.damaged.iter().filter(|video| !video.outcome.is_mended()).collect();
        if left.is_empty() {
            return match self.pictures.len() {
                0 => Ok(()),
                lost => {
                    let hint = "`cutetube scrub --repair` has initials shown in their place".to_owned();
                    Err(Advised::new(format!("{lost} pictures of people are lost"), hint).into())
                }
            };
        }
        let sentence = format!("{} videos are damaged", left.len());
        if repair {
            bail!(sentence);
        }
        const NAMED: usize = 10;
        let some: Vec<_> = left.iter().take(NAMED).map(|video| video.video.to_string()).collect();
        let hint = format!("`cutetube scrub --repair --videos {}` has them made again", some.join(" "));
        Err(Advised::new(sentence, hint).into())
    }
}
