//! nginx as the edge of a CDN: what it caches costs the origin nothing, and what it checks it refuses.

use std::net::{IpAddr, SocketAddr};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use testbed::{Database, Forwarder, Nginx, S3Bucket};

use crate::{
    clip,
    platform::{Platform, Process, Role},
};

/// Whatever says that it may be kept is kept.
const CACHING: &str = "
    proxy_cache media; proxy_cache_lock on; proxy_cache_key $uri; proxy_http_version 1.1;
    proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;";

fn edge(locations: &str) -> Nginx {
    Nginx::start(&format!(
        "proxy_cache_path {{folder}}/cache keys_zone=media:10m;
         server {{ listen 127.0.0.1:{{port}}; access_log {{access_log}}; {locations} }}"
    ))
}

/// Plays both manifests of `playback` as a viewer, and tells which segments the edge had to fetch.
async fn play(nginx: &Nginx, playback: &Value) -> Vec<String> {
    let before = nginx.requests().len();
    for (manifest, times) in ["dash", "hls"].into_iter().zip(clip::times()) {
        let url = playback[manifest].as_str().unwrap().to_owned();
        assert!(url.starts_with(&nginx.url()), "{url}");
        let decoded = tokio::task::spawn_blocking(move || clip::decoded_times(&url)).await.unwrap();
        assert_eq!(&decoded, times, "{manifest}");
    }
    let asked = nginx.requests().split_off(before);
    assert!(asked.iter().all(|line| line.starts_with("200 ") || line.starts_with("206 ")), "{asked:?}");
    let is_segment = |line: &String| line.contains(".m4s") || line.contains("init.mp4");
    assert!(asked.iter().any(is_segment), "{asked:?}");
    asked.into_iter().filter(|line| is_segment(line) && !line.contains(" HIT ")).collect()
}

async fn playback(Site { platform, process, video, .. }: &Site) -> Value {
    let url = format!("{}/api/v5/videos/{video}", process.url);
    let answer = platform.client.get(url).bearer_auth(platform.token()).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["playback"].clone()
}

/// An edge, the origin behind it, and a video that is ready.
struct Site {
    nginx: Nginx,
    platform: Platform,
    process: Process,
    video: String,
    _wire: Forwarder,
}

async fn behind_an_edge(
    settings: &[(&'static str, String)],
    locations: impl Fn(SocketAddr) -> String,
) -> Site {
    // The edge is there before its origin: its address is in the origin's settings.
    let wire = Forwarder::start(([127, 0, 0, 1], 9).into()).await;
    let nginx = edge(&locations(wire.address()));
    let own = [
        ("CUTETUBE_DELIVERY__CDN_BASE_URL", nginx.url()),
        ("CUTETUBE_SERVER__TRUSTED_PROXIES", "127.0.0.0/8".to_owned()),
    ];
    let settings: Vec<_> = own.into_iter().chain(settings.iter().cloned()).collect();
    let mut platform = Platform::with(Database::sqlite(), &settings).await;
    let process = platform.start_as(Role::All).await;
    wire.point_at(process.url.trim_start_matches("http://").parse().unwrap());
    let video = platform.upload(&process).await;
    platform.ended(&process, &video).await;
    Site { nginx, platform, process, video, _wire: wire }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_viewer_costs_the_origin_nothing() {
    let locations = |origin| format!("location / {{ proxy_pass http://{origin}; {CACHING} }}");
    let site = behind_an_edge(&[], locations).await;
    let playback = playback(&site).await;
    assert_ne!(play(&site.nginx, &playback).await, Vec::<String>::new(), "the first fills the cache");
    assert_eq!(play(&site.nginx, &playback).await, Vec::<String>::new());
    site.process.stop().await;
}

/// A bucket as the origin, whose objects anybody may read: nothing asks the platform.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_can_be_the_origin() {
    let bucket = S3Bucket::shared();
    let folder = bucket.url.trim_start_matches("s3://").to_owned();
    let endpoint = bucket.endpoint.clone();
    let locations = move |_| {
        format!(
            "location /vod-media/ {{ proxy_pass {endpoint}/{folder}/vod-media/; {CACHING} proxy_cache_valid 200 1h; }}"
        )
    };
    let site = behind_an_edge(&bucket.environment(), locations).await;
    let playback = playback(&site).await;
    site.process.stop().await;
    assert_ne!(play(&site.nginx, &playback).await, Vec::<String>::new());
    assert_eq!(play(&site.nginx, &playback).await, Vec::<String>::new());
}

/// nginx's own module checks what the platform signs: `secure_link` over the folder that `folder` finds in a path.
fn checked(origin: SocketAddr, folder: &str) -> String {
    format!(
        "location ~ ^(?<folder>{folder}) {{
           secure_link $arg_md5,$arg_expires;
           secure_link_md5 \"$secure_link_expires$folder$remote_addr a secret of the CDN\";
           if ($secure_link = \"\") {{ return 403; }}
           if ($secure_link = \"0\") {{ return 410; }}
           proxy_pass http://{origin}; {CACHING}
         }}"
    )
}

async fn an_edge_honours_and_refuses(scheme: &str, folder: &str) {
    let settings = [
        ("CUTETUBE_DELIVERY__SIGNING__SCHEME", scheme.to_owned()),
        ("CUTETUBE_DELIVERY__SIGNING__SECRET", "a secret of the CDN".to_owned()),
        ("CUTETUBE_DELIVERY__SIGNING__BIND_ADDRESS", "true".to_owned()),
    ];
    let locations = |origin| checked(origin, folder);
    let site = behind_an_edge(&settings, locations).await;
    let status = format!("{}/api/v5/videos/{}", site.process.url, site.video);
    for visibility in ["public", "private"] {
        let change = site.platform.client.patch(&status).bearer_auth(site.platform.token());
        let changed = change.json(&json!({ "visibility": visibility })).send().await.unwrap();
        assert_eq!(changed.status(), StatusCode::OK);
        let playback = playback(&site).await;
        play(&site.nginx, &playback).await;
        assert_eq!(play(&site.nginx, &playback).await, Vec::<String>::new(), "{visibility}");

        let here = Client::new();
        let elsewhere = Client::builder().local_address(IpAddr::from([127, 0, 0, 2])).build().unwrap();
        let valid = playback["hls"].as_str().unwrap().to_owned();
        let (path, query) = valid.split_once('?').unwrap();
        let (tag, expires) = query.split_once("&expires=").unwrap();
        let later = expires.parse::<u64>().unwrap() + 1;
        let folder = format!("{}/", path.trim_start_matches(&site.nginx.url()).rsplit_once('/').unwrap().0);
        let over = format!("{path}?{}", signed(&folder, 1_510_000_000));
        assert_eq!(query, signed(&folder, expires.parse().unwrap()), "as nginx describes it");
        assert_eq!(get(&here, &valid).await, StatusCode::OK, "{visibility}");
        assert_eq!(get(&elsewhere, &valid).await, StatusCode::FORBIDDEN, "another address");
        assert_eq!(get(&here, &over).await, StatusCode::GONE, "expired");
        assert_eq!(get(&here, path).await, StatusCode::FORBIDDEN, "no query");
        assert_eq!(
            get(&here, &format!("{path}?{tag}&expires={later}")).await,
            StatusCode::FORBIDDEN,
            "tampered"
        );
        let other = valid.replace(&site.video, "00000000-0001-7000-8000-000000000000");
        assert_eq!(get(&here, &other).await, StatusCode::FORBIDDEN, "another path");
        // Who goes around the edge finds what everybody finds.
        let at_origin = |address: &str| address.replace(&site.nginx.url(), &site.process.url);
        let around = get(&here, &at_origin(path)).await;
        assert_eq!(around, if visibility == "public" { StatusCode::OK } else { StatusCode::NOT_FOUND });
        assert_eq!(get(&here, &at_origin(&over)).await, around);
        assert_eq!(get(&here, &at_origin(&valid)).await, StatusCode::OK);
    }
    site.process.stop().await;
}

/// What `echo -n … | openssl md5 -binary | openssl base64 | tr +/ -_ | tr -d =` makes of it for a viewer on this machine.
fn signed(folder: &str, expires: u64) -> String {
    let text = format!("{expires}{folder}127.0.0.1 a secret of the CDN");
    format!("md5={}&expires={expires}", BASE64_URL_SAFE_NO_PAD.encode(Md5::digest(text)))
}

async fn get(client: &Client, url: &str) -> StatusCode {
    client.request(Method::GET, url).send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secure_links_are_checked_at_the_edge() {
    an_edge_honours_and_refuses("secure-link", "/vod-media/[^/]+/[^/]+/").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_are_tokens_of_flat_folders() {
    an_edge_honours_and_refuses("gcore", "/app/v2/dash/[^/]+/").await;
}
