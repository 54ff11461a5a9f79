//! What `cutetube transcode` says to files that are not what they seem: exit code 1, one sentence, quickly, within
//! little memory, and nothing that looks like a finished video.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use acceptance::tools::Outcome;
use acceptance::truth::Truth;
use acceptance::verify::{Depth, verify};
use acceptance::{clips, surgery, tools};
use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Trial};

/// On a loaded machine; most refusals take milliseconds.
const DEADLINE: Duration = Duration::from_secs(30);
/// Of writable memory, for each process.
const MEMORY_KIB: u64 = 768 * 1024;

/// Makes the bytes of a bad file out of a good one's.
type Spoil = fn(&[u8]) -> Result<Vec<u8>>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let refused = REFUSED.iter().map(|&(name, base, spoil)| {
        Trial::test(name, move || refuse(base, spoil).map_err(|error| format!("{error:#}").into()))
    });
    let doubtful = DOUBTFUL.iter().map(|&(name, base, spoil)| {
        Trial::test(name, move || doubt(base, spoil).map_err(|error| format!("{error:#}").into()))
    });
    let welcome = HOSTILE_NAMES.iter().map(|&name| {
        Trial::test(format!("named {name:?}"), move || {
            accept_under(name).map_err(|error| format!("{error:#}").into())
        })
    });
    let trials = refused.chain(doubtful).chain(welcome).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Name, the good file it is made of, and how.
const REFUSED: &[(&str, &str, Spoil)] = &[
    ("empty", "cfr30", |_| Ok(vec![])),
    ("text", "cfr30", |_| Ok(b"This is not a video.\n".repeat(40))),
    ("one byte", "cfr30", |_| Ok(vec![0])),
    ("random bytes", "cfr30", |_| Ok(noise(60_000))),
    ("playlist naming a file", "cfr30", |_| {
        Ok(b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n".to_vec())
    }),
    ("concat naming a file", "cfr30", |_| Ok(b"ffconcat version 1.0\nfile /etc/passwd\n".to_vec())),
    ("truncated at the first quarter", "cfr30", |file| Ok(quarters(file, 1))),
    ("truncated at the half", "cfr30", |file| Ok(quarters(file, 2))),
    ("truncated at the third quarter", "cfr30", |file| Ok(quarters(file, 3))),
    ("truncated at the first quarter, moov first", "moov_first", |file| Ok(quarters(file, 1))),
    ("truncated at the half, moov first", "moov_first", |file| Ok(quarters(file, 2))),
    ("truncated at the third quarter, moov first", "moov_first", |file| Ok(quarters(file, 3))),
    ("moov missing", "cfr30", |file| rename_box(file, b"moov", b"free")),
    ("mdat missing", "cfr30", |file| {
        let mut tree = surgery::parse(file)?;
        tree.retain(|node| &node.kind != b"mdat");
        Ok(surgery::write(&tree))
    }),
    ("moov larger than the file", "cfr30", |file| surgery::claim_box_size(file, b"moov", 0x7fff_ffff)),
    ("moov smaller than its header", "cfr30", |file| surgery::claim_box_size(file, b"moov", 4)),
    ("mdat larger than the file", "cfr30", |file| surgery::claim_box_size(file, b"mdat", 0xffff_fff0)),
    ("stsz smaller than its header", "cfr30", |file| surgery::claim_box_size(file, b"stsz", 2)),
    ("4 billion samples of one byte", "cfr30", |file| surgery::claim_sample_count(file, u32::MAX)),
    ("4 billion entries in stsz", "cfr30", |file| surgery::claim_entries(file, b"stsz", u32::MAX)),
    ("4 billion entries in stts", "cfr30", |file| surgery::claim_entries(file, b"stts", u32::MAX)),
    ("4 billion entries in stco", "cfr30", |file| surgery::claim_entries(file, b"stco", u32::MAX)),
    ("4 billion entries in stsd", "cfr30", |file| surgery::claim_entries(file, b"stsd", u32::MAX)),
    ("60,000 x 60,000 by header", "cfr30", |file| surgery::claim_picture_size(file, 60_000, 60_000)),
    ("boxes ten thousand deep", "cfr30", |_| Ok(nested(10_000))),
    ("sound only", "aac_stereo_48k", |file| {
        let mut tree = surgery::parse(file)?;
        let moov = tree.iter_mut().find(|node| &node.kind == b"moov").context("no moov")?;
        let first = moov.children.iter().position(|node| &node.kind == b"trak").context("no trak")?;
        moov.children.remove(first);
        Ok(surgery::write(&tree))
    }),
    ("no tracks", "cfr30", |file| {
        let mut tree = surgery::parse(file)?;
        let moov = tree.iter_mut().find(|node| &node.kind == b"moov").context("no moov")?;
        moov.children.retain(|node| &node.kind != b"trak");
        Ok(surgery::write(&tree))
    }),
    ("all samples zero", "cfr30", |file| surgery::damage(file, 0..180, 0)),
];

/// Lies that a reader can see through: refused, or transcoded without a flaw.
const DOUBTFUL: &[(&str, &str, Spoil)] = &[
    ("trak larger than moov", "cfr30", |file| surgery::claim_box_size(file, b"trak", 0xffff_fff0)),
    ("stbl of size 0", "cfr30", |file| surgery::claim_box_size(file, b"stbl", 0)),
    ("mdat of size 0 at the end", "moov_first", |file| surgery::claim_box_size(file, b"mdat", 0)),
];

/// Good files with names that a shell, ffmpeg or a path join would read as something else.
const HOSTILE_NAMES: &[&str] = &[
    "a b'c\"d;touch pwned;.mp4",
    "$(touch pwned)`touch pwned`.mp4",
    "concat:a|b.mp4",
    "frame-%03d.mp4",
    "<script>alert(1)<script>.mp4",
    "-i.mp4",
    "näïve \u{202e}4pm.mp4",
];

fn refuse(base: &str, spoil: Spoil) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let outcome = transcode(scratch.path(), &spoil(&fs::read(clip(base)?)?)?)?;
    refused(&outcome, scratch.path())
}

fn doubt(base: &str, spoil: Spoil) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let good = clip(base)?;
    let outcome = transcode(scratch.path(), &spoil(&fs::read(&good)?)?)?;
    if outcome.code != Some(0) {
        return refused(&outcome, scratch.path());
    }
    let truth = Truth::of(&clips::named(base)?, &good)?;
    let findings = verify(&truth, &scratch.path().join("out"), Depth::Everything);
    ensure!(findings.is_empty(), "accepted, but {findings:?}");
    Ok(())
}

fn transcode(directory: &Path, file: &[u8]) -> Result<Outcome> {
    fs::write(directory.join("upload.mp4"), file)?;
    let args = ["transcode", "upload.mp4", "--out", "out"].map(OsStr::new);
    tools::cutetube(&args, directory, DEADLINE, Some(MEMORY_KIB))
}

fn refused(outcome: &Outcome, directory: &Path) -> Result<()> {
    let said = outcome.stderr.trim();
    ensure!(outcome.code == Some(1), "exit code {:?}: {said}", outcome.code);
    ensure!(!said.contains("panicked"), "it panicked: {said}");
    ensure!(!said.is_empty(), "it says nothing");
    ensure!(said.lines().count() <= 3 && said.len() <= 500, "that is no sentence: {said}");
    let debug = ["Err(", "Some(", "{ ", "Error::"];
    ensure!(!debug.iter().any(|mark| said.contains(mark)), "that is for programmers: {said}");
    for manifest in ["mp4/manifest.mpd", "master.m3u8", "mov/manifest.mpd", "mov/master.m3u8"] {
        let left = directory.join("out").join(manifest);
        ensure!(!left.exists(), "it left {manifest} behind, saying: {said}");
    }
    Ok(())
}

fn accept_under(name: &str) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    fs::copy(clip("half_second")?, scratch.path().join(name))?;
    // As a user types it: a name that starts with a dash needs a path before it.
    let argument = if name.starts_with('-') { format!("./{name}") } else { name.to_owned() };
    let args = ["transcode", &argument, "--out", "out"].map(OsStr::new);
    let outcome = tools::cutetube(&args, scratch.path(), DEADLINE, None)?;
    ensure!(outcome.code == Some(0), "exit code {:?}: {}", outcome.code, outcome.stderr.trim());
    ensure!(scratch.path().join("out/mp4/manifest.mpd").is_file(), "no manifest");
    let mut left: Vec<_> = fs::read_dir(scratch.path())?.flatten().map(|entry| entry.file_name()).collect();
    left.retain(|entry| entry != name && entry != "out");
    ensure!(left.is_empty(), "it left {left:?} behind");
    Ok(())
}

fn clip(name: &str) -> Result<PathBuf> {
    clips::named(name)?.make(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips"))
}

fn quarters(file: &[u8], count: usize) -> Vec<u8> {
    file[..file.len() * count / 4].to_vec()
}

fn rename_box(file: &[u8], from: &[u8; 4], to: &[u8; 4]) -> Result<Vec<u8>> {
    let mut out = file.to_vec();
    let at = out.windows(4).position(|window| window == from).context("no such box")?;
    out[at..at + 4].copy_from_slice(to);
    Ok(out)
}

/// The same every time: a linear congruential generator.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// `moov` boxes, each with only the next in it.
fn nested(depth: usize) -> Vec<u8> {
    let mut file = b"\0\0\0\x14ftypisom\0\0\0\0isom".to_vec();
    for level in (1..=depth).rev() {
        let kind = if level == depth { b"moov" } else { b"trak" };
        file.extend(((level * 8) as u32).to_be_bytes());
        file.extend(kind);
    }
    file
}
