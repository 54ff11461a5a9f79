//! Pages of a large catalogue: how long they take when several people ask at once, on both databases.

use std::time::Duration;

use anyhow::Context as _;
use catalog::{
    accounts::{self, NewUser, PasswordHash, Role, User},
    captions::{self, Kind, Language, NewTrack, Spoken},
    ids::{ProcessId, UserId, VideoId},
    names::{Description, Email, Label, PersonName, SourceExtension, SourceName, Tags, Title, Username},
    outputs::{self, NewPlan},
    videos::{self, NewVideo, Protection, Source, Visibility},
    work::{PIPELINE_QUEUE, Work},
};
use db::Db;
use jobs::{Claim, WorkerId};
use testbed::PgServer;

use crate::Cli;
use crate::origin::wrk;
use crate::platform::{Effort, Part, Platform};
use crate::run::{median, progress, report};

/// What people ask for. Words are those of [`word`]: the lower the number, the more videos have it.
const PAGES: [(&str, &str); 7] = [
    ("home", "/"),
    ("search, a word of nearly every video", "/search?q=bado+"),
    ("search, a word of every fifth", "/search?q=bagigo+"),
    ("search, two words", "/search?q=bado+bafa+"),
    ("search, the beginning of a word", "/search?q=bag"),
    ("search, narrowed down and with captions", "/search?q=bado+&length=short&captions=yes"),
    ("channel", "/u/creator3"),
];
const CLIENTS: u32 = 20;
const CREATORS: u64 = 20;
/// Of a transaction's claim.
const AT_ONCE: u32 = 500;
/// One of so many videos has captions.
const CAPTIONED: u64 = 10;

pub(crate) fn bench(cli: &Cli, videos: u64, seconds: u32) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let postgres = PgServer::start();
    report(&format!(
        "{videos} videos, {CLIENTS} clients, {seconds} s each, medians of {} rounds:\n",
        cli.rounds
    ));
    report("| page | database | pages /s | p99 ms |");
    report("| --- | --- | --- | --- |");
    for (name, server) in [("SQLite", None), ("PostgreSQL", Some(&postgres))] {
        let starting = Platform::start(&cli.cutetube, &cli.scratch, server, &[Part::Web], Effort::default());
        let platform = runtime.block_on(starting)?;
        progress(&format!("{name}: filling the catalogue"));
        runtime.block_on(fill(platform.db(), videos))?;
        for (what, path) in PAGES {
            let url = format!("{}{path}", platform.url());
            // The first one fills caches.
            wrk(&url, CLIENTS, 1)?;
            let loads = (0..cli.rounds.max(1)).map(|_| wrk(&url, CLIENTS, seconds));
            let loads = loads.collect::<anyhow::Result<Vec<_>>>()?;
            report(&format!(
                "| {what} | {name} | {:.0} | {:.1} |",
                median(loads.iter().map(|load| load.requests_per_second)),
                median(loads.iter().map(|load| load.p99_ms)),
            ));
        }
    }
    Ok(())
}

/// Videos as if they had been uploaded and published. They have no media: pages only name them.
async fn fill(db: &Db, count: u64) -> anyhow::Result<()> {
    let mut creators = Vec::new();
    for number in 0..CREATORS {
        creators.push(creator(db, number).await?);
    }
    let mut words = Words(1);
    let worker = WorkerId("bench".to_owned());
    for number in 0..count {
        let owner = creators.get(usize::try_from(number % CREATORS)?).context("there are creators")?;
        videos::create(db, &video(owner, number, &mut words)?).await?;
        if (number + 1) % u64::from(AT_ONCE) != 0 && number + 1 != count {
            continue;
        }
        for kind in ["inspect", "publish", "captions"] {
            let claim = Claim {
                worker: &worker,
                queue: PIPELINE_QUEUE,
                kinds: &[kind],
                min_priority: i64::MIN,
                limit: AT_ONCE,
                lease: Duration::from_secs(600),
            };
            for job in jobs::claim(db, &claim).await? {
                match Work::of(&job)? {
                    Work::Inspect(inspect) => {
                        let plan = NewPlan {
                            document: "none",
                            measured_duration: Duration::from_secs(60 + words.next() % 3000),
                            warnings: Vec::new(),
                            renditions: Vec::new(),
                            chunks: Vec::new(),
                        };
                        outputs::record_plan(db, &job.lease, inspect.video, &plan).await?;
                    }
                    Work::Publish(publish) => {
                        outputs::publish(db, &job.lease, publish.video, publish.revision).await?;
                        if words.next().is_multiple_of(CAPTIONED) {
                            captions::set(db, publish.video, &track(&mut words)?).await?;
                        }
                    }
                    // The streams that would name them are not there.
                    Work::Captions(_) => jobs::done(db, &job.lease).await?,
                    other => anyhow::bail!("nobody asked for {other:?}"),
                }
            }
        }
        progress(&format!("{} videos", number + 1));
    }
    Ok(())
}

async fn creator(db: &Db, number: u64) -> anyhow::Result<User> {
    let new = NewUser {
        id: UserId::new(number, &[1; 10]),
        username: Username::parse(&format!("creator{number}"))?,
        email: Email::parse(&format!("creator{number}@example.org"))?,
        first_name: PersonName::parse("Some")?,
        last_name: PersonName::parse("Body")?,
        password_hash: PasswordHash("$argon2id$…".to_owned()),
        role: Role::Creator,
    };
    Ok(accounts::create_user(db, &new).await?)
}

fn video(owner: &User, number: u64, words: &mut Words) -> anyhow::Result<NewVideo> {
    Ok(NewVideo {
        id: VideoId::new(1_700_000_000_000 + number * 1000, &[2; 10]),
        process: ProcessId::new(1_700_000_000_000 + number * 1000, &[3; 10]),
        owner: owner.id,
        title: Title::parse(&words.text(5))?,
        description: Description::parse(&words.text(60))?,
        tags: Tags::parse_line(&words.text(3).replace(' ', ","))?,
        claimed_duration: None,
        visibility: Visibility::Public,
        protection: Protection::None,
        source: Source {
            name: SourceName::of_file("clip.mp4"),
            extension: SourceExtension::Mp4,
            key: format!("sources/{number}/source.mp4"),
            bytes: 1 << 20,
            sha256: None,
        },
    })
}

fn track(words: &mut Words) -> anyhow::Result<NewTrack> {
    const CUES: u64 = 60;
    let spoken = (0..CUES).map(|cue| Spoken { start_millis: cue * 4000, said: words.text(8) }).collect();
    Ok(NewTrack {
        language: Language::parse("en")?,
        label: Label::parse("English")?,
        kind: Kind::Subtitles,
        content: "WEBVTT".to_owned(),
        spoken,
    })
}

/// Words that are as frequent as those of people: the n-th about 1/n as often as the first (Zipf).
struct Words(u64);

impl Words {
    /// splitmix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn text(&mut self, count: usize) -> String {
        let mut text = Vec::new();
        for _ in 0..count {
            let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
            // The inverse of a distribution that falls as 1/n over 5000 words.
            text.push(word(5000_f64.powf(uniform) as u64));
        }
        text.join(" ")
    }
}

/// The word of this rank: syllables for the digits of its number.
fn word(rank: u64) -> String {
    const SYLLABLES: [&str; 10] = ["ba", "do", "fa", "gi", "go", "ku", "le", "mi", "no", "ra"];
    let digits = format!("0{rank}");
    digits.bytes().filter_map(|digit| SYLLABLES.get(usize::from(digit - b'0'))).copied().collect()
}
