//! `/licences/…`: what players ask. Any page may, with a playback token.

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use catalog::licences::{self, Denial, Stream};
use packager::{ContentKey, KeyId, VendorSystem};
use serde::{Deserialize, Serialize};
use tower_http::cors::{Any, CorsLayer};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use zeroize::Zeroize;

use super::{
    actions::{self, Asked, LicenceError},
    token,
    vendor::{Granted, LicenceRequest, VendorError},
};
use crate::{
    AppState,
    accounts::bearer,
    http::{ClientAddress, Problem},
};

/// Routes of this feature that players use.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    let from_anywhere = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, SOAP_ACTION])
        .max_age(Duration::from_secs(24 * 60 * 60));
    OpenApiRouter::new()
        .routes(routes!(clearkey))
        .routes(routes!(key))
        .routes(routes!(widevine))
        .routes(routes!(playready))
        .routes(routes!(fairplay))
        .routes(routes!(certificate))
        .routes(routes!(keep_playing, stop_playing))
        .layer(from_anywhere)
}

const SOAP_ACTION: header::HeaderName = header::HeaderName::from_static("soapaction");

/// Keys that one request may name.
const MOST_KEYS: usize = 32;

/// A W3C ClearKey licence (Encrypted Media Extensions §9.1.4).
///
/// Whoever has a playback token of the video and is entitled to it. The token comes as `Authorization: Bearer`, or as
/// `token` in the query. Keys of larger pictures than the viewer may have are left out.
#[utoipa::path(
    post, path = "/licences/clearkey", tag = "licences", security(("playback" = [])),
    params(("token" = Option<String>, Query, description = "The playback token, for players that send no headers")),
    request_body = ClearKeyRequest,
    responses(
        (status = 200, description = "The keys, encoded as base64url", body = ClearKeyLicence),
        (status = 400, description = "It is not such a request", body = Problem),
        (status = 401, description = "There is no playback token, or it has expired", body = Problem),
        (status = 403, description = "The viewer may not have these keys, and why: a sentence for people", body = Problem),
        (status = 404, description = "This server gives no keys to players", body = Problem),
    )
)]
async fn clearkey(State(state): State<AppState>, bearer: Bearer, body: Bytes) -> Result<Response, Problem> {
    require_clearkey(&state)?;
    let asked = bearer.asks("clearkey");
    let entitled = actions::entitle(&state, &asked).await?;
    let Some(wanted) = ClearKeyRequest::parse(&body) else {
        return Err(actions::deny(&state, &asked, Some(&entitled.viewing), Denial::Malformed).await.into());
    };
    let keys = actions::keys(&state, &asked, &entitled, &wanted).await?;
    Ok(secret(Json(ClearKeyLicence::new(&keys))))
}

/// A bare key, for players without a protection system (HLS, key format `identity`).
///
/// As for `/licences/clearkey`.
#[utoipa::path(
    get, path = "/licences/key/{kid}", tag = "licences", security(("playback" = [])),
    params(
        ("kid" = String, Path, description = "The id of the key, in hexadecimal digits", example = "0123456789abcdef0123456789abcdef"),
        ("token" = Option<String>, Query, description = "The playback token, for players that send no headers"),
    ),
    responses(
        (status = 200, description = "Its 16 bytes", content_type = "application/octet-stream"),
        (status = 401, description = "There is no playback token, or it has expired", body = Problem),
        (status = 403, description = "The viewer may not have this key, and why: a sentence for people", body = Problem),
        (status = 404, description = "There is no such key, or this server gives no keys to players", body = Problem),
    )
)]
async fn key(
    State(state): State<AppState>,
    bearer: Bearer,
    Path(kid): Path<String>,
) -> Result<Response, Problem> {
    require_clearkey(&state)?;
    let kid: KeyId = kid.parse().map_err(|_| Problem::not_found("there is no such key"))?;
    let asked = bearer.asks("identity");
    let entitled = actions::entitle(&state, &asked).await?;
    let keys = actions::keys(&state, &asked, &entitled, &[kid]).await?;
    let bytes = keys.first().map(|key| key.key.expose().to_vec()).unwrap_or_default();
    Ok(secret(([(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))], bytes)))
}

/// A Widevine licence.
///
/// As for `/licences/clearkey`. What the player's module asks is forwarded to the vendor that the server is configured
/// with (`drm.widevine`), and the vendor's answer is passed on.
#[utoipa::path(
    post, path = "/licences/widevine", tag = "licences", security(("playback" = [])),
    params(("token" = Option<String>, Query, description = "The playback token, for players that send no headers")),
    request_body(content = ModuleRequest, content_type = "application/octet-stream", description = "As the module gave it, at most 64 KiB"),
    responses(
        (status = 200, description = "As the vendor gave it", content_type = "application/octet-stream"),
        (status = 400, description = "The request is empty or too long", body = Problem),
        (status = 401, description = "There is no playback token, or it has expired", body = Problem),
        (status = 403, description = "The viewer may not have a licence, and why: a sentence for people", body = Problem),
        (status = 404, description = "This server has no licences for Widevine", body = Problem),
        (status = 502, description = "The vendor gives no licence", body = Problem),
    )
)]
async fn widevine(
    state: State<AppState>,
    bearer: Bearer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    forward(&state, &bearer, VendorSystem::Widevine, &headers, body).await
}

/// A PlayReady licence.
///
/// As for `/licences/widevine`, with `drm.playready`. `SOAPAction` is forwarded too.
#[utoipa::path(
    post, path = "/licences/playready", tag = "licences", security(("playback" = [])),
    params(
        ("token" = Option<String>, Query, description = "The playback token, for players that send no headers"),
        ("SOAPAction" = Option<String>, Header, description = "As the module gave it", example = "http://schemas.microsoft.com/DRM/2007/03/protocols/AcquireLicense"),
    ),
    request_body(content = ModuleRequest, content_type = "text/xml", description = "As the module gave it, at most 64 KiB"),
    responses(
        (status = 200, description = "As the vendor gave it", content_type = "text/xml"),
        (status = 400, description = "The request is empty or too long", body = Problem),
        (status = 401, description = "There is no playback token, or it has expired", body = Problem),
        (status = 403, description = "The viewer may not have a licence, and why: a sentence for people", body = Problem),
        (status = 404, description = "This server has no licences for PlayReady", body = Problem),
        (status = 502, description = "The vendor gives no licence", body = Problem),
    )
)]
async fn playready(
    state: State<AppState>,
    bearer: Bearer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    forward(&state, &bearer, VendorSystem::PlayReady, &headers, body).await
}

/// A FairPlay licence.
///
/// As for `/licences/widevine`, with `drm.fairplay`.
#[utoipa::path(
    post, path = "/licences/fairplay", tag = "licences", security(("playback" = [])),
    params(("token" = Option<String>, Query, description = "The playback token, for players that send no headers")),
    request_body(content = ModuleRequest, content_type = "application/octet-stream", description = "The SPC, at most 64 KiB"),
    responses(
        (status = 200, description = "The CKC, as the vendor gave it", content_type = "application/octet-stream"),
        (status = 400, description = "The request is empty or too long", body = Problem),
        (status = 401, description = "There is no playback token, or it has expired", body = Problem),
        (status = 403, description = "The viewer may not have a licence, and why: a sentence for people", body = Problem),
        (status = 404, description = "This server has no licences for FairPlay", body = Problem),
        (status = 502, description = "The vendor gives no licence", body = Problem),
    )
)]
async fn fairplay(
    state: State<AppState>,
    bearer: Bearer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    forward(&state, &bearer, VendorSystem::FairPlay, &headers, body).await
}

/// The certificate that FairPlay's players make their requests with.
///
/// Anybody.
#[utoipa::path(
    get, path = "/licences/fairplay/certificate", tag = "licences", security(()),
    responses(
        (status = 200, description = "DER, as Apple gave it", content_type = "application/octet-stream"),
        (status = 404, description = "This server has none (`drm.fairplay_certificate`)", body = Problem),
    )
)]
async fn certificate(State(state): State<AppState>) -> Result<Response, Problem> {
    let Some(path) = &state.config.drm.fairplay_certificate else {
        return Err(Problem::not_found("this server has no FairPlay certificate"));
    };
    let bytes = tokio::fs::read(path).await.map_err(|error| Problem::internal(&error))?;
    let kind = HeaderValue::from_static("application/octet-stream");
    Ok(([(header::CONTENT_TYPE, kind)], bytes).into_response())
}

async fn forward(
    state: &AppState,
    bearer: &Bearer,
    system: VendorSystem,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    if !state.vendors.serve(system) {
        return Err(VendorError::NotConfigured(system).into());
    }
    let asked = bearer.asks(system.as_str());
    let entitled = actions::entitle(state, &asked).await?;
    let client = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request = LicenceRequest {
        body,
        content_type: client(header::CONTENT_TYPE),
        soap_action: client(SOAP_ACTION),
        granted: Granted {
            video: entitled.video.id.to_string(),
            user: entitled.viewing.user.map(|user| user.to_string()),
            classes: entitled.classes.clone(),
            seconds: entitled.policy.licence_duration.unwrap_or_default().as_secs(),
        },
    };
    // Counted before it is asked for: one stream too many is no business of the vendor's.
    actions::grant(state, &asked, &entitled, &entitled.classes).await?;
    match state.vendors.forward(system, request).await {
        Ok(answer) => {
            let kind = HeaderValue::from_static(answer.content_type);
            Ok(secret(([(header::CONTENT_TYPE, kind)], answer.body)))
        }
        Err(error) => {
            let denial = match error {
                VendorError::RequestLength => Denial::Malformed,
                _ => Denial::Vendor,
            };
            // That it was granted by us, and not by the vendor, is what the log tells then.
            actions::deny(state, &asked, Some(&entitled.viewing), denial).await;
            Err(error.into())
        }
    }
}

/// A player still plays.
///
/// Whoever has the playback token. Players that say so at least every 30 seconds, where not told otherwise, are counted
/// as playing only as long as they do; others as long as their licence is good.
#[utoipa::path(
    post, path = "/licences/streams", tag = "licences", security(("playback" = [])),
    responses(
        (status = 204, description = "It is counted"),
        (status = 401, description = "There is no playback token, or it has expired", body = Problem),
        (status = 404, description = "No such player is counted, or not any more", body = Problem),
    )
)]
async fn keep_playing(State(state): State<AppState>, bearer: Bearer) -> Result<StatusCode, Problem> {
    let stream = bearer.stream(&state)?;
    let lasts = Duration::from_secs(state.config.drm.stream_seconds);
    let is_known = match stream {
        Some(stream) => licences::keep_playing(&state.db, &stream, lasts).await,
        None => Ok(false),
    };
    match is_known.map_err(|error| Problem::internal(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("no such player is counted")),
    }
}

/// A player has stopped.
///
/// Whoever has the playback token.
#[utoipa::path(
    delete, path = "/licences/streams", tag = "licences", security(("playback" = [])),
    responses(
        (status = 204, description = "It is not counted any more"),
        (status = 401, description = "There is no playback token, or it has expired", body = Problem),
    )
)]
async fn stop_playing(State(state): State<AppState>, bearer: Bearer) -> Result<StatusCode, Problem> {
    if let Some(stream) = bearer.stream(&state)? {
        licences::stop_playing(&state.db, &stream).await.map_err(|error| Problem::internal(&error))?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Who asks, as far as it says so itself.
pub(super) struct Bearer {
    token: Option<String>,
    address: ClientAddress,
}

impl Bearer {
    pub(super) fn asks(&self, system: &'static str) -> Asked<'_> {
        Asked { system, token: self.token.as_deref(), address: self.address }
    }

    /// What the token says is played; `None` for a viewer who is not signed in, and not counted.
    fn stream(&self, state: &AppState) -> Result<Option<Stream>, Problem> {
        let now = state.clock.seconds();
        // A token that ends while its video plays still says which player it is.
        let viewing = self.token.as_deref().and_then(|token| state.playback_tokens.player(token, now));
        Ok(viewing.ok_or(LicenceError::Denied(Denial::NoToken))?.counted())
    }
}

impl FromRequestParts<AppState> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let address = ClientAddress::from_request_parts(parts, state).await?;
        let in_header = bearer(&parts.headers).map(str::to_owned);
        Ok(Self { token: in_header.or_else(|| token::in_query(&parts.uri)), address })
    }
}

fn require_clearkey(state: &AppState) -> Result<(), Problem> {
    match state.config.drm.clearkey {
        true => Ok(()),
        false => Err(Problem::not_found("this server gives no keys to players (`drm.clearkey`)")),
    }
}

/// Nobody keeps it.
pub(super) fn secret(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What the protection module of a player asks, in a form that is between it and its vendor.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "documents bytes that are passed on as they come")]
struct ModuleRequest(String);

/// What ClearKey's module asks.
#[derive(Deserialize, ToSchema)]
struct ClearKeyRequest {
    /// Key ids, as base64url without padding; at most 32.
    #[schema(max_items = 32, example = json!(["ASNFZ4mrze8BI0VniavN7w"]))]
    kids: Vec<String>,
    /// `temporary`
    #[serde(rename = "type")]
    #[expect(dead_code, reason = "every licence is a temporary one")]
    #[schema(example = "temporary")]
    kind: Option<String>,
}

/// What ClearKey's module takes: a set of JSON Web Keys (RFC 7517).
#[derive(Serialize, ToSchema)]
struct ClearKeyLicence {
    keys: Vec<OctetKey>,
    #[serde(rename = "type")]
    #[schema(example = "temporary")]
    kind: &'static str,
}

#[derive(Serialize, ToSchema)]
struct OctetKey {
    #[schema(example = "oct")]
    kty: &'static str,
    /// The key, as base64url without padding.
    k: String,
    /// Its id, as base64url without padding.
    #[schema(example = "ASNFZ4mrze8BI0VniavN7w")]
    kid: String,
}

impl ClearKeyRequest {
    fn parse(body: &[u8]) -> Option<Vec<KeyId>> {
        let request: Self = serde_json::from_slice(body).ok()?;
        if request.kids.is_empty() || request.kids.len() > MOST_KEYS {
            return None;
        }
        let id = |text: &String| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
            Some(KeyId(bytes.try_into().ok()?))
        };
        request.kids.iter().map(id).collect()
    }
}

impl ClearKeyLicence {
    fn new(keys: &[ContentKey]) -> Self {
        let encode = |bytes: &[u8; 16]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let key =
            |key: &ContentKey| OctetKey { kty: "oct", k: encode(key.key.expose()), kid: encode(&key.id.0) };
        Self { keys: keys.iter().map(key).collect(), kind: "temporary" }
    }
}

impl Drop for OctetKey {
    fn drop(&mut self) {
        self.k.zeroize();
    }
}

impl From<LicenceError> for Problem {
    fn from(error: LicenceError) -> Self {
        let denial = match error {
            LicenceError::Denied(denial) => denial,
            LicenceError::Keys(error) => return Self::internal(&error),
            LicenceError::Catalog(error) => return Self::internal(&error),
        };
        let status = match denial {
            Denial::NoToken | Denial::Expired => StatusCode::UNAUTHORIZED,
            Denial::Malformed => StatusCode::BAD_REQUEST,
            Denial::Vendor => StatusCode::BAD_GATEWAY,
            Denial::OtherVideo
            | Denial::NotVisible
            | Denial::NotSignedIn
            | Denial::NotEntitled
            | Denial::TooManyStreams
            | Denial::Resolution => StatusCode::FORBIDDEN,
        };
        Self::new(status, actions::sentence(denial))
    }
}

impl From<VendorError> for Problem {
    fn from(error: VendorError) -> Self {
        let status = match error {
            VendorError::NotConfigured(_) => StatusCode::NOT_FOUND,
            VendorError::RequestLength => StatusCode::BAD_REQUEST,
            VendorError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            VendorError::NoAnswer(_) | VendorError::Refused(_) => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use packager::Key;

    use super::*;

    #[test]
    fn requests_and_licences_are_those_of_the_specification() {
        let id = KeyId([
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
        ]);
        let request = br#"{"kids":["ASNFZ4mrze8BI0VniavN7w"],"type":"temporary"}"#;
        assert_eq!(ClearKeyRequest::parse(request), Some(vec![id]));
        let licence =
            ClearKeyLicence::new(&[ContentKey { id, key: Key::new([0xff; 16]), constant_iv: [0; 16] }]);
        assert_eq!(
            serde_json::to_string(&licence).unwrap(),
            r#"{"keys":[{"kty":"oct","k":"_____________________w","kid":"ASNFZ4mrze8BI0VniavN7w"}],"type":"temporary"}"#
        );
    }

    #[test]
    fn everything_else_is_no_request() {
        let many = format!("{{\"kids\":[{}]}}", vec!["\"ASNFZ4mrze8BI0VniavN7w\""; 33].join(","));
        for text in
            ["", "{}", "[]", r#"{"kids":[]}"#, r#"{"kids":["AAAA"]}"#, r#"{"kids":[1]}"#, "\u{0}", &many]
        {
            assert_eq!(ClearKeyRequest::parse(text.as_bytes()), None, "{text}");
        }
    }
}
