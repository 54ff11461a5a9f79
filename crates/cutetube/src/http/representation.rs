//! One representation as an answer: conditions, ranges, streaming (RFC 9110 §13, §14).

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::{Problem, encoding::accepts, range::Ranged};
use crate::{
    blobs::{Assembly, BlobError, BlobStore, StorageKey},
    playback::{HeldObject, Moment, Repeatable},
};

/// What a URL stands for, ready to be answered with.
#[derive(Debug, Clone)]
pub(crate) struct Representation {
    content: Content,
    content_type: &'static str,
    /// Strong: equal only for equal bytes. With the quotes.
    etag: String,
    len: u64,
    /// In whole seconds, as HTTP tells dates. What is stored is never overwritten, so that this validates strongly; manifests
    /// are, and nobody asks for parts of them.
    last_modified: Option<SystemTime>,
    cache_control: HeaderValue,
    disposition: Option<HeaderValue>,
    /// The same compressed by gzip (RFC 1952), for clients that take it.
    gzip: Option<Bytes>,
    /// When it was known that everybody may have it.
    open_at: Option<Moment>,
}

#[derive(Debug, Clone)]
enum Content {
    Stored(BlobStore, StorageKey),
    Assembled(BlobStore, Arc<dyn Assembly>),
    Here(Bytes),
}

impl Representation {
    /// A stored object. Its tag is made of `seed`, which is equal only for equal objects, and its length.
    pub(crate) async fn stored(blobs: &BlobStore, key: StorageKey, seed: &str) -> Result<Self, BlobError> {
        let info = blobs.head(&key).await?;
        Ok(Self {
            content_type: key.content_type(),
            content: Content::Stored(blobs.clone(), key),
            etag: format!("\"{seed}-{:x}\"", info.len),
            len: info.len,
            last_modified: Some(whole_seconds(info.written)),
            cache_control: NOT_CACHED,
            disposition: None,
            gzip: None,
            open_at: None,
        })
    }

    /// The same of an object in memory.
    pub(crate) fn held(key: &StorageKey, object: HeldObject, seed: &str) -> Self {
        let HeldObject { bytes, gzip, info } = object;
        Self {
            content_type: key.content_type(),
            content: Content::Here(bytes),
            etag: format!("\"{seed}-{:x}\"", info.len),
            len: info.len,
            last_modified: Some(whole_seconds(info.written)),
            cache_control: NOT_CACHED,
            disposition: None,
            gzip,
            open_at: None,
        }
    }

    /// A file of `len` bytes that is put together while it is sent. `seed` is equal only for equal ones.
    pub(crate) fn assembled(
        blobs: &BlobStore,
        assembly: Arc<dyn Assembly>,
        len: u64,
        content_type: &'static str,
        seed: &str,
    ) -> Self {
        Self {
            content: Content::Assembled(blobs.clone(), assembly),
            content_type,
            etag: format!("\"{seed}-{len:x}\""),
            len,
            last_modified: None,
            cache_control: NOT_CACHED,
            disposition: None,
            gzip: None,
            open_at: None,
        }
    }

    /// A text that was made for this answer. Its tag is made of its bytes.
    pub(crate) fn text(content_type: &'static str, text: String) -> Self {
        let digest = hex::encode(Sha256::digest(&text));
        let bytes = Bytes::from(text);
        Self {
            content_type,
            etag: format!("\"{digest}\""),
            len: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            content: Content::Here(bytes),
            last_modified: None,
            cache_control: NOT_CACHED,
            disposition: None,
            gzip: None,
            open_at: None,
        }
    }

    /// To be kept as this says; without it, nobody keeps it without asking again.
    pub(crate) fn cached(self, cache_control: HeaderValue) -> Self {
        Self { cache_control, ..self }
    }

    /// For everybody, as of `moment`: what shared caches may keep is kept here, too, for a moment.
    pub(crate) fn repeatable(self, moment: Moment) -> Self {
        Self { open_at: Some(moment), ..self }
    }

    /// With a `Content-Disposition`.
    pub(crate) fn disposed(self, disposition: HeaderValue) -> Self {
        Self { disposition: Some(disposition), ..self }
    }

    /// The answer to `method` (GET or HEAD) with these request headers.
    pub(crate) async fn answer(mut self, method: &Method, headers: &HeaderMap) -> Response {
        let varies = self.gzip.is_some();
        // Ranges are of the form that is stored: their tags say so, and nothing has to be joined (§14.2).
        let packed =
            self.gzip.take().filter(|_| accepts(headers, "gzip") && !headers.contains_key(header::RANGE));
        let encoding = packed.as_ref().map(|_| HeaderValue::from_static("gzip"));
        let whole = match packed {
            Some(packed) => self.packed(packed),
            None => self,
        };
        let mut response = whole.answer_as_it_is(method, headers).await;
        if varies {
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        if let Some(encoding) = encoding {
            response.headers_mut().insert(header::CONTENT_ENCODING, encoding);
        }
        response
    }

    /// Another representation of the same resource, and so with a tag of its own (§8.8.3.3).
    fn packed(self, bytes: Bytes) -> Self {
        Self {
            etag: format!("{}-gzip\"", self.etag.trim_end_matches('"')),
            len: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            content: Content::Here(bytes),
            ..self
        }
    }

    async fn answer_as_it_is(self, method: &Method, headers: &HeaderMap) -> Response {
        let response = match self.precondition(headers) {
            Some(StatusCode::NOT_MODIFIED) => {
                // The length is that of the representation (§8.6), not that of this answer's body.
                (StatusCode::NOT_MODIFIED, [(header::CONTENT_LENGTH, self.len)], Body::empty())
                    .into_response()
            }
            Some(status) => status.into_response(),
            // Ranges are for GET alone (§14.2).
            None if method == Method::HEAD => self.whole(Body::empty()),
            None => match Ranged::of(self.range(headers), self.len) {
                Ranged::Unsatisfiable => self.unsatisfiable(),
                Ranged::Whole => match self.open(0..self.len).await {
                    Ok(body) => self.kept(self.whole(body)),
                    Err(error) => failure(&error),
                },
                Ranged::Parts(parts) => match <[Range<u64>; 1]>::try_from(parts) {
                    Ok([part]) => self.part(part).await,
                    Err(parts) => self.multipart(parts),
                },
            },
        };
        self.dress(response)
    }

    /// What the conditions of the request decide, in the order of §13.2.2.
    fn precondition(&self, headers: &HeaderMap) -> Option<StatusCode> {
        let date = |name| self.last_modified.zip(date(headers, name));
        let is_stale = match lists(headers, header::IF_MATCH) {
            Some(tags) => !names(&tags, |tag| tag == self.etag),
            None => date(header::IF_UNMODIFIED_SINCE).is_some_and(|(written, given)| written > given),
        };
        if is_stale {
            return Some(StatusCode::PRECONDITION_FAILED);
        }
        // For `If-None-Match`, a weak tag is as good (§13.1.2).
        let is_known = match lists(headers, header::IF_NONE_MATCH) {
            Some(tags) => names(&tags, |tag| tag.strip_prefix("W/").unwrap_or(tag) == self.etag),
            None => date(header::IF_MODIFIED_SINCE).is_some_and(|(written, given)| written <= given),
        };
        is_known.then_some(StatusCode::NOT_MODIFIED)
    }

    /// `Range`, unless `If-Range` says that the client has parts of something else (§13.1.5).
    fn range<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let is_same = match text(header::IF_RANGE) {
            None => true,
            Some(tag) if tag == self.etag => true,
            // The very date that was told, and no later one.
            Some(_) => date(headers, header::IF_RANGE).is_some_and(|given| self.last_modified == Some(given)),
        };
        text(header::RANGE).filter(|_| is_same)
    }

    async fn open(&self, range: Range<u64>) -> Result<Body, BlobError> {
        if range.is_empty() {
            return Ok(Body::empty());
        }
        match &self.content {
            Content::Stored(blobs, key) => Ok(Body::from_stream(blobs.stream(key, range).await?)),
            Content::Assembled(blobs, assembly) => {
                Ok(Body::from_stream(blobs.stream_assembly(assembly.clone(), range)))
            }
            Content::Here(bytes) => Ok(Body::from(slice(bytes, &range))),
        }
    }

    fn whole(&self, body: Body) -> Response {
        let mut response = ([(header::CONTENT_LENGTH, self.len)], body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        response
    }

    /// The whole, to be given again if it is in memory.
    fn kept(&self, mut response: Response) -> Response {
        if let (Some(moment), Content::Here(bytes)) = (self.open_at, &self.content)
            && self.cache_control.as_bytes().starts_with(b"public")
        {
            response.extensions_mut().insert(Repeatable::new(bytes.clone(), moment));
        }
        response
    }

    async fn part(&self, range: Range<u64>) -> Response {
        let body = match self.open(range.clone()).await {
            Ok(body) => body,
            Err(error) => return failure(&error),
        };
        let len = range.end - range.start;
        let mut response =
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_LENGTH, len)], body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_RANGE, ascii(&content_range(&range, self.len)));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        response
    }

    /// §14.6: each part with its own range, between boundaries that cannot occur by chance. Parts are opened one after
    /// the other, when the one before has been sent.
    fn multipart(&self, parts: Vec<Range<u64>>) -> Response {
        let boundary = format!("part-of-{}", self.etag.trim_matches('"'));
        let head = |range: &Range<u64>| {
            let (kind, range) = (self.content_type, content_range(range, self.len));
            format!("\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {range}\r\n\r\n")
        };
        let end = format!("\r\n--{boundary}--\r\n");
        let heads: Vec<_> = parts.iter().map(head).collect();
        let text: usize = heads.iter().map(String::len).sum::<usize>() + end.len();
        let media: u64 = parts.iter().map(|range| range.end - range.start).sum();
        let len = media + u64::try_from(text).unwrap_or(u64::MAX);

        let whole = self.clone();
        let parts = stream::iter(heads.into_iter().zip(parts)).flat_map(move |(head, range)| {
            let whole = whole.clone();
            let media = stream::once(async move { whole.open(range).await });
            let media = media.flat_map(|opened| match opened {
                Ok(body) => body.into_data_stream().left_stream(),
                Err(error) => stream::iter([Err(axum::Error::new(error))]).right_stream(),
            });
            stream::iter([Ok(Bytes::from(head))]).chain(media)
        });
        let body = Body::from_stream(parts.chain(stream::iter([Ok(Bytes::from(end))])));
        let mut response =
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_LENGTH, len)], body).into_response();
        let kind = ascii(&format!("multipart/byteranges; boundary={boundary}"));
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }

    fn unsatisfiable(&self) -> Response {
        let range = ascii(&format!("bytes */{}", self.len));
        let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
        response.headers_mut().insert(header::CONTENT_RANGE, range);
        response
    }

    /// Headers that every answer about the representation carries.
    fn dress(&self, mut response: Response) -> Response {
        if response.status().is_server_error() || response.status() == StatusCode::NOT_FOUND {
            return response;
        }
        let headers = response.headers_mut();
        headers.insert(header::ETAG, ascii(&self.etag));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CACHE_CONTROL, self.cache_control.clone());
        if let Some(written) = self.last_modified {
            headers.insert(header::LAST_MODIFIED, ascii(&httpdate::fmt_http_date(written)));
        }
        if let Some(disposition) = &self.disposition {
            headers.insert(header::CONTENT_DISPOSITION, disposition.clone());
        }
        response
    }
}

const NOT_CACHED: HeaderValue = HeaderValue::from_static("private, no-cache");

/// All values of a header that may be sent on several lines (§5.3); those that are no text are none.
fn lists(headers: &HeaderMap, name: HeaderName) -> Option<Vec<&str>> {
    headers
        .contains_key(&name)
        .then(|| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect())
}

/// Whether one of the tags is the one that `is_ours` knows, or `*`. Tags of ours have no comma.
fn names(lists: &[&str], is_ours: impl Fn(&str) -> bool) -> bool {
    lists.iter().flat_map(|list| list.split(',')).map(str::trim).any(|tag| tag == "*" || is_ours(tag))
}

/// What is no date counts as absent (§13.1.3).
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// Of a text that is held in memory; ranges lie inside.
fn slice(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(at(range.start)..at(range.end))
}

fn content_range(range: &Range<u64>, len: u64) -> String {
    format!("bytes {}-{}/{len}", range.start, range.end - 1)
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("made of digits, letters and punctuation")
}

fn failure(error: &BlobError) -> Response {
    match error {
        BlobError::NotFound { .. } => Problem::not_found("there is nothing at this address").into_response(),
        error => Problem::internal(error).into_response(),
    }
}
