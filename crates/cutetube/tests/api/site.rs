//! Pages to find something to watch on.

use catalog::{
    ids::VideoId,
    names::{Description, Tags, Title},
    videos::{self, DownloadRule, Edit, Visibility},
};
use quick_xml::events::Event;
use reqwest::{RequestBuilder, StatusCode, redirect};
use serde_json::{Value, json};
use testbed::Database;

use crate::{
    app::TestApp,
    backstage::{self, Situation},
};

testbed::on_both_databases!(what_plays_is_found, a_channel_shows_what_its_visitor_may_see);

/// A page as this person sees it, who may be nobody.
async fn page(app: &TestApp, path: &str, token: Option<&str>) -> (StatusCode, String) {
    let request = token.into_iter().fold(app.get(path), RequestBuilder::bearer_auth);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// How many videos a page shows as cards.
fn cards(html: &str) -> usize {
    html.matches("class=\"card\"").count()
}

/// Videos of Ada in every situation and visibility, of which 3 play.
async fn publish_everything(app: &TestApp) {
    let ada = backstage::user(app, "ada").await;
    for visibility in [Visibility::Public, Visibility::Unlisted, Visibility::Private] {
        for situation in [Situation::Ready, Situation::Processing, Situation::Failed, Situation::Deleted] {
            backstage::video(app, ada, visibility, situation).await;
        }
    }
}

async fn what_plays_is_found(database: Database) {
    let app = TestApp::start(database).await;
    let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
    publish_everything(&app).await;
    let other = backstage::user(&app, "bob").await;
    let trip = backstage::video(&app, other, Visibility::Public, Situation::Ready).await;
    let change = Edit {
        title: Some(Title::parse("A trip & more").unwrap()),
        tags: Some(Tags::parse_line("holiday").unwrap()),
        ..Edit::default()
    };
    videos::edit(&app.db, trip, &change, None).await.unwrap();

    let found = async |query: &str, token: Option<&str>| {
        let (status, html) = page(&app, &format!("/search?{query}"), token).await;
        assert_eq!(status, StatusCode::OK, "{query}");
        (cards(&html), html)
    };
    let (count, html) = found("q=holi", None).await;
    assert_eq!(count, 2, "{html}");
    assert!(html.contains("value=\"holi\"") && html.contains("<a href=\"/u/ada\">ada</a>"), "{html}");
    assert_eq!(found("q=holi", Some(&bob)).await.0, 2, "nothing of others that is not public");
    let (count, html) = found("q=holi", Some(&ada)).await;
    assert!(count == 4 && html.contains(">unlisted<") && html.contains(">private<"), "{html}");
    backstage::promote(&app, "bob").await;
    assert_eq!(found("q=holi", Some(&bob)).await.0, 2, "nor for administrators");

    for (query, expected) in [
        ("q=holi&channel=ada", 1),
        ("q=holi&channel=BOB&order=newest", 1),
        ("q=holi&channel=nobody", 0),
        ("q=holi&channel=bob%40example.org", 0),
        ("q=holi&length=short&date=day", 2),
        ("q=holi&length=long", 0),
        ("channel=bob", 1),
        ("q=trip+more", 1),
        ("q=nothing", 0),
        // What is none of the choices counts for nothing.
        ("q=holi&length=odd&date=odd&order=odd&after=odd&odd=odd&q=holi", 2),
        ("q=holi&order=oldest&after=newest-0-00000000000000000000000000000000", 2),
        ("q=%ff", 0),
    ] {
        let (count, html) = found(query, None).await;
        assert_eq!(count, expected, "{query}: {html}");
    }
    assert!(found("q=nothing", None).await.1.contains("No video is like that."));
    assert!(found("", None).await.1.contains("Type words"));
    assert!(found("q=trip", None).await.1.contains("A trip &#38; more"));
}

#[tokio::test]
async fn a_search_goes_on_where_it_ended() {
    let app = TestApp::start(Database::sqlite()).await;
    app.sign_up("ada").await;
    let ada = backstage::user(&app, "ada").await;
    for _ in 0..26 {
        backstage::video(&app, ada, Visibility::Public, Situation::Ready).await;
    }
    for first in ["/search?q=holi", "/search?q=holi&order=shortest&length=short", "/u/ada", "/"] {
        let (_, html) = page(&app, first, None).await;
        assert_eq!(cards(&html), 24, "{first}");
        let (_, rest) = html.split_once("rel=\"next\" href=\"").unwrap();
        let next = rest.split('"').next().unwrap().replace("&#38;", "&");
        let (_, html) = page(&app, &next, None).await;
        assert_eq!(cards(&html), 2, "{next}");
        assert!(!html.contains("rel=\"next\""), "{next}");
    }
}

async fn a_channel_shows_what_its_visitor_may_see(database: Database) {
    let app = TestApp::start(database).await;
    let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
    publish_everything(&app).await;
    for (token, expected) in [(None, 1), (Some(&bob), 1), (Some(&ada), 3)] {
        let (status, html) = page(&app, "/u/ada", token.map(String::as_str)).await;
        assert_eq!((status, cards(&html)), (StatusCode::OK, expected), "{html}");
    }
    let (_, html) = page(&app, "/u/bob", Some(&bob)).await;
    assert!(html.contains("There is nothing to watch here yet."), "{html}");
    assert_eq!(
        page(&app, "/u/bob", Some(&ada)).await.0,
        StatusCode::NOT_FOUND,
        "nothing tells that he is there"
    );
    for nobody in ["bob/feed.xml", "bob", "BOB", "nobody", "ada@example.org", "a%20b", "%3Cb%3E"] {
        assert_eq!(page(&app, &format!("/u/{nobody}"), None).await.0, StatusCode::NOT_FOUND, "{nobody}");
    }
    let client = reqwest::Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    let moved = client.get(format!("{}/u/ADA", app.url)).send().await.unwrap();
    assert_eq!(
        (moved.status(), moved.headers()["location"].to_str().unwrap()),
        (StatusCode::PERMANENT_REDIRECT, "/u/ada")
    );
}

#[tokio::test]
async fn a_page_leads_on_from_its_video() {
    let app = TestApp::start(Database::sqlite()).await;
    let (token, _) = (app.sign_up("ada").await, app.sign_up("bob").await);
    let (ada, bob) = (backstage::user(&app, "ada").await, backstage::user(&app, "bob").await);
    let of_bob = backstage::video(&app, bob, Visibility::Public, Situation::Ready).await;
    let id = backstage::video(&app, ada, Visibility::Public, Situation::Ready).await;
    let of_ada = backstage::video(&app, ada, Visibility::Public, Situation::Ready).await;
    let hidden = backstage::video(&app, ada, Visibility::Unlisted, Situation::Ready).await;
    let change = Edit {
        description: Some(Description::parse("A day\n0:00 <b>Out</b>\n1:05 In").unwrap()),
        tags: Some(Tags::parse_line("sea & sand").unwrap()),
        downloads: Some(DownloadRule::OriginalToo),
        ..Edit::default()
    };
    videos::edit(&app.db, id, &change, None).await.unwrap();

    let path = format!("/watch/{id}");
    let (_, html) = page(&app, &path, None).await;
    for there in [
        "<a href=\"/u/ada\">ada</a>".to_owned(),
        "href=\"/search?q=sea+%26+sand\">sea &#38; sand</a>".to_owned(),
        format!("<a href=\"/watch/{id}?t=65\" data-seek=\"65\">"),
        "&#60;b&#62;Out&#60;/b&#62;".to_owned(),
        format!("href=\"/download/{id}/1/original.mp4\" download>As it was uploaded, MP4, 27 bytes</a>"),
        format!("&#60;iframe src=&#34;{}/embed/{id}&#34;", app.url),
    ] {
        assert!(html.contains(&there), "{there}: {html}");
    }
    let (_, next) = html.split_once("Up next").unwrap();
    let place = |video: VideoId| next.find(&format!("/watch/{video}"));
    assert!(place(of_ada).unwrap() < place(of_bob).unwrap(), "the channel first: {next}");
    assert_eq!((place(id), place(hidden)), (None, None));
    assert!(!html.contains("/studio/"), "{html}");
    assert!(page(&app, &path, Some(&token)).await.1.contains(&format!("/studio/{id}")));
}

/// What stands between the first two of these texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before}: {text}"));
    rest.split_once(after).unwrap().0
}

#[tokio::test]
async fn other_programs_are_told_of_what_is_public() {
    let app = TestApp::start(Database::sqlite()).await;
    app.sign_up("ada").await;
    publish_everything(&app).await;
    let ada = backstage::user(&app, "ada").await;
    let id = backstage::video(&app, ada, Visibility::Public, Situation::Ready).await;
    let unlisted = backstage::video(&app, ada, Visibility::Unlisted, Situation::Ready).await;
    let title = "</title><script>alert(1)</script> & \"more\" \u{ffff}";
    let change = Edit { title: Some(Title::parse(title).unwrap()), ..Edit::default() };
    videos::edit(&app.db, id, &change, None).await.unwrap();
    let watch = format!("{}/watch/{id}", app.url);

    // A feed and a list are XML, and have the two public videos.
    for (path, element, expected) in
        [("/u/ada/feed.xml", "item", 2), ("/sitemap.xml", "sitemap", 1), ("/sitemaps/1.xml", "url", 3)]
    {
        let answer = app.get(path).send().await.unwrap();
        assert!(answer.headers()["content-type"].to_str().unwrap().contains("xml; charset=utf-8"));
        let xml = answer.text().await.unwrap();
        let (mut found, mut texts) = (0, String::new());
        let mut reader = quick_xml::Reader::from_str(&xml);
        reader.config_mut().check_end_names = true;
        loop {
            match reader.read_event().unwrap_or_else(|error| panic!("{path}: {error}: {xml}")) {
                Event::Start(start) if start.name().as_ref() == element => found += 1,
                Event::Text(text) => texts.push_str(&text),
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(found, expected, "{path}: {xml}");
        assert!(!xml.contains(&unlisted.to_string()) && !xml.contains('\u{ffff}'), "{xml}");
        assert!(path == "/sitemap.xml" || texts.contains(&watch), "{xml}");
    }
    let robots = app.get("/robots.txt").send().await.unwrap().text().await.unwrap();
    assert!(robots.contains(&format!("Sitemap: {}/sitemap.xml", app.url)), "{robots}");

    let ask = |url: &str, more: &str| {
        let query = serde_urlencoded::to_string([("url", url)]).unwrap();
        app.get(&format!("/oembed?{query}{more}")).send()
    };
    let embed: Value = ask(&watch, "&format=json&maxwidth=320").await.unwrap().json().await.unwrap();
    assert_eq!((&embed["type"], &embed["version"]), (&json!("video"), &json!("1.0")));
    assert_eq!((&embed["width"], &embed["height"]), (&json!(320), &json!(180)));
    assert_eq!((&embed["title"], &embed["author_name"]), (&json!(title), &json!("ada")));
    let html = embed["html"].as_str().unwrap();
    assert!(html.contains(&format!("src=\"{}/embed/{id}\"", app.url)) && !html.contains("<script"), "{html}");
    for (url, more, status) in [
        (watch.as_str(), "&format=xml", 501),
        ("", "", 400),
        (&format!("{}/watch/{unlisted}", app.url), "", 404),
        (&format!("https://evil.example/watch/{id}"), "", 404),
    ] {
        assert_eq!(ask(url, more).await.unwrap().status().as_u16(), status, "{url}{more}");
    }

    // The page says the same of itself, and what is not listed says nothing of the kind.
    let (_, html) = page(&app, &format!("/watch/{id}"), None).await;
    let data: Value =
        serde_json::from_str(between(&html, "<script type=\"application/ld+json\">", "</script>")).unwrap();
    assert_eq!((&data["@type"], &data["name"]), (&json!("VideoObject"), &json!(title)));
    assert_eq!(data["duration"], "PT0M2S");
    let discovery = between(&html, "type=\"application/json+oembed\" href=\"", "\"").replace("&#38;", "&");
    let found: Value = app.client.get(discovery).send().await.unwrap().json().await.unwrap();
    assert_eq!(found["title"], title);
    let (_, html) = page(&app, &format!("/watch/{unlisted}"), None).await;
    assert!(!html.contains("ld+json") && !html.contains("oembed") && html.contains("noindex"), "{html}");
}
