//! NUL, which no database keeps: wherever the documentation allows a text, and in every path.

use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use testbed::Database;

use crate::{
    app::{Answer, TestApp},
    backstage,
};

testbed::on_both_databases!(no_text_with_nul_reaches_a_database);

const TEXT: &str = "a\0b";
const SENTENCE: &str = "Null characters are not allowed.";

/// An operation of the documentation, and how to ask for it as somebody who may do everything.
struct Operation<'a> {
    method: Method,
    path: &'a str,
    described: &'a Value,
}

async fn no_text_with_nul_reaches_a_database(database: Database) {
    let app = TestApp::start(database).await;
    let token = app.sign_up("edith").await;
    backstage::promote(&app, "edith").await;
    let document = app.get_json("/doc/openapi.json").await.json;
    let mut tried = [0, 0, 0];
    for operation in operations(&document) {
        let ask = |path: &str| {
            app.client.request(operation.method.clone(), format!("{}{path}", app.url)).bearer_auth(&token)
        };
        tried[0] += usize::from(in_the_path(&operation, ask).await);
        tried[1] += in_the_query(&operation, ask).await;
        tried[2] += in_the_body(&operation, &document, ask).await;
    }
    assert!(tried[0] > 30 && tried[1] > 20 && tried[2] > 30, "{tried:?}");
    // The token has not been ended on the way.
    assert_eq!(app.get("/api/v5/me").bearer_auth(&token).send().await.unwrap().status(), 200);
}

/// Also text that is not UTF-8.
async fn in_the_path(operation: &Operation<'_>, ask: impl Fn(&str) -> RequestBuilder) -> bool {
    let Operation { method, path, .. } = operation;
    if !path.contains('{') {
        return false;
    }
    for text in ["a%00b", "%ff"] {
        let path = with_parameters(path, text);
        let answer = ask(&path).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{method} {path}");
        let json: Value = answer.json().await.unwrap();
        let said = if is_original(&path) { &json["data"]["detail"] } else { &json["detail"] };
        assert!(said.is_string(), "{method} {path}: {json}");
    }
    true
}

async fn in_the_query(operation: &Operation<'_>, ask: impl Fn(&str) -> RequestBuilder) -> usize {
    let names: Vec<_> = operation.described["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|parameter| parameter["in"] == "query")
        .map(|parameter| parameter["name"].as_str().unwrap())
        .collect();
    for name in &names {
        let path = format!("{}?{name}=a%00b", with_parameters(operation.path, "x"));
        let answer = Answer::of(ask(&path).send().await.unwrap()).await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        let expected = match is_original(&path) {
            true => json!({ "data": { "status": "error", "detail": SENTENCE } }),
            false => json!([{ "field": name, "detail": SENTENCE }]),
        };
        let said = if is_original(&path) { &answer.json } else { &answer.json["errors"] };
        assert_eq!(said, &expected, "{path}");
    }
    names.len()
}

async fn in_the_body(
    operation: &Operation<'_>,
    document: &Value,
    ask: impl Fn(&str) -> RequestBuilder,
) -> usize {
    // What players send is in the words of their systems, and reaches no database.
    if operation.path.starts_with("/licences/") {
        return 0;
    }
    let content = &operation.described["requestBody"]["content"];
    let Some((kind, content)) = content.as_object().and_then(|content| content.iter().next()) else {
        return 0;
    };
    let schema = match content["schema"]["$ref"].as_str() {
        Some(name) => &document["components"]["schemas"][name.rsplit('/').next().unwrap()],
        None => &content["schema"],
    };
    // Bytes are no texts.
    let Some(properties) = schema["properties"].as_object() else { return 0 };
    let path = with_parameters(operation.path, "x");
    for name in properties.keys() {
        let request = match kind.as_str() {
            "application/json" => ask(&path).json(&Map::from_iter([(name.clone(), TEXT.into())])),
            _ => ask(&path).multipart(reqwest::multipart::Form::new().text(name.clone(), TEXT)),
        };
        let response = request.send().await.unwrap();
        let status = response.status();
        let said = response.text().await.unwrap();
        assert!(status.is_client_error() && status != 404, "{path} {name}: {status} {said}");
        // A form has rules for each of its texts, and an invitation is read where one is wanted.
        if kind == "application/json" && name != "invite" {
            assert!(
                said.contains(SENTENCE) && said.contains(name.as_str()),
                "{path} {name}: {status} {said}"
            );
        }
    }
    properties.len()
}

/// What browsers are answered is a page.
#[tokio::test]
async fn pages_are_refused_in_pages() {
    let app = TestApp::start(Database::sqlite()).await;
    for (path, status) in
        [("/?q=%00", 400), ("/login?next=%00", 400), ("/watch/%00", 404), ("/watch/%ff", 404)]
    {
        let answer = app.get(path).header("accept", "text/html").send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert!(answer.text().await.unwrap().starts_with("<!doctype html>"), "{path}");
    }
}

fn operations(document: &Value) -> impl Iterator<Item = Operation<'_>> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, operations)| {
        operations.as_object().unwrap().iter().map(move |(method, described)| Operation {
            method: method.to_uppercase().parse().unwrap(),
            path,
            described,
        })
    })
}

fn with_parameters(path: &str, text: &str) -> String {
    let pieces = path.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, rest)| rest));
    pieces.collect::<Vec<_>>().join(text)
}

fn is_original(path: &str) -> bool {
    path.starts_with("/api/v3/") || path.starts_with("/api/v4/")
}
