//! Captions in streams: added, replaced and taken away while the video plays, by processes that are killed.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};
use testbed::{Database, S3Bucket};

use crate::{
    clip,
    platform::{Platform, Process, Role},
    scrubs::scrub,
};

const ENGLISH: &str = "WEBVTT\n\n00:00:00.100 --> 00:00:00.900\nHere we are.\n";
const GERMAN: &str = "1\n00:00:00,100 --> 00:00:00,900\nDa sind wir.\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captions_come_and_go_in_one_process() {
    let platform = Platform::new(Database::sqlite()).await;
    check(platform, &[Role::All]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captions_come_and_go_on_two_machines() {
    let bucket = S3Bucket::shared();
    let platform = Platform::with(Database::postgres(), &bucket.environment()).await;
    check(platform, &[Role::Web, Role::Worker]).await;
}

async fn start(platform: &Platform, roles: &[Role]) -> Vec<Process> {
    let mut processes = Vec::new();
    for role in roles {
        processes.push(platform.start_as(*role).await);
    }
    processes
}

async fn check(mut platform: Platform, roles: &[Role]) {
    let mut processes = start(&platform, roles).await;
    let video = platform.upload(&processes[0]).await;

    // What comes before the video plays is there when it does.
    let added = put(&platform, &processes[0], &video, "en?kind=captions", ENGLISH).await;
    assert_eq!(
        (added.0, &added.1["label"], &added.1["cues"]),
        (200, &json!("English"), &json!(1)),
        "{added:?}"
    );
    let seen = platform.ended(&processes[0], &video).await;
    assert_eq!(seen.state, "ready", "{}", seen.json);
    platform.until_idle().await;
    assert_eq!(shown(&platform, &processes[0], &video).await, [("en".to_owned(), true)]);
    let page = Page { platform: &platform, playback: seen.json["playback"].clone() };
    assert_eq!(page.named().await, ["text-1.vtt"]);
    assert_eq!(page.text("text-1.vtt").await.as_deref(), Some(ENGLISH));
    let before = page.media().await;

    // Killed on the way, it is done by who comes next.
    let added = put(&platform, &processes[0], &video, "de", GERMAN).await;
    assert_eq!((added.0, &added.1["kind"]), (200, &json!("subtitles")), "{added:?}");
    for process in processes {
        process.kill().await;
    }
    processes = start(&platform, roles).await;
    platform.until_idle().await;
    let both = [("de".to_owned(), true), ("en".to_owned(), true)];
    assert_eq!(shown(&platform, &processes[0], &video).await, both);
    let seen = platform.see(&processes[0], &video).await;
    let page = Page { platform: &platform, playback: seen.json["playback"].clone() };
    assert_eq!(page.named().await, ["text-1.vtt", "text-2.vtt"]);
    let german = "WEBVTT\n\n00:00:00.100 --> 00:00:00.900\nDa sind wir.\n";
    assert_eq!(page.text("text-2.vtt").await.as_deref(), Some(german));
    assert_eq!(page.media().await, before, "no medium was made again");

    // What is no captions changes nothing.
    let refused = put(&platform, &processes[0], &video, "de", "1\n0:00 --> x\nDa\n").await;
    assert_eq!(refused.0, 422);
    assert!(
        refused.1["errors"][0]["detail"].as_str().unwrap().starts_with("Line 2: `0:00 --> x`"),
        "{refused:?}"
    );
    let refused = put(&platform, &processes[0], &video, "de", &"x".repeat((2 << 20) + 1)).await;
    assert_eq!(refused.0, 413, "{refused:?}");

    // Replaced, they have another name; taken away, they are gone.
    assert_eq!(put(&platform, &processes[0], &video, "de", ENGLISH).await.0, 200);
    let path = format!("/api/v5/videos/{video}/captions/en");
    assert_eq!(platform.ask(&processes[0], Method::DELETE, &path).await, StatusCode::NO_CONTENT);
    assert_eq!(platform.ask(&processes[0], Method::DELETE, &path).await, StatusCode::NOT_FOUND);
    platform.until_idle().await;
    for process in processes {
        process.stop().await;
    }
    processes = start(&platform, roles).await;
    let seen = platform.see(&processes[0], &video).await;
    let page = Page { platform: &platform, playback: seen.json["playback"].clone() };
    assert_eq!(page.named().await, ["text-3.vtt"]);
    assert_eq!(page.text("text-3.vtt").await.as_deref(), Some(ENGLISH));
    for gone in ["text-1.vtt", "text-2.vtt", "text-1.m3u8", "mov/text-2.m3u8"] {
        assert_eq!(page.text(gone).await, None, "{gone}");
    }
    assert_eq!(page.media().await, before);
    let (report, _) = scrub(&platform, &[]).await;
    assert_eq!(report["damaged"], json!([]), "what is recorded is what is there");
    for process in processes {
        process.stop().await;
    }
}

async fn put(
    platform: &Platform,
    process: &Process,
    video: &str,
    language: &str,
    file: &str,
) -> (u16, Value) {
    let url = format!("{}/api/v5/videos/{video}/captions/{language}", process.url);
    let request = platform.client.put(url).bearer_auth(platform.token()).body(file.to_owned());
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Languages, and whether manifests have them.
async fn shown(platform: &Platform, process: &Process, video: &str) -> Vec<(String, bool)> {
    let url = format!("{}/api/v5/videos/{video}/captions", process.url);
    let list: Value = platform.client.get(url).send().await.unwrap().json().await.unwrap();
    let one =
        |track: &Value| (track["language"].as_str().unwrap().to_owned(), track["shown"].as_bool().unwrap());
    list.as_array().unwrap().iter().map(one).collect()
}

/// What a player of the video loads.
struct Page<'a> {
    platform: &'a Platform,
    playback: Value,
}

impl Page<'_> {
    fn url(&self, manifest: &str) -> &str {
        self.playback[manifest].as_str().unwrap()
    }

    fn root(&self) -> Url {
        Url::parse(self.url("hls")).unwrap().join(".").unwrap()
    }

    async fn get(&self, url: Url) -> Option<Vec<u8>> {
        let answer = self.platform.client.get(url).send().await.unwrap();
        match answer.status() {
            StatusCode::OK => Some(answer.bytes().await.unwrap().to_vec()),
            StatusCode::NOT_FOUND => None,
            other => panic!("{other}"),
        }
    }

    async fn text(&self, name: &str) -> Option<String> {
        Some(String::from_utf8(self.get(self.root().join(name).unwrap()).await?).unwrap())
    }

    /// The files of captions that manifests lead to: the same from DASH and HLS, in both flavours, and under flat names.
    async fn named(&self) -> Vec<String> {
        let root = self.root();
        let manifests = ["dash", "dash_mov"].map(|manifest| Url::parse(self.url(manifest)).unwrap());
        let mut lists = Vec::new();
        for manifest in manifests {
            let text = String::from_utf8(self.get(manifest.clone()).await.unwrap()).unwrap();
            let urls = text.split("<BaseURL>").skip(1).map(|rest| rest.split('<').next().unwrap());
            lists.push(urls.map(|url| manifest.join(url).unwrap()).collect::<Vec<Url>>());
        }
        for master in ["master.m3u8", "mov/master.m3u8"] {
            let master = root.join(master).unwrap();
            let text = String::from_utf8(self.get(master.clone()).await.unwrap()).unwrap();
            let mut files = Vec::new();
            for line in text.lines().filter(|line| line.contains("TYPE=SUBTITLES")) {
                let playlist =
                    master.join(line.split("URI=\"").nth(1).unwrap().trim_end_matches('"')).unwrap();
                let text = String::from_utf8(self.get(playlist.clone()).await.unwrap()).unwrap();
                let file = text.lines().find(|line| !line.starts_with('#')).unwrap();
                files.push(playlist.join(file).unwrap());
            }
            let variants = text.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF"));
            assert!(variants.clone().all(|line| line.contains(",SUBTITLES=\"text\"") != files.is_empty()));
            lists.push(files);
        }
        for list in &mut lists {
            list.sort();
        }
        let [first, others @ ..] = lists.as_slice() else { panic!() };
        assert!(others.iter().all(|list| list == first), "{lists:?}");
        first.iter().map(|url| url.as_str().strip_prefix(root.as_str()).unwrap().to_owned()).collect()
    }

    /// Everything but manifests and captions.
    async fn media(&self) -> BTreeMap<String, (u64, [u8; 32])> {
        let mut media = BTreeMap::new();
        for name in clip::made().iter().filter(|name| !name.ends_with(".m3u8") && !name.ends_with(".mpd")) {
            let bytes = self.get(self.root().join(name).unwrap()).await.unwrap();
            media.insert(name.clone(), clip::fingerprint(&bytes));
        }
        media
    }
}
