//! `cutetube package --scheme` and `cutetube decrypt`: what is encrypted is what Shaka Packager encrypts, and ffmpeg,
//! Shaka Packager and `cutetube decrypt` get back exactly what there was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use isobmff::{EncryptedMovie, EncryptedSample, FourCc, boxes};
use tempfile::TempDir;

use crate::{contents, folder, join, packets, rendition, run};

/// Key id and key of each class.
const KEYS: [(&str, &str, &str); 3] = [
    ("audio", "0123456789abcdef0123456789abcd00", "00112233445566778899aabbccddee00"),
    ("sd", "0123456789abcdef0123456789abcd01", "00112233445566778899aabbccddee01"),
    ("hd", "0123456789abcdef0123456789abcd02", "00112233445566778899aabbccddee02"),
];

#[test]
fn cenc_is_undone_by_everybody() {
    check("cenc");
}

#[test]
fn cbcs_is_undone_by_everybody() {
    check("cbcs");
}

/// Frames of four slices, with B-frames, in four sizes of two classes, and sound beside them.
fn ladder(folder: &TempDir) -> Vec<String> {
    let slices = ["-an", "-preset", "veryfast", "-bf", "3", "-x264-params", "slices=4:b-pyramid=normal"];
    let noise = "noise=alls=10:allf=t";
    let rung = |name: &str, size: &str| {
        let filter = format!("scale={size},{noise}");
        rendition(folder, name, &[&slices[..], &["-vf", &filter]].concat())
    };
    let mut inputs =
        [("180.mp4", "320:180"), ("270.mp4", "480:270"), ("360.mp4", "640:360"), ("720.mp4", "1280:720")]
            .map(|(name, size)| rung(name, size))
            .to_vec();
    inputs.push(rendition(folder, "sound.mp4", &["-vn"]));
    inputs
}

fn check(scheme: &str) {
    let folder = folder();
    let inputs = ladder(&folder);
    let lines = KEYS.map(|(class, id, key)| format!("{class}:{id}:{key}\n"));
    fs::write(folder.path().join("keys"), format!("# keys of a test\n\n{}", lines.concat())).unwrap();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    cutetube(&folder, &[&["package", "--out", "clear"], &inputs[..]].concat());
    let encrypt = ["package", "--out", "encrypted", "--scheme", scheme, "--key-file", "keys"];
    cutetube(&folder, &[&encrypt[..], &inputs].concat());
    cutetube(&folder, &["decrypt", "encrypted", "--out", "decrypted", "--key-file", "keys"]);
    check_own_decryption(folder.path());

    let path = |name: &str| folder.path().join(name);
    for (name, class) in [("180p", "sd"), ("270p", "sd"), ("360p", "sd"), ("720p", "hd"), ("audio", "audio")]
    {
        let (_, id, key) = *KEYS.iter().find(|(of, ..)| *of == class).unwrap();
        let clear = packets_of(&folder, &join(&path("clear").join(name)));
        let encrypted = join(&path("encrypted").join(name));
        assert_ne!(media(&encrypted), media(&join(&path("clear").join(name))), "`{name}` is not encrypted");
        assert_eq!(packets_of(&folder, &join(&path("decrypted").join(name))), clear);
        assert_eq!(shaka_decrypts(&folder, &encrypted, (id, key)), clear, "Shaka Packager, `{name}`");
        check_segments_of_playlist(&folder, name, key);
    }
    for (class, _, key) in KEYS {
        check_dash(&folder, class, key);
    }
    check_ranges(&folder, &inputs, scheme);
}

/// The folder is what it was before encryption, but for names of boxes and sizes in manifests.
fn check_own_decryption(folder: &Path) {
    let names = |folder: &str, path: &Path| -> Vec<String> {
        contents(&path.join(folder)).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names("decrypted", folder), names("clear", folder));
    for (name, bytes) in contents(&folder.join("decrypted")) {
        let text = String::from_utf8_lossy(&bytes);
        for word in ["ContentProtection", "EXT-X-KEY", "EXT-X-SESSION-KEY", "pssh", "senc", "encv", "enca"] {
            assert!(!text.contains(word), "`{word}` in `{name}`");
        }
    }
}

/// Every segment that the HLS playlist names, decrypted by ffmpeg on its own.
fn check_segments_of_playlist(folder: &TempDir, rendition: &str, key: &str) {
    let encrypted = folder.path().join("encrypted");
    let playlist = fs::read_to_string(encrypted.join(format!("{rendition}.m3u8"))).unwrap();
    let init = playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-MAP:URI=\"")?.strip_suffix('"'));
    let segments: Vec<&str> = playlist.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(segments.len() > 1 && playlist.contains("#EXT-X-KEY:METHOD=SAMPLE-AES"));
    for segment in segments {
        let joined = |folder: &Path| {
            [init.unwrap(), segment].map(|name| fs::read(folder.join(name)).unwrap()).concat()
        };
        let file = folder.path().join("segment.mp4");
        fs::write(&file, joined(&encrypted)).unwrap();
        let read = streamhash(&["-decryption_key", key, "-i", file.to_str().unwrap()], folder);
        assert_eq!(read, packets_of(folder, &joined(&folder.path().join("clear"))), "`{segment}`");
    }
}

/// All renditions of a class through the DASH demuxer of ffmpeg, in both flavours, which takes one key.
fn check_dash(folder: &TempDir, class: &str, key: &str) {
    for flavour in ["mp4", "mov"] {
        let manifest = |of: &str| folder.path().join(of).join(flavour).join("manifest.mpd");
        let (encrypted, clear) = (manifest("encrypted"), manifest("clear"));
        // In the order of the manifest: three SD rungs, one of HD, sound.
        let streams = match class {
            "sd" => 0..3,
            "hd" => 3..4,
            _ => 4..5,
        };
        for stream in streams {
            let stream = format!("0:{stream}");
            let keyed = ["-cenc_decryption_key", key, "-i", encrypted.to_str().unwrap(), "-map", &stream];
            assert_eq!(streamhash(&keyed, folder), packets(&clear, &stream), "{class}, stream {stream}");
        }
    }
}

/// The protected ranges of every sample are those of Shaka Packager; with counter mode these end up to 15 bytes later
/// here, where the specification wants them.
fn check_ranges(folder: &TempDir, inputs: &[&str], scheme: &str) {
    for (input, name) in inputs.iter().zip(["180p", "270p", "360p", "720p"]) {
        let theirs = folder.path().join("theirs.mp4");
        let stream = format!("in={input},stream=video,output={}", theirs.to_str().unwrap());
        let keys = format!("label=:key_id={}:key={}", KEYS[1].1, KEYS[1].2);
        let protect = ["--protection_scheme", scheme, "--enable_raw_key_encryption", "--keys", &keys];
        shaka(folder, &[&[&*stream, "--clear_lead", "0"], &protect[..]].concat());
        let theirs = protected_ranges(&fs::read(theirs).unwrap());
        let ours = protected_ranges(&join(&folder.path().join("encrypted").join(name)));
        assert_eq!((ours.len(), ours.iter().map(Vec::len).min()), (150, Some(4)));
        assert_eq!(ours.len(), theirs.len());
        for (sample, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours.len(), theirs.len(), "sample {sample} of `{name}`");
            for (ours, theirs) in ours.iter().zip(theirs) {
                let later = ours.start - theirs.start;
                assert_eq!(ours.end - ours.start, theirs.end - theirs.start, "sample {sample} of `{name}`");
                assert!(later == 0 || scheme == "cenc" && later < 16, "sample {sample} of `{name}`: {later}");
            }
        }
    }
}

/// Of each sample, in decode order.
fn protected_ranges(file: &[u8]) -> Vec<Vec<std::ops::Range<usize>>> {
    let mut movie = None;
    let mut samples: Vec<EncryptedSample> = Vec::new();
    let mut offset = 0;
    for found in boxes(file) {
        match found.kind {
            FourCc::MOOV => movie = Some(EncryptedMovie::parse(found.body).unwrap()),
            FourCc::MOOF => samples.extend(movie.as_ref().unwrap().samples(found.body, offset).unwrap()),
            _ => {}
        }
        offset += found.raw.len() as u64;
    }
    let ranges = |sample: EncryptedSample| {
        let mut at = 0;
        let mut ranges = Vec::new();
        for subsample in sample.subsamples.unwrap() {
            let start = at + usize::from(subsample.clear);
            at = start + subsample.protected as usize;
            if subsample.protected > 0 {
                ranges.push(start..at);
            }
        }
        ranges
    };
    samples.into_iter().map(ranges).collect()
}

/// The samples of a file.
fn media(file: &[u8]) -> Vec<&[u8]> {
    boxes(file).filter(|found| found.kind == FourCc::MDAT).map(|found| found.body).collect()
}

fn packets_of(folder: &TempDir, file: &[u8]) -> Vec<String> {
    let path = folder.path().join("joined.mp4");
    fs::write(&path, file).unwrap();
    packets(&path, "0")
}

fn streamhash(input: &[&str], folder: &TempDir) -> Vec<String> {
    let args = [&["-v", "error"], input, &["-c", "copy", "-f", "streamhash", "-"]].concat();
    let outcome = run("ffmpeg", &args, folder);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    let lines = String::from_utf8(outcome.stdout).unwrap();
    lines.lines().map(|line| line.split_once(',').unwrap().1.to_owned()).collect()
}

fn shaka_decrypts(folder: &TempDir, encrypted: &[u8], (id, key): (&str, &str)) -> Vec<String> {
    let (from, to) = (folder.path().join("shaka-in.mp4"), folder.path().join("shaka-out.mp4"));
    fs::write(&from, encrypted).unwrap();
    let stream = format!("in={},stream=0,output={}", from.to_str().unwrap(), to.to_str().unwrap());
    let keys = format!("label=:key_id={id}:key={key}");
    shaka(folder, &[&stream, "--enable_raw_key_decryption", "--keys", &keys]);
    packets(&to, "0")
}

fn shaka(folder: &TempDir, args: &[&str]) {
    let program: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.setup/shaka-packager");
    assert!(program.exists(), "no Shaka Packager: run `scripts/setup test`");
    let outcome = run(program.to_str().unwrap(), &[&["--quiet"], args].concat(), folder);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
}

fn cutetube(folder: &TempDir, args: &[&str]) -> String {
    let outcome = run(env!("CARGO_BIN_EXE_cutetube"), args, folder);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    String::from_utf8(outcome.stdout).unwrap()
}

#[test]
fn what_cannot_be_encrypted_or_decrypted_is_refused_in_a_sentence() {
    let folder = folder();
    let input = rendition(&folder, "rung.mp4", &["-s", "320x180", "-an", "-t", "2"]);
    let sliced = ["-s", "640x360", "-an", "-t", "1", "-x264-params", "slice-max-mbs=10"];
    let sliced = rendition(&folder, "sliced.mp4", &sliced);
    fs::write(folder.path().join("broken"), "audio:12\n").unwrap();
    fs::write(folder.path().join("text.mp4"), "this is no video\n").unwrap();
    let key = format!("{}:{}", KEYS[1].1, KEYS[1].2);
    let other = format!("{}:{}", KEYS[2].1, KEYS[2].2);
    cutetube(&folder, &["package", &input, "--out", "encrypted", "--scheme", "cbcs", "--key", &key]);
    let package = ["package", &input, "--out", "out"];
    let decrypt = ["decrypt", "--out", "decrypted.mp4", "--key"];
    let audio_only = format!("audio:{key}");
    let refused: [(&[&str], &[&str]); 11] = [
        (&package, &["--key", &key]),
        (&package, &["--scheme", "cenc"]),
        (&package, &["--scheme", "cenc", "--key", &audio_only]),
        (&package, &["--scheme", "cenc", "--key", &key, "--key", &other]),
        (&package, &["--scheme", "cenc", "--key-file", "broken"]),
        (&package, &["--scheme", "cenc", "--key", &key, "--licence", "clearkey=a\"b"]),
        (&["package", &sliced, "--out", "out"], &["--scheme", "cenc", "--key", &key]),
        (&decrypt, &[&other, "encrypted"]),
        (&decrypt, &[&key, "encrypted/180p/1.m4s"]),
        (&decrypt, &[&key, "text.mp4"]),
        (&["decrypt", "--key", &key], &["encrypted", "--out", "encrypted/180p"]),
    ];
    let said: BTreeMap<usize, String> = refused
        .into_iter()
        .enumerate()
        .map(|(index, (command, args))| {
            let outcome = run(env!("CARGO_BIN_EXE_cutetube"), &[command, args].concat(), &folder);
            let said = String::from_utf8(outcome.stderr).unwrap();
            assert!(!said.contains(KEYS[1].2), "a key is shown");
            let said =
                said.lines().filter(|line| !line.starts_with("packaging")).collect::<Vec<_>>().join("\n");
            (index, format!("{:?}: {said}", outcome.status.code().unwrap()))
        })
        .collect();
    let base = format!("{}/", folder.path().display());
    insta::assert_snapshot!(said.into_values().collect::<Vec<_>>().join("\n").replace(&base, ""));
}

/// A whole ladder, encrypted on its way from the encoder: the same as without encryption once that is undone, and no
/// vector comes twice under a key, neither in one run nor in another of the same video.
#[test]
fn what_is_transcoded_is_encrypted_on_its_way() {
    let folder = folder();
    // With one thread, an encoder gives the same bytes each time.
    fs::write(folder.path().join("cutetube.toml"), "[ladder]\nthreads = 1\n").unwrap();
    // Stereo AAC passes through, mono is encoded.
    for (name, channels) in [("stereo.mp4", "2"), ("mono.mp4", "1")] {
        let source = rendition(&folder, name, &["-s", "1280x720", "-ac", channels]);
        let lines = KEYS.map(|(class, id, key)| format!("{class}:{id}:{key}\n"));
        fs::write(folder.path().join("keys"), lines.concat()).unwrap();
        let transcode = |out: &str, more: &[&str]| {
            let words =
                ["transcode", &source, "--out", out, "--preset", "superfast", "--segments-per-chunk", "2"];
            cutetube(&folder, &[&words[..], more].concat());
            contents(&folder.path().join(out))
        };
        let clear = transcode("clear", &[]);
        let mut used = BTreeSet::new();
        for (out, scheme) in [("first", "cenc"), ("again", "cenc"), ("cbcs", "cbcs")] {
            let encrypted = transcode(out, &["--scheme", scheme, "--key-file", "keys"]);
            for vector in vectors(&encrypted) {
                assert!(!used.contains(&vector), "{vector:x?} came twice");
                used.insert(vector);
            }
            let decrypted = format!("{out}-decrypted");
            cutetube(&folder, &["decrypt", out, "--out", &decrypted, "--key-file", "keys"]);
            let decrypted = contents(&folder.path().join(decrypted));
            assert_eq!(encrypted.len(), clear.len());
            for ((name, clear), ((_, encrypted), (_, decrypted))) in
                clear.iter().zip(encrypted.iter().zip(&decrypted))
            {
                if name.ends_with(".m4s") {
                    assert!(media(encrypted) != media(clear), "`{name}` is not encrypted");
                    assert!(media(decrypted) == media(clear), "`{name}` has changed");
                }
            }
        }
        assert!(used.len() > 300);
        for out in ["clear", "first", "again", "cbcs", "first-decrypted", "again-decrypted", "cbcs-decrypted"]
        {
            fs::remove_dir_all(folder.path().join(out)).unwrap();
        }
    }
}

/// Key id and initialisation vector of every sample, where it has one of its own.
fn vectors(files: &[(String, Vec<u8>)]) -> Vec<([u8; 16], Vec<u8>)> {
    let mut vectors = Vec::new();
    let inits = files.iter().filter(|(name, _)| name.ends_with("/init.mp4") && !name.starts_with("mov/"));
    for (name, init) in inits {
        let moov = boxes(init).find(|found| found.kind == FourCc::MOOV).unwrap();
        let movie = EncryptedMovie::parse(moov.body).unwrap();
        let rendition = name.strip_suffix("init.mp4").unwrap();
        for (_, segment) in
            files.iter().filter(|(name, _)| name.starts_with(rendition) && name.ends_with(".m4s"))
        {
            let moof = boxes(segment).find(|found| found.kind == FourCc::MOOF).unwrap();
            let samples = movie.samples(moof.body, 0).unwrap().into_iter();
            let own = samples.filter(|sample| !sample.iv.is_empty());
            vectors.extend(own.map(|sample| (sample.encryption.key_id, sample.iv)));
        }
    }
    vectors
}
