use isobmff::{Sample, SampleTable};

use super::*;
use crate::synthetic::{Clip, edit, movie, sound, track};

fn probe(codec: &str, sample_rate: u32, channels: u32) -> AudioProbe {
    AudioProbe {
        codec: codec.to_owned(),
        profile: Some("LC".to_owned()),
        sample_rate,
        channels,
        layout: match channels {
            1 => Some("mono".to_owned()),
            2 => Some("stereo".to_owned()),
            6 => Some("5.1".to_owned()),
            _ => None,
        },
    }
}

/// The plan for a track beside 10 s of video.
fn plan(track: &Track, probe: &AudioProbe) -> AudioPlan {
    let settings = EncodeSettings::default();
    let pictures = movie(Clip::regular(300, 30, 30).track());
    let timeline = Timeline::build(&pictures, &pictures.tracks[0], None, &settings).expect("a sound clip");
    AudioPlan::new(&movie(track.clone()), track, probe, &timeline, &settings).expect("a plain edit list")
}

fn pass_through(track: &Track) -> Option<PassThrough> {
    match plan(track, &probe("aac", track.timescale, 2)) {
        AudioPlan::PassThrough(plan) => Some(plan),
        AudioPlan::None | AudioPlan::Encode(_) => None,
    }
}

/// AAC of 48 kHz that starts `media_time` samples into the media.
fn aac(frames: u32, media_time: i64) -> Track {
    Track { edits: vec![edit(0, Some(media_time))], ..sound(48_000, frames, 1024, 300) }
}

#[test]
fn whole_priming_frames_are_left_out() {
    // 10 s are 468.75 frames.
    let plan = |lead, first, count, tail| Some(PassThrough { sample_rate: 48_000, lead, first, count, tail });
    assert_eq!(pass_through(&aac(470, 0)), plan(0, 0, 468, 0));
    assert_eq!(pass_through(&aac(470, 1024)), plan(0, 1, 468, 0));
    // 64 samples, 1.3 ms, are left as they are.
    assert_eq!(pass_through(&aac(480, 2112)), plan(0, 2, 468, 0));
    assert_eq!(pass_through(&aac(480, 1000)), plan(0, 1, 468, 0));
    // 5.3 ms and more are not.
    assert_eq!(pass_through(&aac(480, 1024 + 256)), None);
}

#[test]
fn silence_fills_what_the_sound_lacks() {
    let plan = |lead, first, count, tail| Some(PassThrough { sample_rate: 48_000, lead, first, count, tail });
    assert_eq!(pass_through(&aac(300, 1024)), plan(0, 1, 299, 169));
    let late = Track { edits: vec![edit(2048, None), edit(0, Some(0))], ..aac(300, 0) };
    assert_eq!(pass_through(&late), plan(96, 0, 300, 72));
    let cut = Track { edits: vec![edit(1000, Some(1024))], ..aac(300, 0) };
    assert_eq!(pass_through(&cut), plan(0, 1, 47, 421));
}

#[test]
fn only_plain_aac_is_copied() {
    let encoded = |track: &Track, probe: AudioProbe| matches!(plan(track, &probe), AudioPlan::Encode(_));
    let plain = aac(470, 1024);
    assert!(encoded(&plain, AudioProbe { profile: Some("HE-AAC".to_owned()), ..probe("aac", 48_000, 2) }));
    assert!(encoded(&plain, probe("mp3", 48_000, 2)));
    assert!(encoded(&plain, probe("aac", 48_000, 1)));
    assert!(encoded(&plain, probe("aac", 48_000, 6)));
    assert!(encoded(&plain, probe("aac", 44_100, 2)));
    assert!(encoded(&sound(96_000, 1000, 1024, 100), probe("aac", 96_000, 2)));
    assert!(encoded(&sound(48_000, 470, 1024, 400), probe("aac", 48_000, 2)));
    let gap = |index: u32| Sample {
        decode_time: i64::from(index) * 1024 + if index > 9 { 480 } else { 0 },
        duration: 1024,
        composition_offset: 0,
        offset: 0,
        size: 100,
        sync: true,
        entry: 0,
    };
    let samples: SampleTable = (0..470).map(gap).collect();
    assert!(encoded(&track(*b"soun", 48_000, samples), probe("aac", 48_000, 2)));
}

#[test]
fn what_is_not_heard_is_no_sound() {
    assert_eq!(plan(&sound(48_000, 0, 1024, 1), &probe("aac", 48_000, 2)), AudioPlan::None);
    assert_eq!(plan(&aac(10, 20_480), &probe("aac", 48_000, 2)), AudioPlan::None);
    let twice = Track { edits: vec![edit(100, Some(0)), edit(100, Some(0))], ..aac(10, 0) };
    assert_eq!(natural_end(&movie(twice.clone()), &twice), Err(AudioError::ComplexEdits(2)));
}

#[test]
fn the_end_is_where_the_edit_list_ends() {
    let end = |track: &Track| natural_end(&movie(track.clone()), track).expect("a plain edit list");
    let at = |ticks| Some(Instant { ticks, timescale: 48_000 });
    assert_eq!(end(&aac(470, 1024)), at(469 * 1024));
    assert_eq!(
        end(&Track { edits: vec![edit(2000, None), edit(1000, Some(1024))], ..aac(470, 0) }),
        at(144_000)
    );
}

#[test]
fn arguments() {
    let settings = EncodeSettings::default();
    let args = |track: &Track, probe: AudioProbe| match plan(track, &probe) {
        AudioPlan::Encode(plan) => plan.args(5, &settings).join(" "),
        other => format!("{other:?}"),
    };
    let pcm =
        Track { edits: vec![edit(500, None), edit(2000, Some(12_000))], ..sound(24_000, 470, 1024, 400) };
    let all = [
        args(&pcm, probe("pcm_s16le", 24_000, 1)),
        // The decoder doubles the rate that the track counts in.
        args(&pcm, AudioProbe { profile: Some("HE-AAC".to_owned()), ..probe("aac", 48_000, 2) }),
        args(&sound(48_000, 300, 1536, 1792), probe("ac3", 48_000, 6)),
        args(&sound(48_000, 300, 1024, 4096), probe("pcm_s16le", 48_000, 4)),
    ];
    insta::assert_snapshot!(all.join("\n\n"), @r#"
    -hide_banner -nostdin -loglevel warning -protocol_whitelist pipe -copyts -f mov -i pipe:0 -filter_complex [0:a:0]atrim=start_pts=12000:end_pts=60000,asetpts=PTS-(0),pan=stereo|c0=c0|c1=c0,aresample=48000:ochl=stereo:async=1:min_hard_comp=0.02:first_pts=0,apad=whole_len=479232,atrim=end_sample=479232[a] -map [a] -vn -sn -dn -map_metadata -1 -c:a aac -b:a 128000 -f adts -flush_packets 1 pipe:5

    -hide_banner -nostdin -loglevel warning -protocol_whitelist pipe -copyts -f mov -i pipe:0 -filter_complex [0:a:0]atrim=start_pts=24000:end_pts=120000,asetpts=PTS-(0),aresample=48000:ochl=stereo:async=1:min_hard_comp=0.02:first_pts=0,apad=whole_len=479232,atrim=end_sample=479232[a] -map [a] -vn -sn -dn -map_metadata -1 -c:a aac -b:a 128000 -f adts -flush_packets 1 pipe:5

    -hide_banner -nostdin -loglevel warning -protocol_whitelist pipe -copyts -f mov -i pipe:0 -filter_complex [0:a:0]atrim=start_pts=0,asetpts=PTS-(0),aresample=48000:ochl=stereo:async=1:min_hard_comp=0.02:first_pts=0,apad=whole_len=479232,atrim=end_sample=479232[a] -map [a] -vn -sn -dn -map_metadata -1 -c:a aac -b:a 128000 -f adts -flush_packets 1 pipe:5

    -hide_banner -nostdin -loglevel warning -protocol_whitelist pipe -copyts -f mov -i pipe:0 -filter_complex [0:a:0]atrim=start_pts=0,asetpts=PTS-(0),pan=stereo|c0=c0|c1=c1,aresample=48000:ochl=stereo:async=1:min_hard_comp=0.02:first_pts=0,apad=whole_len=479232,atrim=end_sample=479232[a] -map [a] -vn -sn -dn -map_metadata -1 -c:a aac -b:a 128000 -f adts -flush_packets 1 pipe:5
    "#);
}

#[test]
fn disabled_tracks_come_last() {
    let mut movie = movie(Clip::regular(30, 30, 30).track());
    movie.tracks.push(Track { id: 2, enabled: false, ..sound(48_000, 10, 1024, 1) });
    movie.tracks.push(Track { id: 3, ..sound(48_000, 10, 1024, 1) });
    movie.tracks.push(Track { id: 4, ..sound(48_000, 0, 1024, 1) });
    assert_eq!(candidates(&movie).map(|track| track.id).collect::<Vec<_>>(), [3, 2]);
}
