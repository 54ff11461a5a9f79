//! `cutetube package`: real files in, a folder out, read back by our own reader and by ffmpeg.

#![expect(clippy::unwrap_used, reason = "a test fails where it fails")]

mod protected;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use isobmff::{Demuxer, Limits, Movie, Progress};
use tempfile::TempDir;

/// Six seconds at 25 pictures a second with B-frames, a key frame each second.
const FRAMES: u32 = 150;

#[test]
fn a_ladder_and_a_sound_file() {
    let folder = folder();
    let large = rendition(&folder, "large.mp4", &["-s", "320x180", "-an"]);
    let small = rendition(&folder, "small.mov", &["-s", "160x90", "-an"]);
    let sound = rendition(&folder, "sound.mp4", &["-vn"]);
    insta::assert_snapshot!(check(&folder, &[&large, &small, &sound]));
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
            "frag_keyframe+delay_moov+default_base_moof",
        ],
    );
    insta::assert_snapshot!(check(&folder, &[&muxed, &fragmented]));
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
    let long = rendition(&folder, "long.mp4", &["-s", "160x90", "-an", "-t", "13"]);
    let sparse = rendition(&folder, "sparse.mp4", &["-s", "160x90", "-an", "-t", "13", "-g", "500"]);
    let short = rendition(&folder, "short.mp4", &["-s", "160x90", "-an", "-t", "2"]);
    let ticks = rendition(&folder, "ticks.mp4", &["-s", "160x90", "-an", "-video_track_timescale", "90000"]);
    let sound = rendition(&folder, "sound.mp4", &["-vn"]);
    let mpeg4 = rendition(&folder, "mpeg4.mp4", &["-s", "160x90", "-an", "-c:v", "mpeg4"]);
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let text = write("text.mp4", b"this is no video\n");
    let whole =
        fs::read(rendition(&folder, "whole.mp4", &["-s", "160x90", "-movflags", "+faststart"])).unwrap();
    let cut = write("cut.mp4", &whole[..whole.len() - 1000]);
    let refused: [&[&str]; 9] = [
        &[&long, &sparse],
        &[&long, &short],
        &[&short, &ticks],
        &[&sound],
        &[&mpeg4],
        &[&short, &text],
        &["nowhere.mp4"],
        &[&cut],
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
    insta::assert_snapshot!(said.join("\n").replace(&base, ""));
}

/// Packages, checks each rendition against its source and both manifests with ffmpeg, and lists what there is.
fn check(folder: &TempDir, inputs: &[&str]) -> String {
    let outcome = package(folder, inputs);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    let out = folder.path().join("out");
    let names: Vec<String> = contents(&out).into_iter().map(|(name, _)| name).collect();
    let mut packaged = Vec::new();
    for init in names.iter().filter(|name| name.ends_with("/init.mp4") && !name.starts_with("mov/")) {
        let joined = join(out.join(init).parent().unwrap());
        let [track] = &index(&joined).tracks[..] else { panic!("one track in `{init}`") };
        if track.is_video() {
            assert_eq!(track.samples.len(), FRAMES);
        }
        let file = folder.path().join("joined.mp4");
        fs::write(&file, joined).unwrap();
        packaged.extend(packets(&file, "0"));
    }
    let streams = packaged.len();
    packaged.sort();
    for input in inputs {
        for video in packets(Path::new(input), "0").into_iter().filter(|line| line.starts_with("v,")) {
            assert!(packaged.contains(&video), "the picture of `{input}` has changed");
        }
    }
    for manifest in ["mp4/manifest.mpd", "mov/manifest.mpd", "master.m3u8", "mov/master.m3u8"] {
        // One at a time: ffmpeg drops the last packets of the others when one stream of an MPD ends.
        let each = (0..streams).flat_map(|stream| packets(&out.join(manifest), &format!("0:{stream}")));
        let mut read: Vec<String> = each.collect();
        read.sort();
        assert!(read == packaged, "`{manifest}` gives other packets than the files");
    }
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
    let sources = "-v error -y -f lavfi -i testsrc2=s=320x180:r=25 -f lavfi -i sine=r=48000 -t 6";
    let coding =
        "-c:v libx264 -preset ultrafast -bf 2 -g 25 -keyint_min 25 -sc_threshold 0 -pix_fmt yuv420p -c:a aac";
    let mut args: Vec<&str> = sources.split(' ').chain(coding.split(' ')).collect();
    args.extend(options);
    args.push(&path);
    let outcome = run("ffmpeg", &args, folder);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    path
}

/// One line for each of the tracks that `map` selects: its kind and a hash over its packets.
fn packets(file: &Path, map: &str) -> Vec<String> {
    let file = file.to_str().unwrap();
    let folder = folder();
    let args = ["-v", "error", "-i", file, "-map", map, "-c", "copy", "-f", "streamhash", "-"];
    let outcome = run("ffmpeg", &args, &folder);
    let complaint = String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success() && complaint.is_empty(), "`{file}`: {complaint}");
    let lines = String::from_utf8(outcome.stdout).unwrap();
    lines.lines().map(|line| line.split_once(',').unwrap().1.to_owned()).collect()
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
