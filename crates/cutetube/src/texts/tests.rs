//! The catalogue, and that nothing is said besides it.

mod accents;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, Response, header},
    middleware::from_fn,
    response::Html,
    routing::get,
};
use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use tower::ServiceExt;

pub(super) use accents::{ACCENTED, accented};
use sources::{Source, words};

use super::{filters, language::LANGUAGES, negotiate, text};

/// What a message needs.
#[derive(Debug, PartialEq, Eq)]
struct Needs {
    variables: BTreeSet<String>,
    has_choices: bool,
}

/// Everything that is wrong in a translation of `english`; empty when there is nothing.
fn faults(english: &str, other: &str) -> Vec<String> {
    let (known, translated) = (messages(english), messages(other));
    let fault = |(key, needs): (&String, &Needs)| match known.get(key) {
        None => Some(format!("`{key}` is not in English")),
        Some(known) if known.variables != needs.variables => Some(format!("`{key}` has other variables")),
        Some(_) => None,
    };
    translated.iter().filter_map(fault).collect()
}

/// By their keys.
fn messages(source: &str) -> BTreeMap<String, Needs> {
    let resource = fluent_syntax::parser::parse(source).expect("messages of Fluent");
    let mut messages = BTreeMap::new();
    for entry in resource.body {
        let Entry::Message(message) = entry else { continue };
        let key = message.id.name.to_owned();
        let mut needs = Needs { variables: BTreeSet::new(), has_choices: false };
        look_into(&message.value.unwrap_or_else(|| panic!("`{key}` says nothing")), &mut needs);
        assert!(messages.insert(key.clone(), needs).is_none(), "`{key}` is there twice");
    }
    messages
}

fn look_into(pattern: &Pattern<&str>, needs: &mut Needs) {
    for element in &pattern.elements {
        let PatternElement::Placeable { expression } = element else { continue };
        let (Expression::Inline(inline) | Expression::Select { selector: inline, .. }) = expression;
        if let InlineExpression::VariableReference { id } = inline {
            needs.variables.insert(id.name.to_owned());
        }
        if let Expression::Select { variants, .. } = expression {
            needs.has_choices = true;
            variants.iter().for_each(|variant| look_into(&variant.value, needs));
        }
    }
}

fn english() -> BTreeMap<String, Needs> {
    messages(LANGUAGES[0].1)
}

#[test]
fn every_text_that_is_named_is_there_and_every_one_that_is_there_is_named() {
    let (messages, sources) = (english(), Source::all());
    let named: BTreeSet<&str> = sources.iter().flat_map(Source::named).collect();
    let missing: Vec<&&str> = named.iter().filter(|key| !messages.contains_key(**key)).collect();
    assert!(missing.is_empty(), "not in `texts/en.ftl`: {missing:?}");
    let quoted: BTreeSet<&str> = sources.iter().flat_map(Source::quoted).collect();
    let unused: Vec<&String> = messages.keys().filter(|key| !quoted.contains(key.as_str())).collect();
    assert!(unused.is_empty(), "said nowhere: {unused:?}");
}

#[test]
fn what_looks_like_a_key_is_one() {
    let messages = english();
    let parts: BTreeSet<&str> = messages.keys().filter_map(|key| key.split('-').next()).collect();
    for source in Source::all() {
        let begins_like_one =
            |quoted: &&str| quoted.split('-').next().is_some_and(|part| parts.contains(part));
        for key in source.candidates().filter(begins_like_one) {
            assert!(messages.contains_key(key), "`{key}` in {} is not in `texts/en.ftl`", source.path);
        }
    }
}

#[test]
fn scripts_get_texts_without_choices() {
    for (key, needs) in english() {
        assert!(!(key.starts_with("script-") && needs.has_choices), "`{key}` has choices");
    }
}

#[test]
fn translations_say_what_english_says() {
    for (tag, other) in LANGUAGES {
        assert_eq!(faults(LANGUAGES[0].1, other), [""; 0], "in `{tag}`");
    }
    assert_eq!(faults(LANGUAGES[0].1, &accented()), [""; 0]);
    let english = "a = Of { $name }\nb = { $count ->\n    [one] One\n   *[other] { $number }\n}\n";
    assert_eq!(faults(english, "b = { $number } of { $count }"), [""; 0], "some may be missing");
    assert_eq!(faults(english, "a = Von\nc = Neu"), ["`a` has other variables", "`c` is not in English"]);
}

#[test]
fn templates_hold_no_words() {
    let found: Vec<String> = Source::templates()
        .iter()
        .flat_map(|source| words(&source.text).into_iter().map(|word| format!("{}: {word}", source.path)))
        .collect();
    assert!(found.is_empty(), "these belong in `texts/en.ftl`: {found:#?}");
}

#[test]
fn words_are_found_wherever_people_read_them() {
    assert_eq!(words("<p class=\"note\">Hello {{ name }}</p><!-- why -->"), ["Hello"]);
    assert_eq!(words("{% if a %}<img alt=\"A {{ b }}\" src=\"x.png\">{% endif %} – CuteTube"), ["A"]);
    assert_eq!(
        words("<input placeholder=\"{{ \"a-b\"|t }}\" name=q><code>make run</code> <kbd>K</kbd>"),
        [""; 0]
    );
    assert_eq!(words("<meta name=\"robots\" content=\"noindex\"><meta content=\"Read me\">"), ["Read me"]);
}

#[derive(Template)]
#[template(
    source = r#"{{ "comments-answer"|t|with("author", name) }}|{{ "studio-owner"|t|with("address", name)|with("name", name)|html }}|{{ "deletion-heading"|t|count("count", 2) }}"#,
    ext = "html"
)]
struct Sample {
    name: &'static str,
}

const EVIL: Sample = Sample { name: "\"><script>alert('x')</script> & { $name }" };

#[test]
fn markup_in_an_argument_is_text() {
    let html = EVIL.render().unwrap();
    assert!(!html.contains("<script"), "{html}");
    assert!(html.starts_with("Answer &#34;&#62;&#60;script&#62;alert(&#39;x&#39;)"), "{html}");
    assert!(html.contains("It belongs to <a href=\"&#34;&#62;&#60;script&#62;"), "{html}");
    assert!(html.contains(" &#38; { $name }"), "no argument is a message: {html}");
    assert!(html.ends_with("|Delete these 2 videos?"), "{html}");
    assert_eq!(text("comments-answer").with("author", "<b>").to_string(), "Answer <b>");
    assert_eq!(text("deletion-heading").count("count", 1).to_string(), "Delete this video?");
}

async fn ask(accepted: &str) -> (Response<Body>, String) {
    let pages = Router::new()
        .route("/", get(|| async { Html(EVIL.render().unwrap()) }))
        .route("/style", get(|| async { ([(header::CONTENT_TYPE, "text/css")], "") }))
        .layer(from_fn(negotiate));
    let request =
        |path| Request::get(path).header(header::ACCEPT_LANGUAGE, accepted).body(Body::empty()).unwrap();
    let style = pages.clone().oneshot(request("/style")).await.unwrap();
    assert!(!style.headers().contains_key(header::VARY), "{:?}", style.headers());
    read(pages.oneshot(request("/")).await.unwrap()).await
}

async fn read(response: Response<Body>) -> (Response<Body>, String) {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    (Response::from_parts(parts, Body::empty()), String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn pages_are_in_the_language_that_the_browser_asks_for() {
    let (english, html) = ask("tlh, en;q=0.5").await;
    assert_eq!(english.headers()[header::CONTENT_LANGUAGE], "en");
    assert_eq!(english.headers()[header::VARY], "accept-language");
    assert!(html.starts_with("Answer "), "{html}");
    let (accented, html) = ask("en-XA, en;q=0.5").await;
    assert_eq!(accented.headers()[header::CONTENT_LANGUAGE], "en-XA");
    assert!(html.starts_with("Áńśẃéŕ &#34;&#62;&#60;script&#62;alert("), "{html}");
    assert!(html.contains("<a href=\"&#34;&#62;&#60;script") && html.contains("</a>"), "{html}");
    assert!(html.ends_with("|Ďéĺéţé ţĥéśé 2 ṽíďéóś?"), "{html}");
}

#[tokio::test]
async fn so_are_pages_of_addresses_where_nothing_is() {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, "text/html".parse().unwrap());
    headers.insert(header::ACCEPT_LANGUAGE, "en-XA".parse().unwrap());
    let (response, html) = read(crate::pages::not_found(headers).await).await;
    assert_eq!(response.headers()[header::CONTENT_LANGUAGE], "en-XA");
    assert!(html.contains("<html lang=\"en-XA\">") && html.contains("Ţĥéŕé íś ńóţĥíńĝ ĥéŕé"), "{html}");
}
