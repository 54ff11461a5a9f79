//! What the headers of a request say (tus 1.0.0).

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use catalog::{
    ids::{UploadId, VideoId},
    resumable::{Kind, Upload},
};
use db::Timestamp;
use ring::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use crate::{calendar::http_date, http::Problem};

pub(super) const VERSION: &str = "1.0.0";
pub(super) const EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,expiration,checksum,\
                                     termination,concatenation";
pub(super) const ALGORITHMS: &str = "sha1,sha256";

pub(super) const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(super) const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
pub(super) const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
pub(super) const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
pub(super) const TUS_CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
pub(super) const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(super) const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(super) const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
pub(super) const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub(super) const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
pub(super) const UPLOAD_CONCAT: HeaderName = HeaderName::from_static("upload-concat");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
/// What an upload has become; no header of tus.
const CUTETUBE_VIDEO: HeaderName = HeaderName::from_static("cutetube-video");

const BYTES: &str = "application/offset+octet-stream";
/// Room for a description in Base64.
const LONGEST_METADATA: usize = 48 << 10;
const LONGEST_CONCAT: usize = 16 << 10;

/// What a client wants to begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Bytes that come one after the other; the length may be said later.
    Bytes { kind: Kind, length: Option<u64> },
    /// These parts, put together.
    Parts(Vec<UploadId>),
}

/// Whether the body of a request is a part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Bytes,
    Something,
}

/// What the bytes of a request have to be.
#[derive(Clone)]
pub(super) struct Checksum {
    so_far: Context,
    expected: Vec<u8>,
}

/// The method that counts.
pub(super) fn method(method: &Method, headers: &HeaderMap) -> Result<Method, Problem> {
    let Some(other) = headers.get(METHOD_OVERRIDE) else { return Ok(method.clone()) };
    let other = Method::from_bytes(&other.as_bytes().to_ascii_uppercase());
    other.map_err(|_| bad("`X-HTTP-Method-Override` is no method."))
}

/// Whether we speak the client's version.
pub(super) fn version(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(TUS_RESUMABLE).map(HeaderValue::as_bytes) {
        Some(version) if version == VERSION.as_bytes() => Ok(()),
        _ => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "Send `Tus-Resumable: 1.0.0`: this server speaks no other version of the protocol.",
        )),
    }
}

/// What is wanted, by `Upload-Concat`, `Upload-Length` and `Upload-Defer-Length`.
pub(super) fn wish(headers: &HeaderMap) -> Result<Wish, Problem> {
    let concat = text(headers, &UPLOAD_CONCAT)?;
    let length = number(headers, &UPLOAD_LENGTH)?;
    let deferred = match text(headers, &UPLOAD_DEFER_LENGTH)? {
        None => false,
        Some("1") => true,
        Some(_) => return Err(bad("`Upload-Defer-Length` can only be `1`.")),
    };
    let kind = match concat {
        None => Kind::Whole,
        Some("partial") => Kind::Partial,
        Some(list) => {
            if length.is_some() || deferred {
                return Err(bad(
                    "An upload that is made of parts is as long as they are: leave out its length.",
                ));
            }
            return parts(list).map(Wish::Parts);
        }
    };
    match (length, deferred) {
        (Some(_), true) => Err(bad("Send `Upload-Length` or `Upload-Defer-Length`, not both.")),
        (None, false) => Err(bad("Send `Upload-Length`, or `Upload-Defer-Length: 1` to say it later.")),
        (length, _) => Ok(Wish::Bytes { kind, length }),
    }
}

/// `Upload-Concat`, as it is answered again.
pub(super) fn concat(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    Ok(text(headers, &UPLOAD_CONCAT)?.map(str::to_owned))
}

/// `Upload-Metadata`, as it is answered again.
pub(super) fn metadata(headers: &HeaderMap) -> Result<&str, Problem> {
    let text = text(headers, &UPLOAD_METADATA)?.unwrap_or_default();
    match text.len() > LONGEST_METADATA {
        true => Err(bad("`Upload-Metadata` is too long.")),
        false => Ok(text),
    }
}

/// `Upload-Offset`
pub(super) fn offset(headers: &HeaderMap) -> Result<u64, Problem> {
    number(headers, &UPLOAD_OFFSET)?
        .ok_or_else(|| bad("Send `Upload-Offset`: which byte of the file comes first."))
}

/// `Upload-Length`
pub(super) fn length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    number(headers, &UPLOAD_LENGTH)
}

/// What a request says of the length of its body.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// By `Content-Type`.
pub(super) fn body(headers: &HeaderMap) -> Body {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(BYTES) { Body::Bytes } else { Body::Something }
}

pub(super) fn wrong_type() -> Problem {
    let sentence = "Send the bytes of the file as `Content-Type: application/offset+octet-stream`.";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence)
}

/// `Upload-Checksum`
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    let Some(text) = text(headers, &UPLOAD_CHECKSUM)? else { return Ok(None) };
    let malformed =
        || bad("`Upload-Checksum` is the name of an algorithm, a space, and the checksum in Base64.");
    let (name, sum) = text.split_once(' ').ok_or_else(malformed)?;
    let algorithm: &'static Algorithm = match name {
        "sha1" => &SHA1_FOR_LEGACY_USE_ONLY,
        "sha256" => &SHA256,
        _ => return Err(bad("Checksums can be `sha1` or `sha256`.")),
    };
    let expected = STANDARD.decode(sum.trim()).map_err(|_| malformed())?;
    Ok(Some(Checksum { so_far: Context::new(algorithm), expected }))
}

impl Checksum {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.so_far.update(bytes);
    }

    pub(super) fn agrees(self) -> bool {
        self.so_far.finish().as_ref() == self.expected
    }
}

/// What every answer about an upload says.
pub(super) fn describe(upload: &Upload, headers: &mut HeaderMap) {
    headers.insert(UPLOAD_OFFSET, upload.received.into());
    match upload.length {
        Some(length) => headers.insert(UPLOAD_LENGTH, length.into()),
        None => headers.insert(UPLOAD_DEFER_LENGTH, HeaderValue::from_static("1")),
    };
    // They were read from headers.
    let texts = [(UPLOAD_METADATA, Some(&upload.metadata)), (UPLOAD_CONCAT, upload.concat.as_ref())];
    for (name, text) in texts {
        if let Some(value) = text.filter(|text| !text.is_empty()).and_then(|text| text.parse().ok()) {
            headers.insert(name, value);
        }
    }
    expires(upload.expires_at, headers);
    video(upload.video_id, headers);
}

/// What an upload has become, if it has.
pub(super) fn video(id: Option<VideoId>, headers: &mut HeaderMap) {
    if let Some(id) = id.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
        headers.insert(CUTETUBE_VIDEO, id);
    }
}

/// `Upload-Expires`, as HTTP writes dates (RFC 9110 §5.6.7).
pub(super) fn expires(at: Timestamp, headers: &mut HeaderMap) {
    if let Ok(date) = HeaderValue::try_from(http_date(at)) {
        headers.insert(UPLOAD_EXPIRES, date);
    }
}

pub(super) fn bad(sentence: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, sentence)
}

/// `final;` and the addresses of parts, of which only the paths count.
fn parts(list: &str) -> Result<Vec<UploadId>, Problem> {
    let malformed = || bad("`Upload-Concat` is `partial`, or `final;` and the addresses of complete parts.");
    let list =
        list.strip_prefix("final;").filter(|list| list.len() <= LONGEST_CONCAT).ok_or_else(malformed)?;
    let part = |address: &str| {
        let (_, id) = address.rsplit_once("/api/v5/uploads/")?;
        id.parse().ok()
    };
    let parts: Option<Vec<UploadId>> = list.split_ascii_whitespace().map(part).collect();
    parts.filter(|parts| !parts.is_empty()).ok_or_else(malformed)
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Problem> {
    let Some(text) = text(headers, name)? else { return Ok(None) };
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    // As large as a database takes.
    match number.filter(|number| i64::try_from(*number).is_ok()) {
        Some(number) => Ok(Some(number)),
        None => {
            Err(Problem::new(StatusCode::BAD_REQUEST, format!("`{name}` has to be a whole number of bytes.")))
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text.trim())),
            Err(_) => Err(Problem::new(StatusCode::BAD_REQUEST, format!("`{name}` is no plain text."))),
        },
        (Some(_), Some(_)) => {
            Err(Problem::new(StatusCode::BAD_REQUEST, format!("`{name}` can be sent once only.")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// What is wanted, or why nothing is.
    fn check(all: &[(&'static str, &str)]) -> Result<Wish, String> {
        wish(&headers(all)).map_err(|problem| serde_json::to_value(problem).unwrap()["detail"].to_string())
    }

    #[test]
    fn what_is_wanted_is_said_in_one_way() {
        let bytes = |kind, length| Ok(Wish::Bytes { kind, length });
        assert_eq!(check(&[("upload-length", "0")]), bytes(Kind::Whole, Some(0)));
        assert_eq!(check(&[("upload-defer-length", "1")]), bytes(Kind::Whole, None));
        let part = [("upload-length", "7"), ("upload-concat", "partial")];
        assert_eq!(check(&part), bytes(Kind::Partial, Some(7)));
        let (one, two) = (UploadId::new(1, &[0; 10]), UploadId::new(2, &[0; 10]));
        let list = format!("final;/api/v5/uploads/{two} https://a.example/x/api/v5/uploads/{one}");
        assert_eq!(check(&[("upload-concat", &list)]), Ok(Wish::Parts(vec![two, one])));
        let refused: &[&[(&str, &str)]] = &[
            &[],
            &[("upload-length", "-1")],
            &[("upload-length", "+1")],
            &[("upload-length", "")],
            &[("upload-length", "9223372036854775808")],
            &[("upload-length", "1"), ("upload-length", "1")],
            &[("upload-length", "1"), ("upload-defer-length", "1")],
            &[("upload-defer-length", "0")],
            &[("upload-concat", "final")],
            &[("upload-concat", "final;")],
            &[("upload-concat", "final;/api/v5/uploads/x")],
            &[("upload-concat", "Partial"), ("upload-length", "1")],
            &[("upload-concat", &list), ("upload-length", "1")],
        ];
        for all in refused {
            let headers: Vec<_> = all
                .iter()
                .map(|(name, value)| {
                    (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
                })
                .collect();
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(name, value);
            }
            assert!(wish(&map).is_err(), "{all:?}");
        }
    }

    #[test]
    fn checksums_are_those_of_the_specification() {
        let sum = |text| checksum(&headers(&[("upload-checksum", text)]));
        let mut right = sum("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").unwrap().unwrap();
        for bytes in [&b"hello "[..], b"world"] {
            right.add(bytes);
        }
        assert!(right.clone().agrees());
        right.add(b"!");
        assert!(!right.agrees());
        for refused in
            ["sha1", "md5 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "sha1 ?", "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="]
        {
            assert!(sum(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn the_method_that_is_asked_for_wins() {
        let said = |headers: &[(&'static str, &str)]| {
            let all = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            method(&Method::POST, &all.collect()).ok()
        };
        assert_eq!(said(&[]), Some(Method::POST));
        assert_eq!(said(&[("x-http-method-override", "patch")]), Some(Method::PATCH));
        assert_eq!(said(&[("x-http-method-override", "")]), None);
    }
}
