//! What owners do about their videos on pages, and that nobody else does.

use catalog::{
    VideoState,
    ids::VideoId,
    videos::{self, Visibility},
};
use reqwest::{Client, RequestBuilder, Response, StatusCode, header, redirect};
use testbed::Database;

use crate::{
    app::TestApp,
    backstage::{self, Situation},
};

testbed::on_both_databases!(
    a_list_is_narrowed_down_and_changed,
    a_video_is_edited,
    a_failed_video_is_tried_again_and_deleted
);

/// Somebody with a browser that follows nothing by itself.
struct Person<'a> {
    app: &'a TestApp,
    client: Client,
    token: String,
}

impl<'a> Person<'a> {
    async fn new(app: &'a TestApp, name: &str) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { app, client, token: app.sign_up(name).await }
    }

    async fn ask(&self, request: RequestBuilder) -> Response {
        request.bearer_auth(&self.token).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.ask(self.client.get(format!("{}{path}", self.app.url))).await;
        (answer.status(), answer.text().await.unwrap())
    }

    /// Sends a form, and answers the status and where it leads, or the page.
    async fn send(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, String) {
        let answer = self.ask(filled_in(self.client.post(format!("{}{path}", self.app.url)), &form)).await;
        let location = answer.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let status = answer.status();
        (status, location.unwrap_or(answer.text().await.unwrap()))
    }
}

/// With a form as browsers send it.
fn filled_in(request: RequestBuilder, form: &impl serde::Serialize) -> RequestBuilder {
    let body = serde_urlencoded::to_string(form).unwrap();
    request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
}

async fn visibility(app: &TestApp, id: VideoId) -> Visibility {
    videos::video(&app.db, id).await.unwrap().visibility
}

fn rows(html: &str) -> usize {
    html.matches("class=\"row\"").count()
}

async fn a_list_is_narrowed_down_and_changed(database: Database) {
    let app = TestApp::start(database).await;
    let ada = Person::new(&app, "ada").await;
    let bob = Person::new(&app, "bob").await;
    let (owner, other) = (backstage::user(&app, "ada").await, backstage::user(&app, "bob").await);
    assert!(ada.get("/studio").await.1.contains("You have no videos yet."));
    let mut own = Vec::new();
    for situation in [Situation::Ready, Situation::Processing, Situation::Failed, Situation::Deleted] {
        own.push(backstage::video(&app, owner, Visibility::Public, situation).await);
    }
    let bobs = backstage::video(&app, other, Visibility::Public, Situation::Ready).await;

    for (query, expected) in [
        ("", 3),
        ("state=ready", 1),
        ("state=processing", 1),
        ("state=failed&visibility=public", 1),
        ("visibility=private", 0),
        ("q=holi", 3),
        ("q=nothing", 0),
        ("state=odd&visibility=odd&after=odd", 3),
    ] {
        let (status, html) = ada.get(&format!("/studio?{query}")).await;
        assert_eq!((status, rows(&html)), (StatusCode::OK, expected), "{query}: {html}");
    }
    let (_, html) = ada.get("/studio").await;
    assert!(html.contains("It has no picture.") && html.contains("data-open"), "{html}");

    let (first, second, bobs_id) = (own[0].to_string(), own[2].to_string(), bobs.to_string());
    let (status, said) = ada.send("/studio", &[("deed", "private"), ("state", "ready")]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(said.contains("Tick the videos first") && rows(&said) == 1, "{said}");
    let (status, said) = ada.send("/studio", &[("deed", "odd"), ("id", &first)]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
    let ticked = [("deed", "private"), ("q", "holi"), ("id", &first), ("id", &second), ("id", &bobs_id)];
    let (status, to) = ada.send("/studio", &ticked).await;
    assert_eq!((status, to.as_str()), (StatusCode::SEE_OTHER, "/studio?q=holi&done=private&count=2"));
    assert!(ada.get(&to).await.1.contains("2 videos are private now: for you alone."));
    assert_eq!(visibility(&app, own[0]).await, Visibility::Private);
    assert_eq!(visibility(&app, bobs).await, Visibility::Public, "it is somebody else's");
    let (status, _) = bob.send("/studio", &[("deed", "public"), ("id", &first)]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(visibility(&app, own[0]).await, Visibility::Private);

    let (status, html) = ada.get(&format!("/studio/delete?id={first}&id={bobs_id}&id=odd&q=holi")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("Delete this video?") && !html.contains(&bobs_id), "{html}");
    let (status, html) = ada.get("/studio/delete").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(html.contains("Nothing is ticked"), "{html}");
    let (status, to) = ada.send("/studio/delete", &[("id", &first), ("id", &second), ("id", &bobs_id)]).await;
    assert_eq!((status, to.as_str()), (StatusCode::SEE_OTHER, "/studio?done=delete&count=2"));
    assert_eq!(rows(&ada.get("/studio").await.1), 1);
    assert_eq!(videos::video(&app.db, bobs).await.unwrap().state, VideoState::Ready);
    assert_eq!(ada.send("/studio/delete", &[("id", &bobs_id)]).await.0, StatusCode::NOT_FOUND);
}

async fn a_video_is_edited(database: Database) {
    let app = TestApp::start(database).await;
    let (ada, bob) = (Person::new(&app, "ada").await, Person::new(&app, "bob").await);
    let owner = backstage::user(&app, "ada").await;
    let id = backstage::video(&app, owner, Visibility::Public, Situation::Ready).await;
    let path = format!("/studio/{id}");
    let (status, html) = ada.get(&path).await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("name=\"version\" value=\"1\"") && html.contains("poster.jpg"), "{html}");
    assert_eq!(bob.get(&path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(bob.send(&path, &[("title", "x")]).await.0, StatusCode::NOT_FOUND);

    let form = |title, tags, version| {
        [
            ("title", title),
            ("description", "Sand\r\n<b>0:00</b>"),
            ("tags", tags),
            ("visibility", "unlisted"),
            ("downloads", "renditions"),
            ("version", version),
        ]
    };
    let many = (0..21).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let (status, html) = ada.send(&path, &form(" ", &many, "1")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    for kept in [
        "This field may not be blank.",
        "no more than 20 tags",
        "&#60;b&#62;0:00",
        "0,1,2,3",
        "value=\"unlisted\" selected",
        "value=\"renditions\" selected",
    ] {
        assert!(html.contains(kept), "{kept}: {html}");
    }
    assert_eq!(videos::video(&app.db, id).await.unwrap().version, 1, "nothing is changed");

    let (status, to) = ada.send(&path, &form("The sea", "sea, Rome", "1")).await;
    assert_eq!((status, to), (StatusCode::SEE_OTHER, format!("{path}?done=saved")));
    let video = videos::video(&app.db, id).await.unwrap();
    assert_eq!((video.title.as_str(), video.description.as_str()), ("The sea", "Sand\n<b>0:00</b>"));
    assert_eq!(video.visibility, Visibility::Unlisted);
    assert_eq!(video.tags.iter().collect::<Vec<_>>(), ["sea", "Rome"]);

    let (status, html) = ada.send(&path, &form("The sand", "sand", "1")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(html.contains("value=\"The sand\"") && html.contains("name=\"version\" value=\"2\""), "{html}");
    assert_eq!(ada.send(&path, &form("The sand", "sand", "2")).await.0, StatusCode::SEE_OTHER);

    // Whoever manages everything may, and is told whose it is.
    backstage::promote(&app, "bob").await;
    let (status, html) = bob.get(&path).await;
    assert!(status == StatusCode::OK && html.contains("It belongs to <a href=\"/u/ada\">"), "{html}");
    assert_eq!(bob.send(&path, &form("Bob's", "", "3")).await.0, StatusCode::SEE_OTHER);
    assert_eq!(bob.get("/studio/odd").await.0, StatusCode::NOT_FOUND);
}

async fn a_failed_video_is_tried_again_and_deleted(database: Database) {
    let app = TestApp::start(database).await;
    let (ada, bob) = (Person::new(&app, "ada").await, Person::new(&app, "bob").await);
    let owner = backstage::user(&app, "ada").await;
    let id = backstage::video(&app, owner, Visibility::Public, Situation::Failed).await;
    let (path, retry) = (format!("/studio/{id}"), format!("/studio/{id}/retry"));
    let (_, html) = ada.get(&path).await;
    assert!(html.contains("It has no picture.") && html.contains("Try again"), "{html}");
    assert_eq!(bob.send(&retry, &[]).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ada.send(&retry, &[]).await, (StatusCode::SEE_OTHER, format!("{path}?done=retried")));
    let (status, html) = ada.send(&retry, &[]).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(html.contains("It has not failed, or is being tried again already."), "{html}");
    let text = id.to_string();
    assert_eq!(ada.send("/studio/delete", &[("id", &text)]).await.0, StatusCode::SEE_OTHER);
    assert_eq!(ada.get(&path).await.0, StatusCode::NOT_FOUND);
}

/// A form of another site, which a browser sends with our cookie.
#[tokio::test]
async fn forms_of_other_sites_change_nothing() {
    let app = TestApp::start(Database::sqlite()).await;
    let ada = Person::new(&app, "ada").await;
    let owner = backstage::user(&app, "ada").await;
    let id = backstage::video(&app, owner, Visibility::Public, Situation::Ready).await;
    let form = [("credential", "ada"), ("password", "correct horse"), ("next", "/studio")];
    let signed_in = filled_in(ada.client.post(format!("{}/login", app.url)), &form).send().await.unwrap();
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    for path in ["/studio", "/studio/delete", &format!("/studio/{id}"), &format!("/studio/{id}/retry")] {
        let form = [("id", id.to_string()), ("deed", "private".to_owned()), ("title", "Mine".to_owned())];
        let request = ada.client.post(format!("{}{path}", app.url)).header(header::COOKIE, &cookie);
        let request = filled_in(request.header("sec-fetch-site", "cross-site"), &form);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let video = videos::video(&app.db, id).await.unwrap();
    assert_eq!((video.version, video.state), (1, VideoState::Ready));
    let page = ada.client.get(format!("{}/studio", app.url)).send().await.unwrap();
    assert_eq!(page.headers()["location"], "/login?next=%2Fstudio");
}
