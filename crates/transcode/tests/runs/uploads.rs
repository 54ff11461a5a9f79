//! Whole files: what they are, and making them readable. Uploads may be anything, also an attempt to read the server.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;

use bytes::Bytes;
use isobmff::index_slice;
use libtest_mimic::Trial;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use transcode::args::Normalise;
use transcode::examine::examine;
use transcode::normalise_run::{NormaliseError, normalise};
use transcode::portrait::{SIDE, portrait};
use transcode::probe::Probe;
use transcode::probe_run::{ProbeRunError, probe_file};
use transcode::process::ProcessError;
use transcode::runner::{RunError, Runner};
use transcode::sandbox::{Priority, SandboxMode};
use transcode::still_run::{StillError, StillFormat};
use transcode::toolchain::Toolchain;

use crate::clips::{Clips, Source, numbers};
use crate::sandbox::crafted_files;
use crate::support::{PATIENCE, ffmpeg, toolchain, trial};
use crate::video::{LIMITS, settings};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("uploads::transport_stream", || check("source.ts", X264, Normalise::Remux, "h264")),
        trial("uploads::matroska", || check("source.mkv", X264, Normalise::Remux, "h264")),
        trial("uploads::avi", || {
            check("source.avi", "-c:v mpeg4 -q:v 3 -bf 0 -g 15", Normalise::Remux, "mpeg4")
        }),
        trial("uploads::vp8_is_encoded_anew", || {
            check("source.webm", "-c:v libvpx -b:v 500k -deadline realtime", Normalise::Reencode, "h264")
        }),
        trial("uploads::what_mp4_cannot_carry_is_not_copied", what_mp4_cannot_carry_is_not_copied),
        trial("uploads::a_text_is_no_video", a_text_is_no_video),
        trial("uploads::crafted_files_get_nothing", crafted_files_get_nothing),
        trial("uploads::cancelled_in_the_middle", cancelled_in_the_middle),
        trial("uploads::a_picture_becomes_a_square", a_picture_becomes_a_square),
        trial("uploads::hostile_pictures_get_nothing", hostile_pictures_get_nothing),
        trial("uploads::this_ffmpeg_has_all_it_needs", this_ffmpeg_has_all_it_needs),
    ]
}

const X264: &str = "-c:v libx264 -preset superfast -bf 2 -pix_fmt yuv420p -g 30";

const PICTURES: Source = Source { size: "320x180", rate: "25", seconds: 2.0, filters: "" };

/// A file on the disk, and the programs to run on it.
struct Upload {
    file: File,
    toolchain: Toolchain,
    cancel: CancellationToken,
}

impl Upload {
    fn open(path: &Path, sandbox: SandboxMode) -> Self {
        Self {
            file: File::open(path).expect("the file"),
            toolchain: toolchain(sandbox),
            cancel: CancellationToken::new(),
        }
    }

    fn runner(&self) -> Runner<'_> {
        Runner {
            toolchain: &self.toolchain,
            priority: Priority::Background,
            patience: PATIENCE,
            cancel: &self.cancel,
        }
    }

    async fn probe(&self) -> Result<Probe, ProbeRunError> {
        probe_file(&self.runner(), &self.file, &settings(&[90])).await
    }

    async fn normalise(&self, how: Normalise) -> Result<Vec<u8>, NormaliseError> {
        let (sender, mut pieces) = mpsc::channel::<Bytes>(1);
        let (runner, settings) = (self.runner(), settings(&[90]));
        let run = async {
            let outcome = normalise(&runner, &self.file, how, &settings, &sender).await;
            drop(sender);
            outcome
        };
        let take = async {
            let mut file = Vec::new();
            while let Some(bytes) = pieces.recv().await {
                file.extend_from_slice(&bytes);
            }
            file
        };
        let (outcome, file) = tokio::join!(run, take);
        outcome.map(|()| file)
    }
}

/// Probes a file and normalises it: the result has an index of ours and shows the same frames.
async fn check(name: &'static str, encoder: &'static str, how: Normalise, codec: &'static str) {
    let clips = Clips::new();
    let path = clips.make(name, PICTURES, encoder);
    let upload = Upload::open(&path, SandboxMode::Require);
    let probe = upload.probe().await.expect("a probe").video.expect("a video stream");
    assert_eq!((probe.width, probe.height), (320, 180));
    let made = upload.normalise(how).await.expect("it normalises");
    let movie = index_slice(&made, LIMITS).expect("an index");
    let track = movie.tracks.iter().find(|track| track.is_video()).expect("a video track");
    assert_eq!(track.samples.len(), 50);
    let again = clips.path("normalised.mp4");
    fs::write(&again, &made).expect("written");
    assert_eq!(numbers(&again, ""), numbers(&path, ""));
    let upload = Upload::open(&again, SandboxMode::Require);
    assert_eq!(upload.probe().await.expect("a probe").video.expect("a video stream").codec, codec);
}

async fn what_mp4_cannot_carry_is_not_copied() {
    let clips = Clips::new();
    let path = clips.make("source.webm", PICTURES, "-c:v libvpx -b:v 500k -deadline realtime");
    let error = Upload::open(&path, SandboxMode::Require).normalise(Normalise::Remux).await.expect_err("VP8");
    assert!(matches!(error, NormaliseError::Run(_)), "{error:?}");
    assert!(error.to_string().contains("exit status"), "{error}");
}

async fn a_text_is_no_video() {
    let clips = Clips::new();
    let path = clips.path("upload.mp4");
    fs::write(&path, "Not a video at all. ".repeat(500)).expect("written");
    let upload = Upload::open(&path, SandboxMode::Require);
    assert!(upload.probe().await.is_err());
    for how in [Normalise::Remux, Normalise::Reencode] {
        assert!(matches!(upload.normalise(how).await, Err(NormaliseError::Run(_))));
    }
}

/// Playlists named .mp4: refused by name, with the sandbox and without it.
async fn crafted_files_get_nothing() {
    let clips = Clips::new();
    let secret = clips.path("secret.ts");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=5:duration=1", "-c:v", "mpeg2video"], &secret);
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/secret.ts", server.local_addr().expect("an address"));
    server.set_nonblocking(true).expect("non-blocking");
    let upload = clips.path("upload.mp4");
    for target in [secret.to_str().expect("a plain path"), "/etc/passwd", &url] {
        for (name, text) in crafted_files(target) {
            fs::write(&upload, text).expect("written");
            for sandbox in [SandboxMode::Require, SandboxMode::Off] {
                let upload = Upload::open(&upload, sandbox);
                let probe = upload.probe().await;
                assert!(matches!(probe, Err(ProbeRunError::Answer(_))), "{name} {target}: {probe:?}");
                for how in [Normalise::Remux, Normalise::Reencode] {
                    let made = upload.normalise(how).await;
                    assert!(matches!(made, Err(NormaliseError::Run(_))), "{name} {target}: {made:?}");
                }
            }
        }
    }
    assert!(server.accept().is_err(), "somebody reached the network");
}

async fn cancelled_in_the_middle() {
    let clips = Clips::new();
    let pictures = Source { size: "1280x720", seconds: 4.0, ..PICTURES };
    let upload = Upload::open(&clips.make("source.mkv", pictures, X264), SandboxMode::Require);
    let (sender, mut pieces) = mpsc::channel::<Bytes>(1);
    let (runner, settings) = (upload.runner(), settings(&[90]));
    let cancel = async {
        assert!(pieces.recv().await.is_some());
        upload.cancel.cancel();
        pieces
    };
    let run = normalise(&runner, &upload.file, Normalise::Reencode, &settings, &sender);
    let (outcome, _pieces) = tokio::join!(run, cancel);
    let error = outcome.expect_err("it is cancelled");
    assert!(
        matches!(error, NormaliseError::Run(RunError::Process(ProcessError::Cancelled { .. }))),
        "{error:?}"
    );
}

async fn this_ffmpeg_has_all_it_needs() {
    let clips = Clips::new();
    let path = clips.path("unused");
    fs::write(&path, "").expect("written");
    let upload = Upload::open(&path, SandboxMode::Require);
    let examination = examine(&upload.runner()).await.expect("it answers");
    assert_eq!(examination.missing, Vec::<&str>::new());
    assert!(examination.version.starts_with(|c: char| c.is_ascii_alphanumeric()), "{}", examination.version);
}

/// What somebody shows of themselves: a square of its middle, and nothing else of the file.
async fn a_picture_becomes_a_square() {
    let clips = Clips::new();
    for (name, format, words) in [
        ("me.jpg", StillFormat::Jpeg, "-pix_fmt yuvj444p"),
        ("me.png", StillFormat::Png, "-pix_fmt rgba"),
        ("me.webp", StillFormat::WebP, ""),
    ] {
        let path = clips.path(name);
        let mut arguments = vec!["-f", "lavfi", "-i", "testsrc2=size=640x360", "-frames:v", "1"];
        arguments.extend(["-metadata", "comment=where it was taken"]);
        arguments.extend(words.split_whitespace());
        ffmpeg(&arguments, &path);
        let file = fs::read(&path).expect("the picture");
        assert_eq!(StillFormat::of(&file), Some(format));
        let upload = Upload::open(&path, SandboxMode::Require);
        let square = portrait(&upload.runner(), &upload.file, format).await.expect("a picture");
        assert_eq!(StillFormat::of(&square), Some(StillFormat::Jpeg));
        assert!(!square.windows(5).any(|bytes| bytes == b"where"), "nothing is told of where it was taken");
        assert_eq!(size_of(&square), Some((SIDE, SIDE)), "{name}");
    }
}

/// Width and height in the frame header of a baseline JPEG (ITU-T T.81 B.2.2).
fn size_of(jpeg: &[u8]) -> Option<(u32, u32)> {
    let header = jpeg.windows(9).find(|bytes| bytes.starts_with(&[0xff, 0xc0]))?;
    let number = |at: usize| Some(u32::from(u16::from_be_bytes([*header.get(at)?, *header.get(at + 1)?])));
    Some((number(7)?, number(5)?))
}

/// Pictures that are none, that are cut off, that claim to be something else, or that would fill the memory.
async fn hostile_pictures_get_nothing() {
    let clips = Clips::new();
    let bomb = clips.path("bomb.png");
    // 15000 × 15000 in some kilobytes.
    ffmpeg(&["-f", "lavfi", "-i", "color=black:s=15000x15000,format=gray", "-frames:v", "1"], &bomb);
    let whole = clips.path("whole.png");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=size=64x64", "-frames:v", "1"], &whole);
    let whole = fs::read(&whole).expect("the picture");
    let cases: [(&str, Vec<u8>, StillFormat); 4] = [
        ("bomb", fs::read(&bomb).expect("the bomb"), StillFormat::Png),
        ("text", b"\x89PNG\r\n\x1a\nand nothing that belongs into one".to_vec(), StillFormat::Png),
        ("another", whole.clone(), StillFormat::WebP),
        ("empty", Vec::new(), StillFormat::Jpeg),
    ];
    for (name, file, format) in cases {
        let path = clips.path(name);
        fs::write(&path, file).expect("written");
        let upload = Upload::open(&path, SandboxMode::Require);
        let error = portrait(&upload.runner(), &upload.file, format).await.expect_err(name);
        assert!(matches!(error, StillError::Unreadable), "{name}: {error:?}");
    }
}
