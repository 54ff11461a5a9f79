//! What answers tell of the protection of a video.

use axum::{extract::FromRequestParts, http::request::Parts};
use catalog::videos::{Protection, Video};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    actions::{Pass, rules},
    manifest::{Personal, is_token_text},
    token,
};
use crate::{AppState, playback::BaseUrl};

/// How a video is protected, and what its players need.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Protected {
    /// `none`, `cenc` or `cbcs`.
    #[schema(value_type = String, example = "cbcs")]
    protection: Protection,
    /// Where licences are asked for, by protection system; empty for a video that is not protected.
    licences: LicenceUrls,
    /// What licence requests carry as `Authorization: Bearer`. Null for a video that is not protected, or does not play.
    token: Option<String>,
    /// When the token ends, in milliseconds since 1970.
    token_expires_at_ms: Option<u64>,
}

/// Where licences are asked for. Only systems are named that this server has licences for.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct LicenceUrls {
    /// W3C ClearKey: this server itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clearkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) widevine: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) playready: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fairplay: Option<String>,
}

/// Who fetches a manifest, and what they are to find in it.
#[derive(Debug)]
pub(crate) struct Viewer {
    base: BaseUrl,
    token: Option<String>,
    max_height: Option<u32>,
}

impl Protected {
    pub(crate) fn new(state: &AppState, base: &BaseUrl, video: &Video, pass: Option<&Pass>) -> Self {
        let licences = match video.protection {
            Protection::None => LicenceUrls::default(),
            Protection::Cenc | Protection::Cbcs => LicenceUrls::new(state, base, video.protection),
        };
        Self {
            protection: video.protection,
            licences,
            token: pass.map(|pass| pass.token.expose().to_owned()),
            token_expires_at_ms: pass.map(|pass| pass.token.expires().saturating_mul(1000)),
        }
    }
}

impl LicenceUrls {
    pub(crate) fn new(state: &AppState, base: &BaseUrl, protection: Protection) -> Self {
        let drm = &state.config.drm;
        let of = |system, is_there: bool| is_there.then(|| base.licences(system));
        Self {
            clearkey: of("clearkey", drm.clearkey),
            widevine: of("widevine", drm.widevine.is_some()),
            playready: of("playready", drm.playready.is_some()),
            // Apple's players know no other scheme.
            fairplay: of("fairplay", drm.fairplay.is_some() && protection == Protection::Cbcs),
        }
    }
}

impl Viewer {
    /// Whoever has the token that the request carries. What is no token of this video is passed on as it is: the licence
    /// server says what is wrong with it.
    pub(crate) async fn of(state: &AppState, parts: &mut Parts, video: &Video) -> catalog::Result<Self> {
        let token = token::in_query(&parts.uri).filter(|token| is_token_text(token));
        let now = state.clock.seconds();
        let viewing = token.as_deref().and_then(|token| state.playback_tokens.verify(token, now).ok());
        let max_height = match viewing.filter(|viewing| viewing.video == video.id) {
            Some(viewing) => viewing.max_height,
            None => rules(state, video.id).await?.max_height,
        };
        let base = BaseUrl::from_request_parts(parts, state).await.unwrap_or(BaseUrl::RELATIVE);
        Ok(Self { base, token, max_height })
    }

    pub(crate) fn personal(&self) -> Personal<'_> {
        Personal { base: self.base.as_str(), token: self.token.as_deref(), max_height: self.max_height }
    }
}
