//! The table of sources.
//!
//! Pictures are ffmpeg's `testsrc2` at sizes that keep the whole matrix fast; most give one rung, a few give more.

use super::{Clip, Integrity, Picture, Recipe, Sound};
use crate::surgery::{self, EditMs};

const H264: &str = "-c:v libx264 -preset veryfast -crf 20 -bf 3 -pix_fmt yuv420p";
const HEVC: &str =
    "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=error:keyint=60:open-gop=0";
const HEVC_OPEN: &str = "-c:v libx265 -preset fast -tag:v hvc1 -x265-params log-level=error:keyint=45:open-gop=1:bframes=4:scenecut=0";
const HDR10: &str = "-c:v libx265 -preset ultrafast -tag:v hvc1 -color_primaries bt2020 -color_trc smpte2084 \
    -colorspace bt2020nc -x265-params log-level=error:keyint=60:hdr10=1:repeat-headers=1:colorprim=bt2020:\
transfer=smpte2084:colormatrix=bt2020nc:\
master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400";
const HLG: &str = "-c:v libx265 -preset ultrafast -tag:v hvc1 -color_primaries bt2020 -color_trc arib-std-b67 \
    -colorspace bt2020nc -x265-params log-level=error:keyint=60:colorprim=bt2020:transfer=arib-std-b67:\
colormatrix=bt2020nc";
const INTERLACED: &str = "-c:v libx264 -preset veryfast -crf 20 -pix_fmt yuv420p -flags +ildct+ilme";
const DEINTERLACE: &str = "bwdif=send_frame";
/// The tone mapping that the reference for PSNR uses.
const TONE_MAP: &str = "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=mobius:desat=0,\
zscale=t=bt709:m=bt709:r=tv,format=yuv420p";

/// Every clip but the recordings.
pub fn clips() -> Vec<Clip> {
    let mut all = timing();
    all.extend(structure());
    all.extend(pictures());
    all.extend(codecs());
    all.extend(sounds());
    all.extend(edits());
    all.extend(containers());
    all.extend(damaged());
    all
}

/// Frame rates, lengths, sizes.
fn timing() -> Vec<Clip> {
    let vfr = "fps=60,select='gt(random(1)\\,0.45)'";
    vec![
        h264("cfr30", Frames::of("320x180", "30", "6"), "-g 75"),
        h264("cfr25", Frames::of("320x180", "25", "6"), "-g 50"),
        h264("film", Frames::of("320x180", "24000/1001", "6"), "-g 60"),
        h264("ntsc", Frames::of("320x180", "30000/1001", "6"), "-g 75"),
        h264("sixty", Frames::of("320x180", "60", "6"), "-g 120"),
        h264("ntsc60", Frames::of("320x180", "60000/1001", "5"), "-g 120"),
        h264(
            "vfr90k",
            Frames::of("320x180", "60", "6").shaped(vfr),
            "-fps_mode passthrough -enc_time_base 1/90000 -video_track_timescale 90000 -g 90",
        ),
        h264(
            "vfr_long_gaps",
            Frames::of("320x180", "30", "7").shaped("select='lt(mod(n\\,60)\\,12)+eq(mod(n\\,60)\\,40)'"),
            "-fps_mode passthrough -enc_time_base 1/600 -video_track_timescale 600 -g 40",
        ),
        h264("one_frame", Frames::of("320x180", "30", "6"), "-frames:v 1"),
        h264("hundred_twenty", Frames::of("320x180", "120", "3"), "-g 120"),
        h264("one_per_second", Frames::of("320x180", "1", "14"), "-g 5"),
        h264("half_second", Frames::of("320x180", "30", "0.5"), ""),
        h264("small", Frames::of("160x90", "30", "4"), "-g 60"),
        h264("ladder_360p", Frames::of("640x360", "30", "5"), "-g 60"),
        h264("ladder_480p", Frames::of("854x480", "30", "4"), "-g 60"),
        h264("ladder_1080p", Frames::of("1920x1080", "30", "3"), "-g 60 -preset ultrafast"),
        h264("portrait", Frames::of("360x640", "30", "4"), "-g 60"),
        h264("noise", Frames::of("320x180", "30", "14").shaped("noise=alls=70:allf=t"), "-g 60 -crf 20"),
    ]
}

/// How pictures depend on each other.
fn structure() -> Vec<Clip> {
    let frames = || Frames::of("320x180", "30", "6");
    vec![
        h264("long_gop", Frames::of("320x180", "30", "9"), "-g 10000 -sc_threshold 0"),
        h264("short_gop", frames(), "-g 7 -sc_threshold 0"),
        h264("open_gop", frames(), "-g 50 -x264-params open-gop=1:scenecut=0"),
        h264("open_gop_leading", frames(), "-g 45 -x264-params open-gop=1:scenecut=0:b-adapt=0"),
        h264(
            "b_pyramid",
            frames(),
            "-preset fast -bf 8 -b_strategy 2 -x264-params b-pyramid=normal:ref=5:scenecut=0 -g 300",
        ),
        h264("no_b_frames", frames(), "-bf 0 -refs 1 -g 60"),
        h264("negative_ctts", frames(), "-g 75 -movflags negative_cts_offsets"),
        h264("intra_refresh", frames(), "-g 60 -x264-params intra-refresh=1"),
        operate("missing_stss", "cfr30", "no stss", surgery::drop_sync_table),
        joined("two_sample_entries", "cfr30", "second_half"),
        joined("two_picture_sizes", "cfr30", "second_half_larger"),
    ]
}

/// Clips that only others are made of.
pub(super) fn ingredients() -> Vec<Clip> {
    let frames = |size| Frames::of(size, "30", "6").numbered_from(180);
    vec![
        h264("second_half", frames("320x180"), "-g 60 -profile:v main -crf 26"),
        h264("second_half_larger", frames("480x270"), "-g 60"),
    ]
}

/// Shapes, scans and colours.
fn pictures() -> Vec<Clip> {
    let hdr = |transfer: &str| {
        format!(
            "format=yuv420p,zscale=pin=bt709:tin=bt709:min=bt709:rin=limited:p=2020:t=linear:npl=203,\
format=gbrpf32le,zscale=p=2020:t={transfer}:m=2020_ncl:r=limited:npl=203,format=yuv420p10le"
        )
    };
    let interlaced = |scan: &str| {
        Frames::of("320x192", "50", "6").shaped(&format!("interlace=scan={scan},setfield={scan}"))
    };
    vec![
        turned("turned_90", "cfr30", 90, |file| surgery::rotate(file, 90)),
        turned("turned_180", "cfr30", 180, |file| surgery::rotate(file, 180)),
        turned("turned_270", "cfr30", 270, |file| surgery::rotate(file, 270)),
        h264("sar_64_45", Frames::of("360x288", "25", "5").finished("setsar=64/45"), "-g 60"),
        h264("sar_narrow", Frames::of("480x270", "25", "4").finished("setsar=3/4"), "-g 60"),
        encoded(
            "odd_444",
            "mp4",
            &Frames::of("320x180", "30", "5").shaped("format=yuv444p,scale=321:181,setsar=1"),
            "-c:v libx264 -preset veryfast -crf 20 -pix_fmt yuv444p -g 60",
        ),
        encoded(
            "odd_420",
            "mp4",
            &Frames::of("320x180", "30", "5").shaped("scale=323:181,setsar=1"),
            "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 500k -g 60 -pix_fmt yuv420p",
        ),
        h264("interlaced_tff", interlaced("tff"), &format!("{INTERLACED} -top 1 -g 50"))
            .compared_through(DEINTERLACE),
        h264("interlaced_bff", interlaced("bff"), &format!("{INTERLACED} -top 0 -g 50"))
            .compared_through(DEINTERLACE),
        encoded(
            "interlaced_prores",
            "mov",
            &interlaced("tff"),
            "-c:v prores_ks -profile:v 0 -pix_fmt yuv422p10le -flags +ildct+ilme -top 1",
        )
        .compared_through(DEINTERLACE),
        h264(
            "full_range",
            Frames::of("320x180", "30", "5").finished("scale=out_range=full,format=yuvj420p"),
            "-pix_fmt yuvj420p -g 60",
        ),
        h264("ten_bit", Frames::of("320x180", "30", "5"), "-pix_fmt yuv420p10le -g 60"),
        encoded(
            "hdr10",
            "mp4",
            &Frames::of("320x180", "30", "7").shaped(&hdr("smpte2084")),
            &format!("{HDR10} -pix_fmt yuv420p10le"),
        )
        .compared_through(TONE_MAP),
        encoded(
            "hlg",
            "mp4",
            &Frames::of("320x180", "30", "7").shaped(&hdr("arib-std-b67")),
            &format!("{HLG} -pix_fmt yuv420p10le"),
        )
        .compared_through(TONE_MAP),
        encoded(
            "h264_422_10",
            "mov",
            &Frames::of("320x180", "30", "5"),
            &format!("{H264} -pix_fmt yuv422p10le -g 60"),
        ),
    ]
}

/// Other codecs than H.264.
fn codecs() -> Vec<Clip> {
    // Longer than what may be one segment when no IDR is there to start another.
    let frames = || Frames::of("320x180", "30", "7");
    let codec = |name, extension, args: &str| encoded(name, extension, &frames(), args);
    vec![
        codec("hevc_hvc1", "mp4", &format!("{HEVC} -pix_fmt yuv420p")),
        codec("hevc_hev1_10", "mp4", &format!("{HEVC} -pix_fmt yuv420p10le -tag:v hev1")),
        codec("hevc_open", "mp4", &format!("{HEVC_OPEN} -pix_fmt yuv420p")),
        codec("prores", "mov", "-c:v prores_ks -profile:v 0 -pix_fmt yuv422p10le"),
        codec("prores_4444", "mov", "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le"),
        codec("mpeg4", "mp4", "-c:v mpeg4 -q:v 3 -g 60 -bf 2"),
        codec("mjpeg", "mov", "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p"),
        codec(
            "vp9",
            "mp4",
            "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 500k -g 60 -auto-alt-ref 1 -lag-in-frames 16",
        ),
        codec("av1", "mp4", "-c:v libsvtav1 -preset 12 -g 60 -pix_fmt yuv420p"),
        codec("dnxhr", "mov", "-c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p"),
    ]
}

/// Sounds beside one picture; some are copied, some encoded.
fn sounds() -> Vec<Clip> {
    let sound = |name, extension, rate: u32, channels: usize, args: &str| {
        with_sound(name, extension, "cfr30", &Pulses { rate, channels, seconds: "6" }, args)
    };
    vec![
        flash_and_beep("flash_and_beep", "30", "8", "aac -b:a 128k"),
        flash_and_beep("flash_and_beep_pcm", "50", "6", "pcm_s16le"),
        sound("aac_stereo_48k", "mp4", 48_000, 2, "-c:a aac -b:a 128k"),
        sound("aac_mono_44k", "mp4", 44_100, 1, "-c:a aac -b:a 96k"),
        sound("aac_51", "mp4", 48_000, 6, "-c:a aac -b:a 256k"),
        sound("aac_8k", "mp4", 8_000, 1, "-c:a aac -b:a 24k"),
        sound("aac_96k", "mp4", 96_000, 2, "-c:a aac -b:a 192k"),
        sound("pcm_s16le", "mov", 48_000, 2, "-c:a pcm_s16le"),
        sound("pcm_s24be_44k", "mov", 44_100, 2, "-c:a pcm_s24be"),
        sound("pcm_f32_96k", "mov", 96_000, 2, "-c:a pcm_f32le"),
        sound("pcm_alaw_8k", "mov", 8_000, 1, "-c:a pcm_alaw"),
        sound("pcm_ulaw_8k", "mov", 8_000, 1, "-c:a pcm_mulaw"),
        sound("pcm_51", "mov", 48_000, 6, "-c:a pcm_s16le"),
        sound("ima4", "mov", 44_100, 2, "-c:a adpcm_ima_qt"),
        sound("mp3", "mp4", 44_100, 2, "-c:a libmp3lame -b:a 128k"),
        sound("ac3_51", "mp4", 48_000, 6, "-c:a ac3 -b:a 384k"),
        sound("alac", "mov", 44_100, 2, "-c:a alac"),
        sound("opus", "mp4", 48_000, 2, "-c:a libopus -b:a 96k"),
        with_sound(
            "sound_longer",
            "mp4",
            "cfr30",
            &Pulses { rate: 48_000, channels: 2, seconds: "7.4" },
            "-c:a aac",
        ),
        with_sound(
            "sound_shorter",
            "mp4",
            "cfr30",
            &Pulses { rate: 48_000, channels: 2, seconds: "3.7" },
            "-c:a aac",
        ),
        with_sound(
            "sound_of_one_frame",
            "mp4",
            "one_frame",
            &Pulses { rate: 48_000, channels: 2, seconds: "0.03" },
            "-c:a aac",
        )
        .heard_as(Sound::Unmarked),
        with_sound(
            "two_sound_tracks",
            "mp4",
            "cfr30",
            &Pulses { rate: 48_000, channels: 2, seconds: "6" },
            "-c:a aac -map 1:a -metadata:s:a:0 language=eng -metadata:s:a:1 language=fra",
        ),
    ]
}

/// Edit lists and late starts. Edits begin with a frame: of one that begins between two, ffprobe and the standard
/// tell different times.
fn edits() -> Vec<Clip> {
    const SKIP: &[EditMs] = &[EditMs { duration: 3000, media_start: Some(1120) }];
    const TWO: &[EditMs] = &[
        EditMs { duration: 2000, media_start: Some(0) },
        EditMs { duration: 2000, media_start: Some(4000) },
    ];
    const LATE: &[EditMs] =
        &[EditMs { duration: 720, media_start: None }, EditMs { duration: 3000, media_start: Some(1120) }];
    vec![
        remux("edit_cut_in_gop", "mp4", "cfr30", "-ss 1.5 -- -c copy", Sound::None),
        operate("edit_start_and_end", "cfr25", "edit skip 1.12 for 3", |file| surgery::set_edits(file, SKIP)),
        operate("edit_late_and_cut", "cfr25", "edit late 0.72 skip 1.12 for 3", |file| {
            surgery::set_edits(file, LATE)
        }),
        operate("edit_two_parts", "no_b_frames", "edit 0 to 2 and 4 to 6", |file| {
            surgery::set_edits(file, TWO)
        }),
        remux("edit_with_sound", "mp4", "aac_stereo_48k", "-ss 1.5 -- -c copy", Sound::Unmarked),
        remux(
            "picture_late",
            "mp4",
            "aac_stereo_48k",
            "-- -itsoffset 0.7 -i {} -map 0:a -map 1:v -c copy",
            Sound::Pulses,
        ),
        remux(
            "sound_late",
            "mp4",
            "cfr30",
            &format!(
                "-- -itsoffset 0.7 -f lavfi -i {} -map 0:v -map 1:a -c:v copy -c:a aac",
                Pulses { rate: 48_000, channels: 2, seconds: "4" }.expression()
            ),
            Sound::Pulses,
        ),
    ]
}

/// The same samples in other boxes.
fn containers() -> Vec<Clip> {
    let flags = |name, flags: &str| {
        remux(name, "mp4", "aac_stereo_48k", &format!("-- -c copy -movflags {flags}"), Sound::Pulses)
    };
    vec![
        flags("moov_first", "faststart"),
        flags("fragmented", "frag_keyframe+empty_moov"),
        flags("fragmented_default_base", "frag_keyframe+empty_moov+default_base_moof"),
        flags("fragmented_hybrid", "frag_keyframe"),
        remux("timecode_track", "mov", "aac_stereo_48k", "-- -c copy -timecode 01:00:00:00", Sound::Pulses),
        remux(
            "subtitle_track",
            "mp4",
            "aac_stereo_48k",
            // "1\n00:00:00,500 --> 00:00:02,000\nHello\n"
            "-- -f srt -i data:text/plain;base64,MQowMDowMDowMCw1MDAgLS0+IDAwOjAwOjAyLDAwMApIZWxsbwo= \
             -map 1 -map 0 -c copy -c:s mov_text",
            Sound::Pulses,
        ),
        remux("two_video_tracks", "mp4", "cfr30", "-- -i {} -map 0 -map 1 -c copy", Sound::None),
        remux("sound_track_first", "mp4", "aac_stereo_48k", "-- -map 0:a -map 0:v -c copy", Sound::Pulses),
        operate("sizes_64_bit", "aac_stereo_48k", "largesize and co64", surgery::widen)
            .heard_as(Sound::Pulses),
        operate("sizes_compact", "cfr30", "stz2", surgery::shrink_sizes),
        remux("quicktime", "mov", "aac_stereo_48k", "-- -c copy", Sound::Pulses),
        remux("no_edit_list", "mp4", "cfr30", "-- -c copy -use_editlist 0", Sound::None),
    ]
}

/// Samples that cannot be decoded, all in the second of three GOPs. A decoder that misses its start may lose pictures
/// that it still holds, too.
fn damaged() -> Vec<Clip> {
    vec![
        operate("damaged_sample", "cfr30", "sample 100 half zero", |file| {
            surgery::damage(file, 100..101, 60)
        })
        .with_damage(),
        operate("damaged_sync_sample", "cfr30", "sample 75 zero", |file| surgery::damage(file, 75..76, 0))
            .with_damage(),
        operate("damaged_gop", "cfr30", "samples 75..150 zero", |file| surgery::damage(file, 75..150, 0))
            .with_damage(),
    ]
}

/// Test pictures with numbers burned in.
struct Frames {
    size: &'static str,
    rate: &'static str,
    seconds: &'static str,
    before: String,
    after: String,
    first_number: u32,
}

impl Frames {
    fn of(size: &'static str, rate: &'static str, seconds: &'static str) -> Self {
        Self { size, rate, seconds, before: String::new(), after: String::new(), first_number: 0 }
    }

    /// Filters before the numbers are drawn.
    fn shaped(mut self, filters: &str) -> Self {
        self.before = format!("{filters},");
        self
    }

    /// Filters after the numbers are drawn.
    fn finished(mut self, filters: &str) -> Self {
        self.after = format!(",{filters}");
        self
    }

    fn numbered_from(mut self, first: u32) -> Self {
        self.first_number = first;
        self
    }

    fn args(&self) -> Vec<String> {
        let Self { size, rate, seconds, before, after, first_number } = self;
        let input = format!("testsrc2=s={size}:r={rate}:d={seconds}");
        let filters = format!("{before}{}{after}", number_boxes(*first_number));
        ["-f", "lavfi", "-i", &input, "-vf", &filters].map(str::to_owned).into()
    }
}

/// Clicks at every half second (a Gaussian envelope of 5 ms, so that its centre survives any codec).
struct Pulses {
    rate: u32,
    channels: usize,
    seconds: &'static str,
}

impl Pulses {
    fn expression(&self) -> String {
        let pulse = "0.6*sin(2*PI*1000*t)*exp(-pow((mod(t\\,1)-0.5)/0.005\\,2))";
        let layout = match self.channels {
            1 => "mono",
            2 => "stereo",
            _ => "5.1",
        };
        let all = vec![pulse; self.channels].join("|");
        format!("aevalsrc=exprs={all}:s={}:d={}:c={layout}", self.rate, self.seconds)
    }
}

/// Bit 15 on the left; a set bit is white.
fn number_boxes(first: u32) -> String {
    let mut filters = vec!["drawbox=x=0:y=0:w=iw:h=ih/8:color=black:t=fill".to_owned()];
    filters.extend((0..16).map(|bit| {
        format!(
            "drawbox=x=iw/16*{}:y=0:w=iw/16:h=ih/8:color=white:t=fill:enable='mod(floor((n+{first})/{})\\,2)'",
            15 - bit,
            1 << bit
        )
    }));
    filters.join(",")
}

fn clip(name: &'static str, extension: &'static str, recipe: Recipe) -> Clip {
    Clip {
        name,
        extension,
        recipe,
        picture: Picture::Numbered,
        reference: None,
        sound: Sound::None,
        integrity: Integrity::Whole,
    }
}

fn encoded(name: &'static str, extension: &'static str, frames: &Frames, args: &str) -> Clip {
    let mut all = frames.args();
    all.extend(words(args));
    clip(name, extension, Recipe::Encode(all))
}

#[expect(clippy::needless_pass_by_value, reason = "the table reads better without references")]
fn h264(name: &'static str, frames: Frames, args: &str) -> Clip {
    encoded(name, "mp4", &frames, &format!("{H264} {args}"))
}

fn flash_and_beep(name: &'static str, rate: &'static str, seconds: &'static str, codec: &str) -> Clip {
    let flash = "drawbox=x=0:y=ih/8:w=iw:h=ih:color=gray:t=fill,\
drawbox=x=0:y=ih/8:w=iw:h=ih:color=white:t=fill:enable='lt(abs(mod(t\\,1)-0.5)\\,0.01)'";
    let pulses = Pulses { rate: 48_000, channels: 2, seconds }.expression();
    let mut all = words("-f lavfi -i");
    all.push(pulses);
    all.extend(Frames::of("320x180", rate, seconds).shaped(flash).args());
    all.extend(words(&format!("{H264} -g 60 -c:a {codec}")));
    let extension = if codec.starts_with("pcm") { "mov" } else { "mp4" };
    clip(name, extension, Recipe::Encode(all)).heard_as(Sound::FlashAndBeep)
}

fn with_sound(
    name: &'static str,
    extension: &'static str,
    of: &'static str,
    pulses: &Pulses,
    args: &str,
) -> Clip {
    let mut all = words("-- -f lavfi -i");
    all.push(pulses.expression());
    all.extend(words(&format!("-map 0:v -map 1:a -c:v copy {args}")));
    clip(name, extension, Recipe::Remux { of, args: all }).heard_as(Sound::Pulses)
}

/// `args` before `--` come before the input.
fn remux(name: &'static str, extension: &'static str, of: &'static str, args: &str, sound: Sound) -> Clip {
    clip(name, extension, Recipe::Remux { of, args: words(args) }).heard_as(sound)
}

fn operate(
    name: &'static str,
    of: &'static str,
    what: &'static str,
    operation: fn(&[u8]) -> anyhow::Result<Vec<u8>>,
) -> Clip {
    clip(name, "mp4", Recipe::Operate { of, what, operation })
}

fn turned(
    name: &'static str,
    of: &'static str,
    degrees: u32,
    operation: fn(&[u8]) -> anyhow::Result<Vec<u8>>,
) -> Clip {
    Clip { picture: Picture::Turned(degrees), ..operate(name, of, name, operation) }
}

fn joined(name: &'static str, first: &'static str, second: &'static str) -> Clip {
    clip(name, "mp4", Recipe::Join(first, second))
}

impl Clip {
    fn heard_as(self, sound: Sound) -> Self {
        Self { sound, ..self }
    }

    fn compared_through(self, filter: &'static str) -> Self {
        Self { reference: Some(filter), ..self }
    }

    fn with_damage(self) -> Self {
        Self { integrity: Integrity::Damaged { first: 70, end: 150 }, ..self }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
