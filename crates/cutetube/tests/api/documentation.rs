use serde_json::Value;
use testbed::Database;

use crate::app::TestApp;

#[tokio::test]
async fn the_api_is_documented_without_any_other_server() {
    let app = TestApp::start(Database::sqlite()).await;
    let document = app.get_json("/doc/openapi.json").await.json;
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());

    let page = app.get("/doc/").send().await.unwrap();
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'self'"), "{policy}");
    let page = page.text().await.unwrap();
    assert!(page.contains("swagger-ui") && !page.contains("https://"), "{page}");
}

/// Every documented route answers, if only that something is missing.
#[tokio::test]
async fn every_documented_route_exists() {
    let app = TestApp::start(Database::sqlite()).await;
    let document = app.get_json("/doc/openapi.json").await.json;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            let url = format!("{}{}", app.url, path.replace(['{', '}'], ""));
            let status = app.client.request(method, url).send().await.unwrap().status();
            let documented = !operation["responses"][status.as_str()].is_null();
            assert!(documented, "{path} answers {status}, which is not documented");
        }
    }
}

/// What a reader of the document needs of each operation.
#[tokio::test]
async fn every_operation_is_described_with_its_answers() {
    let app = TestApp::start(Database::sqlite()).await;
    let document = app.get_json("/doc/openapi.json").await.json;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(
                operation["summary"].as_str().is_some_and(|text| text.len() > 5),
                "{name} has no summary"
            );
            assert!(operation["tags"][0].is_string(), "{name} has no tag");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{name} never succeeds");
            for status in ["429", "500", "503"] {
                assert!(answers.contains_key(status), "{name} does not say {status}");
            }
            let secured =
                operation["security"].as_array().is_some_and(|ways| !ways.contains(&serde_json::json!({})));
            assert!(!secured || answers.contains_key("401"), "{name} needs a token, and does not say 401");
            let with_parameter = path.contains('{');
            assert!(!with_parameter || answers.contains_key("404"), "{name} never misses");
        }
    }
}

/// What is taken from an earlier answer; an example, which the page fills in, would lead nowhere.
const ANSWERED: [&str; 8] =
    ["after", "before", "If-Match", "If-None-Match", "If-Range", "Last-Event-ID", "token", "video"];

/// Whoever tries an operation out has something to begin with.
#[tokio::test]
async fn whatever_is_sent_has_an_example() {
    let app = TestApp::start(Database::sqlite()).await;
    let document = app.get_json("/doc/openapi.json").await.json;
    let mut wanting = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = format!("{method} {path}: {}", parameter["name"]);
                if parameter["description"].as_str().is_none_or(str::is_empty) {
                    wanting.push(format!("{name} has no description"));
                }
                let is_answered =
                    parameter["in"] == "path" || ANSWERED.contains(&parameter["name"].as_str().unwrap());
                if !is_answered && parameter["example"].is_null() {
                    wanting.push(format!("{name} has no example"));
                }
            }
            for content in operation["requestBody"]["content"].as_object().into_iter().flatten() {
                let name = format!("{method} {path}, {}", content.0);
                wanting.extend(without_example(&document, &name, &content.1["schema"]));
            }
        }
    }
    assert!(wanting.is_empty(), "{}", wanting.join("\n"));
}

/// The members of a schema that neither have an example nor say all that they can be.
fn without_example(document: &Value, name: &str, schema: &Value) -> Vec<String> {
    let alternatives = schema["oneOf"].as_array().into_iter().flatten();
    let referred = std::iter::once(schema).chain(alternatives).find_map(|schema| schema["$ref"].as_str());
    let resolved = referred.map(|path| document.pointer(path.strip_prefix('#').unwrap()).unwrap());
    let schema = resolved.unwrap_or(schema);
    if let Some(members) = schema["properties"].as_object() {
        return members
            .iter()
            .flat_map(|(member, schema)| without_example(document, &format!("{name}: {member}"), schema))
            .collect();
    }
    let speaks_for_itself =
        !schema["example"].is_null() || !schema["enum"].is_null() || schema["format"] == "binary";
    if speaks_for_itself { Vec::new() } else { vec![format!("{name} has no example")] }
}

/// A route of the API that is added without its description is found in the sources.
#[test]
fn every_route_of_the_api_is_in_the_document() {
    let document = serde_json::to_value(cutetube::http::openapi()).unwrap();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for (at, _) in source.match_indices("path = \"/api/") {
                let route = source[at + 8..].split('"').next().unwrap();
                assert!(!document["paths"][route].is_null(), "{}: `{route}` is not routed", path.display());
                found += 1;
            }
            let bare = source.matches(".route(\"/api/").count();
            assert_eq!(bare, 0, "{}: routes of the API are added with `routes!`", path.display());
        }
    }
    assert!(found > 30);
}
