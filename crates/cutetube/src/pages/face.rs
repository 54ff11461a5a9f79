//! What is shown of a person: the picture that they have chosen, or an initial.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Multipart, Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::from_fn,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use catalog::names::Username;

use super::{
    failure::Failure,
    person::{self, Deed, Person},
    typed,
};
use crate::{
    AppState,
    accounts::{
        picture::{self, LONGEST, PictureError},
        refuse_foreign_forms,
    },
    blobs::StorageKey,
    http::drain_refused,
    playback::BaseUrl,
};

pub(super) fn routes() -> Router<AppState> {
    // Beside the file there is what a form has around it.
    const AROUND: usize = 64 << 10;
    Router::new().route("/pictures/{user}/{name}", get(look_at)).route(
        "/account/picture",
        post(choose).layer(DefaultBodyLimit::max(LONGEST + AROUND)).layer(from_fn(drain_refused)),
    )
}

/// A person, as small as they are shown.
#[derive(Debug, Clone, Template)]
#[template(path = "face.html")]
pub(super) struct Face {
    picture: Option<String>,
    initial: String,
}

impl Face {
    /// With the key of their picture.
    pub(super) fn new(name: &Username, picture: Option<&str>) -> Self {
        let initial = name.as_str().chars().next().map(|letter| letter.to_uppercase().to_string());
        Self {
            picture: picture.map(|key| BaseUrl::RELATIVE.picture(key)),
            initial: initial.unwrap_or_default(),
        }
    }
}

/// Anybody who has been told its address, for as long as it is shown.
async fn look_at(
    State(state): State<AppState>,
    Path(parts): Path<BTreeMap<String, String>>,
) -> Result<Response, Failure> {
    let part = |name| parts.get(name).map_or("", String::as_str);
    let key = format!("pictures/{}/{}", part("user"), part("name"));
    let Ok(key @ StorageKey::Picture { .. }) = key.parse() else { return Err(Failure::not_found()) };
    let found = picture::look_at(&state, &key).await.map_err(|error| Failure::internal(&error))?;
    let bytes = found.ok_or_else(Failure::not_found)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(key.content_type())),
        // Another picture has another address; one that is not shown any more is out of sight soon.
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
    ];
    Ok((headers, bytes).into_response())
}

/// Whoever is signed in.
async fn choose(
    State(state): State<AppState>,
    Person(caller): Person,
    request: Request,
) -> Result<Response, Failure> {
    refuse_foreign_forms(request.headers())?;
    let shown = match file(request).await {
        Ok(file) => picture::show(&state, caller.user.id, file).await.map(drop),
        Err(refused) => Err(refused),
    };
    let error = match shown {
        Ok(()) => {
            let done = format!("/account?done={}#picture", Deed::Picture);
            return Ok(Redirect::to(&done).into_response());
        }
        Err(error) => error,
    };
    match error.sentence() {
        Some((status, sentence)) => person::refuse(&state, &caller, status, Deed::Picture, sentence).await,
        None => Err(Failure::internal(&error)),
    }
}

/// The first file of the form.
async fn file(request: Request) -> Result<Bytes, PictureError> {
    let unreadable = |status: StatusCode| match status {
        StatusCode::PAYLOAD_TOO_LARGE => PictureError::TooLong,
        _ => PictureError::Foreign,
    };
    let form = Multipart::from_request(request, &()).await;
    let form = form.map_err(|refused| unreadable(refused.status()))?;
    typed::file(form, "picture").await.map_err(unreadable)?.ok_or(PictureError::Foreign)
}
