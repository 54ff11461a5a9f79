//! The API documented from its code: OpenAPI 3.1, and a page at `/doc/` that shows it without any other server.

use axum::{
    Router,
    http::{HeaderValue, header},
};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::AppState;

/// What the routes do not say themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "CuteTube",
        description = "Video on demand: upload, follow the processing, play.\n\nErrors of `/api/v5` are problem \
                       details (RFC 9457); those of `/api/v3` are in the envelope of its answers."
    ),
    modifiers(&BearerTokens),
    tags(
        (name = "accounts", description = "Signing up, logging in and out"),
        (name = "uploads", description = "Sending videos"),
        (name = "videos", description = "What there is to watch"),
        (name = "playback", description = "Playing them: what to play, and the media of v1 and v2"),
        (name = "processes", description = "How far uploads are"),
        (name = "events", description = "What happens to videos, and telling others"),
        (name = "administration", description = "Watching over the queue, and deciding about it"),
    )
)]
pub(super) struct ApiDoc;

struct BearerTokens;

impl Modify for BearerTokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// `/doc/` and the document behind it. Anybody.
pub(super) fn routes(document: utoipa::openapi::OpenApi) -> Router<AppState> {
    // The validator's badge would ask a server elsewhere.
    let config = Config::from("/doc/openapi.json").validator_url("none");
    let policy = HeaderValue::from_static(OWN_SCRIPTS_ONLY);
    Router::from(SwaggerUi::new("/doc").url("/doc/openapi.json", document).config(config))
        .layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, policy))
}

const OWN_SCRIPTS_ONLY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                                frame-ancestors 'none'";
