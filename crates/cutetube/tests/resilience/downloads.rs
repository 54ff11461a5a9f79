//! Files to keep, as people get them: what is in them is what is streamed, to the frame and to the tick.

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use isobmff::{Limits, index_slice};
use reqwest::{
    Method, Response, StatusCode,
    header::{self, HeaderMap},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{Database, S3Bucket};

use crate::{
    clip::{self, Frames},
    platform::{Platform, Process},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_what_is_streamed_from_one_folder() {
    check(Platform::new(Database::sqlite()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_what_is_streamed_from_a_bucket() {
    let bucket = S3Bucket::shared();
    check(Platform::with(Database::postgres(), &bucket.environment()).await).await;
}

async fn check(mut platform: Platform) {
    let process = platform.start().await;
    let video = platform.upload(&process).await;
    let seen = platform.ended(&process, &video).await;
    assert_eq!(seen.state, "ready", "{}", seen.json);
    assert_eq!(seen.json["downloadable"], json!([]), "unless somebody says so, files are for the owner");
    let hls = seen.json["playback"]["hls"].as_str().unwrap();
    let site = Site { platform: &platform, process: &process, video };
    let streamed = site.streamed(hls.strip_suffix("master.m3u8").unwrap()).await;

    let offers = site.offers(Who::Owner).await;
    let named: Vec<String> = offers.keys().cloned().collect();
    assert_eq!(named, ["180p.mov", "180p.mp4", "90p.mov", "90p.mp4", "original.mp4"]);
    for (name, offer) in &offers {
        let whole = site.check_file(name, offer).await;
        match streamed.get(name.split_once('.').unwrap().0) {
            Some(streamed) => check_media(&whole, name, streamed).await,
            None => assert!(whole == clip::file(), "the original is what was uploaded"),
        }
    }

    site.change(&json!({ "downloads": "renditions" })).await;
    let offers = site.offers(Who::Anybody).await;
    assert_eq!(offers.keys().collect::<Vec<_>>(), ["180p.mov", "180p.mp4", "90p.mov", "90p.mp4"]);
    let url = offers["90p.mp4"]["url"].as_str().unwrap();
    assert_eq!(site.get(Who::Anybody, url, &[]).await.status(), StatusCode::OK);
    let original = url.replace("90p", "original");
    assert_eq!(site.get(Who::Anybody, &original, &[]).await.status(), StatusCode::NOT_FOUND);
    for nothing in ["91p.mp4", "audio.mp4", "storyboard.mp4", "original.mov"] {
        let url = url.replace("90p.mp4", nothing);
        assert_eq!(site.get(Who::Owner, &url, &[]).await.status(), StatusCode::NOT_FOUND, "{url}");
    }
    process.stop().await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Owner,
    Anybody,
}

struct Site<'a> {
    platform: &'a Platform,
    process: &'a Process,
    video: String,
}

impl Site<'_> {
    fn request(&self, who: Who, method: Method, url: &str) -> reqwest::RequestBuilder {
        let request = self.platform.client.request(method, url);
        match who {
            Who::Owner => request.bearer_auth(self.platform.token()),
            Who::Anybody => request,
        }
    }

    async fn get(&self, who: Who, url: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        let request = self.request(who, Method::GET, url);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, *value));
        request.send().await.unwrap()
    }

    async fn bytes(&self, url: &str) -> Bytes {
        let answer = self.get(Who::Anybody, url, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{url}");
        answer.bytes().await.unwrap()
    }

    fn resource(&self) -> String {
        format!("{}/api/v5/videos/{}", self.process.url, self.video)
    }

    /// What somebody is told there is, by name.
    async fn offers(&self, who: Who) -> BTreeMap<String, Value> {
        let video: Value = self.get(who, &self.resource(), &[]).await.json().await.unwrap();
        let name = |offer: &Value| {
            let part = |name: &str| offer[name].as_str().unwrap().to_owned();
            format!("{}.{}", part("rendition"), part("container"))
        };
        video["downloadable"].as_array().unwrap().iter().map(|offer| (name(offer), offer.clone())).collect()
    }

    async fn change(&self, change: &Value) {
        let request = self.request(Who::Owner, Method::PATCH, &self.resource()).json(change);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    }

    /// What players decode of each rung and of the sound below `root`.
    async fn streamed(&self, root: &str) -> BTreeMap<String, [Frames; 2]> {
        let folder = TempDir::new().unwrap();
        let mut decoded = BTreeMap::new();
        for rendition in ["90p", "180p", "audio"] {
            let mut stream = self.bytes(&format!("{root}{rendition}/init.mp4")).await.to_vec();
            let playlist = self.bytes(&format!("{root}{rendition}.m3u8")).await;
            let playlist = String::from_utf8(playlist.to_vec()).unwrap();
            for segment in playlist.lines().filter(|line| line.ends_with(".m4s")) {
                stream.extend_from_slice(&self.bytes(&format!("{root}{segment}")).await);
            }
            let path = folder.path().join(rendition);
            std::fs::write(&path, stream).unwrap();
            let kind = if rendition == "audio" { "a" } else { "v" };
            decoded.insert(rendition.to_owned(), clip::frames(&path, kind));
        }
        let sound = decoded.remove("audio").unwrap();
        decoded.into_iter().map(|(rung, picture)| (rung, [picture, sound.clone()])).collect()
    }

    /// Reads a file whole, and in parts; it is for nobody but its owner. Answers its bytes.
    async fn check_file(&self, name: &str, offer: &Value) -> Bytes {
        let url = offer["url"].as_str().unwrap();
        assert_eq!(self.get(Who::Anybody, url, &[]).await.status(), StatusCode::NOT_FOUND, "{url}");
        let answer = self.get(Who::Owner, url, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{url}");
        let headers = answer.headers().clone();
        let said = |headers: &HeaderMap, name: header::HeaderName| {
            headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let called = match name {
            "original.mp4" => "attachment; filename=\"clip.mp4\"".to_owned(),
            name => format!("attachment; filename=\"Clip {name}\""),
        };
        assert_eq!(said(&headers, header::CONTENT_DISPOSITION), called);
        let kind = if name.ends_with("mov") { "video/quicktime" } else { "video/mp4" };
        assert_eq!(said(&headers, header::CONTENT_TYPE), kind);
        assert_eq!(said(&headers, header::CACHE_CONTROL), "private, no-cache");
        let whole = answer.bytes().await.unwrap();
        let len = whole.len();
        assert_eq!(said(&headers, header::CONTENT_LENGTH), len.to_string());
        let told = usize::try_from(offer["bytes"].as_u64().unwrap()).unwrap();
        assert!(told >= len && told - len < 40_000, "{name}: {told} were told, there are {len}");

        let head = self.request(Who::Owner, Method::HEAD, url).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::OK);
        let tag = said(&headers, header::ETAG);
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        for name in [header::CONTENT_LENGTH, header::ETAG, header::CONTENT_TYPE, header::ACCEPT_RANGES] {
            assert_eq!(said(head.headers(), name.clone()), said(&headers, name));
        }
        let known = self.get(Who::Owner, url, &[(header::IF_NONE_MATCH, &tag)]).await;
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);

        for _ in 0..12 {
            let start = rand::random_range(0..len);
            let range = format!("bytes={start}-");
            let rest = self.get(Who::Owner, url, &[(header::RANGE, &range), (header::IF_RANGE, &tag)]).await;
            assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
            assert_eq!(
                said(rest.headers(), header::CONTENT_RANGE),
                format!("bytes {start}-{}/{len}", len - 1)
            );
            assert!(rest.bytes().await.unwrap() == whole[start..], "{name} from {start} on");
            let end = rand::random_range(start..len);
            let range = format!("bytes={start}-{end}");
            let part = self.get(Who::Owner, url, &[(header::RANGE, &range)]).await;
            assert!(part.bytes().await.unwrap() == whole[start..=end], "{name}: {range}");
        }
        let other = [(header::RANGE, "bytes=5-"), (header::IF_RANGE, "\"another\"")];
        let anew = self.get(Who::Owner, url, &other).await;
        assert_eq!((anew.status(), anew.bytes().await.unwrap()), (StatusCode::OK, whole.clone()));
        let beyond = self.get(Who::Owner, url, &[(header::RANGE, &format!("bytes={len}-"))]).await;
        assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        whole
    }
}

/// Frames and times of picture and sound, of a file that no reader has anything to say about.
async fn check_media(whole: &Bytes, name: &str, [picture, sound]: &[Frames; 2]) {
    let movie = index_slice(whole, Limits::default()).unwrap();
    assert_eq!(movie.media_end(), whole.len() as u64);
    assert_eq!(movie.file_type.is_quicktime(), name.ends_with("mov"));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, whole).unwrap();
    let decoded = tokio::task::spawn_blocking(move || {
        check_with_ffprobe(&path);
        [clip::frames(&path, "v"), clip::frames(&path, "a")]
    });
    let [found_picture, found_sound] = decoded.await.unwrap();
    assert_eq!(&found_picture, picture, "{name}");
    assert_eq!(&found_sound, sound, "{name}");
}

fn check_with_ffprobe(path: &Path) {
    let said: Value = serde_json::from_str(&clip::probed(path)).unwrap();
    let streams = said["streams"].as_array().unwrap();
    let kinds: Vec<&str> = streams.iter().map(|stream| stream["codec_name"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["h264", "aac"]);
    for stream in streams {
        assert_eq!(stream["start_pts"], 0, "{stream}");
        let seconds: f64 = stream["duration"].as_str().unwrap().parse().unwrap();
        assert!((39.9..=40.0).contains(&seconds), "{stream}");
    }
    assert_eq!(streams[0]["nb_frames"], "480");
}
