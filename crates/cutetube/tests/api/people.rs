//! One's own account, and what administrators decide about others.

use catalog::{
    accounts::{self, Role},
    pictures::{self, Picture},
};
use cutetube::blobs::StorageKey;
use reqwest::{Method, StatusCode, multipart};
use serde_json::{Value, json};
use testbed::Database;

use crate::{
    app::{Answer, TestApp, sign_up_form},
    backstage,
};

testbed::on_both_databases!(
    a_person_sees_and_changes_what_is_theirs,
    sign_ins_are_listed_and_ended,
    administrators_decide_about_people,
    invitations_make_accounts_where_nobody_else_may,
    people_choose_their_letters,
    a_picture_is_seen_until_it_is_hidden,
);

/// The answer of a request with a token and, when there is one, a JSON body.
async fn ask(app: &TestApp, method: Method, path: &str, token: &str, body: Value) -> (u16, Value) {
    let mut request = app.client.request(method, format!("{}{path}", app.url)).bearer_auth(token);
    if !body.is_null() {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

async fn log_in(app: &TestApp, credential: &str, password: &str) -> Answer {
    app.post_json("/api/v3/auth/login/", json!({ "credential": credential, "password": password })).await
}

async fn administrator(app: &TestApp) -> String {
    let form = app.sign_up("edith").await;
    let user = accounts::find_by_credential(&app.db, "edith").await.unwrap().unwrap().user;
    accounts::set_role(&app.db, user.id, Role::Admin).await.unwrap();
    form
}

fn access(answer: &Answer) -> String {
    answer.json["user"]["token"]["access"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

async fn a_person_sees_and_changes_what_is_theirs(database: Database) {
    let app = TestApp::start(database).await;
    let token = app.sign_up("ada").await;
    let (_, me) = ask(&app, Method::GET, "/api/v5/me", &token, Value::Null).await;
    assert_eq!(
        (&me["username"], &me["role"], &me["standing"]),
        (&json!("ada"), &json!("creator"), &json!("active"))
    );
    assert_eq!(me["quota"]["videos"], json!({ "used": 0, "limit": null }));

    let renamed = ask(&app, Method::PATCH, "/api/v5/me", &token, json!({ "first_name": "Augusta" })).await;
    assert_eq!(
        (renamed.0, &renamed.1["first_name"], &renamed.1["last_name"]),
        (200, &json!("Augusta"), &json!("Lovelace"))
    );
    let refused = ask(&app, Method::PATCH, "/api/v5/me", &token, json!({ "last_name": "Lοvelace" })).await;
    assert_eq!((refused.0, &refused.1["errors"][0]["field"]), (422, &json!("last_name")));
    assert_eq!(ask(&app, Method::PATCH, "/api/v5/me", &token, json!({ "role": "admin" })).await.0, 422);

    let other = access(&log_in(&app, "ada", "correct horse").await);
    let change = |password: &str, next: &str| {
        ask(
            &app,
            Method::POST,
            "/api/v5/me/password",
            &token,
            json!({ "password": password, "new_password": next }),
        )
    };
    assert_eq!(change("wrong horse", "another horse").await.1["errors"][0]["field"], "password");
    assert_eq!(change("correct horse", "password1").await.0, 422, "it is a common one");
    assert_eq!(change("correct horse", "Ada@example.org").await.0, 422, "everybody can see it");
    assert_eq!(change("correct horse", "another horse").await.0, 204);
    assert_eq!(
        ask(&app, Method::GET, "/api/v5/me", &token, Value::Null).await.0,
        200,
        "this sign-in goes on"
    );
    assert_eq!(
        ask(&app, Method::GET, "/api/v5/me", &other, Value::Null).await.0,
        401,
        "the others have ended"
    );
    assert_eq!(log_in(&app, "ada", "correct horse").await.status, StatusCode::BAD_REQUEST);

    let export = app.get("/api/v5/me/export").bearer_auth(&token).send().await.unwrap();
    assert!(export.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let export = export.text().await.unwrap();
    assert!(export.contains("ada@example.org") && !export.contains("argon2"), "{export}");

    let leave = |password: &str| {
        ask(&app, Method::POST, "/api/v5/me/deletion", &token, json!({ "password": password }))
    };
    assert_eq!(leave("correct horse").await.0, 422);
    assert_eq!(leave("another horse").await.0, 202);
    assert_eq!(ask(&app, Method::GET, "/api/v5/me", &token, Value::Null).await.0, 401);
    assert_eq!(log_in(&app, "ada", "another horse").await.status, StatusCode::BAD_REQUEST);
}

async fn sign_ins_are_listed_and_ended(database: Database) {
    let app = TestApp::start(database).await;
    let first = app.sign_up("ada").await;
    let second = access(&log_in(&app, "ada", "correct horse").await);
    let stranger = app.sign_up("bob").await;
    let list = |token: String| {
        let app = &app;
        async move { ask(app, Method::GET, "/api/v5/sessions", &token, Value::Null).await.1["sessions"].clone() }
    };
    let sessions = list(first.clone()).await;
    let sessions = sessions.as_array().unwrap();
    assert_eq!(
        sessions.iter().map(|session| session["current"] == true).filter(|current| *current).count(),
        1
    );
    let other = sessions.iter().find(|session| session["current"] == false).unwrap()["id"].as_str().unwrap();
    let end = |token: &str| {
        let (app, path, token) = (&app, format!("/api/v5/sessions/{other}"), token.to_owned());
        async move { ask(app, Method::DELETE, &path, &token, Value::Null).await.0 }
    };
    assert_eq!(end(&stranger).await, 404, "it is somebody else's");
    assert_eq!(end(&first).await, 204);
    assert_eq!(end(&first).await, 404);
    assert_eq!(ask(&app, Method::GET, "/api/v5/me", &second, Value::Null).await.0, 401);
    assert_eq!(ask(&app, Method::DELETE, "/api/v5/sessions", &first, Value::Null).await.0, 204);
    assert_eq!(ask(&app, Method::GET, "/api/v5/me", &first, Value::Null).await.0, 401);
    assert_eq!(ask(&app, Method::GET, "/api/v5/me", &stranger, Value::Null).await.0, 200);
}

async fn administrators_decide_about_people(database: Database) {
    let app = TestApp::start_with(database, |config| {
        config.accounts.signup = cutetube::config::Signup::Approval;
    })
    .await;
    let waiting = app.post_json("/api/v3/auth/signup/", sign_up_form("edith")).await;
    assert_eq!((waiting.status.as_u16(), &waiting.json["user"]["status"]), (202, &json!("waiting")));
    let shut_out = log_in(&app, "edith", "correct horse").await;
    assert_eq!(shut_out.status, StatusCode::FORBIDDEN, "{shut_out:?}");
    let edith = accounts::find_by_credential(&app.db, "edith").await.unwrap().unwrap().user;
    accounts::decide(&app.db, edith.id, accounts::Decision::Approve).await.unwrap();
    accounts::set_role(&app.db, edith.id, Role::Admin).await.unwrap();
    let admin = access(&log_in(&app, "edith", "correct horse").await);
    app.post_json("/api/v3/auth/signup/", sign_up_form("ada")).await;

    let ask_admin = |method, path: String, body| {
        let (app, admin) = (&app, admin.clone());
        async move { ask(app, method, &format!("/api/v5/admin/users{path}"), &admin, body).await }
    };
    let (_, page) = ask_admin(Method::GET, "?standing=waiting&limit=1".to_owned(), Value::Null).await;
    assert_eq!((&page["users"][0]["username"], &page["next"]), (&json!("ada"), &Value::Null));
    let id = page["users"][0]["id"].as_str().unwrap().to_owned();
    let (_, first) = ask_admin(Method::GET, "?limit=1".to_owned(), Value::Null).await;
    let (_, second) =
        ask_admin(Method::GET, format!("?before={}", first["next"].as_str().unwrap()), Value::Null).await;
    assert_eq!(second["users"][0]["username"], "edith");
    assert_eq!(
        ask_admin(Method::GET, "?standing=odd".to_owned(), Value::Null).await.1["errors"][0]["field"],
        "standing"
    );

    assert_eq!(ask_admin(Method::POST, format!("/{id}/restore"), Value::Null).await.0, 409);
    assert_eq!(ask_admin(Method::POST, format!("/{id}/approve"), Value::Null).await.1["standing"], "active");
    let ada = access(&log_in(&app, "ada", "correct horse").await);
    let changed = json!({ "role": "viewer", "quota": { "videos": 3, "minutes": 0 } });
    let (status, person) = ask_admin(Method::PATCH, format!("/{id}"), changed).await;
    assert_eq!(
        (status, &person["role"], &person["quota"]["videos"]["limit"]),
        (200, &json!("viewer"), &json!(3))
    );
    let (_, person) =
        ask_admin(Method::PATCH, format!("/{id}"), json!({ "quota": { "videos": null } })).await;
    assert_eq!(person["exception"], json!({ "bytes": null, "videos": null, "minutes": 0 }));
    let absurd = ask_admin(Method::PATCH, format!("/{id}"), json!({ "quota": { "bytes": u64::MAX } })).await;
    assert_eq!((absurd.0, &absurd.1["errors"][0]["field"]), (422, &json!("quota.bytes")));
    let refused = app.upload(&ada, multipart::Form::new()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "a viewer does not upload: {refused:?}");

    assert_eq!(
        ask_admin(Method::POST, format!("/{id}/suspend"), Value::Null).await.1["standing"],
        "suspended"
    );
    assert_eq!(ask(&app, Method::GET, "/api/v5/me", &ada, Value::Null).await.0, 401);
    assert_eq!(log_in(&app, "ada", "correct horse").await.status, StatusCode::FORBIDDEN);
    for (method, path, body) in [
        (Method::POST, format!("/{}/suspend", edith.id), Value::Null),
        (Method::DELETE, format!("/{}", edith.id), Value::Null),
        (Method::PATCH, format!("/{}", edith.id), json!({ "role": "viewer" })),
    ] {
        assert_eq!(ask_admin(method, path, body).await.0, 409, "nobody decides about themselves");
    }
    assert_eq!(ask_admin(Method::DELETE, format!("/{id}"), Value::Null).await.0, 202);
    assert_eq!(ask_admin(Method::GET, format!("/{id}"), Value::Null).await.1["standing"], "leaving");
    assert_eq!(ask_admin(Method::GET, "/nobody".to_owned(), Value::Null).await.0, 404);
}

async fn invitations_make_accounts_where_nobody_else_may(database: Database) {
    let app = TestApp::start(database).await;
    let admin = administrator(&app).await;
    let wanted = json!({ "note": "The film club", "uses": 1, "days": 7, "role": "viewer" });
    let (status, invite) = ask(&app, Method::POST, "/api/v5/admin/invites", &admin, wanted).await;
    assert_eq!(status, 201);
    let code = invite["code"].as_str().unwrap();
    assert!(invite["link"].as_str().unwrap().ends_with(&format!("/signup#{code}")), "{invite}");
    let refused =
        ask(&app, Method::POST, "/api/v5/admin/invites", &admin, json!({ "note": "x", "uses": 0 })).await;
    assert_eq!((refused.0, &refused.1["errors"][0]["field"]), (422, &json!("uses")));

    let invited_only =
        app.start_another_with(|config| config.accounts.signup = cutetube::config::Signup::Invite).await;
    let join = |username: &str, code: &str| {
        let mut form = sign_up_form(username);
        form["invite"] = code.into();
        invited_only.post_json("/api/v3/auth/signup/", form)
    };
    let refused = join("ada", "guessed").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.json["user"]["detail"]["invite"].is_array(), "{refused:?}");
    let without = invited_only.post_json("/api/v3/auth/signup/", sign_up_form("edith")).await;
    assert!(without.json["user"]["detail"]["username"].is_null(), "names are told to nobody: {without:?}");
    let ada = access(&join("ada", code).await);
    assert_eq!(ask(&app, Method::GET, "/api/v5/me", &ada, Value::Null).await.1["role"], "viewer");
    assert_eq!(join("bob", code).await.status, StatusCode::BAD_REQUEST, "it is used up");
    let (_, list) = ask(&app, Method::GET, "/api/v5/admin/invites", &admin, Value::Null).await;
    assert_eq!(list["invites"], json!([]));
}

async fn people_choose_their_letters(database: Database) {
    let app = TestApp::start(database).await;
    let token = app.sign_up("ada").await;
    let path = "/api/v5/me/letters";
    let (_, all) = ask(&app, Method::GET, path, &token, Value::Null).await;
    assert!(all.as_object().unwrap().values().all(|wanted| *wanted == json!(true)), "{all}");
    let fewer = ask(&app, Method::PATCH, path, &token, json!({ "reply": false, "video_ready": false })).await;
    assert_eq!((fewer.0, &fewer.1["reply"], &fewer.1["comment"]), (200, &json!(false), &json!(true)));
    let other = ask(&app, Method::PATCH, path, &token, json!({ "reply": true })).await.1;
    assert_eq!((&other["reply"], &other["video_ready"]), (&json!(true), &json!(false)));
    assert_eq!(ask(&app, Method::PATCH, path, &token, json!({ "pigeon": true })).await.0, 422);
    let (_, export) = ask(&app, Method::GET, "/api/v5/me/export", &token, Value::Null).await;
    assert_eq!((&export["letters"], &export["account"]["picture"]), (&other, &Value::Null));

    // The page's form says everything at once.
    let request = app.post("/account/letters").bearer_auth(&token);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body("want-comment=on");
    let page = request.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("You get the letters that you have chosen"), "{page}");
    let (_, chosen) = ask(&app, Method::GET, path, &token, Value::Null).await;
    let wanted: Vec<_> =
        chosen.as_object().unwrap().iter().filter(|(_, wanted)| **wanted == json!(true)).collect();
    assert_eq!(wanted, [(&"comment".to_owned(), &json!(true))]);
}

/// What is done to a file that is one, `e2e/` sees: here no program looks at any.
async fn a_picture_is_seen_until_it_is_hidden(database: Database) {
    let app = TestApp::start(database).await;
    let token = app.sign_up("ada").await;
    let path = "/api/v5/me/picture";
    let send = async |bytes: Vec<u8>| {
        let request = app.client.put(format!("{}{path}", app.url)).bearer_auth(&token).body(bytes);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for (file, status) in [
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(), 415),
        (Vec::new(), 415),
        (vec![0xff; (5 << 20) + 1], 413),
        (b"\xff\xd8\xff\xe0".to_vec(), 503),
    ] {
        let refused = send(file).await;
        assert_eq!(refused.0, status, "{}", refused.1);
    }
    let form = |bytes: Vec<u8>| {
        let part = multipart::Part::bytes(bytes).file_name("me.jpg");
        app.post("/account/picture")
            .bearer_auth(&token)
            .multipart(multipart::Form::new().part("picture", part))
    };
    for (file, status) in [(b"GIF89a".to_vec(), 415), (vec![0xff; 6 << 20], 413)] {
        let refused = form(file).send().await.unwrap();
        assert_eq!(refused.status().as_u16(), status);
        let page = refused.text().await.unwrap();
        assert!(page.contains("role=\"alert\"") && page.contains("Choose a picture"), "{page}");
    }
    let foreign = form(b"GIF89a".to_vec()).header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);

    let user_id = backstage::user(&app, "ada").await;
    let key = StorageKey::Picture { user: user_id, name: 7 };
    let stored = app.blobs.put(&key, vec![b"a picture".as_slice().into()]).await.unwrap();
    let address = format!("/{key}");
    assert_eq!(app.get(&address).send().await.unwrap().status(), 404, "nobody shows it");
    let picture = Picture { user_id, object_key: key.to_string(), bytes: stored.len, sha256: stored.sha256 };
    pictures::show(&app.db, &picture).await.unwrap();
    let seen = app.get(&address).send().await.unwrap();
    assert_eq!(
        (seen.status(), &seen.headers()["content-type"]),
        (StatusCode::OK, &"image/jpeg".parse().unwrap())
    );
    assert_eq!(seen.bytes().await.unwrap(), b"a picture".as_slice());
    let (_, me) = ask(&app, Method::GET, "/api/v5/me", &token, Value::Null).await;
    assert_eq!(me["picture"], format!("{}{address}", app.url));
    let account = app.get("/account").bearer_auth(&token).send().await.unwrap().text().await.unwrap();
    assert!(account.contains(&format!("src=\"{address}\"")), "{account}");
    for other in
        ["/pictures/x/y.jpg".to_owned(), address.replace("0007", "0008"), address.replace(".jpg", ".png")]
    {
        assert_eq!(app.get(&other).send().await.unwrap().status(), 404, "{other}");
    }

    assert_eq!(ask(&app, Method::DELETE, path, &token, Value::Null).await.0, 204);
    assert_eq!(ask(&app, Method::DELETE, path, &token, Value::Null).await.0, 204);
    assert_eq!(app.get(&address).send().await.unwrap().status(), 404);
    assert_eq!(app.objects().await, Vec::<String>::new(), "nobody has it any more");
}
