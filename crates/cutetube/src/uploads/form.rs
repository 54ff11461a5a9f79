//! The multipart form of an upload, read once, in whatever order its fields come.

use std::{borrow::Cow, future::Future};

use axum::{
    extract::multipart::{Field, Multipart},
    http::StatusCode,
};
use bytes::Bytes;
use catalog::{
    names::{ClaimedDuration, Description, Refusal, SourceExtension, SourceName, Tags, Title},
    videos::{Protection, Visibility},
};

use sha2::{Digest, Sha256};

use super::{client::Client, sink::Sink, sniff};
use crate::{
    AppState,
    blobs::{BlobError, Stored},
    http::{OUR_FAULT, Pace, log_internal},
};

/// A form whose every field is fine. The file is written but does not exist yet: [`Sink::finish`] makes it.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) said: Said,
    pub(super) file: ReceivedFile,
}

/// What an uploader says about a video.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) title: Title,
    pub(super) description: Description,
    pub(super) tags: Tags,
    pub(super) visibility: Visibility,
    pub(super) duration: Option<ClaimedDuration>,
    pub(super) protection: Protection,
}

/// The file of a form.
#[derive(Debug)]
pub(super) struct ReceivedFile {
    pub(super) name: SourceName,
    pub(super) extension: SourceExtension,
    pub(super) sink: Sink,
}

/// What is agreed before a form is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reception {
    /// How fast it has to come.
    pub(super) pace: Pace,
    /// How videos are protected whose uploader does not say.
    pub(super) protection: Protection,
    /// Whether this server has what it takes to protect any.
    pub(super) protects: Protects,
}

/// Whether a server can protect videos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protects {
    Yes,
    No,
}

/// Why an upload is refused: a sentence for the uploader, and the field at fault.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    pub(crate) field: Option<&'static str>,
    pub(crate) sentence: Cow<'static, str>,
    /// For the log.
    #[source]
    pub(crate) cause: Option<Box<BlobError>>,
}

/// Longest text field, in bytes: room for a description of characters of four bytes each.
const LONGEST_TEXT: usize = 32 << 10;
const MOST_FIELDS: usize = 32;

/// What a form may have besides the file, in bytes: `MOST_FIELDS` texts, and as much again for what is between them.
pub(super) const LONGEST_BESIDES: u64 = 2 << 20;

/// Reads `parts` to the end. `open` starts writing the file when its name is known; no more is held in memory than
/// the writer holds. A client that falls behind the pace is given up.
pub(super) async fn receive<F: Future<Output = Result<Sink, BlobError>>>(
    mut parts: Multipart,
    reception: Reception,
    open: impl FnOnce(SourceExtension) -> F,
) -> Result<Form, Rejection> {
    let mut client = Client::new(reception.pace);
    let mut open = Some(open);
    let (mut title, mut description, mut duration, mut file) = (None, None, None, None);
    let (mut tags, mut visibility) = (Tags::default(), Visibility::Public);
    let mut protection = reception.protection;
    let mut fields = 0;
    while let Some(mut field) = client.next_field(&mut parts).await? {
        fields += 1;
        if fields > MOST_FIELDS {
            return Err(Rejection::new(StatusCode::BAD_REQUEST, "The form has too many fields."));
        }
        // An owned name: the field is read while it is matched on.
        match field.name().unwrap_or_default().to_owned().as_str() {
            "title" => {
                let typed = text("title", &mut field, &mut client).await?;
                title = Some(parse("title", &typed, Title::parse)?);
            }
            "description" => {
                let typed = text("description", &mut field, &mut client).await?;
                description = Some(parse("description", &typed, Description::parse)?);
            }
            "duration" => {
                let typed = text("duration", &mut field, &mut client).await?;
                duration = Some(parse("duration", &typed, ClaimedDuration::parse)?);
            }
            "protection" => {
                let typed = text("protection", &mut field, &mut client).await?;
                protection = reception.protection(&typed)?;
            }
            "tags" => {
                let typed = text("tags", &mut field, &mut client).await?;
                tags = parse("tags", &typed, Tags::parse_line)?;
            }
            "visibility" => {
                let typed = text("visibility", &mut field, &mut client).await?;
                visibility = parse("visibility", typed.trim(), Visibility::parse)?;
            }
            "video" => {
                let open = open.take().ok_or_else(|| Rejection::video("There is more than one file."))?;
                file = Some(receive_file(field, &mut client, open).await?);
            }
            _ => skip(&mut field, &mut client).await?,
        }
    }
    let file = file
        .ok_or_else(|| Rejection::video("No video file provided. Supported video type is .MP4 and .MOV"))?;
    let missing = |field| Rejection::field(field, "This field is required.");
    let title = title.ok_or_else(|| missing("title"))?;
    let description = description.map_or_else(|| parse("description", "", Description::parse), Ok)?;
    Ok(Form { said: Said { title, description, tags, visibility, duration, protection }, file })
}

impl Reception {
    pub(super) fn of(state: &AppState) -> Self {
        let config = &state.config;
        Self {
            pace: Pace::of_uploads(&config.limits),
            protection: config.drm.default,
            protects: if state.keys.are_there() { Protects::Yes } else { Protects::No },
        }
    }

    /// How the media are to be protected; nothing typed is as usual here.
    pub(super) fn protection(&self, typed: &str) -> Result<Protection, Rejection> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Ok(self.protection);
        }
        let protection = parse("protection", typed, Protection::parse)?;
        if protection != Protection::None && self.protects == Protects::No {
            return Err(Rejection::field(
                "protection",
                "This server has no master key to keep keys with (`drm.master_key`) and cannot protect videos. Choose \
                 `none`.",
            ));
        }
        Ok(protection)
    }
}

impl Said {
    /// Equal for equal requests: what is said, and the file with its name.
    pub(super) fn fingerprint(&self, name: &SourceName, stored: &Stored) -> [u8; 32] {
        let Self { title, description, tags, visibility, duration, protection } = self;
        let seconds = duration.map(|duration| duration.duration().as_secs());
        let said = (title, description, tags, visibility, seconds, protection);
        let whole = serde_json::to_vec(&(said, name, stored.sha256)).unwrap_or_default();
        Sha256::digest(whole).into()
    }
}

impl Rejection {
    /// 500 or 503: the cause goes to the log, never to the caller.
    pub(super) fn internal(error: &catalog::Error) -> Self {
        Self::new(log_internal(error), OUR_FAULT)
    }

    pub(crate) fn new(status: StatusCode, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { status, field: None, sentence: sentence.into(), cause: None }
    }

    pub(super) fn field(field: &'static str, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field), ..Self::new(StatusCode::BAD_REQUEST, sentence) }
    }

    /// Logs what is our fault and was not logged where it happened.
    pub(super) fn log_fault(&self) {
        if self.status.is_server_error() && self.cause.is_some() {
            log_internal(self);
        }
    }

    pub(super) fn video(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::field("video", sentence)
    }
}

impl From<BlobError> for Rejection {
    fn from(error: BlobError) -> Self {
        let rejection = match &error {
            BlobError::TooLong { limit, .. } => {
                let sentence = format!("The file is larger than the {limit} bytes that are allowed here.");
                Self { status: StatusCode::PAYLOAD_TOO_LARGE, ..Self::video(sentence) }
            }
            BlobError::NoSpace { .. } => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "The server has no space left for this file. Nothing of it was kept.",
            ),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, OUR_FAULT),
        };
        Self { cause: Some(Box::new(error)), ..rejection }
    }
}

/// The whole of a short field.
async fn text(name: &'static str, field: &mut Field<'_>, client: &mut Client) -> Result<String, Rejection> {
    let mut bytes = Vec::new();
    while let Some(chunk) = client.chunk(field).await? {
        if bytes.len() + chunk.len() > LONGEST_TEXT {
            return Err(Rejection::field(name, format!("This field is longer than {LONGEST_TEXT} bytes.")));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| Rejection::field(name, "This field is not text in UTF-8."))
}

/// A field that nobody asked for is read past, as long as it is a short one.
async fn skip(field: &mut Field<'_>, client: &mut Client) -> Result<(), Rejection> {
    let mut len = 0;
    while let Some(chunk) = client.chunk(field).await? {
        len += chunk.len();
        if len > LONGEST_TEXT {
            return Err(Rejection::new(
                StatusCode::BAD_REQUEST,
                "The form has a long field that nobody asked for.",
            ));
        }
    }
    Ok(())
}

async fn receive_file<F: Future<Output = Result<Sink, BlobError>>>(
    mut field: Field<'_>,
    client: &mut Client,
    open: impl FnOnce(SourceExtension) -> F,
) -> Result<ReceivedFile, Rejection> {
    let file_name = field.file_name().unwrap_or_default().to_owned();
    let extension = parse("video", &file_name, SourceExtension::of_file)?;
    let mut head = Vec::new();
    let mut sink: Option<Sink> = None;
    let mut open = Some(open);
    while let Some(chunk) = client.chunk(&mut field).await? {
        match &mut sink {
            Some(sink) => sink.write(chunk).await?,
            None => {
                head.extend_from_slice(&chunk);
                if head.len() >= sniff::SNIFF_BYTES {
                    sniff::first_bytes(&head)?;
                    let open = open.take().expect("a file is opened once, before it has a writer");
                    sink.insert(open(extension).await?).write(Bytes::from(std::mem::take(&mut head))).await?;
                }
            }
        }
    }
    let sink = sink.ok_or_else(|| match sniff::first_bytes(&head) {
        Err(rejection) => rejection,
        Ok(()) => Rejection::video("The file ends before it begins."),
    })?;
    Ok(ReceivedFile { name: SourceName::of_file(&file_name), extension, sink })
}

fn parse<T>(field: &'static str, typed: &str, parse: fn(&str) -> Result<T, Refusal>) -> Result<T, Rejection> {
    parse(typed).map_err(|Refusal(sentence)| Rejection::field(field, sentence))
}
