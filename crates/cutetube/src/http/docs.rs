//! The API documented from its code: OpenAPI 3.1, and a page at `/doc/` that shows it without any other server.

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::json;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, ContentBuilder, Ref, RefOr, ResponseBuilder,
        path::{Operation, Parameter, ParameterIn},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{Problem, is_original};
use crate::{AppState, limits::V3TooMany};

/// What the routes do not say themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "CuteTube",
        description = "Video on demand: upload, follow the processing, play.\n\nErrors of `/api/v5` are problem \
                       details (RFC 9457); those of `/api/v3` are in the envelope of its answers."
    ),
    components(schemas(Problem, V3TooMany)),
    modifiers(&BearerTokens),
    tags(
        (name = "accounts", description = "Signing up, logging in and out"),
        (name = "uploads", description = "Sending videos"),
        (name = "videos", description = "What there is to watch"),
        (name = "captions", description = "What is said in videos, in several languages"),
        (name = "comments", description = "What people say about them, and what they like"),
        (name = "playback", description = "Playing them: what to play, and the media of v1 and v2"),
        (name = "licences", description = "Keys of protected videos, and who gets them"),
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
        let playback = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
        let playback = playback
            .description(Some("A playback token, as the metadata of a protected video has it"))
            .build();
        components.add_security_scheme("playback", SecurityScheme::Http(playback));
    }
}

/// Adds what is true of every operation and nobody repeats: that requests are counted, that something of ours may fail,
/// and that a token may be refused.
pub(super) fn complete(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for (path, item) in &mut document.paths.paths {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
            &mut item.options,
        ];
        for operation in operations.into_iter().flatten() {
            let (problem, too_many) = match is_original(path) {
                true => ("V3_V3ErrorBody", "V3TooMany"),
                false => ("Problem", "Problem"),
            };
            add(operation, "429", "Too many requests; `Retry-After` says when to come back", too_many);
            add(operation, "500", "Our fault; it has been logged", problem);
            add(operation, "503", "Something is busy or away; `Retry-After` says when to come back", problem);
            if has_query(operation) {
                add(operation, "400", "A parameter is none of those allowed", problem);
            }
            if operation.request_body.is_some() {
                add(operation, "413", "The body is too long", problem);
            }
            for (status, answer) in &mut operation.responses.responses {
                if let RefOr::T(answer) = answer {
                    complete_error(status, answer);
                }
            }
        }
    }
    document
}

/// Problem details have a type of their own (RFC 9457 §3), whatever a handler's description says; and an error looks
/// like the one that it is.
fn complete_error(status: &str, answer: &mut utoipa::openapi::Response) {
    let is = |content: &Content, schema| content.schema == Some(RefOr::Ref(Ref::from_schema_name(schema)));
    let Ok(status) = StatusCode::from_bytes(status.as_bytes()) else { return };
    let detail = answer.description.clone();
    let is_problem =
        matches!(answer.content.get("application/json"), Some(RefOr::T(json)) if is(json, "Problem"));
    if is_problem && let Some(content) = answer.content.swap_remove("application/json") {
        answer.content.insert("application/problem+json".to_owned(), content);
    }
    for content in answer.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        if is(content, "Problem") {
            content.example = serde_json::to_value(Problem::new(status, detail.clone())).ok();
        } else if is(content, "V3_V3ErrorBody") {
            content.example = Some(json!({ "data": { "status": "error", "detail": detail } }));
        }
    }
}

fn has_query(operation: &Operation) -> bool {
    let is_query = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query);
    operation.parameters.iter().flatten().any(is_query)
}

/// An answer that an operation does not describe itself.
fn add(operation: &mut Operation, status: &str, description: &str, schema: &str) {
    let kind = if schema == "Problem" { "application/problem+json" } else { "application/json" };
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    let answer = ResponseBuilder::new().description(description).content(kind, content).build();
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| answer.into());
}

/// `/doc/` and the document behind it. Anybody.
pub(super) fn routes(document: utoipa::openapi::OpenApi) -> Router<AppState> {
    // The validator's badge would ask a server elsewhere.
    let config = Config::from("/doc/openapi.json").validator_url("none");
    let policy = HeaderValue::from_static(OWN_SCRIPTS_ONLY);
    Router::from(SwaggerUi::new("/doc").url("/doc/openapi.json", document).config(config))
        .layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, policy))
}

/// The hash is that of the style which Swagger UI puts into the page with its logo.
const OWN_SCRIPTS_ONLY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                                style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; \
                                frame-ancestors 'none'";
