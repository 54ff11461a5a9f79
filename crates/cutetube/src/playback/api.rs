//! `GET /api/v5/videos/{id}/playback`

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use catalog::{VideoState, videos::Protection};
use packager::Flavour;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    BaseUrl, MediaUrls, PlaybackUrls,
    choice::{Client, Protocol},
};
use crate::{
    AppState,
    accounts::Visitor,
    blobs::MediaObject,
    http::Problem,
    licences::{self, Protected},
    videos::actions,
};

/// Routes of this feature's API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(playback))
}

/// What to play of a video.
///
/// Anybody for public and unlisted videos; for private ones their owner and administrators. The choice follows from
/// `Sec-CH-UA-Platform` and `User-Agent`: `mov` on macOS and Linux, else `mp4`; HLS for Apple's players, else DASH.
#[utoipa::path(
    get, path = "/api/v5/videos/{id}/playback", tag = "playback", security((), ("bearer" = [])),
    params(
        ("id" = String, Path, description = "As the upload answered it"),
        ("token" = Option<String>, Query, description = "The playback token that a player of a protected video has: the new one is for the same player"),
        ("Sec-CH-UA-Platform" = Option<String>, Header, description = "Wins over `User-Agent`", example = "\"macOS\""),
    ),
    responses(
        (status = 200, description = "What this client should play, and everything else there is", body = PlaybackResource),
        (status = 404, description = "There is no such video for this caller", body = Problem),
        (status = 409, description = "It does not play, or not yet", body = Problem),
    )
)]
async fn playback(
    State(state): State<AppState>,
    visitor: Visitor,
    base: BaseUrl,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("there is no such video");
    let id = id.parse().map_err(|_| unknown())?;
    let found = actions::find(&state, &visitor, id).await.map_err(|error| Problem::internal(&error))?;
    let video = found.ok_or_else(unknown)?;
    let before = licences::in_query(&uri);
    let pass = licences::pass_after(&state, &visitor, &video, before.as_deref()).await;
    let pass = pass.map_err(|error| Problem::internal(&error))?;
    let media = match video.state {
        VideoState::Ready => {
            MediaUrls::preferred(&state, &base, &video).map(|media| media.for_holder_of(pass.as_ref()))
        }
        VideoState::Uploaded | VideoState::Processing | VideoState::Failed | VideoState::Deleting => None,
    };
    let media = media.ok_or_else(|| {
        let state = video.state.as_str();
        Problem::new(StatusCode::CONFLICT, format!("the video is `{state}`; it plays once it is `ready`"))
    })?;
    let source = MediaUrls::origin(&state, &base, &video)
        .filter(|_| video.protection == Protection::None)
        .map(|origin| origin.source());
    let protection = Protected::new(&state, &base, &video, pass.as_ref());
    let resource = PlaybackResource::new(&media, source, protection, Client::of(&headers));
    let mut response = Json(resource).into_response();
    let headers = response.headers_mut();
    headers.insert("accept-ch", HeaderValue::from_static("Sec-CH-UA-Platform"));
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Sec-CH-UA-Platform, User-Agent, Authorization, Cookie"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

/// What to play of a video.
#[derive(Debug, Serialize, ToSchema)]
struct PlaybackResource {
    /// `dash` or `hls`.
    protocol: Protocol,
    /// `mp4` or `mov`.
    flavour: &'static str,
    /// The manifest for this client.
    url: String,
    /// Why this one: a sentence.
    reason: String,
    /// All manifests.
    manifests: PlaybackUrls,
    #[serde(flatten)]
    protection: Protected,
    /// The file as it was uploaded, for players that know no manifests; null for a protected video.
    progressive: Option<String>,
    /// Until when the URLs work, in milliseconds since 1970. Null for a public video, whose URLs do not end.
    expires_at_ms: Option<u64>,
}

impl PlaybackResource {
    fn new(
        media: &MediaUrls,
        progressive: Option<String>,
        protection: Protected,
        client: Client<'_>,
    ) -> Self {
        let choice = client.choose();
        let flavour = choice.flavour;
        let manifest = match choice.protocol {
            Protocol::Dash => MediaObject::Mpd(flavour),
            Protocol::Hls => MediaObject::Master(flavour),
        };
        Self {
            protocol: choice.protocol,
            flavour: match flavour {
                Flavour::Mp4 => "mp4",
                Flavour::Mov => "mov",
            },
            url: media.object(manifest),
            reason: choice.reason(),
            manifests: media.playback(),
            protection,
            progressive,
            expires_at_ms: media.expires().map(|seconds| seconds.saturating_mul(1000)),
        }
    }
}
