//! `/api/v5/uploads`

use axum::{
    Json,
    body::Body,
    extract::{DefaultBodyLimit, FromRequestParts, Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use catalog::{
    ids::{UploadId, VideoId},
    names::FieldErrors,
    resumable::{self, Kind, NewUpload, Terms, Upload},
    videos,
};
use tokio::{sync::OwnedSemaphorePermit, time::Duration};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    super::{actions, form::Reception, v5::problem},
    headers::{self, Wish},
    joining::{self, Joined},
    metadata, problems,
    receiving::{self, Incoming, Sniffing},
    resource::UploadResource,
    turn::Held,
};
use crate::{
    AppState,
    accounts::{Caller, Uploader},
    ambient,
    http::{Problem, RecallableBody},
    playback::BaseUrl,
};

/// Routes that may take as long as an upload takes, with bodies as long as uploads are.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(begin, options))
        .routes(routes!(show, add, end, override_method, options_of_upload))
        .layer(DefaultBodyLimit::disable())
}

/// How long the answer to the last bytes waits for the video; after that it is made all the same.
const PATIENCE: Duration = Duration::from_secs(25);

/// What a request is about.
#[derive(Debug)]
enum Target {
    /// All uploads.
    All,
    /// One, by what may be its id.
    One(String),
}

impl Target {
    fn methods(&self) -> &'static str {
        match self {
            Self::All => "OPTIONS, POST",
            Self::One(_) => "DELETE, GET, HEAD, OPTIONS, PATCH",
        }
    }
}

/// Begin a resumable upload.
///
/// tus 1.0.0: the core and `creation`, `creation-with-upload`, `creation-defer-length`, `expiration`, `checksum`,
/// `termination` and `concatenation`. Whoever is signed in and may upload. Any node goes on with an upload; what comes before
/// a connection breaks is kept. When all bytes are here they become a video.
///
/// `Upload-Metadata` has the fields of the form of `POST /api/v5/videos`, in Base64: `filename` (or `filetype`, `video/mp4` or
/// `video/quicktime`), and as one likes `title` (the name of the file without it), `description`, `tags`, `visibility`,
/// `duration`, `protection`. A part (`Upload-Concat: partial`) needs none.
#[utoipa::path(
    post, path = "/api/v5/uploads", tag = "uploads", security(("bearer" = ["upload"])),
    request_body(content = FileBytes, content_type = "application/offset+octet-stream",
        description = "The first bytes, or nothing"),
    params(
        ("Tus-Resumable" = String, Header, description = "The version of the protocol", example = "1.0.0"),
        ("Upload-Length" = Option<u64>, Header, description = "Of the whole file, in bytes", example = 1_048_576),
        ("Upload-Defer-Length" = Option<String>, Header, description = "`1`: the length is said later", example = "1"),
        ("Upload-Metadata" = Option<String>, Header, description = "Keys and values in Base64",
            example = "filename aG9saWRheS5tcDQ=,title T3VyIGhvbGlkYXk="),
        ("Upload-Concat" = Option<String>, Header, description = "`partial`, or `final;` and the addresses of complete \
            parts with spaces between them", example = "partial"),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha1` or `sha256`, and the checksum of the body in \
            Base64", example = "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="),
    ),
    responses(
        (status = 201, description = "It has begun. `Upload-Offset` says what of the body was kept; `CuteTube-Video` is the \
            id of the video, if it is whole already",
            headers(("Location" = String, description = "Where the bytes go"),
                ("Upload-Expires" = String, description = "When it is removed unless more comes"))),
        (status = 400, description = "A header is not what it has to be", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "This account may not upload, has as much as it may have, or the token is not for \
            `upload`", body = Problem),
        (status = 408, description = "Nothing came for too long", body = Problem),
        (status = 409, description = "A part is not complete, or was used", body = Problem),
        (status = 412, description = "Another version of tus; `Tus-Version` says which there are", body = Problem),
        (status = 413, description = "The file is larger than allowed, or than what is left of the quota", body = Problem),
        (status = 422, description = "Something that was said about the file, or the file, is refused", body = Problem),
        (status = 460, description = "The body is not that of the checksum", body = Problem),
        (status = 507, description = "The server has no space left", body = Problem),
    )
)]
async fn begin(State(state): State<AppState>, request: Request) -> Response {
    answer(&state, &Target::All, request).await
}

/// What of tus this server speaks.
///
/// Anybody.
#[utoipa::path(
    options, path = "/api/v5/uploads", tag = "uploads", security(()),
    responses((status = 204, description = "In `Tus-Version`, `Tus-Extension`, `Tus-Max-Size` and `Tus-Checksum-Algorithm`")),
)]
async fn options(State(state): State<AppState>, request: Request) -> Response {
    answer(&state, &Target::All, request).await
}

/// Go on with a resumable upload.
///
/// Whoever has begun it; to others there is no such upload. What comes before the connection breaks is kept, but for bytes
/// with a checksum. The answer to the last bytes has the id of the video as `CuteTube-Video`; when it is missing, or the
/// answer was lost, `GET` tells what has become of the upload.
#[utoipa::path(
    patch, path = "/api/v5/uploads/{id}", tag = "uploads", security(("bearer" = ["upload"])),
    request_body(content = FileBytes, content_type = "application/offset+octet-stream", description = "The next bytes"),
    params(
        ("id" = String, Path, description = "As `Location` had it"),
        ("Tus-Resumable" = String, Header, description = "The version of the protocol", example = "1.0.0"),
        ("Upload-Offset" = u64, Header, description = "How many bytes come before these", example = 0),
        ("Upload-Length" = Option<u64>, Header, description = "If it was not said before", example = 1_048_576),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha1` or `sha256`, and the checksum of the body in \
            Base64", example = "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="),
    ),
    responses(
        (status = 204, description = "The bytes are kept. `CuteTube-Video` is the id of the video, if they were the last",
            headers(("Upload-Offset" = u64, description = "How many bytes there are"),
                ("Upload-Expires" = String, description = "When it is removed unless more comes"))),
        (status = 400, description = "A header is not what it has to be, or the body ended early", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "Nothing can be added to it, or the token is not for `upload`", body = Problem),
        (status = 404, description = "There is no such upload, or not any more", body = Problem),
        (status = 408, description = "Nothing came for too long", body = Problem),
        (status = 409, description = "The upload has another number of bytes", body = Problem),
        (status = 412, description = "Another version of tus; `Tus-Version` says which there are", body = Problem),
        (status = 413, description = "It becomes larger than it may, or than what is left of the quota", body = Problem),
        (status = 415, description = "Bytes of another type", body = Problem),
        (status = 422, description = "The file is no video", body = Problem),
        (status = 423, description = "Another request adds to it", body = Problem),
        (status = 460, description = "The body is not that of the checksum", body = Problem),
        (status = 507, description = "The server has no space left", body = Problem),
    )
)]
async fn add(State(state): State<AppState>, Path(id): Path<String>, request: Request) -> Response {
    answer(&state, &Target::One(id), request).await
}

/// How far a resumable upload is.
///
/// Whoever has begun it. `HEAD` answers with the headers of tus alone, and needs `Tus-Resumable`.
#[utoipa::path(
    get, path = "/api/v5/uploads/{id}", tag = "uploads", security(("bearer" = ["upload"])),
    params(("id" = String, Path, description = "As `Location` had it")),
    responses(
        (status = 200, description = "How far it is, and what has become of it", body = UploadResource,
            headers(("Upload-Offset" = u64, description = "How many bytes there are"),
                ("Upload-Length" = u64, description = "How many there will be, if that is known"),
                ("Upload-Expires" = String, description = "When it is removed unless more comes"))),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "The token is not for `upload`", body = Problem),
        (status = 404, description = "There is no such upload, or not any more", body = Problem),
    )
)]
async fn show(State(state): State<AppState>, Path(id): Path<String>, request: Request) -> Response {
    answer(&state, &Target::One(id), request).await
}

/// End a resumable upload.
///
/// Whoever has begun it. Its bytes are removed; a video that it has become stays.
#[utoipa::path(
    delete, path = "/api/v5/uploads/{id}", tag = "uploads", security(("bearer" = ["upload"])),
    params(
        ("id" = String, Path, description = "As `Location` had it"),
        ("Tus-Resumable" = String, Header, description = "The version of the protocol", example = "1.0.0"),
    ),
    responses(
        (status = 204, description = "There is no such upload any more"),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "The token is not for `upload`", body = Problem),
        (status = 404, description = "There is no such upload, or not any more", body = Problem),
        (status = 412, description = "Another version of tus; `Tus-Version` says which there are", body = Problem),
    )
)]
async fn end(State(state): State<AppState>, Path(id): Path<String>, request: Request) -> Response {
    answer(&state, &Target::One(id), request).await
}

/// Do with a resumable upload what `X-HTTP-Method-Override` says.
///
/// Whoever has begun it: for clients that cannot send `PATCH` or `DELETE`. The answer is that of the other method.
#[utoipa::path(
    post, path = "/api/v5/uploads/{id}", tag = "uploads", security(("bearer" = ["upload"])),
    request_body(content = FileBytes, content_type = "application/offset+octet-stream", description = "As for the other method"),
    params(
        ("id" = String, Path, description = "As `Location` had it"),
        ("X-HTTP-Method-Override" = String, Header, description = "`PATCH`, `DELETE` or `HEAD`", example = "PATCH"),
        ("Tus-Resumable" = String, Header, description = "The version of the protocol", example = "1.0.0"),
    ),
    responses(
        (status = 204, description = "It is done"),
        (status = 400, description = "A header is not what it has to be", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "Nothing can be added to it, or the token is not for `upload`", body = Problem),
        (status = 404, description = "There is no such upload, or not any more", body = Problem),
        (status = 405, description = "There is no such method here", body = Problem),
        (status = 408, description = "Nothing came for too long", body = Problem),
        (status = 409, description = "The upload has another number of bytes", body = Problem),
        (status = 412, description = "Another version of tus; `Tus-Version` says which there are", body = Problem),
        (status = 413, description = "It becomes larger than it may, or than what is left of the quota", body = Problem),
        (status = 415, description = "Bytes of another type", body = Problem),
        (status = 422, description = "The file is no video", body = Problem),
        (status = 423, description = "Another request adds to it", body = Problem),
        (status = 460, description = "The body is not that of the checksum", body = Problem),
        (status = 507, description = "The server has no space left", body = Problem),
    )
)]
async fn override_method(
    State(state): State<AppState>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&state, &Target::One(id), request).await
}

/// What of tus this server speaks.
///
/// Anybody, whether there is such an upload or not.
#[utoipa::path(
    options, path = "/api/v5/uploads/{id}", tag = "uploads", security(()),
    params(("id" = String, Path, description = "Any")),
    responses(
        (status = 204, description = "In `Tus-Version`, `Tus-Extension`, `Tus-Max-Size` and `Tus-Checksum-Algorithm`"),
        (status = 404, description = "The path is no text", body = Problem),
    ),
)]
async fn options_of_upload(
    State(state): State<AppState>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&state, &Target::One(id), request).await
}

async fn answer(state: &AppState, target: &Target, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = RecallableBody::new(&parts.headers, body);
    let mut response = match act(state, target, parts, body.body()).await {
        Ok(response) => response,
        Err(refused) => {
            body.drain();
            refused
        }
    };
    let status = response.status();
    let headers = response.headers_mut();
    match status {
        StatusCode::PRECONDITION_FAILED => {
            headers.insert(headers::TUS_VERSION, HeaderValue::from_static(headers::VERSION));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(header::ALLOW, HeaderValue::from_static(target.methods()));
        }
        _ => {}
    }
    headers.insert(headers::TUS_RESUMABLE, HeaderValue::from_static(headers::VERSION));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn act(state: &AppState, target: &Target, mut parts: Parts, body: Body) -> Result<Response, Response> {
    let refused = IntoResponse::into_response;
    // Whoever the request is from is judged by what it really does.
    parts.method = headers::method(&parts.method, &parts.headers).map_err(refused)?;
    if parts.method == Method::OPTIONS {
        return Ok(capabilities(state));
    }
    let Uploader(caller) =
        Uploader::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
    if parts.method != Method::GET {
        headers::version(&parts.headers).map_err(refused)?;
    }
    let base = BaseUrl::from_request_parts(&mut parts, state).await.map_err(refused)?;
    let about = About { state, caller: &caller, headers: &parts.headers };
    let answer = match (target, parts.method.as_str()) {
        (Target::All, "POST") => about.begin(&base, body).await,
        (Target::One(id), "GET" | "HEAD") => about.show(id, &base).await,
        (Target::One(id), "PATCH") => about.add(id, body).await,
        (Target::One(id), "DELETE") => about.end(id).await,
        _ => Err(no_such_method()),
    };
    answer.map_err(refused)
}

fn no_such_method() -> Problem {
    let sentence = "Send `POST` to `/api/v5/uploads`, and `HEAD`, `PATCH`, `GET` or `DELETE` to an upload.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, sentence)
}

fn capabilities(state: &AppState) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(headers::TUS_VERSION, HeaderValue::from_static(headers::VERSION));
    headers.insert(headers::TUS_EXTENSION, HeaderValue::from_static(headers::EXTENSIONS));
    headers.insert(headers::TUS_CHECKSUM_ALGORITHM, HeaderValue::from_static(headers::ALGORITHMS));
    headers.insert(headers::TUS_MAX_SIZE, state.config.limits.upload_bytes.into());
    response
}

/// Bytes of the file, as they are.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "documents a body that is read as it comes")]
struct FileBytes(Vec<u8>);

/// A request of somebody who may upload.
struct About<'a> {
    state: &'a AppState,
    caller: &'a Caller,
    headers: &'a HeaderMap,
}

/// Bytes that were added, and what came of it if they were the last.
struct Added {
    received: u64,
    video: Option<VideoId>,
}

impl About<'_> {
    async fn begin(&self, base: &BaseUrl, body: Body) -> Result<Response, Problem> {
        let (state, headers, owner) = (self.state, self.headers, &self.caller.user);
        actions::may_upload(state, owner).map_err(problem)?;
        let wish = headers::wish(headers)?;
        let metadata = headers::metadata(headers)?;
        let is_part = matches!(wish, Wish::Bytes { kind: Kind::Partial, .. });
        if !is_part {
            metadata::parse(metadata, Reception::of(state))?;
        }
        let terms = self.terms();
        let new = |kind, length, concat| NewUpload {
            id: ambient::id(UploadId::new),
            owner: owner.id,
            kind,
            length,
            metadata: metadata.to_owned(),
            concat,
        };
        let concat = headers::concat(headers)?;
        let (upload, added) = match wish {
            Wish::Bytes { kind, length } => {
                if kind == Kind::Whole && length == Some(0) {
                    return Err(empty());
                }
                let brings = self.brings(body)?;
                let slot = brings.is_some().then(|| actions::slot(state)).transpose().map_err(problem)?;
                let new = new(kind, length, concat);
                let upload =
                    resumable::create(&state.db, &new, &terms).await.map_err(problems::of_catalog)?;
                let added = match (brings, slot) {
                    (Some(incoming), Some(slot)) => Some(self.add_first(&upload, incoming, slot).await?),
                    _ => None,
                };
                (upload, added)
            }
            Wish::Parts(parts) => {
                let new = new(Kind::Final, None, concat);
                let made = resumable::concatenate(&state.db, &new, &parts, &terms).await;
                let upload = made.map_err(problems::of_catalog)?;
                let held = Held::new(state, joining::turn(upload.id));
                let video = join(state, held).await?;
                (upload, Some(Added { received: 0, video }))
            }
        };
        let mut response = StatusCode::CREATED.into_response();
        let answer = response.headers_mut();
        if let Ok(location) = HeaderValue::try_from(base.upload(upload.id)) {
            answer.insert(header::LOCATION, location);
        }
        headers::expires(upload.expires_at, answer);
        if let Some(Added { received, video }) = added {
            if upload.kind != Kind::Final {
                answer.insert(headers::UPLOAD_OFFSET, received.into());
            }
            headers::video(video, answer);
        }
        Ok(response)
    }

    /// What comes with the creation of an upload.
    fn brings(&self, body: Body) -> Result<Option<Incoming>, Problem> {
        let declared = headers::content_length(self.headers);
        match headers::body(self.headers) {
            headers::Body::Bytes => self.incoming(body).map(Some),
            headers::Body::Something if declared.unwrap_or_default() == 0 => Ok(None),
            headers::Body::Something => Err(headers::wrong_type()),
        }
    }

    /// As many bytes as there are, before it is known how many the upload lacks.
    fn incoming(&self, body: Body) -> Result<Incoming, Problem> {
        let declared = headers::content_length(self.headers);
        Ok(Incoming { body, most: u64::MAX, declared, checksum: headers::checksum(self.headers)? })
    }

    /// Adds the bytes that come with a creation. Nobody could go on with an upload whose address they are not told.
    async fn add_first(
        &self,
        upload: &Upload,
        incoming: Incoming,
        slot: OwnedSemaphorePermit,
    ) -> Result<Added, Problem> {
        let added = self.add_to(upload.id, 0, None, incoming, slot).await;
        if added.is_err() {
            self.remove(upload.id).await?;
        }
        added
    }

    async fn add(&self, id: &str, body: Body) -> Result<Response, Problem> {
        if headers::body(self.headers) != headers::Body::Bytes {
            return Err(headers::wrong_type());
        }
        let id = parse(id)?;
        let offset = headers::offset(self.headers)?;
        let length = headers::length(self.headers)?;
        let incoming = self.incoming(body)?;
        let slot = actions::slot(self.state).map_err(problem)?;
        let Added { received, video } = self.add_to(id, offset, length, incoming, slot).await?;
        let upload = self.find(id).await?;
        let mut response = StatusCode::NO_CONTENT.into_response();
        let answer = response.headers_mut();
        answer.insert(headers::UPLOAD_OFFSET, received.into());
        headers::expires(upload.expires_at, answer);
        headers::video(video.or(upload.video_id), answer);
        Ok(response)
    }

    /// Adds bytes, and makes the video if they are the last. Whoever hangs up still gets both.
    async fn add_to(
        &self,
        id: UploadId,
        offset: u64,
        length: Option<u64>,
        incoming: Incoming,
        slot: OwnedSemaphorePermit,
    ) -> Result<Added, Problem> {
        let (state, terms) = (self.state, self.terms());
        let turn = joining::turn(id);
        let begun = resumable::begin(&state.db, turn, self.caller.user.id, offset, length, &terms).await;
        let upload = begun.map_err(problems::of_catalog)?;
        let held = Held::new(state, turn);
        let most = upload.length.unwrap_or(terms.longest).saturating_sub(offset);
        if incoming.declared.is_some_and(|declared| declared > most) {
            held.release().await;
            return Err(problems::too_long());
        }
        let incoming = Incoming { most, ..incoming };
        let adding = take_in(state.clone(), held, upload, incoming, terms, slot);
        tokio::spawn(adding).await.expect("receiving an upload does not panic and is not cancelled")
    }

    async fn show(&self, id: &str, base: &BaseUrl) -> Result<Response, Problem> {
        let upload = self.find(parse(id)?).await?;
        let video = match upload.video_id {
            Some(video) => videos::some(&self.state.db, &[video]).await.map_err(problems::of_catalog)?.pop(),
            None => None,
        };
        let resource = UploadResource::new(&upload, video.as_ref(), base);
        let mut response = Json(resource).into_response();
        headers::describe(&upload, response.headers_mut());
        Ok(response)
    }

    async fn end(&self, id: &str) -> Result<Response, Problem> {
        self.remove(parse(id)?).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    async fn remove(&self, id: UploadId) -> Result<(), Problem> {
        let ended = resumable::terminate(&self.state.db, self.caller.user.id, id).await;
        let objects = ended.map_err(problems::of_catalog)?;
        for object in objects {
            receiving::discard(self.state, &object).await;
        }
        Ok(())
    }

    async fn find(&self, id: UploadId) -> Result<Upload, Problem> {
        resumable::find(&self.state.db, self.caller.user.id, id).await.map_err(problems::of_catalog)
    }

    fn terms(&self) -> Terms {
        let config = &self.state.config;
        Terms {
            everybody: config.accounts.quota.limits(),
            longest: config.limits.upload_bytes,
            lifetime: Duration::from_secs(config.limits.resumable_hours.saturating_mul(3600)),
        }
    }
}

async fn take_in(
    state: AppState,
    mut held: Held,
    upload: Upload,
    incoming: Incoming,
    terms: Terms,
    slot: OwnedSemaphorePermit,
) -> Result<Added, Problem> {
    let is_begin = upload.received == 0 && upload.kind == Kind::Whole;
    let sniffing = if is_begin { Sniffing::AtItsBegin } else { Sniffing::Not };
    let received = receiving::receive(&state, &mut held, upload.received, incoming, &terms, sniffing).await;
    drop(slot);
    let is_whole = received.as_ref().is_ok_and(|received| upload.length == Some(*received));
    if !is_whole || upload.kind == Kind::Partial {
        held.release().await;
        return Ok(Added { received: received?, video: None });
    }
    let video = join(&state, held).await?;
    Ok(Added { received: received?, video })
}

/// Makes the video. `None` when that takes longer than an answer may, or somebody else is at it.
async fn join(state: &AppState, held: Held) -> Result<Option<VideoId>, Problem> {
    let joining = tokio::spawn(joining::join(state.clone(), held));
    match tokio::time::timeout(PATIENCE, joining).await {
        Ok(Ok(Joined::Video(video))) => Ok(Some(video)),
        Ok(Ok(Joined::Refused(problem))) => Err(problem),
        Ok(Ok(Joined::Later) | Err(_)) | Err(_) => Ok(None),
    }
}

fn parse(id: &str) -> Result<UploadId, Problem> {
    id.parse().map_err(|_| problems::unknown())
}

fn empty() -> Problem {
    let mut errors = FieldErrors::default();
    errors.add("video", "The file is empty.");
    Problem::invalid(&errors)
}
