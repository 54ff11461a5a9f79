//! Sound, encoded whole: all of it, in step with the pictures.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use isobmff::Track;
use libtest_mimic::Trial;
use tokio::sync::mpsc;
use transcode::audio::{AudioEncode, AudioPlan, FRAME_SAMPLES, candidates, natural_end};
use transcode::audio_run::{AudioRunError, encode_audio};
use transcode::probe_run::probe_track;
use transcode::timeline::Timeline;

use crate::clips::Clips;
use crate::support::{ffmpeg, ffmpeg_output, trial};
use crate::video::Video;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("sound::mono_aac", || check("source.mp4", "44100", "mono", "-c:a aac")),
        trial("sound::surround_ac3", || check("source.mp4", "48000", "5.1", "-c:a ac3 -b:a 384k")),
        trial("sound::stereo_mp3", || check("source.mp4", "44100", "stereo", "-c:a libmp3lame")),
        trial("sound::pcm_of_quicktime", || check("source.mov", "48000", "stereo", "-c:a pcm_s16be")),
        trial("sound::pcm_8k", || check("source.mov", "8000", "mono", "-c:a pcm_alaw")),
        trial("sound::damaged_samples_are_silent", damaged_samples_are_silent),
        trial("sound::a_lost_source_is_an_error", a_lost_source_is_an_error),
    ]
}

/// Two seconds of pictures, and a short beep at 1.5 s.
fn make(clips: &Clips, name: &str, rate: &str, layout: &str, encoder: &str) -> std::path::PathBuf {
    let path = clips.path(name);
    let channels = match layout {
        "mono" => 1,
        "stereo" => 2,
        _ => 6,
    };
    let beep = r"0.25*sin(2*PI*1000*t)*between(t\,1.5\,1.52)";
    let sound = format!("aevalsrc=exprs={}:s={rate}:d=2:c={layout}", vec![beep; channels].join("|"));
    let mut arguments =
        vec!["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=2", "-f", "lavfi", "-i", &sound];
    arguments.extend(["-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p"]);
    arguments.extend(encoder.split(' '));
    ffmpeg(&arguments, &path);
    path
}

/// A source and the plan for its sound.
async fn open(path: &Path) -> (Video, AudioEncode) {
    let video = Video::open(path, &[64]).await;
    let (plan, timeline) = {
        let track = sound_track(&video);
        let probe = probe_track(&video.runner(), &video.source, &video.movie, track, &video.settings).await;
        let probe = probe.expect("a probe").audio.expect("an audio stream");
        let end = natural_end(&video.movie, track).expect("a simple edit list");
        let timeline =
            Timeline::build(&video.movie, video.track(), end, &video.settings).expect("a timeline");
        (AudioPlan::new(&video.movie, track, &probe, &timeline, &video.settings).expect("a plan"), timeline)
    };
    let AudioPlan::Encode(plan) = plan else { panic!("{plan:?}") };
    (Video { timeline, ..video }, plan)
}

fn sound_track(video: &Video) -> &Track {
    candidates(&video.movie).next().expect("a sound track")
}

async fn encode(video: &Video, plan: &AudioEncode) -> Result<Vec<u8>, AudioRunError> {
    let (sender, mut frames) = mpsc::channel::<Bytes>(1);
    let runner = video.runner();
    let encode = async {
        let tracks = (&video.movie, sound_track(video));
        let outcome = encode_audio(&runner, &video.source, plan, tracks, &video.settings, &sender).await;
        drop(sender);
        outcome
    };
    let take = async {
        let mut adts = Vec::new();
        while let Some(bytes) = frames.recv().await {
            adts.extend_from_slice(&bytes);
        }
        adts
    };
    let (outcome, adts) = tokio::join!(encode, take);
    outcome.map(|()| adts)
}

/// Every sample of the result, left channel, 48 kHz. The first 1024 are the encoder's priming.
fn decode(clips: &Clips, adts: &[u8]) -> Vec<f32> {
    let path = clips.path("sound.aac");
    fs::write(&path, adts).expect("written");
    let path = path.to_str().expect("a plain path");
    let bytes = ffmpeg_output(&["-i", path, "-af", "pan=mono|c0=c0", "-f", "f32le", "-c:a", "pcm_f32le"]);
    bytes.as_chunks::<4>().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect()
}

async fn check(name: &'static str, rate: &'static str, layout: &'static str, encoder: &'static str) {
    let clips = Clips::new();
    let (video, plan) = open(&make(&clips, name, rate, layout, encoder)).await;
    let adts = encode(&video, &plan).await.expect("it encodes");
    let samples = decode(&clips, &adts);
    let frame = usize::try_from(FRAME_SAMPLES).expect("small");
    let frames = usize::try_from(plan.frames).expect("few");
    assert_eq!(samples.len(), (frames + 1) * frame);
    // It ends with the pictures or less than one frame before.
    let end =
        usize::try_from(video.timeline.end * 48_000 / u64::from(video.timeline.timescale)).expect("short");
    assert!(frames * frame <= end && end < (frames + 1) * frame, "{frames} frames, {end} samples");
    let beep = samples.iter().position(|sample| sample.abs() > 0.05).expect("a beep") - frame;
    // AC-3 and the coder's window smear the start by less than 3 ms.
    assert!(beep.abs_diff(72_000) < 144, "the beep is at {beep} instead of 72000");
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!((0.15..=1.0).contains(&peak), "{peak}");
}

async fn damaged_samples_are_silent() {
    let clips = Clips::new();
    let (video, plan) = open(&make(&clips, "source.mp4", "44100", "mono", "-c:a aac")).await;
    let mut bytes = video.source.to_vec();
    for index in 20..40 {
        let sample = sound_track(&video).samples.get(index).expect("it exists");
        let start = usize::try_from(sample.offset).expect("small");
        bytes[start..start + usize::try_from(sample.size).expect("small")].fill(0xff);
    }
    let video = Video { source: bytes.into(), ..video };
    let samples = decode(&clips, &encode(&video, &plan).await.expect("it encodes"));
    let beep = samples.iter().rposition(|sample| sample.abs() > 0.05).expect("a beep") - 1024;
    assert!(beep.abs_diff(72_960) < 144, "the beep ends at {beep} instead of 72960");
}

async fn a_lost_source_is_an_error() {
    let clips = Clips::new();
    let (video, plan) = open(&make(&clips, "source.mov", "48000", "stereo", "-c:a pcm_s16be")).await;
    let half = video.source.slice(..video.source.len() / 4);
    let video = Video { source: half, ..video };
    let error = encode(&video, &plan).await.expect_err("most of it is missing");
    assert!(matches!(error, AudioRunError::Run(_)), "{error:?}");
}
