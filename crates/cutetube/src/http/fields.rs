//! The named values of a small request body, in whichever form the client speaks.

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Request},
    http::{HeaderMap, header},
};
use catalog::names::Refusal;
use serde_json::Value;

use super::nul::NO_NUL;

/// Named texts from JSON, a URL-encoded form, or a multipart form without files.
#[derive(Debug, Default)]
pub(crate) struct Fields(BTreeMap<String, Value>);

/// Enough for every form there is; a password manager's longest password included.
const MAX_FIELDS: usize = 32;

impl Fields {
    /// Reads the body of `request`, or says why it cannot be read.
    pub(crate) async fn from_body(request: Request) -> Result<Self, Refusal> {
        match Encoding::of(request.headers()) {
            Encoding::Multipart => {
                let parts = Multipart::from_request(request, &()).await;
                read_multipart(parts.map_err(|_| unreadable("The form could not be read."))?).await
            }
            encoding => {
                let body = Bytes::from_request(request, &()).await;
                let body = body.map_err(|_| unreadable("The request body is too long or incomplete."))?;
                read(encoding, &body)
            }
        }
    }

    /// The text of a field that has to be there.
    pub(crate) fn text(&self, name: &str) -> Result<String, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Err(Refusal("This field is required.".to_owned())),
            Some(Value::String(text)) if text.contains('\0') => Err(Refusal(NO_NUL.to_owned())),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(_) => Err(Refusal("Not a valid string.".to_owned())),
        }
    }
}

#[cfg(test)]
impl Fields {
    pub(crate) fn from_json(object: &Value) -> Self {
        read(Encoding::Json, object.to_string().as_bytes()).expect("a test gives an object")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Json,
    UrlEncoded,
    Multipart,
}

impl Encoding {
    /// Whoever names none speaks JSON.
    fn of(headers: &HeaderMap) -> Self {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Self::UrlEncoded,
            "multipart/form-data" => Self::Multipart,
            _ => Self::Json,
        }
    }
}

fn unreadable(sentence: impl Into<String>) -> Refusal {
    Refusal(sentence.into())
}

fn read(encoding: Encoding, body: &[u8]) -> Result<Fields, Refusal> {
    if encoding == Encoding::Json {
        return match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Fields(fields.into_iter().collect())),
            Ok(_) => Err(unreadable("Invalid data. Expected a JSON object.")),
            Err(error) => Err(unreadable(format!("JSON parse error - {error}"))),
        };
    }
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_bytes(body).map_err(|_| unreadable("The form could not be read."))?;
    collect(pairs)
}

async fn read_multipart(mut parts: Multipart) -> Result<Fields, Refusal> {
    let malformed = |_| unreadable("The form could not be read.");
    let mut pairs = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        let name = part.name().unwrap_or_default().to_owned();
        pairs.push((name, part.text().await.map_err(malformed)?));
        if pairs.len() > MAX_FIELDS {
            break;
        }
    }
    collect(pairs)
}

/// The last of several fields of one name counts.
fn collect(pairs: Vec<(String, String)>) -> Result<Fields, Refusal> {
    if pairs.len() > MAX_FIELDS {
        return Err(unreadable("The form has too many fields."));
    }
    Ok(Fields(pairs.into_iter().map(|(name, text)| (name, Value::String(text))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(encoding: Encoding, body: &str) -> Result<String, String> {
        read(encoding, body.as_bytes())
            .and_then(|fields| fields.text("name"))
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn json_and_forms_say_the_same() {
        assert_eq!(check(Encoding::Json, r#"{"name":"Zoë","x":1}"#), Ok("Zoë".to_owned()));
        assert_eq!(check(Encoding::UrlEncoded, "x=1&name=Zo%C3%AB"), Ok("Zoë".to_owned()));
        assert_eq!(check(Encoding::Json, r#"{"name":12}"#), Ok("12".to_owned()));
    }

    #[test]
    fn each_fault_has_its_sentence() {
        let bodies = [
            r#"{}"#,
            r#"{"name":null}"#,
            r#"{"name":[]}"#,
            r#"{"name":true}"#,
            r#"{"name":"a\u0000"}"#,
            "[]",
            "{",
            "",
        ];
        let said: Vec<_> = bodies.iter().map(|body| check(Encoding::Json, body).unwrap_err()).collect();
        insta::assert_snapshot!(said.join("\n"), @"
        This field is required.
        This field is required.
        Not a valid string.
        Not a valid string.
        Null characters are not allowed.
        Invalid data. Expected a JSON object.
        JSON parse error - EOF while parsing an object at line 1 column 1
        JSON parse error - EOF while parsing a value at line 1 column 0
        ");
    }

    #[test]
    fn a_flood_of_fields_is_refused() {
        let body: Vec<_> = (0..10_000).map(|n| format!("f{n}=x")).collect();
        let said = check(Encoding::UrlEncoded, &body.join("&")).unwrap_err();
        assert_eq!(said, "The form has too many fields.");
    }
}
