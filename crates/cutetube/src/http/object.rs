//! One stored object as an answer: conditions, ranges, streaming (RFC 9110 §13, §14).

use std::ops::Range;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{Problem, range::Ranged};
use crate::blobs::{BlobError, BlobStore, Caching, StorageKey};

/// An object to answer with.
#[derive(Debug, Clone)]
pub(crate) struct StoredObject {
    pub(crate) key: StorageKey,
    /// Strong: equal only for equal bytes. Without the quotes.
    pub(crate) etag: String,
    pub(crate) len: u64,
}

impl StoredObject {
    /// Looks the object up. Its tag is its own name and length: an object is never overwritten.
    pub(crate) async fn find(blobs: &BlobStore, key: StorageKey, etag_seed: &str) -> Result<Self, BlobError> {
        let len = blobs.head(&key).await?.len;
        Ok(Self { key, etag: format!("{etag_seed}-{len:x}"), len })
    }

    /// The answer to `method` (GET or HEAD) with these request headers.
    pub(crate) async fn answer(self, blobs: &BlobStore, method: &Method, headers: &HeaderMap) -> Response {
        let tag = format!("\"{}\"", self.etag);
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if text(header::IF_MATCH).is_some_and(|asked| !names_tag(asked, &tag)) {
            return self.dress(StatusCode::PRECONDITION_FAILED.into_response(), &tag);
        }
        if text(header::IF_NONE_MATCH).is_some_and(|asked| names_tag(asked, &tag)) {
            // The length is that of the object (§8.6), not that of this answer's body.
            let response = (StatusCode::NOT_MODIFIED, [(header::CONTENT_LENGTH, self.len)], Body::empty());
            return self.dress(response.into_response(), &tag);
        }
        // Ranges are for GET alone (§14.2).
        if method == Method::HEAD {
            return self.dress(self.head(), &tag);
        }
        // A date in `If-Range` is never exact enough for us: the whole object is always right.
        let range = text(header::RANGE).filter(|_| text(header::IF_RANGE).is_none_or(|asked| asked == tag));
        let response = match Ranged::of(range, self.len) {
            Ranged::Unsatisfiable => self.unsatisfiable(),
            Ranged::Whole => self.stream(blobs, StatusCode::OK, 0..self.len).await,
            Ranged::Parts(parts) => match <[Range<u64>; 1]>::try_from(parts) {
                Ok([part]) => self.stream(blobs, StatusCode::PARTIAL_CONTENT, part).await,
                Err(parts) => self.multipart(blobs, parts),
            },
        };
        self.dress(response, &tag)
    }

    async fn stream(&self, blobs: &BlobStore, status: StatusCode, range: Range<u64>) -> Response {
        let len = range.end - range.start;
        let body = if range.is_empty() {
            Body::empty()
        } else {
            match blobs.stream(&self.key, range.clone()).await {
                Ok(bytes) => Body::from_stream(bytes),
                Err(error) => return failure(&error),
            }
        };
        let mut response = (status, [(header::CONTENT_LENGTH, len)], body).into_response();
        if status == StatusCode::PARTIAL_CONTENT {
            response.headers_mut().insert(header::CONTENT_RANGE, ascii(&content_range(&range, self.len)));
        }
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(self.key.content_type()));
        response
    }

    /// RFC 9110 §14.6: each part with its own range, between boundaries that cannot occur by chance.
    fn multipart(&self, blobs: &BlobStore, parts: Vec<Range<u64>>) -> Response {
        let boundary = format!("part-of-{}", self.etag);
        let kind = self.key.content_type();
        let head = |range: &Range<u64>| {
            let range = content_range(range, self.len);
            format!("\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {range}\r\n\r\n")
        };
        let end = format!("\r\n--{boundary}--\r\n");
        let heads: Vec<_> = parts.iter().map(head).collect();
        let text: usize = heads.iter().map(String::len).sum::<usize>() + end.len();
        let media: u64 = parts.iter().map(|range| range.end - range.start).sum();
        let len = media + u64::try_from(text).unwrap_or(u64::MAX);

        let (blobs, key) = (blobs.clone(), self.key.clone());
        let parts = stream::iter(heads.into_iter().zip(parts)).flat_map(move |(head, range)| {
            let (blobs, key) = (blobs.clone(), key.clone());
            let media = stream::once(async move { blobs.stream(&key, range).await });
            let media = media.flat_map(|opened| match opened {
                Ok(bytes) => bytes.left_stream(),
                Err(error) => stream::iter([Err(error)]).right_stream(),
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

    fn head(&self) -> Response {
        let mut response = ([(header::CONTENT_LENGTH, self.len)], Body::empty()).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(self.key.content_type()));
        response
    }

    fn unsatisfiable(&self) -> Response {
        let range = ascii(&format!("bytes */{}", self.len));
        let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
        response.headers_mut().insert(header::CONTENT_RANGE, range);
        response
    }

    /// Headers that every answer about the object carries.
    fn dress(&self, mut response: Response, tag: &str) -> Response {
        if response.status().is_server_error() {
            return response;
        }
        let caching = match self.key.caching() {
            Caching::Immutable => "public, max-age=31536000, immutable",
            Caching::Revalidate => "public, max-age=5, must-revalidate",
            Caching::Private => "private, no-cache",
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, ascii(tag));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        response
    }
}

/// Whether a list of entity tags names this one. `W/` never equals a strong tag where strength matters, and a weak
/// tag of ours does not exist.
fn names_tag(list: &str, tag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|asked| asked == "*" || asked.strip_prefix("W/").unwrap_or(asked) == tag)
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
