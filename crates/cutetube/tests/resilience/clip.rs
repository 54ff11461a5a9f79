//! The video that every test uploads, and what has to become of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Frames of the clip: 40 s, which is five chunks.
const FRAMES: usize = 480;

/// Two rungs as small as they get, so that a whole video takes seconds.
pub(crate) const SETTINGS: &str = "
[ladder]
preset = 'superfast'
rungs = [{ short_side = 90, max_rate = 100000 }, { short_side = 180, max_rate = 200000 }]
[limits]
rate = 'off'
";

/// Names of objects, their lengths, and their SHA-256.
pub(crate) type Objects = BTreeMap<String, (u64, [u8; 32])>;

static CLIP: LazyLock<Clip> = LazyLock::new(Clip::make);

/// When the frames of each picture are shown, in the ticks of the decoder.
pub(crate) type Times = Vec<Vec<i64>>;

struct Clip {
    file: Vec<u8>,
    made: BTreeSet<String>,
    times: [Times; 2],
}

/// The uploaded file. Its sound is mono, so that it has to be encoded.
pub(crate) fn file() -> Vec<u8> {
    CLIP.file.clone()
}

/// The same video in a container that has to be rewritten before it can be worked on.
pub(crate) fn to_be_rewritten() -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let (clip, matroska) = (folder.path().join("clip.mp4"), folder.path().join("clip.mkv"));
    std::fs::write(&clip, &CLIP.file).unwrap();
    run(tool("ffmpeg").args(["-v", "error", "-i"]).arg(clip).args(["-c", "copy"]).arg(&matroska));
    std::fs::read(matroska).unwrap()
}

/// The names of all objects that an undisturbed run makes, relative to its revision. Their bytes differ from run to run:
/// x264 with a VBV and several threads is not deterministic.
pub(crate) fn made() -> &'static BTreeSet<String> {
    &CLIP.made
}

/// When the frames of an undisturbed run are shown, by its DASH and by its HLS manifest.
pub(crate) fn times() -> &'static [Times; 2] {
    &CLIP.times
}

impl Clip {
    fn make() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("clip.mp4");
        let inputs = "-v error -f lavfi -i testsrc2=size=320x180:rate=12:duration=40 \
                      -f lavfi -i sine=frequency=440:duration=40 -pix_fmt yuv420p -c:v libx264 -preset superfast \
                      -g 48 -c:a aac -ac 1";
        run(tool("ffmpeg").args(inputs.split_whitespace()).arg(&path));
        let settings = folder.path().join("settings.toml");
        std::fs::write(&settings, SETTINGS).unwrap();
        let out = folder.path().join("out");
        run(program().arg("transcode").arg(&path).arg("--out").arg(&out).arg("--config").arg(settings));
        let times = ["mp4/manifest.mpd", "master.m3u8"]
            .map(|manifest| decoded_times(out.join(manifest).to_str().unwrap()));
        for picture in times.iter().flatten() {
            assert_eq!(picture.len(), FRAMES);
        }
        Self { file: std::fs::read(path).unwrap(), made: objects_below(&out).into_keys().collect(), times }
    }
}

/// Every file below a folder, unfinished ones included.
pub(crate) fn objects_below(folder: &Path) -> Objects {
    let hash = |path: PathBuf| {
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        (name, fingerprint(&std::fs::read(path).unwrap()))
    };
    files_below(folder).into_iter().map(hash).collect()
}

/// Length and SHA-256.
pub(crate) fn fingerprint(bytes: &[u8]) -> (u64, [u8; 32]) {
    (bytes.len().try_into().unwrap(), Sha256::digest(bytes).into())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// What ffmpeg decodes from a manifest: when the frames of each picture are shown. It must have nothing to say.
pub(crate) fn decoded_times(manifest: &str) -> Times {
    let arguments = ["-v", "warning", "-i", manifest, "-map", "0:v", "-f", "framecrc", "-"];
    let said = run(tool("ffmpeg").args(arguments));
    let mut times = Times::new();
    for line in said.lines().filter(|line| !line.starts_with('#')) {
        // Stream, decoding time, presentation time, duration, size, checksum.
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let picture: usize = fields[0].parse().unwrap();
        times.resize_with(times.len().max(picture + 1), Vec::new);
        times[picture].push(fields[2].parse().unwrap());
    }
    times
}

/// When each decoded picture or sound (`v` or `a`) of a file is shown, in the file's ticks, and its hash.
pub(crate) type Frames = Vec<(i64, String)>;

/// Every frame of a file. ffmpeg must have nothing to say about it.
pub(crate) fn frames(file: &Path, kind: &str) -> Frames {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-v", "warning", "-i"]).arg(file).args([
        "-map",
        &format!("0:{kind}"),
        "-enc_time_base",
        "-1",
    ]);
    ffmpeg.args(["-fps_mode", "passthrough", "-f", "framemd5", "-"]);
    let said = run_silently(&mut ffmpeg);
    let frames = said.lines().filter(|line| !line.starts_with('#')).map(|line| {
        // Stream, decoding time, presentation time, duration, size, hash.
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        (fields[2].parse().unwrap(), fields[5].to_owned())
    });
    frames.collect()
}

/// The streams of a file as ffprobe knows them, in JSON. It must have nothing to say beside.
pub(crate) fn probed(file: &Path) -> String {
    let arguments = ["-v", "warning", "-show_streams", "-of", "json"];
    run_silently(tool("ffprobe").args(arguments).arg(file))
}

/// The program under test, with none of the tester's own settings.
pub(crate) fn program() -> Command {
    let mut program = tool(env!("CARGO_BIN_EXE_cutetube"));
    let is_setting = |name: &OsString| name.to_string_lossy().starts_with("CUTETUBE_");
    for name in std::env::vars_os().map(|(name, _)| name).filter(is_setting) {
        program.env_remove(name);
    }
    program
}

#[expect(clippy::disallowed_methods, reason = "the program under test, and ffmpeg as its judge")]
fn tool(name: &str) -> Command {
    Command::new(name)
}

fn run_silently(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stderr), "", "{command:?}");
    assert!(done.status.success(), "{command:?}: {}", done.status);
    String::from_utf8(done.stdout).unwrap()
}

fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let complaints = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {complaints}");
    String::from_utf8(done.stdout).unwrap()
}
