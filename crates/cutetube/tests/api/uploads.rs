use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::{
    Body, StatusCode,
    multipart::{Form, Part},
};
use sha2::{Digest, Sha256};
use testbed::Database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    app::TestApp,
    clips::{CLIP, Clip, clip, padded_clip},
};

testbed::on_both_databases!(an_upload_becomes_a_video_and_its_first_job);

fn form(file: impl Into<Vec<u8>>) -> Form {
    named("holiday.mp4", file)
}

fn named(file_name: &str, file: impl Into<Vec<u8>>) -> Form {
    let part = Part::bytes(file.into()).file_name(file_name.to_owned());
    Form::new()
        .text("title", "Our holiday")
        .text("description", "Sun")
        .text("duration", "00:00:02")
        .part("video", part)
}

async fn an_upload_becomes_a_video_and_its_first_job(database: Database) {
    let app = TestApp::start(database).await;
    let _hidden = app.hide_what_differs();
    let token = app.sign_up("ada").await;
    let file = clip(CLIP);

    let answer = app.upload(&token, form(file.clone())).await;
    let id = answer.json["data"]["video_id"].as_str().unwrap().to_owned();
    let video = catalog::videos::video(&app.db, id.parse().unwrap()).await.unwrap();
    assert_eq!(video.source.sha256, Some(Sha256::digest(&file).into()));
    assert_eq!(video.source.bytes, file.len() as u64);
    let depths = jobs::depths(&app.db).await.unwrap();
    insta::assert_snapshot!(
        "an_upload",
        [
            answer.shown(),
            app.objects().await.join("\n"),
            depths
                .iter()
                .map(|depth| format!("{} {} {} {}", depth.queue, depth.kind, depth.state, depth.jobs))
                .collect::<Vec<_>>()
                .join("\n"),
            app.get_json(&format!("/api/v5/videos/{id}")).await.shown(),
            app.get_json(&format!("/api/v3/vod/metadata/stream/{id}/")).await.shown(),
        ]
        .join("\n\n")
    );
}

#[tokio::test]
async fn fields_may_come_after_the_file() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let part = Part::bytes(clip(CLIP)).file_name("A.MOV");
    let answer =
        app.upload(&token, Form::new().part("video", part).text("unknown", "x").text("title", "T")).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(answer.json["data"]["video_extention"], ".mov");
}

#[tokio::test]
async fn bad_input_is_answered_with_a_sentence_and_leaves_nothing() {
    let app = TestApp::start_with(Database::sqlite(), |config| config.limits.upload_bytes = 100_000).await;
    let token = app.sign_up("ada").await;
    let good = clip(CLIP);
    let quarter = |n: usize| good[..good.len() * n / 4].to_vec();
    let mut lying = good.clone();
    // The first box inside of `moov` says it is longer than `moov`.
    let moov = lying.windows(4).position(|at| at == b"mvhd").unwrap() - 4;
    lying[moov..moov + 4].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
    let plain = |name: &'static str| Part::bytes(clip(CLIP)).file_name(name);
    let cases: Vec<(&str, Form)> = vec![
        ("no file", Form::new().text("title", "T")),
        ("empty", form([])),
        ("text named .mp4", form("hello, this is not a video")),
        ("three bytes", form([1, 2, 3])),
        ("named .txt", named("holiday.txt", good.clone())),
        ("without extension", named("mp4", good.clone())),
        ("first quarter", form(quarter(1))),
        ("two quarters", form(quarter(2))),
        ("three quarters", form(quarter(3))),
        ("first half, index last", form(clip(Clip { moov_first: false, ..CLIP })[..5000].to_vec())),
        ("no index", form([&b"\0\0\0\x10ftypisom\0\0\0\0\0\0\x08\0mdat"[..], &[7; 2040]].concat())),
        ("lying box", form(lying)),
        ("four billion samples", form(clip(Clip { declared: u32::MAX, ..CLIP }))),
        ("sound only", form(clip(Clip { handler: b"soun", ..CLIP }))),
        ("too long", form(vec![0; 100_001].tap(|file| file[..12].copy_from_slice(b"\0\0\0\x0cftypisom")))),
        ("wrong duration", form(good.clone()).text("duration", "2 s")),
        ("no title", Form::new().part("video", plain("a.mp4"))),
        ("blank title", Form::new().text("title", " ").part("video", plain("a.mp4"))),
        ("control characters", Form::new().text("title", "a\u{0}b").part("video", plain("a.mp4"))),
        ("long title", Form::new().text("title", "x".repeat(201)).part("video", plain("a.mp4"))),
        ("long unknown field", Form::new().text("x", "y".repeat(40_000)).part("video", plain("a.mp4"))),
        (
            "two files",
            Form::new().text("title", "T").part("video", plain("a.mp4")).part("video", plain("b.mp4")),
        ),
        ("many fields", (0..40).fold(Form::new(), |form, n| form.text(format!("f{n}"), "x"))),
    ];
    let mut said = Vec::new();
    for (name, form) in cases {
        let answer = app.upload(&token, form).await;
        assert!(answer.status.is_client_error(), "{name}: {answer:?}");
        let data = &answer.json["data"];
        assert_eq!(data["status"], "error", "{name}: {answer:?}");
        said.push(format!("{name}: {} {} {}", answer.status.as_u16(), data["error_key"], data["detail"]));
    }
    insta::assert_snapshot!(said.join("\n"));
    until(|| app.files() == 0).await;
    assert_eq!(app.get_json("/api/v3/vod/videos/all/").await.json["data"]["count"], 0);
}

/// What cannot be known without decoding is left to the workers; odd names are only names.
#[tokio::test]
async fn odd_but_possible_input_is_taken() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let huge = Clip { width: 60_000, height: 60_000, ..CLIP };
    for (title, file_name, file) in [
        ("../../etc/passwd", "../../../x.mp4", clip(CLIP)),
        ("<script>alert(1)</script>", "<b>.mp4", clip(CLIP)),
        ("big", "big.mp4", clip(huge)),
    ] {
        let part = Part::bytes(file).file_name(file_name);
        let answer = app.upload(&token, Form::new().text("title", title).part("video", part)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let id = answer.json["data"]["video_id"].as_str().unwrap().to_owned();
        assert_eq!(app.get_json(&format!("/api/v5/videos/{id}")).await.json["title"], title);
        assert!(app.objects().await.contains(&format!("sources/{id}/source.mp4")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_uploads_too() {
    let app = TestApp::start(Database::sqlite()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("holiday.mp4");
    std::fs::write(&file, clip(CLIP)).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_cutetube"));
    program
        .args(["publish", "--server", &app.url, "--sign-up", "ada@example.org", "--title", "Sea"])
        .arg(&file);
    program.envs([("CUTETUBE_CREDENTIAL", "ada"), ("CUTETUBE_PASSWORD", "correct horse")]);
    for _ in 0..2 {
        let done = program.output().await.unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        let id = said
            .trim()
            .strip_prefix(&format!("watch {}/watch/", app.url))
            .unwrap_or_else(|| panic!("{done:?}"));
        assert_eq!(app.get_json(&format!("/api/v5/videos/{id}")).await.json["title"], "Sea");
        assert!(app.objects().await.contains(&format!("sources/{id}/source.mp4")));
        assert!(String::from_utf8_lossy(&done.stderr).ends_with("uploading 100%\n"));
    }
}

#[tokio::test]
async fn strangers_are_answered_before_the_file_is_read() {
    let app = TestApp::start(Database::sqlite()).await;
    let address = app.url.strip_prefix("http://").unwrap().to_owned();
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /api/v3/vod/initiate-task/upload/ HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\
                content-type: multipart/form-data; boundary=b\r\nexpect: 100-continue\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    let read = connection.read_exact(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
}

/// A client that sends a large body without asking still gets to read why it was refused.
#[tokio::test]
async fn a_refused_client_reads_its_answer() {
    let app = TestApp::start(Database::sqlite()).await;
    let part = Part::bytes(vec![0; 8 << 20]).file_name("a.mp4");
    let answer = app.upload("no token", Form::new().text("title", "T").part("video", part)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);

    let token = app.sign_up("ada").await;
    let part = Part::bytes(vec![0; 8 << 20]).file_name("a.mp4");
    let answer = app.upload(&token, Form::new().text("title", "T").part("video", part)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let app = TestApp::start(Database::sqlite()).await;
    let token = app.sign_up("ada").await;
    let (start, _) = padded_clip(1 << 20);
    let pieces = [Ok(Bytes::from(start)), Err(std::io::Error::other("the cable is out"))];
    let part = Part::stream(Body::wrap_stream(stream::iter(pieces))).file_name("a.mp4");
    let request = app.post("/api/v3/vod/initiate-task/upload/").bearer_auth(token);
    request.multipart(Form::new().text("title", "T").part("video", part)).send().await.unwrap_err();
    until(|| app.files() == 0).await;
    assert_eq!(app.objects().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_stalled_upload_is_given_up() {
    let app = TestApp::start_with(Database::sqlite(), |config| config.limits.upload_stall_seconds = 1).await;
    let token = app.sign_up("ada").await;
    let (start, _) = padded_clip(1 << 20);
    let pieces = stream::StreamExt::chain(
        stream::iter([Ok::<_, std::io::Error>(Bytes::from(start))]),
        stream::pending(),
    );
    let part = Part::stream(Body::wrap_stream(pieces)).file_name("a.mp4");
    let answer = app.upload(&token, Form::new().text("title", "T").part("video", part)).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT, "{answer:?}");
    until(|| app.files() == 0).await;
}

/// A byte now and then does not keep a place among the uploads.
#[tokio::test]
async fn an_upload_that_drips_is_given_up() {
    let app = TestApp::start_with(Database::sqlite(), |config| {
        config.limits.upload_stall_seconds = 1;
        config.limits.least_bytes_per_second = 10_000;
    })
    .await;
    let token = app.sign_up("ada").await;
    let ticks = || {
        stream::unfold(tokio::time::interval(Duration::from_millis(20)), async |mut ticks| {
            ticks.tick().await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ticks))
        })
    };
    let (start, _) = padded_clip(1 << 20);
    let file = stream::StreamExt::chain(stream::iter([Ok(Bytes::from(start))]), ticks());
    let forms = [
        Form::new()
            .text("title", "T")
            .part("video", Part::stream(Body::wrap_stream(file)).file_name("a.mp4")),
        Form::new().part("title", Part::stream(Body::wrap_stream(ticks()))),
        Form::new().part("nobody_asked", Part::stream(Body::wrap_stream(ticks()))),
    ];
    for form in forms {
        let answer = app.upload(&token, form).await;
        assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT, "{answer:?}");
    }
    until(|| app.files() == 0).await;
}

#[tokio::test]
async fn more_uploads_than_slots_are_asked_to_come_back() {
    let app = TestApp::start_with(Database::sqlite(), |config| config.limits.concurrent_uploads = 0).await;
    let token = app.sign_up("ada").await;
    let answer = app.upload(&token, form(clip(CLIP))).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// Waits for what a background task is about to do.
async fn until(mut happened: impl FnMut() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it never happened");
}

trait Tap: Sized {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Tap for Vec<u8> {}

/// By what the request says of its length where that is enough, and by what comes where it is not.
#[tokio::test]
async fn what_does_not_fit_is_refused_before_or_while_it_is_read() {
    let app = TestApp::start_with(Database::sqlite(), |config| {
        config.accounts.quota.bytes = 100_000;
        config.accounts.quota.videos = 2;
    })
    .await;
    let token = app.sign_up("ada").await;
    let refused = app.upload(&token, form(vec![0; 4_000_000])).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    let sentence = refused.json["data"]["detail"].as_str().unwrap();
    assert!(sentence.contains("100000 bytes") && refused.json["data"]["error_key"] == "video", "{refused:?}");
    let (head, padding) = padded_clip(200_000);
    let file = [head, vec![0; padding as usize]].concat();
    let refused = app.upload(&token, form(file)).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "its length alone does not tell: {refused:?}");
    assert!(refused.json["data"]["detail"].as_str().unwrap().contains("100000 bytes"), "{refused:?}");
    until(|| app.files() == 0).await;

    for _ in 0..2 {
        assert_eq!(app.upload(&token, form(clip(CLIP))).await.status, StatusCode::CREATED);
    }
    let refused = app.upload(&token, form(clip(CLIP))).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    assert!(refused.json["data"]["detail"].as_str().unwrap().contains("2 videos"), "{refused:?}");
}
