//! Media over HTTP: the file itself (v1), segments under flat names (v2), and objects under the names they are stored by.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use catalog::{
    ids::Revision,
    videos::{self, Protection, SourceState, Video},
};
use packager::Flavour;
use tower_http::cors::{Any, CorsLayer};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    FlatName, MediaAddress, Target,
    access::{self, Grant},
    cdn,
    downloads::{DownloadError, DownloadName},
    hot::{Moment, NotHeld},
    signing::Scope,
};
use crate::{
    AppState,
    blobs::{BlobError, Caching, MediaObject, StorageKey},
    http::{Problem, Representation, attachment, inline},
    licences::Viewer,
    metrics::Source,
};

/// Routes that send media. Any page may fetch them.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    let from_anywhere = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH, header::IF_MATCH])
        .expose_headers([
            header::ACCEPT_RANGES,
            header::CONTENT_LENGTH,
            header::CONTENT_RANGE,
            header::CONTENT_TYPE,
            header::DATE,
            header::ETAG,
        ])
        .max_age(std::time::Duration::from_secs(24 * 60 * 60));
    OpenApiRouter::new()
        .routes(routes!(stream))
        .routes(routes!(manifest))
        .routes(routes!(segment))
        .routes(routes!(download))
        .route("/vod-media/{*object}", get(media))
        .route("/p/{token}/{*address}", get(media))
        .layer(from_anywhere)
}

/// The file as it was uploaded (v1), whole or in ranges.
///
/// Anybody once a public or unlisted video plays; its owner and administrators always.
#[utoipa::path(
    get, path = "/app/stream/{id}/", tag = "playback", security((), ("bearer" = [])),
    params(
        ("id" = String, Path, description = "As the upload answered it"),
        ("Range" = Option<String>, Header, description = "RFC 9110 §14.2; at most 16 parts are answered as such", example = "bytes=0-1023"),
        ("If-Range" = Option<String>, Header, description = "An entity tag or a date"),
    ),
    responses(
        (status = 200, description = "All of it", content_type = "video/mp4"),
        (status = 206, description = "One range, or several as `multipart/byteranges`", content_type = "video/mp4"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 412, description = "It is not what `If-Match` or `If-Unmodified-Since` ask for"),
        (status = 416, description = "No range lies in the file; `Content-Range` tells its length"),
    )
)]
async fn stream(state: State<AppState>, request: Request) -> Response {
    media(state, request).await
}

/// The DASH manifest (v2).
///
/// It names segments beside itself; those of videos that are not public through a signed path. Anybody for public and
/// unlisted videos; for private ones their owner and administrators.
#[utoipa::path(
    get, path = "/app/v2/dash/{id}/manifest.mpd", tag = "playback", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "As the upload answered it")),
    responses(
        (status = 200, description = "The manifest", content_type = "application/dash+xml"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "There is no such video for this caller, or it does not play yet", body = Problem),
    )
)]
async fn manifest(state: State<AppState>, request: Request) -> Response {
    media(state, request).await
}

/// A segment (v2), under the name that the manifest gives it.
///
/// Anybody for public videos; for others, whoever has a signed path, their owner and administrators.
#[utoipa::path(
    get, path = "/app/v2/dash/{id}/{segment}", tag = "playback", security((), ("bearer" = [])),
    params(
        ("id" = String, Path, description = "As the upload answered it"),
        ("segment" = String, Path, description = "For instance `1_360p_init.mp4` or `1_360p_12.m4s`"),
    ),
    responses(
        (status = 200, description = "All of it", content_type = "video/mp4"),
        (status = 206, description = "The range that was asked for", content_type = "video/mp4"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "There is no such segment for this caller", body = Problem),
        (status = 412, description = "It is not what `If-Match` or `If-Unmodified-Since` ask for"),
        (status = 416, description = "No range lies in the segment; `Content-Range` tells its length"),
    )
)]
async fn segment(state: State<AppState>, request: Request) -> Response {
    media(state, request).await
}

/// A file to keep: a rendition with its sound, or what was uploaded.
///
/// Whoever may see the video, where its owner lets them, and the owner and administrators always; nobody for a protected
/// video. `downloadable` of the video lists what there is for the caller. It can be resumed at any byte.
#[utoipa::path(
    get, path = "/download/{id}/{revision}/{file}", tag = "playback", security((), ("bearer" = [])),
    params(
        ("id" = String, Path, description = "As the upload answered it"),
        ("revision" = u64, Path, description = "Of what is published", example = 1),
        ("file" = String, Path, description = "A rendition and a container, or `original` and its own", example = "720p.mp4"),
        ("Range" = Option<String>, Header, description = "RFC 9110 §14.2; at most 16 parts are answered as such", example = "bytes=1024-"),
        ("If-Range" = Option<String>, Header, description = "The `ETag` of what the client has a part of"),
    ),
    responses(
        (status = 200, description = "All of it", content_type = "video/mp4"),
        (status = 206, description = "One range, or several as `multipart/byteranges`", content_type = "video/mp4"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "There is no such file for this caller", body = Problem),
        (status = 412, description = "It is not what `If-Match` asks for"),
        (status = 416, description = "No range lies in the file; `Content-Range` tells its length"),
    )
)]
async fn download(state: State<AppState>, request: Request) -> Response {
    media(state, request).await
}

/// Whoever may have it, as [`access::grant`] decides.
async fn media(State(state): State<AppState>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    match find(&state, &mut parts).await {
        Ok(found) => found.answer(&parts.method, &parts.headers).await,
        Err(mut refused) => {
            // It may be there for the next one who asks, or in a moment.
            refused
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
            refused
        }
    }
}

/// What may not be seen is answered like what does not exist.
async fn find(state: &AppState, parts: &mut Parts) -> Result<Representation, Response> {
    // The raw path, not the decoded one.
    let address: MediaAddress = parts.uri.path().parse().map_err(|_| nothing())?;
    let id = address.target.video();
    if let Some((video, moment)) = state.hot.video(id).await
        && let Some(grant) = access::grant(state, parts, &address, &video).await?
        && let Ok(found) = open(state, parts, &video, address.target.clone(), grant).await
    {
        return Ok(repeatable(found, grant, moment));
    }
    // Whoever is to be refused, or finds nothing, has what is true now looked up.
    let moment = state.hot.moment();
    let video = match videos::video(&state.db, id).await {
        Ok(video) => Arc::new(video),
        Err(catalog::Error::NoVideo(_)) => return Err(nothing()),
        Err(error) => return Err(internal(&error)),
    };
    let grant = access::grant(state, parts, &address, &video).await?.ok_or_else(nothing)?;
    state.hot.remember(moment, &video).await;
    match open(state, parts, &video, address.target, grant).await {
        Ok(found) => Ok(repeatable(found, grant, moment)),
        Err(error) if error.is_nothing() => Err(nothing()),
        Err(error) => Err(internal(&error)),
    }
}

/// What is for everybody is for whoever asks next.
fn repeatable(found: Representation, grant: Grant, moment: Moment) -> Representation {
    if grant == Grant::Everybody { found.repeatable(moment) } else { found }
}

fn nothing() -> Response {
    Problem::not_found("there is nothing at this address").into_response()
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Response {
    Problem::internal(error).into_response()
}

async fn open(
    state: &AppState,
    parts: &mut Parts,
    video: &Video,
    target: Target,
    grant: Grant,
) -> Result<Representation, MediaError> {
    if target.revision().is_some_and(|revision| video.published_revision != Some(revision)) {
        return Err(MediaError::Nothing);
    }
    match target {
        Target::Object { revision, object, .. } if is_personal(video, &object, grant) => {
            tailored(state, parts, video, FlatName { revision, object }, None, grant).await
        }
        Target::Flat { name, .. } if name.object.is_manifest() => {
            let names = FlatName::prefix(name.revision);
            tailored(state, parts, video, name, Some(&names), grant).await
        }
        Target::Object { revision, object, .. }
        | Target::Flat { name: FlatName { revision, object }, .. } => {
            published(state, video, revision, object, grant).await
        }
        Target::Poster { name, .. } => chosen_poster(state, video, name, grant).await,
        Target::FlatManifest(_) => flat_manifest(state, parts, video, grant).await,
        Target::Source(_) => source(state, video, grant).await,
        Target::Download { revision, name, .. } => file(state, video, revision, &name, grant).await,
    }
}

/// Why there are no media to send.
#[derive(Debug, thiserror::Error)]
enum MediaError {
    #[error("it is not what is published")]
    Nothing,
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Manifest(#[from] packager::FlattenError),
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    #[error("an object could not be held in memory")]
    NotHeld(#[from] Arc<NotHeld>),
}

impl MediaError {
    /// Whether it is as if there were no such address.
    fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing
            | Self::Blob(BlobError::NotFound { .. })
            | Self::Download(DownloadError::NoRendition | DownloadError::Blob(BlobError::NotFound { .. })) => {
                true
            }
            Self::NotHeld(error) => matches!(**error, NotHeld::Blob(BlobError::NotFound { .. })),
            Self::Blob(_) | Self::Manifest(_) | Self::Download(_) | Self::Catalog(_) => false,
        }
    }
}

async fn published(
    state: &AppState,
    video: &Video,
    revision: Revision,
    object: MediaObject,
    grant: Grant,
) -> Result<Representation, MediaError> {
    let key = StorageKey::Media { video: video.id, revision, object };
    unchanging(state, video, key, &revision.to_string(), grant).await
}

/// Only the one that is shown: whoever has chosen another one may have had a reason.
async fn chosen_poster(
    state: &AppState,
    video: &Video,
    name: u64,
    grant: Grant,
) -> Result<Representation, MediaError> {
    if video.poster != Some(name) {
        return Err(MediaError::Nothing);
    }
    let key = StorageKey::Poster { video: video.id, name };
    unchanging(state, video, key, &format!("{name:016x}"), grant).await
}

/// An object whose bytes never change under its name; `seed` tells it from others of the video.
async fn unchanging(
    state: &AppState,
    video: &Video,
    key: StorageKey,
    seed: &str,
    grant: Grant,
) -> Result<Representation, MediaError> {
    let caching = grant.cache_control(video, key.caching());
    let (found, source) = match state.hot.object(&state.blobs, &key).await? {
        Some((object, source)) => (Representation::held(&key, object, seed), source),
        None => (Representation::stored(&state.blobs, key, seed).await?, Source::Passed),
    };
    state.metrics.served(source);
    Ok(found.cached(caching))
}

/// Whether each viewer gets a manifest of their own.
fn is_personal(video: &Video, object: &MediaObject, grant: Grant) -> bool {
    let is_signed = matches!(grant, Grant::Signed { .. });
    object.is_manifest() && (is_signed || video.protection != Protection::None)
}

/// The stored manifest as this request needs it: with the names of the flat folder, which begin with `flat`; with what
/// opens a protected video for this viewer, whose alone it is then; with what the CDN wants to see in every name.
async fn tailored(
    state: &AppState,
    parts: &mut Parts,
    video: &Video,
    FlatName { revision, object }: FlatName,
    flat: Option<&str>,
    grant: Grant,
) -> Result<Representation, MediaError> {
    let content_type = object.content_type();
    let caching = grant.cache_control(video, object.caching());
    let key = StorageKey::Media { video: video.id, revision, object: object.clone() };
    let stored = state.blobs.get(&key).await?;
    let mut text = String::from_utf8_lossy(&stored).into_owned();
    if let Some(names) = flat {
        text = match object {
            MediaObject::Mpd(_) => packager::flatten(&text, names)?,
            _ => packager::hls::flatten_playlist(&text, object.flavour(), names),
        };
    }
    if video.protection != Protection::None {
        let viewer = Viewer::of(state, parts, video).await?;
        text = match object {
            MediaObject::Mpd(_) => viewer.personal().mpd(&text),
            MediaObject::Master(_) => viewer.personal().master(&text),
            _ => viewer.personal().playlist(&text),
        };
    }
    if let (Grant::Signed { .. }, Some(signer)) = (grant, &state.cdn) {
        text = cdn::carry(&text, &signer.onward(state, parts.uri.query(), video.id, revision))?;
    }
    let made = Representation::text(content_type, text);
    Ok(if video.protection == Protection::None { made.cached(caching) } else { made })
}

/// The DASH manifest of v2. Names of media that are not for everybody lead through a token, which lets players fetch them
/// that send neither cookies nor headers.
async fn flat_manifest(
    state: &AppState,
    parts: &mut Parts,
    video: &Video,
    grant: Grant,
) -> Result<Representation, MediaError> {
    let scope = Scope::of(video).ok_or(MediaError::Nothing)?;
    let revision = video.published_revision.ok_or(MediaError::Nothing)?;
    let folder = match grant {
        Grant::Everybody if video.visibility == videos::Visibility::Public => String::new(),
        Grant::Address { .. } | Grant::Signed { .. } => String::new(),
        Grant::Everybody | Grant::Visitor => {
            let token = Some(state.paths.sign(scope, state.clock.seconds()));
            let here = MediaAddress { token, target: Target::FlatManifest(video.id) }.to_string();
            let folder = here.trim_start_matches('/').trim_end_matches("manifest.mpd").to_owned();
            // From `/app/v2/dash/{id}/` up to the root, wherever that is.
            format!("../../../../{folder}")
        }
    };
    let names = format!("{folder}{}", FlatName::prefix(revision));
    let wanted = FlatName { revision, object: MediaObject::Mpd(Flavour::Mp4) };
    tailored(state, parts, video, wanted, Some(&names), grant).await
}

async fn source(state: &AppState, video: &Video, grant: Grant) -> Result<Representation, MediaError> {
    // Whoever protects a video does not want it to be had in one piece; and a file may have been kept for a while only.
    if video.protection != Protection::None || video.source_state == SourceState::Gone {
        return Err(MediaError::Nothing);
    }
    let key: StorageKey = video.source.key.parse().map_err(|_| MediaError::Nothing)?;
    let caching = grant.cache_control(video, key.caching());
    let seed = video.source.sha256.map_or_else(|| video.id.to_string(), hex::encode);
    let name = format!("{}.{}", video.source.name, video.source.extension);
    let found = Representation::stored(&state.blobs, key, &seed).await?;
    Ok(found.cached(caching).disposed(inline(&name)))
}

/// To be saved under a name.
async fn file(
    state: &AppState,
    video: &Video,
    revision: Revision,
    name: &DownloadName,
    grant: Grant,
) -> Result<Representation, MediaError> {
    if video.protection != Protection::None {
        return Err(MediaError::Nothing);
    }
    let found = match name {
        DownloadName::Original(extension) if *extension == video.source.extension => {
            source(state, video, grant).await?
        }
        DownloadName::Original(_) => return Err(MediaError::Nothing),
        DownloadName::Rendition(rendition, flavour) => {
            let (db, blobs) = (&state.db, &state.blobs);
            let file = state.downloads.get(db, blobs, video.id, revision, rendition, *flavour).await?;
            file.representation(blobs, *flavour).cached(grant.cache_control(video, Caching::Private))
        }
    };
    Ok(found.disposed(attachment(&name.file_name(video))))
}
