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
pub(crate) const FRAMES: usize = 480;

/// Two rungs as small as they get, so that a whole video takes seconds.
pub(crate) const SETTINGS: &str = "
[ladder]
preset = 'superfast'
rungs = [{ short_side = 90, max_rate = 100000 }, { short_side = 180, max_rate = 200000 }]
[limits]
rate = 'off'
";

/// Names and SHA-256 of objects.
pub(crate) type Objects = BTreeMap<String, [u8; 32]>;

static CLIP: LazyLock<Clip> = LazyLock::new(Clip::make);

struct Clip {
    file: Vec<u8>,
    made: BTreeSet<String>,
}

/// The uploaded file. Its sound is mono, so that it has to be encoded.
pub(crate) fn file() -> Vec<u8> {
    CLIP.file.clone()
}

/// The names of all objects that an undisturbed run makes, relative to its revision. Their bytes differ from run to run:
/// x264 with a VBV and several threads is not deterministic.
pub(crate) fn made() -> &'static BTreeSet<String> {
    &CLIP.made
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
        Self { file: std::fs::read(path).unwrap(), made: objects_below(&out).into_keys().collect() }
    }
}

/// Every file below a folder, unfinished ones included.
pub(crate) fn objects_below(folder: &Path) -> Objects {
    let hash = |path: PathBuf| {
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        (name, Sha256::digest(std::fs::read(path).unwrap()).into())
    };
    files_below(folder).into_iter().map(hash).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// What ffmpeg decodes from a manifest: frames of each picture. It must have nothing to say.
pub(crate) fn decoded_frames(manifest: &str) -> Vec<usize> {
    let arguments = ["-v", "warning", "-i", manifest, "-map", "0:v", "-f", "framecrc", "-"];
    let said = run(tool("ffmpeg").args(arguments));
    let mut frames = Vec::new();
    for line in said.lines().filter(|line| !line.starts_with('#')) {
        let stream: usize = line.split(',').next().unwrap().parse().unwrap();
        frames.resize(frames.len().max(stream + 1), 0);
        frames[stream] += 1;
    }
    frames
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

fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let complaints = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {complaints}");
    String::from_utf8(done.stdout).unwrap()
}
