//! `cutetube package`: real files in, a folder out, read back by our own reader and by ffmpeg.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use isobmff::{Demuxer, Limits, Movie, Progress};
use tempfile::TempDir;

/// Three seconds at 25 pictures a second with B-frames, a key frame each second.
const FRAMES: u32 = 75;

#[test]
fn a_ladder_and_a_sound_file() {
    let folder = folder();
    let large = rendition(&folder, "large.mp4", &["-s", "320x180", "-an"]);
    let small = rendition(&folder, "small.mov", &["-s", "160x90", "-an"]);
    let sound = rendition(&folder, "sound.mp4", &["-vn"]);
    insta::assert_snapshot!(check(&folder, &[&large, &small, &sound]), @"");
}

#[test]
fn sound_beside_the_picture_and_fragments() {
    let folder = folder();
    let muxed = rendition(&folder, "muxed.mp4", &["-s", "320x180", "-metadata:s:a:0", "language=deu"]);
    let fragmented = rendition(
        &folder,
        "fragmented.mp4",
        &[
            "-s",
            "320x180",
            "-metadata:s:a:0",
            "language=fra",
            "-movflags",
            "frag_keyframe+empty_moov+default_base_moof",
        ],
    );
    insta::assert_snapshot!(check(&folder, &[&muxed, &fragmented]), @"");
}

#[test]
fn packaging_twice_gives_the_same_bytes() {
    let folder = folder();
    let input = rendition(&folder, "muxed.mp4", &["-s", "320x180"]);
    check(&folder, &[&input]);
    let first = contents(&folder.path().join("out"));
    check(&folder, &[&input]);
    assert!(first == contents(&folder.path().join("out")));
}

#[test]
fn what_is_no_presentation_is_refused_in_a_sentence() {
    let folder = folder();
    let early = rendition(&folder, "early.mp4", &["-s", "320x180", "-an"]);
    let late = rendition(&folder, "late.mp4", &["-s", "160x90", "-an", "-force_key_frames", "0.52"]);
    let sound = rendition(&folder, "sound.mp4", &["-vn"]);
    let mpeg4 = rendition(&folder, "mpeg4.mp4", &["-s", "160x90", "-an", "-c:v", "mpeg4"]);
    let text = folder.path().join("text.mp4");
    fs::write(&text, "this is no video\n").unwrap();
    let text = text.to_str().unwrap();
    let missing = "nowhere.mp4";
    let cut = folder.path().join("cut.mp4");
    let whole = fs::read(&early).unwrap();
    fs::write(&cut, &whole[..whole.len() - 1000]).unwrap();
    let refused: [&[&str]; 7] = [
        &[&early, &late],
        &[&sound],
        &[&mpeg4],
        &[&early, text],
        &[missing],
        &[cut.to_str().unwrap()],
        &[],
    ];
    let said: Vec<String> = refused
        .iter()
        .map(|inputs| {
            let outcome = package(&folder, inputs);
            let said = String::from_utf8(outcome.stderr).unwrap();
            format!("{:?}: {said}", outcome.status.code().unwrap())
        })
        .collect();
    assert!(!folder.path().join("out").exists());
    let base = format!("{}/", folder.path().display());
    insta::assert_snapshot!(said.join("\n").replace(&base, ""), @"");
}

/// Packages, checks each rendition against its source and both manifests with ffmpeg, and lists what there is.
fn check(folder: &TempDir, inputs: &[&str]) -> String {
    let outcome = package(folder, inputs);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    let out = folder.path().join("out");
    let names: Vec<String> = contents(&out).into_iter().map(|(name, _)| name).collect();
    let mut packets = Vec::new();
    for init in names.iter().filter(|name| name.ends_with("/init.mp4") && !name.starts_with("mov/")) {
        let rendition = out.join(init);
        let joined = join(rendition.parent().unwrap());
        let movie = index(&joined);
        let [track] = movie.tracks.as_slice() else { panic!("one track in `{init}`") };
        if track.is_video() {
            assert_eq!(track.samples.len(), FRAMES);
        }
        let file = folder.path().join("joined.mp4");
        fs::write(&file, joined).unwrap();
        packets.extend(packet_hashes(&file));
    }
    let mut wanted: Vec<String> = inputs.iter().flat_map(|input| packet_hashes(Path::new(input))).collect();
    for manifest in ["mp4/manifest.mpd", "mov/manifest.mpd", "master.m3u8", "mov/master.m3u8"] {
        let mut read = packet_hashes(&out.join(manifest));
        for list in [&mut read, &mut packets, &mut wanted] {
            list.sort();
            list.dedup();
        }
        assert!(read == packets, "`{manifest}` gives other packets than the files");
    }
    let (video, _): (Vec<&String>, Vec<&String>) = wanted.iter().partition(|line| line.contains("video"));
    assert!(video.iter().all(|line| packets.contains(line)), "{wanted:?} {packets:?}");
    let printed = String::from_utf8(outcome.stdout).unwrap();
    format!("{}{}", printed.replace(&format!("{}/", folder.path().display()), ""), names.join("\n"))
}

fn package(folder: &TempDir, inputs: &[&str]) -> Output {
    let mut args = vec!["package", "--out", "out"];
    args.extend(inputs);
    run(env!("CARGO_BIN_EXE_cutetube"), &args, folder)
}

/// The same picture and sound each time; `options` make the difference. Names the file.
fn rendition(folder: &TempDir, name: &str, options: &[&str]) -> String {
    let path = folder.path().join(name).to_str().unwrap().to_owned();
    let sources = "-v error -y -f lavfi -i testsrc2=s=320x180:r=25:d=3 -f lavfi -i sine=r=48000:d=3";
    let coding = "-c:v libx264 -preset ultrafast -bf 2 -g 25 -keyint_min 25 -sc_threshold 0 -pix_fmt yuv420p -c:a aac";
    let mut args: Vec<&str> = sources.split(' ').chain(coding.split(' ')).collect();
    args.extend(options);
    args.push(&path);
    let outcome = run("ffmpeg", &args, folder);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    path
}

/// One line for each track: its kind and a hash over its packets.
fn packet_hashes(file: &Path) -> Vec<String> {
    let file = file.to_str().unwrap();
    let args = ["-v", "error", "-i", file, "-map", "0", "-c", "copy", "-f", "streamhash", "-"];
    let folder = folder();
    let outcome = run("ffmpeg", &args, &folder);
    let complaint = String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success() && complaint.is_empty(), "`{file}`: {complaint}");
    let lines = String::from_utf8(outcome.stdout).unwrap();
    let kind = |line: &str| if line.contains(",v,") { "video" } else { "audio" };
    lines.lines().map(|line| format!("{} {}", kind(line), line.rsplit('=').next().unwrap())).collect()
}

#[expect(clippy::disallowed_methods, reason = "the test runs the program itself, and ffmpeg as its judge")]
fn run(program: &str, args: &[&str], folder: &TempDir) -> Output {
    Command::new(program).args(args).current_dir(folder.path()).output().unwrap()
}

/// The init segment and all segments of a rendition, in order.
fn join(rendition: &Path) -> Vec<u8> {
    let mut joined = fs::read(rendition.join("init.mp4")).unwrap();
    let segments = (1..).map(|number| rendition.join(format!("{number}.m4s")));
    segments.map_while(|segment| fs::read(segment).ok()).for_each(|bytes| joined.extend(bytes));
    joined
}

fn index(file: &[u8]) -> Movie {
    let mut demuxer = Demuxer::new(file.len() as u64, Limits::default());
    while let Progress::Need(range) = demuxer.advance().unwrap() {
        demuxer.supply(&file[range.offset as usize..(range.offset + range.len) as usize]).unwrap();
    }
    demuxer.finish().unwrap()
}

/// Every file below a folder, by name.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let below = contents(&entry.path()).into_iter();
            found.extend(below.map(|(rest, bytes)| (format!("{name}/{rest}"), bytes)));
        } else {
            found.push((name, fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}
