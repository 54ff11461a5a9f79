//! Captions of videos: what is said in them, in several languages.
//!
//! The catalogue has their text; what viewers load is made of it for each revision, by a job or when the revision is
//! published. Each change makes a new edition, so that whoever has written manifests knows whether they are still right.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use db::{Db, Json, Timestamp, Tx};
use jobs::Lease;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Error, Result,
    ids::{self, Revision, VideoId},
    names::{FieldErrors, Label, Refusal},
    outputs::{self, Recorded},
    search::{self, Terms},
    videos::{self, Video},
    work::{CaptionsJob, Work},
};

/// A language tag (BCP 47) in its usual capitals: `de`, `pt-BR`, `zh-Hant-TW`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(String);

db::text_enum! {
    /// For whom captions are.
    pub enum Kind {
        /// Who hears, and does not understand: what is said.
        Subtitles = "subtitles",
        /// Who does not hear: what is said, and what else is to be heard.
        Captions = "captions",
    }
}

db::row! {
    /// The captions of one language.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Track {
        /// Names their file, and never another one of the video.
        pub number: u32,
        /// Their language.
        pub language: Language,
        /// What people choose them by.
        pub label: Label,
        /// For whom they are.
        pub kind: Kind,
        /// How many there are.
        pub cues: u64,
        /// When they came.
        pub created_at: Timestamp,
    }
}

/// Captions to be added, in place of those of the same language.
#[derive(Debug, Clone)]
pub struct NewTrack {
    /// Their language.
    pub language: Language,
    /// What people choose them by, unlike that of any other language.
    pub label: Label,
    /// For whom they are.
    pub kind: Kind,
    /// WebVTT.
    pub content: String,
    /// The same in plain text, in order.
    pub spoken: Vec<Spoken>,
}

/// What is said at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spoken {
    /// From the beginning of the video.
    pub start_millis: u64,
    /// Without any tags.
    pub said: String,
}

/// All captions of a video at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// 0 before the first change.
    pub number: u64,
    /// With their WebVTT, by language.
    pub tracks: Vec<(Track, String)>,
}

db::row! {
    /// How far the manifests of a video are behind its captions.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Progress {
        /// The edition that there is.
        pub edition: u64,
        /// The one that the published revision shows; none where there is no such revision.
        pub shown: Option<u64>,
    }
}

/// What the job of an edition has done.
#[derive(Debug, Clone)]
pub struct Written {
    /// What its manifests name now.
    pub edition: u64,
    /// Manifests, playlists and captions as they are in the store.
    pub documents: Vec<Recorded>,
    /// Names of objects that are there no more.
    pub removed: Vec<String>,
}

/// As many languages as anybody has.
pub const MOST_TRACKS: u64 = 50;

/// Bytes of words that a video is found by: PostgreSQL takes a megabyte of them with their places.
const MOST_SPEECH: usize = 300_000;

impl Language {
    /// Parses what was typed.
    ///
    /// # Errors
    /// A sentence that says what a language looks like.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        let typed = typed.trim().replace('_', "-");
        let is_subtag = |text: &str| {
            (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let mut subtags = typed.split('-');
        let primary = subtags.next().unwrap_or_default();
        let is_primary =
            (2..=3).contains(&primary.len()) && primary.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !is_primary || typed.len() > 35 || !subtags.clone().all(is_subtag) {
            return Err(Refusal("Enter a language as a tag, for example en, de or pt-BR.".to_owned()));
        }
        // RFC 5646 §2.1.1.
        let cased = subtags.map(|subtag| match subtag.len() {
            2 => subtag.to_ascii_uppercase(),
            4 if subtag.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                let (first, rest) = subtag.split_at(1);
                format!("{}{}", first.to_ascii_uppercase(), rest.to_ascii_lowercase())
            }
            _ => subtag.to_ascii_lowercase(),
        });
        Ok(Self(std::iter::once(primary.to_ascii_lowercase()).chain(cased).collect::<Vec<_>>().join("-")))
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Adds captions, or puts them in the place of those of their language.
///
/// # Errors
/// [`Error::NoVideo`]; [`Error::Fields`] when another language has the label, or there are too many languages.
pub async fn set(db: &Db, video: VideoId, new: &NewTrack) -> Result<Track> {
    let mut tx = db.begin().await?;
    let locked = lock(&mut tx, video).await?;
    tx.query(REMOVE).bind(video).bind(&new.language).execute().await?;
    if tx.query(COUNT).bind(video).value::<u64>().await? >= MOST_TRACKS {
        return Err(refused("language", format!("A video may have captions in {MOST_TRACKS} languages.")));
    }
    if tx.query(HAS_LABEL).bind(video).bind(&new.label).value::<u64>().await? > 0 {
        return Err(refused("label", "The captions of another language are called so.".to_owned()));
    }
    let number = next_edition(&mut tx, &locked).await?;
    tx.query(ADD)
        .bind(video)
        .bind(number)
        .bind(&new.language)
        .bind(&new.label)
        .bind(new.kind)
        .bind(&new.content)
        .bind(u64::try_from(new.spoken.len()).unwrap_or(u64::MAX))
        .execute()
        .await?;
    let cues: Vec<CueRow<'_>> = (0..).zip(&new.spoken).map(CueRow::new).collect();
    tx.query(ADD_CUES).bind(video).bind(number).bind(Json(cues)).execute().await?;
    index(&mut tx, &locked).await?;
    let track = tx.query(TRACK).bind(video).bind(&new.language).one().await?;
    tx.commit().await?;
    Ok(track)
}

/// Takes captions away, and answers whether there were any.
///
/// # Errors
/// [`Error::NoVideo`].
pub async fn remove(db: &Db, video: VideoId, language: &Language) -> Result<bool> {
    let mut tx = db.begin().await?;
    let locked = lock(&mut tx, video).await?;
    if tx.query(REMOVE).bind(video).bind(language).execute().await? == 0 {
        return Ok(false);
    }
    next_edition(&mut tx, &locked).await?;
    index(&mut tx, &locked).await?;
    tx.commit().await?;
    Ok(true)
}

/// The captions of a video, by language.
///
/// # Errors
/// Those of the database.
pub async fn of(db: &Db, video: VideoId) -> Result<Vec<Track>> {
    Ok(db.read(TRACKS).bind(video).all().await?)
}

/// The captions of one language with their WebVTT.
///
/// # Errors
/// Those of the database.
pub async fn find(db: &Db, video: VideoId, language: &Language) -> Result<Option<(Track, String)>> {
    let found: Option<Whole> = db.read(TRACK).bind(video).bind(language).first().await?;
    Ok(found.map(|Whole(track, content)| (track, content)))
}

/// Everything that manifests name of captions.
///
/// # Errors
/// Those of the database.
pub async fn edition(db: &Db, video: VideoId) -> Result<Edition> {
    let mut tx = db.snapshot().await?;
    let number: Option<u64> = tx.query(EDITION).bind(video).first_value().await?;
    let tracks: Vec<Whole> = tx.query(TRACKS).bind(video).all().await?;
    tx.rollback().await?;
    let tracks = tracks.into_iter().map(|Whole(track, content)| (track, content)).collect();
    Ok(Edition { number: number.unwrap_or(0), tracks })
}

/// How far the manifests of a video are.
///
/// # Errors
/// Those of the database.
pub async fn progress(db: &Db, video: VideoId) -> Result<Progress> {
    let found: Option<Progress> = db.read(PROGRESS).bind(video).first().await?;
    Ok(found.unwrap_or(Progress { edition: 0, shown: None }))
}

/// What was made of a revision. `P` is what the program makes manifests of; the catalogue never looks inside.
///
/// # Errors
/// Those of the database.
pub async fn presentation<P: DeserializeOwned>(
    db: &Db,
    video: VideoId,
    revision: Revision,
) -> Result<Option<P>> {
    let found: Option<Json<P>> = db.read(PRESENTATION).bind(video).bind(revision).first_value().await?;
    Ok(found.map(|Json(document)| document))
}

/// Records what was made of a revision, and which edition its manifests name.
///
/// # Errors
/// Those of the database; its foreign key when the revision is gone.
pub async fn record_presentation<P: Serialize>(
    db: &Db,
    video: VideoId,
    revision: Revision,
    document: &P,
    edition: u64,
) -> Result<()> {
    let query = db.write(RECORD_PRESENTATION).bind(video).bind(revision).bind(Json(document));
    query.bind(edition).execute().await?;
    Ok(())
}

/// Records manifests that were written again, and ends the job. Where something has changed in between, another job
/// writes them once more: this one may have put older ones over newer ones.
///
/// # Errors
/// [`Error::lease_lost`].
pub async fn show(
    db: &Db,
    lease: &Lease,
    video: VideoId,
    revision: Revision,
    written: &Written,
) -> Result<()> {
    let mut tx = db.begin().await?;
    let locked = videos::lock(&mut tx, video).await;
    jobs::settle(&mut tx, lease).await?;
    locked?;
    let video: Video = tx.query(VIDEO).bind(video).one().await?;
    // Whoever publishes another revision sees to its manifests.
    if video.published_revision == Some(revision) {
        if tx.query(EDITION).bind(video.id).first_value().await? == Some(written.edition) {
            outputs::record_documents_in(&mut tx, video.id, revision, &written.documents).await?;
            for key in &written.removed {
                tx.query(FORGET_DOCUMENT).bind(video.id).bind(revision).bind(key).execute().await?;
            }
            tx.query(SHOWN).bind(video.id).bind(revision).bind(written.edition).execute().await?;
        } else {
            let again = Work::Captions(CaptionsJob { video: video.id, edition: written.edition });
            jobs::enqueue(&mut tx, again.into_job_after(video.owner, lease)).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Sees to it that a revision that was just published gets the captions that came while it was made.
pub(crate) async fn catch_up(tx: &mut Tx, video: &Video, revision: Revision) -> Result<()> {
    let edition: Option<u64> = tx.query(EDITION).bind(video.id).first_value().await?;
    let shown: Option<u64> = tx.query(SHOWN_OF).bind(video.id).bind(revision).first_value().await?;
    match edition {
        Some(edition) if shown != Some(edition) => enqueue(tx, video, edition).await,
        _ => Ok(()),
    }
}

/// Of these videos, the moment at which most of the terms are said: the first of several.
///
/// # Errors
/// Those of the database.
pub async fn spoken(db: &Db, videos: &[VideoId], terms: &Terms) -> Result<BTreeMap<VideoId, Spoken>> {
    let mut best: BTreeMap<VideoId, (usize, Spoken)> = BTreeMap::new();
    let query = db.read(SPOKEN).bind(ids::list(videos)).bind(Json(terms.patterns()));
    for Said { video_id, start_millis, said, words } in query.all::<Said>().await? {
        let hits = terms.hits(&words);
        if best.get(&video_id).is_none_or(|(most, _)| hits > *most) {
            best.insert(video_id, (hits, Spoken { start_millis, said }));
        }
    }
    Ok(best.into_iter().map(|(video, (_, spoken))| (video, spoken)).collect())
}

async fn lock(tx: &mut Tx, video: VideoId) -> Result<Video> {
    videos::lock(tx, video).await?;
    Ok(tx.query(VIDEO).bind(video).one().await?)
}

/// Counts a change, and has it shown where the video plays.
async fn next_edition(tx: &mut Tx, video: &Video) -> Result<u64> {
    let edition = tx.query(NEXT_EDITION).bind(video.id).value().await?;
    if video.published_revision.is_some() {
        enqueue(tx, video, edition).await?;
    }
    Ok(edition)
}

async fn enqueue(tx: &mut Tx, video: &Video, edition: u64) -> Result<()> {
    let work = Work::Captions(CaptionsJob { video: video.id, edition });
    jobs::enqueue(tx, work.into_job(video.owner)).await?;
    Ok(())
}

/// Makes a video found by what is said in it.
async fn index(tx: &mut Tx, video: &Video) -> Result<()> {
    search::index(tx, video).await?;
    let cues: Vec<String> = tx.query(WORDS).bind(video.id).values().await?;
    let mut words: BTreeSet<&str> = BTreeSet::new();
    let mut room = MOST_SPEECH;
    for word in cues.iter().flat_map(|cue| cue.split(' ')) {
        if room < word.len() + 1 {
            break;
        }
        if words.insert(word) {
            room -= word.len() + 1;
        }
    }
    let speech = words.into_iter().collect::<Vec<_>>().join(" ");
    tx.query(INDEX_SPEECH).bind(video.id).bind(speech).execute().await?;
    Ok(())
}

fn refused(field: &str, sentence: String) -> Error {
    let mut errors = FieldErrors::default();
    errors.add(field, sentence);
    Error::Fields(errors)
}

/// One row of [`ADD_CUES`]' array.
#[derive(Serialize)]
struct CueRow<'a> {
    idx: u32,
    start_millis: u64,
    said: &'a str,
    words: String,
}

impl<'a> CueRow<'a> {
    fn new((idx, spoken): (u32, &'a Spoken)) -> Self {
        let Spoken { start_millis, said } = spoken;
        Self { idx, start_millis: *start_millis, said, words: search::folded(said) }
    }
}

struct Whole(Track, String);

impl db::FromRow for Whole {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self(Track::from_row(row)?, row.get("content")?))
    }
}

db::row! {
    struct Said { video_id: VideoId, start_millis: u64, said: String, words: String }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Language {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::parse(text)
    }
}

impl db::ToColumn for Language {
    type Stored = String;

    fn to_stored(&self) -> std::result::Result<String, db::ColumnError> {
        Ok(self.0.clone())
    }
}

impl db::FromColumn for Language {
    type Stored = String;

    fn from_stored(stored: String) -> std::result::Result<Self, db::ColumnError> {
        Ok(Self(stored))
    }
}

db::statements! {
    VIDEO { "SELECT * FROM videos WHERE id = $1" }
    COUNT { "SELECT count(*) FROM captions WHERE video_id = $1" }
    HAS_LABEL { "SELECT count(*) FROM captions WHERE video_id = $1 AND label = $2" }
    ADD {
        "INSERT INTO captions (video_id, number, language, label, kind, content, cues, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, " NOW ")"
    }
    ADD_CUES {
        "INSERT INTO caption_cues (video_id, number, idx, start_millis, said, words)
         SELECT $1, $2, new.idx, new.start_millis, new.said, new.words FROM " [
             sqlite
                "(SELECT value ->> 'idx' AS idx, value ->> 'start_millis' AS start_millis, value ->> 'said' AS said,
                         value ->> 'words' AS words FROM json_each($3)) AS new WHERE true"
             postgres
                "jsonb_to_recordset(CAST($3 AS JSONB)) AS new (idx BIGINT, start_millis BIGINT, said TEXT, words TEXT)"
         ]
    }
    REMOVE { "DELETE FROM captions WHERE video_id = $1 AND language = $2" }
    TRACK { "SELECT * FROM captions WHERE video_id = $1 AND language = $2" }
    TRACKS { "SELECT * FROM captions WHERE video_id = $1 ORDER BY language" }
    EDITION { "SELECT edition FROM caption_editions WHERE video_id = $1" }
    NEXT_EDITION {
        "INSERT INTO caption_editions (video_id, edition) VALUES ($1, 1)
         ON CONFLICT (video_id) DO UPDATE SET edition = caption_editions.edition + 1 RETURNING edition"
    }
    PROGRESS {
        "SELECT caption_editions.edition AS edition,
                (SELECT captions FROM presentations WHERE presentations.video_id = videos.id
                 AND presentations.revision = videos.published_revision) AS shown
         FROM videos JOIN caption_editions ON caption_editions.video_id = videos.id WHERE videos.id = $1"
    }
    PRESENTATION { "SELECT document FROM presentations WHERE video_id = $1 AND revision = $2" }
    RECORD_PRESENTATION {
        "INSERT INTO presentations (video_id, revision, document, captions) VALUES ($1, $2, $3, $4)
         ON CONFLICT (video_id, revision) DO UPDATE SET document = excluded.document, captions = excluded.captions"
    }
    SHOWN { "UPDATE presentations SET captions = $3 WHERE video_id = $1 AND revision = $2" }
    SHOWN_OF { "SELECT captions FROM presentations WHERE video_id = $1 AND revision = $2" }
    FORGET_DOCUMENT { "DELETE FROM documents WHERE video_id = $1 AND revision = $2 AND object_key = $3" }
    WORDS { "SELECT words FROM caption_cues WHERE video_id = $1 ORDER BY number, idx" }
    INDEX_SPEECH { "UPDATE search_documents SET speech = $2 WHERE video_id = $1" }
    SPOKEN {
        "WITH wanted (pattern) AS MATERIALIZED (SELECT value FROM "
        [sqlite "json_each($2)" postgres "jsonb_array_elements_text(CAST($2 AS JSONB)) AS patterns (value)"]
        ") SELECT video_id, start_millis, said, words FROM caption_cues
           WHERE video_id" [in_uuids "$1"] "
             AND EXISTS (SELECT 1 FROM wanted WHERE ' ' || words || ' ' LIKE pattern)
           ORDER BY video_id, start_millis, number"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_written_in_one_way() {
        let check = |typed: &str, tag: Option<&str>| {
            let parsed = Language::parse(typed);
            assert_eq!(parsed.as_ref().ok().map(Language::as_str), tag, "{typed:?}");
        };
        check("en", Some("en"));
        check(" DE ", Some("de"));
        check("pt_br", Some("pt-BR"));
        check("ZH-hant-tw", Some("zh-Hant-TW"));
        check("es-419", Some("es-419"));
        check("sl-rozaj", Some("sl-rozaj"));
        for typed in ["", "e", "english language", "en-", "1", "en-ü", "abcd", "en-123456789"] {
            check(typed, None);
        }
    }
}
