//! The index that `isobmff` makes of a file is that of ffprobe, packet for packet.
//!
//! It lives here because only this crate starts processes.

#![expect(clippy::disallowed_methods, reason = "the clips come from ffmpeg, and ffprobe is the oracle")]

use std::fs;
use std::path::Path;
use std::process::Command;

use isobmff::{FragmentStream, Limits, Movie, Sample, StreamEvent, SyncTable, Track, index_slice};

const PICTURE: &str = "testsrc=duration=1.2:size=160x90:rate=25";
const SOUND: &str = "sine=frequency=440:duration=1.2:sample_rate=48000";

/// Makes a clip with ffmpeg's test sources (video input 0, audio input 1) and compares.
fn check_made(name: &str, arguments: &str) -> Movie {
    let folder = tempfile::tempdir().expect("a folder for the clip");
    let clip = folder.path().join(name);
    make(&clip, arguments);
    check(&clip)
}

fn make(clip: &Path, arguments: &str) {
    let ffmpeg = Command::new("ffmpeg")
        .args([
            "-hide_banner",
            "-loglevel",
            "error",
            "-f",
            "lavfi",
            "-i",
            PICTURE,
            "-f",
            "lavfi",
            "-i",
            SOUND,
        ])
        .args(arguments.split_whitespace())
        .arg(clip)
        .output()
        .expect("ffmpeg is installed");
    assert!(ffmpeg.status.success(), "{arguments}: {}", String::from_utf8_lossy(&ffmpeg.stderr));
}

/// Compares every sample of every track with ffprobe's packets.
fn check(file: &Path) -> Movie {
    let bytes = fs::read(file).expect("the clip can be read");
    let movie = index_slice(&bytes, Limits::default()).expect("the clip is sound");
    assert_eq!(movie.missing_bytes(), 0);
    for (stream, track) in movie.tracks.iter().enumerate() {
        if !track.is_video() && !track.is_audio() {
            continue;
        }
        let packets = packets(file, stream);
        let rows: Vec<Row> = rows(track);
        assert_eq!(rows.len(), packets.len(), "{}, stream {stream}", file.display());
        for (index, (ours, theirs)) in rows.iter().zip(&packets).enumerate() {
            assert_eq!(ours, theirs, "{}, stream {stream}, sample {index}", file.display());
        }
    }
    movie
}

/// What both sides know of a sample. Times count from the first sample: ffprobe shifts whole streams.
#[derive(Debug, PartialEq)]
struct Row {
    decode_time: i64,
    presentation_time: i64,
    offset: u64,
    size: u32,
    sync: bool,
}

fn rows(track: &Track) -> Vec<Row> {
    let first = track.samples.get(0).map_or(0, |sample| sample.decode_time);
    let shown_first = track.samples.get(0).map_or(0, |sample| sample.presentation_time());
    let row = |sample: Sample| Row {
        decode_time: sample.decode_time - first,
        presentation_time: sample.presentation_time() - shown_first,
        offset: sample.offset,
        size: sample.size,
        sync: sample.sync,
    };
    track.samples.iter().map(row).collect()
}

fn packets(file: &Path, stream: usize) -> Vec<Row> {
    let ffprobe = Command::new("ffprobe")
        .args(["-v", "error", "-ignore_editlist", "1", "-select_streams", &stream.to_string()])
        .args(["-show_entries", "packet=pts,dts,size,pos,flags", "-of", "compact=print_section=0"])
        .arg(file)
        .output()
        .expect("ffprobe is installed");
    let text = String::from_utf8(ffprobe.stdout).expect("ffprobe prints text");
    let mut packets: Vec<Row> = text.lines().filter(|line| line.contains("dts=")).map(packet).collect();
    let (first, shown_first) =
        packets.first().map_or((0, 0), |packet| (packet.decode_time, packet.presentation_time));
    for packet in &mut packets {
        packet.decode_time -= first;
        packet.presentation_time -= shown_first;
    }
    packets
}

fn packet(line: &str) -> Row {
    let field = |name: &str| {
        let found = line.split('|').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("no `{name}` in `{line}`"))
    };
    let number = |name| field(name).parse().unwrap_or_else(|_| panic!("no number `{name}` in `{line}`"));
    Row {
        decode_time: number("dts"),
        presentation_time: number("pts"),
        offset: number("pos").try_into().expect("positions are not negative"),
        size: number("size").try_into().expect("sizes are 32 bits"),
        sync: field("flags").starts_with('K'),
    }
}

#[test]
fn progressive_files() {
    check_made("plain.mp4", "-c:v libx264 -g 10 -bf 2 -c:a aac");
    check_made("faststart.mp4", "-c:v libx264 -g 10 -bf 2 -c:a aac -movflags faststart");
    check_made("negative_offsets.mp4", "-c:v libx264 -bf 2 -c:a aac -movflags negative_cts_offsets");
    check_made("open_gop.mov", "-c:v libx264 -x264-params open-gop=1:keyint=10 -c:a aac");
    check_made("three_tracks.mp4", "-map 0 -map 1 -map 1 -c:v mpeg4 -bf 2 -c:a:0 aac -c:a:1 ac3");
    check_made("constant_sizes.mov", "-map 0 -c:v rawvideo -pix_fmt uyvy422");
    let movie = check_made("no_sync_table.mov", "-c:v mjpeg -c:a pcm_s16le");
    assert_eq!(movie.tracks[0].samples.sync(), &SyncTable::All);
}

#[test]
fn fragmented_files() {
    for flags in [
        "frag_keyframe+empty_moov",
        "frag_keyframe+empty_moov+default_base_moof",
        "frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets",
        "frag_keyframe+empty_moov+separate_moof",
        "frag_keyframe+empty_moov+omit_tfhd_offset",
        "frag_keyframe+dash+delay_moov+global_sidx",
        // A hybrid: the first fragment is in `moov`.
        "frag_keyframe",
    ] {
        let arguments = format!("-c:v libx264 -g 10 -bf 2 -c:a aac -movflags {flags}");
        let movie = check_made("fragmented.mp4", &arguments);
        assert!(movie.fragmented, "{flags}");
        check_stream(&arguments, &movie);
    }
    check_made("pcm.mov", "-map 1 -c:a pcm_s16le -movflags frag_keyframe+empty_moov -frag_duration 300000");
}

/// What comes through a pipe is what the index of a file says: the fragments' samples, and their bytes.
fn check_stream(arguments: &str, movie: &Movie) {
    let folder = tempfile::tempdir().expect("a folder for the clip");
    let clip = folder.path().join("stream.mp4");
    make(&clip, arguments);
    let file = fs::read(&clip).expect("the clip can be read");
    let mut stream = FragmentStream::new(1 << 20);
    let mut samples = vec![Vec::new(); movie.tracks.len()];
    let mut media = vec![Vec::new(); movie.tracks.len()];
    for piece in file.chunks(1000) {
        stream.push(piece);
        while let Some(event) = stream.poll().expect("the stream is sound") {
            let StreamEvent::Fragment(fragment) = event else { continue };
            let track =
                movie.tracks.iter().position(|track| track.id == fragment.track_id).expect("a known track");
            samples[track].extend(fragment.samples);
            media[track].extend_from_slice(&fragment.data);
        }
    }
    assert!(stream.is_drained(), "{arguments}");
    for (track, (samples, media)) in movie.tracks.iter().zip(samples.iter().zip(&media)) {
        // Those of a hybrid's `moov` do not come through the stream.
        let first = track.samples.len() as usize - samples.len();
        let indexed = || track.samples.iter().skip(first);
        let times = samples.iter().map(|sample| (sample.decode_time, sample.composition_offset, sample.sync));
        let expected = indexed().map(|sample| (sample.decode_time, sample.composition_offset, sample.sync));
        assert!(times.eq(expected), "{arguments}");
        let bytes = |sample: Sample| &file[sample.offset as usize..][..sample.size as usize];
        assert_eq!(media, &indexed().map(bytes).collect::<Vec<_>>().concat(), "{arguments}");
    }
}

/// One table entry per frame of sound: grouped as ffmpeg groups.
#[test]
fn uncompressed_sound() {
    for codec in [
        "pcm_u8",
        "pcm_s8",
        "pcm_s16le",
        "pcm_s16be",
        "pcm_s24le",
        "pcm_s24be",
        "pcm_s32le",
        "pcm_f32le",
        "pcm_f64be",
        "pcm_alaw",
        "pcm_mulaw",
    ] {
        for channels in [1, 2, 6] {
            check_made("sound.mov", &format!("-map 1 -c:a {codec} -ac {channels}"));
        }
    }
    let movie = check_made("version_2.mov", "-map 1 -c:a pcm_f32le -ac 2 -ar 96000");
    let sound = movie.tracks[0].entries[0].audio().expect("a sound description");
    assert_eq!((sound.version, sound.channels, sound.sample_size, sound.sample_rate), (2, 2, 32, 96_000.0));
}

#[test]
fn compressed_sound() {
    for codec in ["aac", "ac3", "mp2", "libmp3lame", "alac", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms"] {
        check_made("sound.mov", &format!("-map 1 -c:a {codec} -ac 2"));
    }
}

/// QuickTime's own way of writing PCM, which ffmpeg does not have: a sample size of 1, whatever a frame holds.
#[test]
fn sound_of_sample_size_1() {
    for codec in ["pcm_s16le", "pcm_s8", "pcm_s24be", "pcm_f32le", "pcm_alaw"] {
        check_changed(&format!("-map 1 -c:a {codec} -ac 2"), |file| {
            let stsz = table(file, b"stsz");
            put(file, stsz + 4, 1);
        });
    }
}

/// QuickTime's own way of writing IMA 4:1: the tables count frames, the sound description says how many make a packet.
#[test]
fn sound_in_packets() {
    check_changed("-map 1 -c:a adpcm_ima_qt -ac 2", |file| {
        const FRAMES: u32 = 64;
        let (stsz, stts, stsc) = (table(file, b"stsz"), table(file, b"stts"), table(file, b"stsc"));
        put(file, stsz + 4, 1);
        let frames = get(file, stsz + 8) * FRAMES;
        put(file, stsz + 8, frames);
        put(file, stts + 8, frames);
        put(file, stts + 12, 1);
        for run in 0..get(file, stsc + 4) as usize {
            let samples = stsc + 8 + 12 * run + 4;
            let frames = get(file, samples) * FRAMES;
            put(file, samples, frames);
        }
        // Samples per packet, bytes per packet, bytes per frame of all channels (QTFF, version 1).
        let description = table(file, b"ima4") + 28;
        put(file, description, FRAMES);
        put(file, description + 4, 34);
        put(file, description + 8, 68);
    });
}

#[test]
fn recordings() {
    let samples = Path::new("/usr/share/forensics-samples/original-files");
    let phone = check(&samples.join("movie1/VID_20191220_170832.mp4"));
    assert_eq!(phone.tracks.len(), 2);
    let hello = check(&samples.join("movie2/movie-hello.mp4"));
    assert_eq!(hello.tracks[0].edits[0].media_time, None);
}

/// Changes a clip before it is compared.
fn check_changed(arguments: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let folder = tempfile::tempdir().expect("a folder for the clip");
    let clip = folder.path().join("changed.mov");
    make(&clip, arguments);
    let mut bytes = fs::read(&clip).expect("the clip can be read");
    change(&mut bytes);
    fs::write(&clip, &bytes).expect("the clip can be written");
    check(&clip);
}

/// Where the body of the last box of this name starts.
fn table(file: &[u8], kind: &[u8; 4]) -> usize {
    file.windows(4).rposition(|name| name == kind).expect("the clip has the box") + 4
}

fn get(file: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*file[at..].first_chunk().expect("the field is inside the clip"))
}

fn put(file: &mut [u8], at: usize, value: u32) {
    file[at..at + 4].copy_from_slice(&value.to_be_bytes());
}
