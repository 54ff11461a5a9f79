//! What came with a request for a page: the query of its address, or the form that was sent.

use std::convert::Infallible;

use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, RawForm, Request},
    http::StatusCode,
};
use serde::Serialize;

/// Names and values in the order they came; several may have one name. What cannot be read is as good as absent, so that
/// an address that somebody changed by hand still shows a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Typed(Vec<(String, String)>);

/// An address of this site with a query.
pub(super) fn address(path: &str, query: &[(&str, &str)]) -> String {
    let written: Vec<_> = query.iter().filter(|(_, value)| !value.is_empty()).collect();
    match serde_urlencoded::to_string(Pairs(&written)) {
        Ok(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

/// The first file of this name in a form; `None` where there is none. One that is too long is not read to its end, and the
/// status says so.
pub(super) async fn file(mut form: Multipart, name: &str) -> Result<Option<Bytes>, StatusCode> {
    while let Some(part) = form.next_field().await.map_err(|error| error.status())? {
        if part.name() == Some(name) {
            return part.bytes().await.map(Some).map_err(|error| error.status());
        }
    }
    Ok(None)
}

#[derive(Serialize)]
#[serde(transparent)]
struct Pairs<'a>(&'a [&'a (&'a str, &'a str)]);

impl Typed {
    /// The value of this name, the last of several; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.all(name).last().unwrap_or_default()
    }

    /// The values of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The value of this name, where it is one of those there are.
    pub(super) fn choice<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).parse().ok()
    }
}

impl<S: Send + Sync> FromRequest<S> for Typed {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let form = RawForm::from_request(request, state).await;
        let pairs = form.ok().and_then(|RawForm(form)| serde_urlencoded::from_bytes(&form).ok());
        Ok(Self(pairs.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(pairs: &[(&str, &str)]) -> Typed {
        Typed(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn the_last_of_several_counts_and_all_are_there() {
        let typed = typed(&[("id", "1"), ("q", "x"), ("id", "2")]);
        assert_eq!((typed.get("id"), typed.get("q"), typed.get("none")), ("2", "x", ""));
        assert_eq!(typed.all("id").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((typed.choice::<u8>("id"), typed.choice::<u8>("q")), (Some(2), None));
    }

    #[test]
    fn addresses_are_encoded_and_leave_out_what_is_empty() {
        assert_eq!(address("/search", &[("q", "a&b =c"), ("order", "")]), "/search?q=a%26b+%3Dc");
        assert_eq!(address("/search", &[("q", "")]), "/search");
    }
}
