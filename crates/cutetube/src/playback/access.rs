//! Who gets the media of a video, and how long the answer may be kept.

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, request::Parts},
    response::{IntoResponse, Response},
};
use catalog::{
    VideoState,
    videos::{Video, Visibility},
};

use super::{MediaAddress, Target, cdn, downloads, signing::Scope};
use crate::{AppState, accounts::Visitor, blobs::Caching};

/// Why a request may have what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// Everybody may.
    Everybody,
    /// Whoever has this address may, for so many seconds.
    Address { seconds: u64 },
    /// Whoever has this address may, for so many seconds, and a CDN checks that before it answers.
    Signed { seconds: u64 },
    /// This visitor may: the owner, or an administrator.
    Visitor,
}

/// Whether the request may have what `address` names of `video`; `None` when that does not exist for it.
///
/// - What is public is for everybody.
/// - A token decides alone: whoever asks, with it or without, gets the same answer.
/// - An unlisted video is for everybody who knows its id. People pass on the file and the manifest, which are called
///   by that id; what only players ask for needs a token, so that it ends when the video is made private.
/// - A file to keep is for those of them whom its owner, or the configuration, lets have it.
/// - Everything is for the owner and for administrators; the file as it was uploaded in every state, the rest once it
///   plays.
///
/// Who asks is looked up only when it matters: most requests are for segments of public videos.
pub(super) async fn grant(
    state: &AppState,
    parts: &mut Parts,
    address: &MediaAddress,
    video: &Video,
) -> Result<Option<Grant>, Response> {
    let plays = video.state == VideoState::Ready;
    let is_for_viewers = match &address.target {
        Target::Download { name, .. } => downloads::is_for_viewers(&state.config, video, name),
        Target::Object { .. }
        | Target::Poster { .. }
        | Target::Flat { .. }
        | Target::FlatManifest(_)
        | Target::Source(_) => true,
    };
    if let Some(token) = address.token {
        let scope = Scope::of(video).filter(|_| plays && is_for_viewers);
        let left = scope.and_then(|scope| state.paths.check(token, scope, state.clock.seconds()));
        return Ok(left.map(|seconds| Grant::Address { seconds }));
    }
    if plays && let Some(seconds) = signed(state, parts, &address.target).await? {
        return Ok(Some(Grant::Signed { seconds }));
    }
    let is_passed_on = matches!(address.target, Target::Source(_) | Target::FlatManifest(_));
    let is_open = match video.visibility {
        Visibility::Public => true,
        Visibility::Unlisted => is_passed_on,
        Visibility::Private => false,
    };
    if plays && is_open && is_for_viewers {
        return Ok(Some(Grant::Everybody));
    }
    let exists = match address.target {
        Target::Source(_) => video.state != VideoState::Deleting,
        Target::Object { .. }
        | Target::Poster { .. }
        | Target::Flat { .. }
        | Target::FlatManifest(_)
        | Target::Download { .. } => plays,
    };
    if !exists {
        return Ok(None);
    }
    let visitor = Visitor::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
    Ok(visitor.may_manage(video.owner).then_some(Grant::Visitor))
}

/// For how many seconds a CDN may have what `target` names; `None` when it does not say that it may.
async fn signed(state: &AppState, parts: &mut Parts, target: &Target) -> Result<Option<u64>, Response> {
    let Some(signer) = &state.cdn else { return Ok(None) };
    let delivery = &state.config.delivery;
    let Some(folder) = signer.layout().folder_of(target) else { return Ok(None) };
    if let Some(secret) = &delivery.origin_secret
        && parts.headers.get(ORIGIN).and_then(|said| said.to_str().ok()).is_some_and(|said| secret.is(said))
    {
        return Ok(Some(u64::from(delivery.signed_path_hours.get()) * 3600));
    }
    let Some(query) = parts.uri.query().map(str::to_owned) else { return Ok(None) };
    let viewer = cdn::viewer(state, parts).await.map_err(IntoResponse::into_response)?;
    Ok(signer.check(&folder, &query, state.clock.seconds(), viewer))
}

/// What a CDN shows that has checked an address itself.
pub(super) const ORIGIN: &str = "x-cutetube-origin";

impl Grant {
    /// `Cache-Control` of something that may be kept as `caching` says by whoever may have it at all.
    ///
    /// Shared caches never hold what is not for everybody, and nobody holds it for longer than the address lasts.
    pub(super) fn cache_control(self, video: &Video, caching: Caching) -> HeaderValue {
        let shared = video.visibility == Visibility::Public && self == Self::Everybody;
        match (self, caching) {
            (_, Caching::Immutable) if shared => {
                HeaderValue::from_static("public, max-age=31536000, immutable")
            }
            (_, Caching::Revalidate) if shared => {
                HeaderValue::from_static("public, max-age=5, must-revalidate")
            }
            // The CDN asks everybody for a valid address before it answers from its cache.
            (Self::Signed { seconds }, Caching::Immutable) => cached_for("public", seconds),
            (Self::Address { seconds }, Caching::Immutable) => cached_for("private", seconds),
            _ => HeaderValue::from_static("private, no-cache"),
        }
    }
}

fn cached_for(whom: &str, seconds: u64) -> HeaderValue {
    let text = format!("{whom}, max-age={seconds}, immutable");
    HeaderValue::try_from(text).expect("made of digits, letters and punctuation")
}
