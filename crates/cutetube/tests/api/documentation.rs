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
