//! What every route answers to whom, held against `routes.txt`.

use std::collections::BTreeSet;

use catalog::{
    ids::{UserId, VideoId},
    videos::{self, Visibility},
};
use reqwest::{Client, Method, redirect};
use testbed::Database;

use crate::{
    app::TestApp,
    backstage::{self, Situation},
};

const TABLE: &str = include_str!("routes.txt");
const ACTORS: [&str; 4] = ["anonymous", "other", "owner", "admin"];
const VISIBILITIES: [Visibility; 3] = [Visibility::Public, Visibility::Unlisted, Visibility::Private];
const SITUATIONS: [Situation; 4] =
    [Situation::Ready, Situation::Processing, Situation::Failed, Situation::Deleted];

/// A block of the table.
#[derive(Debug)]
struct Row {
    method: Method,
    /// As the router has it.
    route: &'static str,
    /// What is asked for.
    path: &'static str,
    /// By actor; one status for each, or twelve.
    expected: Vec<(&'static str, Vec<u16>)>,
}

/// Who asks, and for which videos.
struct Cast {
    app: TestApp,
    client: Client,
    tokens: [Option<String>; 4],
    owner: UserId,
    /// By visibility, then by situation: for requests that change nothing.
    videos: Vec<VideoId>,
}

#[tokio::test]
async fn every_route_answers_everybody_as_the_table_says() {
    let cast = Cast::gather().await;
    let mut wrong = Vec::new();
    for row in table() {
        let found = cast.play(&row).await;
        if found != row.shown() {
            wrong.push(format!("expected\n{}\nfound\n{found}", row.shown()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    cast.app.shut_down().await;
}

#[tokio::test]
async fn no_route_is_missing_from_the_table() {
    let app = TestApp::start(Database::sqlite()).await;
    let rows = table();
    let listed: BTreeSet<String> = rows.iter().map(|row| row.route.to_owned()).collect();
    assert_eq!(listed, app.paths, "the routes of the table, and those of the router");

    let document = app.get_json("/doc/openapi.json").await.json;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let is_listed = |row: &Row| row.route == path && row.method.as_str().eq_ignore_ascii_case(method);
            assert!(rows.iter().any(is_listed), "{method} {path} is in the documentation only");
        }
    }
}

impl Cast {
    async fn gather() -> Self {
        let app = TestApp::start(Database::sqlite()).await;
        let mut tokens = [None, None, None, None];
        for (token, name) in tokens.iter_mut().zip(["", "bob", "ada", "edith"]).skip(1) {
            *token = Some(app.sign_up(name).await);
        }
        backstage::promote(&app, "edith").await;
        let owner = backstage::user(&app, "ada").await;
        let mut videos = Vec::new();
        for visibility in VISIBILITIES {
            for situation in SITUATIONS {
                videos.push(backstage::video(&app, owner, visibility, situation).await);
            }
        }
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { app, client, tokens, owner, videos }
    }

    /// The row as it would have to be.
    async fn play(&self, row: &Row) -> String {
        let mut lines = vec![row.head()];
        for (names, expected) in &row.expected {
            let mut found: Vec<Vec<u16>> = Vec::new();
            for name in names.split_whitespace() {
                let actor = ACTORS.iter().position(|actor| *actor == name).unwrap();
                let mut statuses = Vec::new();
                for cell in 0..expected.len() {
                    statuses.push(self.ask(row, actor, cell).await);
                }
                found.push(statuses);
            }
            found.dedup();
            lines.extend(found.iter().map(|statuses| line(names, statuses)));
        }
        lines.join("\n")
    }

    async fn ask(&self, row: &Row, actor: usize, cell: usize) -> u16 {
        let (visibility, situation) = (VISIBILITIES[cell / 4], SITUATIONS[cell % 4]);
        let is_safe = matches!(row.method, Method::GET | Method::HEAD) || situation == Situation::Deleted;
        // Others change nothing; if they did, what is asked next would show it.
        let changes = !is_safe && row.path.contains("{id}") && matches!(ACTORS[actor], "owner" | "admin");
        let video = match changes {
            true => backstage::video(&self.app, self.owner, visibility, situation).await,
            false => self.videos[cell],
        };
        let mut path = row.path.replace("{id}", &video.to_string());
        if path.contains("{process}") {
            let process = videos::video(&self.app.db, video).await.unwrap().process;
            path = path.replace("{process}", &process.to_string());
        }
        if path.contains("{token}") {
            path = path.replace("{token}", &self.token(video).await);
        }
        let mut request = self.client.request(row.method.clone(), format!("{}{path}", self.app.url));
        if let Some(token) = &self.tokens[actor] {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// What the owner is told that opens the video; for one that needs no token or has none, that of another one.
    async fn token(&self, video: VideoId) -> String {
        let told = |video: VideoId| {
            self.app.get(&format!("/api/v5/videos/{video}")).bearer_auth(self.tokens[2].as_deref().unwrap())
        };
        for video in [video, self.videos[4]] {
            let text = told(video).send().await.unwrap().text().await.unwrap();
            if let Some((_, rest)) = text.split_once("/p/") {
                return rest.split_once('/').unwrap().0.to_owned();
            }
        }
        panic!("an unlisted video that plays has a token");
    }
}

impl Row {
    fn head(&self) -> String {
        match self.route == self.path {
            true => format!("{} {}", self.method, self.route),
            false => format!("{} {} as {}", self.method, self.route, self.path),
        }
    }

    fn shown(&self) -> String {
        let lines = self.expected.iter().map(|(names, statuses)| line(names, statuses));
        std::iter::once(self.head()).chain(lines).collect::<Vec<_>>().join("\n")
    }
}

fn line(names: &str, statuses: &[u16]) -> String {
    let groups: Vec<String> = statuses
        .chunks(4)
        .map(|group| group.iter().map(u16::to_string).collect::<Vec<_>>().join(" "))
        .collect();
    format!("  {names:<28}{}", groups.join("   "))
}

fn table() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for text in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(text) = text.strip_prefix("  ") {
            let (names, statuses) = text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap());
            let statuses: Vec<u16> =
                statuses.split_whitespace().map(|status| status.parse().unwrap()).collect();
            assert!(matches!(statuses.len(), 1 | 12), "{text}");
            rows.last_mut().unwrap().expected.push((names.trim(), statuses));
        } else {
            let mut words = text.split_whitespace();
            let method = words.next().unwrap().parse().unwrap();
            let route = words.next().unwrap();
            let path = words.nth(1).unwrap_or(route);
            rows.push(Row { method, route, path, expected: Vec::new() });
        }
    }
    for row in &rows {
        let named: Vec<&str> = row.expected.iter().flat_map(|(names, _)| names.split_whitespace()).collect();
        assert_eq!(named, ACTORS, "{}", row.head());
    }
    rows
}
