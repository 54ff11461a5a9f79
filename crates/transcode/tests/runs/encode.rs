//! Chunks of real sources: every frame once, at its time, in every rung.

use std::fs;
use std::path::Path;

use isobmff::{
    EditList, FileType, FourCc, FragmentSample, FragmentSpec, InitSpec, InitTrack, Matrix, index_slice,
    write_fragment_header, write_init,
};
use libtest_mimic::Trial;
use tokio::sync::mpsc;
use transcode::chunk::{ChunkSpec, Stills, plan_chunks};
use transcode::encode::{Delivery, EncodeError, encode_chunk};
use transcode::feed::FeedStart;
use transcode::process::ProcessError;

use crate::clips::{Clips, Source, numbers};
use crate::support::{ffprobe_times, trial};
use crate::video::{Encoded, LIMITS, Video};

pub(crate) fn trials() -> Vec<Trial> {
    let codecs =
        CODECS.iter().map(|codec| trial(format!("encode::codec_{}", codec.name), || check_codec(codec)));
    let mut trials = vec![
        trial("encode::four_rungs_with_stills", four_rungs_with_stills),
        trial("encode::chunks_of_one_segment_in_any_order", chunks_of_one_segment_in_any_order),
        trial("encode::one_long_gop", one_long_gop),
        trial("encode::open_gop_and_pyramid", open_gop_and_pyramid),
        trial("encode::film_rate", film_rate),
        trial("encode::variable_rate", variable_rate),
        trial("encode::hevc_open_gop", hevc_open_gop),
        trial("encode::ten_bit_422", ten_bit_422),
        trial("encode::negative_composition_offsets", negative_composition_offsets),
        trial("encode::edit_list_inside_a_gop", edit_list_inside_a_gop),
        trial("encode::rotation", rotation),
        trial("encode::interlaced", interlaced),
        trial("encode::one_frame", one_frame),
        trial("encode::half_a_second", half_a_second),
        trial("encode::intra_refresh", intra_refresh),
        trial("encode::missing_sync_table", missing_sync_table),
        trial("encode::several_sample_entries", several_sample_entries),
        trial("encode::damaged_samples", damaged_samples),
        trial("encode::a_segment_without_a_picture", a_segment_without_a_picture),
        trial("encode::nothing_decodes", nothing_decodes),
        trial("encode::a_retry_gives_the_same_bytes", a_retry_gives_the_same_bytes),
        trial("encode::a_slow_consumer_slows_the_encoder", a_slow_consumer_slows_the_encoder),
        trial("encode::cancelled_in_the_middle", cancelled_in_the_middle),
        trial("encode::a_consumer_that_leaves", a_consumer_that_leaves),
        trial("encode::a_source_that_is_too_short", a_source_that_is_too_short),
    ];
    trials.extend(codecs);
    trials
}

const X264: &str = "-c:v libx264 -preset superfast -bf 2 -pix_fmt yuv420p -g 30";

/// What people upload, beside H.264.
struct Codec {
    name: &'static str,
    file: &'static str,
    pictures: Source,
    encoder: &'static str,
}

const SHORT: Source = Source { size: "320x180", rate: "30", seconds: 2.5, filters: "" };

#[rustfmt::skip]
const CODECS: &[Codec] = &[
    Codec { name: "vp9", file: "source.mp4", pictures: SHORT,
        encoder: "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 300k -g 60 -auto-alt-ref 1 -lag-in-frames 16" },
    Codec { name: "av1", file: "source.mp4", pictures: SHORT, encoder: "-c:v libsvtav1 -preset 12 -g 60" },
    Codec { name: "mpeg2", file: "source.mp4", pictures: Source { rate: "25", ..SHORT },
        encoder: "-c:v mpeg2video -q:v 3 -bf 2 -g 15" },
    Codec { name: "mpeg4", file: "source.mp4", pictures: SHORT, encoder: "-c:v mpeg4 -q:v 3 -g 60 -bf 2" },
    Codec { name: "mjpeg_full_range", file: "source.mov", pictures: SHORT,
        encoder: "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p" },
    Codec { name: "prores_422", file: "source.mov", pictures: SHORT,
        encoder: "-c:v prores_ks -profile:v 2 -pix_fmt yuv422p10le" },
    Codec { name: "prores_4444", file: "source.mov", pictures: SHORT,
        encoder: "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le" },
    Codec { name: "dnxhr", file: "source.mov", pictures: SHORT,
        encoder: "-c:v dnxhd -profile:v dnxhr_sq -pix_fmt yuv422p" },
    Codec { name: "uncompressed", file: "source.mov", pictures: SHORT, encoder: "-c:v rawvideo -pix_fmt yuyv422" },
    Codec { name: "animation", file: "source.mov", pictures: SHORT, encoder: "-c:v qtrle" },
    Codec { name: "hdr10", file: "source.mp4", pictures: SHORT,
        encoder: "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -tag:v hvc1 -x265-params \
            log-level=error:keyint=60:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc" },
    Codec { name: "hlg", file: "source.mp4", pictures: SHORT,
        encoder: "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -tag:v hvc1 -x265-params \
            log-level=error:keyint=60:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc" },
    Codec { name: "h264_60_hz", file: "source.mp4", pictures: Source { rate: "60000/1001", ..SHORT },
        encoder: "-c:v libx264 -preset superfast -bf 3 -pix_fmt yuv420p -g 120" },
    Codec { name: "h264_odd_444", file: "source.mp4", pictures: Source { size: "323x181", ..SHORT },
        encoder: "-c:v libx264 -preset superfast -pix_fmt yuv444p -g 60" },
    Codec { name: "h264_mbaff", file: "source.mp4", pictures: Source { size: "720x576", rate: "50", ..SHORT },
        encoder: "-c:v libx264 -preset superfast -flags +ildct+ilme -top 1 -pix_fmt yuv420p -g 50" },
    Codec { name: "h264_parameters_in_band", file: "source.mp4", pictures: SHORT,
        encoder: "-c:v libx264 -preset superfast -pix_fmt yuv420p -g 30 -bsf:v dump_extra -tag:v avc3 -strict -2" },
    Codec { name: "h264_fragmented", file: "source.mp4", pictures: SHORT,
        encoder: "-c:v libx264 -preset superfast -pix_fmt yuv420p -bf 2 -g 30 -movflags frag_keyframe+empty_moov" },
];

async fn check_codec(codec: &Codec) {
    let clips = Clips::new();
    let source = clips.make(codec.file, codec.pictures, codec.encoder);
    assert!(at_once(&check(&clips, &source, Check::default()).await.1));
}

/// How a source is encoded and what is expected.
struct Check<'a> {
    short_sides: &'a [u32],
    /// Turns the picture so that the bars are on top.
    upright: &'a str,
    /// What every frame shows, when it is not what ffmpeg reads from the whole source.
    numbers: Option<Vec<u32>>,
}

impl Default for Check<'_> {
    fn default() -> Self {
        Self { short_sides: &[90], upright: "", numbers: None }
    }
}

/// Encodes the planned chunks of `source`, and finds every frame of it, at its time, in every rung.
async fn check(clips: &Clips, source: &Path, expected: Check<'_>) -> (Video, Encoded) {
    let video = Video::open(source, expected.short_sides).await;
    let rungs = u32::try_from(video.ladder.len()).expect("few");
    let chunks = plan_chunks(video.track(), &video.timeline, rungs);
    let encoded = video.encode(&chunks).await.expect("it encodes");
    let numbers = expected.numbers.unwrap_or_else(|| numbers(source, expected.upright));
    assert_eq!(numbers.len(), video.timeline.frames.len(), "frames of the source");
    compare(clips, &video, &encoded, &numbers, expected.upright);
    (video, encoded)
}

fn compare(clips: &Clips, video: &Video, encoded: &Encoded, expected: &[u32], upright: &str) {
    let times: Vec<i64> =
        video.timeline.frames.iter().map(|frame| i64::try_from(frame.time).expect("short")).collect();
    for rung in 0..video.ladder.len() {
        let path = clips.path("assembled.mp4");
        video.assemble(encoded, rung, &path);
        assert_eq!(numbers(&path, upright), expected, "what rung {rung} shows");
        assert_eq!(ffprobe_times(&path), times, "when rung {rung} shows it");
    }
    for ((rung, number), segment) in &encoded.segments {
        let first = video.timeline.segment_frames(*number).start;
        assert!(
            segment.samples[0].sync && segment.samples[0].frame == first,
            "segment {number} of rung {rung}"
        );
        assert!(segment.samples.iter().skip(1).all(|sample| !sample.sync));
    }
}

fn at_once(encoded: &Encoded) -> bool {
    encoded.reports.iter().all(|report| report.attempts == [FeedStart::Sync] && report.lost.is_empty())
}

async fn four_rungs_with_stills() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", Source::default(), X264);
    let expected = Check { short_sides: &[90, 120, 144, 180], ..Check::default() };
    let (video, encoded) = check(&clips, &source, expected).await;
    assert_eq!(video.ladder.len(), 4);
    assert!(at_once(&encoded));
    // One poster, and a storyboard picture each four seconds.
    assert_eq!(encoded.stills.len(), 3);
    let all = numbers(&source, "");
    for still in &encoded.stills {
        let path = clips.path("still.jpg");
        fs::write(&path, &still.jpeg).expect("written");
        let frame = usize::try_from(still.frame).expect("small");
        assert_eq!(numbers(&path, ""), [all[frame]], "{:?}", still.kind);
    }
}

async fn chunks_of_one_segment_in_any_order() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", Source::default(), X264);
    let video = Video::open(&source, &[90, 180]).await;
    let chunk = |first_segment, rungs: &[u32]| ChunkSpec {
        first_segment,
        segments: 1,
        rungs: rungs.to_vec(),
        stills: Stills::Skip,
    };
    // The last first, and the rungs of the second segment by themselves.
    let mut chunks: Vec<ChunkSpec> =
        (2..video.timeline.segments()).rev().map(|first| chunk(first, &[0, 1])).collect();
    chunks.extend([chunk(1, &[1]), chunk(1, &[0]), chunk(0, &[0, 1])]);
    let encoded = video.encode(&chunks).await.expect("it encodes");
    assert!(encoded.stills.is_empty());
    compare(&clips, &video, &encoded, &numbers(&source, ""), "");
}

async fn one_long_gop() {
    let clips = Clips::new();
    let encoder = "-c:v libx264 -preset superfast -bf 2 -pix_fmt yuv420p -g 10000 -sc_threshold 0";
    let source = clips.make("source.mp4", Source { seconds: 13.0, ..Source::default() }, encoder);
    let (_, encoded) = check(&clips, &source, Check::default()).await;
    assert!(at_once(&encoded));
}

async fn open_gop_and_pyramid() {
    let clips = Clips::new();
    let encoder = "-c:v libx264 -preset superfast -pix_fmt yuv420p -g 25 -bf 5 -b_strategy 0 \
                   -x264-params open-gop=1:scenecut=0:b-pyramid=normal:ref=4";
    let source = clips.make("source.mp4", Source { seconds: 11.0, ..Source::default() }, encoder);
    let (video, _) = check(&clips, &source, Check::default()).await;
    // In the middle, alone.
    let chunk = ChunkSpec { first_segment: 3, segments: 1, rungs: vec![0], stills: Stills::Skip };
    assert!(at_once(&video.encode(&[chunk]).await.expect("it encodes")));
}

async fn film_rate() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", Source { rate: "24000/1001", ..Source::default() }, X264);
    assert!(at_once(&check(&clips, &source, Check::default()).await.1));
}

async fn variable_rate() {
    let clips = Clips::new();
    let pictures = Source { rate: "60", filters: r"select='gt(random(1)\,0.45)',", ..Source::default() };
    let encoder = "-fps_mode passthrough -enc_time_base 1/90000 -video_track_timescale 90000 \
                   -c:v libx264 -preset superfast -bf 2 -pix_fmt yuv420p -g 60";
    let source = clips.make("source.mp4", pictures, encoder);
    assert!(at_once(&check(&clips, &source, Check::default()).await.1));
}

async fn hevc_open_gop() {
    let clips = Clips::new();
    let encoder = "-c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt yuv420p10le \
                   -x265-params log-level=error:keyint=30:open-gop=1:bframes=4:scenecut=0";
    let source = clips.make("source.mp4", Source::default(), encoder);
    check(&clips, &source, Check::default()).await;
}

async fn ten_bit_422() {
    let clips = Clips::new();
    let pictures = Source { seconds: 2.0, ..Source::default() };
    let encoder = "-c:v libx264 -preset superfast -pix_fmt yuv422p10le -g 30";
    let source = clips.make("source.mov", pictures, encoder);
    assert!(at_once(&check(&clips, &source, Check::default()).await.1));
}

async fn negative_composition_offsets() {
    let clips = Clips::new();
    let source =
        clips.make("source.mp4", Source::default(), &format!("{X264} -movflags negative_cts_offsets"));
    assert!(at_once(&check(&clips, &source, Check::default()).await.1));
}

async fn edit_list_inside_a_gop() {
    let clips = Clips::new();
    let whole = clips.make("whole.mp4", Source::default(), X264);
    let source = clips.remux("source.mp4", "-ss 1.5", &whole, "");
    let (video, encoded) = check(&clips, &source, Check::default()).await;
    assert!(at_once(&encoded));
    assert!(video.timeline.frames.len() < 180);
}

async fn rotation() {
    let clips = Clips::new();
    let pictures = Source { seconds: 2.0, ..Source::default() };
    let flat = clips.make("flat.mp4", pictures, X264);
    let source = clips.remux("source.mp4", "", &flat, "-metadata:s:v:0 rotate=90");
    let upright = if numbers(&source, "transpose=clock,") == numbers(&flat, "") {
        "transpose=clock,"
    } else {
        "transpose=cclock,"
    };
    let (video, _) = check(&clips, &source, Check { upright, ..Check::default() }).await;
    assert!(video.picture.display.width < video.picture.display.height);
    assert_eq!((video.ladder[0].width, video.ladder[0].height), (90, 160));
}

async fn interlaced() {
    let clips = Clips::new();
    let encoder = "-c:v libx264 -preset superfast -flags +ildct+ilme -top 1 -pix_fmt yuv420p -g 30";
    let source = clips.make("source.mp4", Source::default(), encoder);
    assert!(at_once(&check(&clips, &source, Check::default()).await.1));
}

async fn one_frame() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", Source { seconds: 0.01, ..Source::default() }, X264);
    let (video, encoded) = check(&clips, &source, Check::default()).await;
    assert_eq!((video.timeline.frames.len(), encoded.segments.len()), (1, 1));
}

async fn half_a_second() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", Source { seconds: 0.5, ..Source::default() }, X264);
    assert_eq!(check(&clips, &source, Check::default()).await.1.segments.len(), 1);
}

/// The sync samples are recovery points: after one of them, some frames are still broken and the decoder drops them.
async fn intra_refresh() {
    let clips = Clips::new();
    let encoder =
        "-c:v libx264 -preset superfast -pix_fmt yuv420p -g 30 -x264-params intra-refresh=1:bframes=0";
    let source = clips.make("source.mp4", Source { seconds: 9.0, ..Source::default() }, encoder);
    let video = Video::open(&source, &[90]).await;
    let segments = video.timeline.segments();
    let chunks: Vec<ChunkSpec> = (0..segments)
        .map(|first_segment| ChunkSpec { first_segment, segments: 1, rungs: vec![0], stills: Stills::Skip })
        .collect();
    let encoded = video.encode(&chunks).await.expect("it encodes");
    assert!(encoded.reports.iter().all(|report| report.lost.is_empty()));
    compare(&clips, &video, &encoded, &numbers(&source, ""), "");
}

/// Without `stss` every sample claims that decoding can start there.
async fn missing_sync_table() {
    let clips = Clips::new();
    let encoder = "-c:v libx264 -preset superfast -bf 2 -pix_fmt yuv420p -g 100 -sc_threshold 0";
    let whole = clips.make("whole.mp4", Source { seconds: 9.0, ..Source::default() }, encoder);
    let expected = numbers(&whole, "");
    let mut bytes = fs::read(&whole).expect("the clip");
    let stss = bytes.windows(4).position(|kind| kind == b"stss").expect("a sync table");
    bytes[stss..stss + 4].copy_from_slice(b"free");
    let source = clips.path("source.mp4");
    fs::write(&source, bytes).expect("written");
    check(&clips, &source, Check { numbers: Some(expected), ..Check::default() }).await;
}

/// Two clips of different sizes in one track, each with its own sample entry.
async fn several_sample_entries() {
    let clips = Clips::new();
    let pictures = Source { seconds: 3.0, ..Source::default() };
    let parts = [
        clips.make("first.mp4", pictures, X264),
        clips.make("second.mp4", Source { size: "480x270", ..pictures }, X264),
    ];
    let source = clips.path("source.mp4");
    fs::write(&source, concatenate(&parts)).expect("written");
    let expected = [numbers(&parts[0], ""), numbers(&parts[1], "")].concat();
    let (video, _) = check(&clips, &source, Check { numbers: Some(expected), ..Check::default() }).await;
    assert_eq!(video.track().entries.len(), 2);
}

/// One track of the samples of several files with the same timescale and no edit lists.
fn concatenate(parts: &[std::path::PathBuf; 2]) -> Vec<u8> {
    let files = parts.each_ref().map(|path| fs::read(path).expect("the clip"));
    let movies = files.each_ref().map(|file| index_slice(file, LIMITS).expect("an index"));
    let tracks = movies.each_ref().map(|movie| &movie.tracks[0]);
    let mut out = write_init(&InitSpec {
        file_type: FileType { major: FourCc(*b"isom"), minor: 0, compatible: vec![] },
        tracks: vec![InitTrack {
            id: 1,
            handler: FourCc(*b"vide"),
            timescale: tracks[0].timescale,
            language: *b"und",
            matrix: Matrix::UNITY,
            width: tracks[0].width,
            height: tracks[0].height,
            entries: tracks.iter().map(|track| track.entries[0].raw.as_slice()).collect(),
            edit: EditList::Skip {
                media_time: u64::try_from(tracks[0].samples.get(0).expect("one").presentation_time())
                    .expect("positive"),
            },
        }],
        extra: &[],
    });
    let mut base = 0;
    for (index, track) in tracks.iter().enumerate() {
        let samples: Vec<FragmentSample> = track
            .samples
            .iter()
            .map(|sample| FragmentSample {
                duration: sample.duration,
                size: sample.size,
                sync: sample.sync,
                composition_offset: sample.composition_offset,
            })
            .collect();
        out.extend(write_fragment_header(&FragmentSpec {
            sequence_number: u32::try_from(index).expect("small") + 1,
            track_id: 1,
            entry: u32::try_from(index).expect("small") + 1,
            base_decode_time: base,
            samples: &samples,
            encryption: None,
        }));
        for sample in &track.samples {
            let start = usize::try_from(sample.offset).expect("small");
            out.extend_from_slice(&files[index][start..start + usize::try_from(sample.size).expect("small")]);
        }
        base += samples.iter().map(|sample| u64::from(sample.duration)).sum::<u64>();
    }
    out
}

/// A clip with the bytes of samples `damaged` (in decode order) overwritten.
fn damage(clips: &Clips, whole: &Path, damaged: impl IntoIterator<Item = u32>) -> std::path::PathBuf {
    let mut bytes = fs::read(whole).expect("the clip");
    let movie = index_slice(&bytes, LIMITS).expect("an index");
    for index in damaged {
        let sample = movie.tracks[0].samples.get(index).expect("it exists");
        let start = usize::try_from(sample.offset).expect("small");
        bytes[start..start + usize::try_from(sample.size).expect("small")].fill(0);
    }
    let source = clips.path("damaged.mp4");
    fs::write(&source, bytes).expect("written");
    source
}

/// Frames that nothing refers to: only they are lost, on all rungs, and the rest stays in its place.
async fn damaged_samples() {
    let clips = Clips::new();
    let encoder = "-c:v libx264 -preset superfast -pix_fmt yuv420p -g 1 -threads 1";
    let whole = clips.make("whole.mp4", Source::default(), encoder);
    // 30 starts the second segment, 100 and 101 are in the middle of the third, 179 is the last.
    let source = damage(&clips, &whole, [30, 100, 101, 179]);
    let video = Video::open(&source, &[90, 120]).await;
    let chunks = plan_chunks(video.track(), &video.timeline, 2);
    let encoded = video.encode(&chunks).await.expect("it encodes");
    let lost: Vec<u32> = encoded.reports.iter().flat_map(|report| report.lost.clone()).collect();
    assert_eq!(lost, [30, 100, 101, 179]);
    let kept: Vec<u32> = (0..180).filter(|frame| !lost.contains(frame)).collect();
    for rung in 0..2 {
        let frames: Vec<u32> = encoded
            .segments
            .iter()
            .filter(|((of, _), _)| *of == rung)
            .flat_map(|(_, segment)| {
                let mut frames: Vec<u32> = segment.samples.iter().map(|sample| sample.frame).collect();
                frames.sort_unstable();
                frames
            })
            .collect();
        assert_eq!(frames, kept, "rung {rung}");
        let path = clips.path("assembled.mp4");
        video.assemble(&encoded, rung, &path);
        assert_eq!(numbers(&path, ""), kept, "rung {rung}");
    }
}

async fn a_segment_without_a_picture() {
    let clips = Clips::new();
    let encoder = "-c:v libx264 -preset superfast -pix_fmt yuv420p -g 1 -threads 1";
    let whole = clips.make("whole.mp4", Source::default(), encoder);
    // All of the second segment.
    let source = damage(&clips, &whole, 30..60);
    let video = Video::open(&source, &[90]).await;
    assert_eq!(video.timeline.segment_frames(1), 30..60);
    let chunks = plan_chunks(video.track(), &video.timeline, 1);
    let encoded = video.encode(&chunks).await.expect("it encodes");
    assert!(encoded.reports[0].substituted);
    let path = clips.path("assembled.mp4");
    video.assemble(&encoded, 0, &path);
    // The last sync sample before stands still.
    let expected: Vec<u32> = (0..30).chain([29]).chain(60..180).collect();
    assert_eq!(numbers(&path, ""), expected);
}

async fn nothing_decodes() {
    let clips = Clips::new();
    let whole = clips.make("whole.mp4", Source { seconds: 1.0, ..Source::default() }, X264);
    let video = Video::open(&whole, &[90]).await;
    let damaged = damage(&clips, &whole, 0..30);
    let video = Video { source: fs::read(damaged).expect("the clip").into(), ..video };
    let chunks = plan_chunks(video.track(), &video.timeline, 1);
    let error = video.encode(&chunks).await.expect_err("nothing is there");
    assert_eq!(error.to_string(), "no picture between 0.0 s and 1.0 s could be decoded", "{error:#?}");
    assert!(error.is_final());
}

async fn a_retry_gives_the_same_bytes() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", Source { seconds: 3.0, ..Source::default() }, X264);
    let video = Video::open(&source, &[90]).await;
    let chunks = plan_chunks(video.track(), &video.timeline, 1);
    let once = video.encode(&chunks).await.expect("it encodes");
    let again = video.encode(&chunks).await.expect("it encodes");
    assert!(once.segments == again.segments);
    assert!(once.stills == again.stills);
}

/// Nobody takes anything until the encoder can go no further; then everything comes, and nothing is taken for a stall.
async fn a_slow_consumer_slows_the_encoder() {
    let clips = Clips::new();
    let pictures =
        Source { size: "640x360", seconds: 8.0, filters: "noise=alls=60:allf=t,", ..Source::default() };
    let source =
        clips.make("source.mp4", pictures, "-c:v libx264 -preset ultrafast -qp 20 -pix_fmt yuv420p -g 30");
    let video = Video::open(&source, &[270, 360]).await;
    let chunk = ChunkSpec {
        first_segment: 0,
        segments: video.timeline.segments(),
        rungs: vec![0, 1],
        stills: Stills::Make,
    };
    let (sender, mut deliveries) = mpsc::channel(1);
    let (plan, mut runner) = (video.plan(), video.runner());
    runner.patience.stall = std::time::Duration::from_millis(1500);
    let encode = async {
        let report = encode_chunk(&runner, &video.source, &plan, &chunk, &sender).await;
        drop(sender);
        report.expect("it encodes")
    };
    let take = async {
        let mut count = 0;
        while let Some(delivery) = deliveries.recv().await {
            count += usize::from(matches!(delivery, Delivery::Segment(_)));
            if count <= 2 {
                // Longer than a stall may be.
                tokio::time::sleep(2 * runner.patience.stall).await;
            }
        }
        count
    };
    let (_, count) = tokio::join!(encode, take);
    assert_eq!(count, 2 * usize::try_from(video.timeline.segments()).expect("few"));
}

async fn cancelled_in_the_middle() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", Source::default(), X264);
    let video = Video::open(&source, &[90]).await;
    let chunks = plan_chunks(video.track(), &video.timeline, 1);
    let (sender, mut deliveries) = mpsc::channel(1);
    let (plan, runner) = (video.plan(), video.runner());
    let cancel = async {
        let first = deliveries.recv().await;
        assert!(first.is_some());
        video.cancel.cancel();
        deliveries
    };
    let (error, _deliveries) =
        tokio::join!(encode_chunk(&runner, &video.source, &plan, &chunks[0], &sender), cancel);
    let error = error.expect_err("it is cancelled");
    assert!(matches!(error, EncodeError::Process(ProcessError::Cancelled { .. })), "{error:?}");
    assert!(!error.is_final());
}

async fn a_consumer_that_leaves() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", Source::default(), X264);
    let video = Video::open(&source, &[90]).await;
    let chunks = plan_chunks(video.track(), &video.timeline, 1);
    let (sender, deliveries) = mpsc::channel(1);
    drop(deliveries);
    let (plan, runner) = (video.plan(), video.runner());
    let error =
        encode_chunk(&runner, &video.source, &plan, &chunks[0], &sender).await.expect_err("nobody is there");
    assert!(matches!(error, EncodeError::Abandoned), "{error:?}");
}

async fn a_source_that_is_too_short() {
    let clips = Clips::new();
    let source = clips.make("source.mp4", Source::default(), &format!("{X264} -movflags faststart"));
    let video = Video::open(&source, &[90]).await;
    let half = video.source.slice(..video.source.len() / 2);
    let video = Video { source: half, ..video };
    let chunks = plan_chunks(video.track(), &video.timeline, 1);
    let error = video.encode(&chunks).await.expect_err("half of it is missing");
    assert!(matches!(error, EncodeError::Source(_)), "{error:?}");
}
