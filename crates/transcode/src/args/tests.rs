use super::*;
use crate::{
    picture::Range as ColourRange,
    settings::{Preset, RateControl},
};

fn picture() -> Picture {
    Picture {
        display: Size { width: 1920, height: 1080 },
        turn: Turn::default(),
        scan: Scan::Progressive,
        colour: Colour::Keep { range: ColourRange::Limited, tags: Tags::bt709() },
    }
}

fn rung(width: u32, height: u32, level: u8) -> Rung {
    Rung {
        id: format!("{height}p"),
        width,
        height,
        max_rate: 800_000,
        buf_size: 1_000_000,
        level,
        max_references: 4,
    }
}

fn chunk<'a>(
    picture: &'a Picture,
    settings: &'a EncodeSettings,
    timescale: u32,
    times: &'a [i64],
    boundaries: &'a [usize],
) -> ChunkGraph<'a> {
    ChunkGraph { picture, settings, reordering: Reordering::Pyramid, timescale, times, boundaries }
}

fn arguments(picture: &Picture, settings: &EncodeSettings, branches: &[Branch<'_>]) -> Vec<String> {
    let times: Vec<i64> = (0..240).map(|frame| 60_000 + 1001 * frame).collect();
    chunk(picture, settings, 30_000, &times, &[0, 120]).args(branches).with_pipes(&[7, 9, 11])
}

/// The filter graph alone, for one rung.
fn graph(picture: &Picture) -> String {
    let rung = rung(640, 360, 30);
    let arguments = arguments(picture, &EncodeSettings::default(), &[Branch::Rung(&rung)]);
    arguments.iter().skip_while(|argument| *argument != "-filter_complex").nth(1).cloned().expect("a graph")
}

fn coloured(colour: Colour) -> String {
    graph(&Picture { colour, ..picture() })
}

/// Tags of a source: primaries, transfer, matrix.
fn tags([primaries, transfer, matrix]: [&str; 3]) -> Tags {
    Tags { primaries: primaries.to_owned(), transfer: transfer.to_owned(), matrix: matrix.to_owned() }
}

#[test]
fn a_chunk_of_two_rungs_and_a_storyboard() {
    let (low, high) = (rung(640, 360, 30), rung(1920, 1080, 40));
    let stills = Branch::Stills { size: Size { width: 160, height: 90 }, times: vec![120_060, 240_180] };
    let branches = [Branch::Rung(&low), Branch::Rung(&high), stills];
    let arguments = arguments(&picture(), &EncodeSettings::default(), &branches);
    insta::assert_snapshot!(arguments.join(" ").replace(" -map ", "\n-map "), @r#"
    -hide_banner -nostdin -loglevel warning -max_alloc 400000000 -max_pixels 36000000 -filter_complex_threads 2 -protocol_whitelist pipe -copyts -threads 2 -f mov -i pipe:0 -filter_complex [0:v:0]trim=start_pts=60000:end_pts=299240,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',split=3[s0][s1][s2];[s0]scale=640:360:flags=bicubic,setsar=1,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o0];[s1]scale=1920:1080:flags=bicubic,setsar=1,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o1];[s2]select='eq(pts,120060)+eq(pts,240180)',scale=160:90:flags=bicubic:in_color_matrix=bt709:out_color_matrix=bt601:out_range=pc,setsar=1,format=yuvj420p[o2]
    -map [o0] -an -sn -dn -map_metadata -1 -map_chapters -1 -c:v libx264 -preset veryfast -crf 23 -maxrate 759869 -bufsize 1000000 -profile:v high -level:v 3.0 -force_key_frames 5.987317 -forced-idr 1 -g 100000 -sc_threshold 0 -x264-params stitchable=1:zones=0,0,b=1.4:vbv-init=0.820 -threads 2 -fps_mode passthrough -enc_time_base 1/30000 -f mp4 -video_track_timescale 30000 -write_btrt 0 -movflags frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets+frag_discont -flush_packets 1 pipe:7
    -map [o1] -an -sn -dn -map_metadata -1 -map_chapters -1 -c:v libx264 -preset veryfast -crf 23 -maxrate 759869 -bufsize 1000000 -profile:v high -level:v 4.0 -force_key_frames 5.987317 -forced-idr 1 -g 100000 -sc_threshold 0 -x264-params stitchable=1:zones=0,0,b=1.4:vbv-init=0.820 -threads 2 -fps_mode passthrough -enc_time_base 1/30000 -f mp4 -video_track_timescale 30000 -write_btrt 0 -movflags frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets+frag_discont -flush_packets 1 pipe:9
    -map [o2] -an -sn -dn -map_metadata -1 -map_chapters -1 -c:v mjpeg -q:v 4 -threads 1 -fps_mode passthrough -enc_time_base 1/30000 -f image2pipe -flush_packets 1 pipe:11
    "#);
}

#[test]
fn average_rate_and_a_slow_preset() {
    let rung = rung(640, 360, 30);
    let settings = EncodeSettings {
        rate_control: RateControl::Abr,
        preset: Preset::Slow,
        threads: 1,
        ..EncodeSettings::default()
    };
    let arguments = arguments(&picture(), &settings, &[Branch::Rung(&rung)]);
    insta::assert_snapshot!(arguments.join(" ").replace(" -map ", "\n-map "), @r#"
    -hide_banner -nostdin -loglevel warning -max_alloc 400000000 -max_pixels 36000000 -filter_complex_threads 1 -protocol_whitelist pipe -copyts -threads 1 -f mov -i pipe:0 -filter_complex [0:v:0]trim=start_pts=60000:end_pts=299240,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',scale=640:360:flags=bicubic,setsar=1,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o0]
    -map [o0] -an -sn -dn -map_metadata -1 -map_chapters -1 -c:v libx264 -preset slow -b:v 800000 -profile:v high -level:v 3.0 -refs:v 4 -force_key_frames 5.987317 -forced-idr 1 -g 100000 -sc_threshold 0 -x264-params stitchable=1:zones=0,0,b=1.4:vbv-init=0.820 -threads 1 -fps_mode passthrough -enc_time_base 1/30000 -f mp4 -video_track_timescale 30000 -write_btrt 0 -movflags frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets+frag_discont -flush_packets 1 pipe:7
    "#);
}

#[test]
fn turned() {
    let turns = [(false, 0), (false, 1), (false, 2), (false, 3), (true, 0), (true, 1)].map(
        |(mirrored, quarter_turns)| graph(&Picture { turn: Turn { mirrored, quarter_turns }, ..picture() }),
    );
    insta::assert_snapshot!(turns.join("\n"), @r#"
    [0:v:0]trim=start_pts=60000:end_pts=299240,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',scale=640:360:flags=bicubic,setsar=1,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o0]
    [0:v:0]trim=start_pts=60000:end_pts=299240,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',transpose=clock,scale=640:360:flags=bicubic,setsar=1,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o0]
    [0:v:0]trim=start_pts=60000:end_pts=299240,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',hflip,vflip,scale=640:360:flags=bicubic,setsar=1,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o0]
    [0:v:0]trim=start_pts=60000:end_pts=299240,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',transpose=cclock,scale=640:360:flags=bicubic,setsar=1,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o0]
    [0:v:0]trim=start_pts=60000:end_pts=299240,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',hflip,scale=640:360:flags=bicubic,setsar=1,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o0]
    [0:v:0]trim=start_pts=60000:end_pts=299240,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',hflip,transpose=clock,scale=640:360:flags=bicubic,setsar=1,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o0]
    "#);
}

#[test]
fn interlaced() {
    insta::assert_snapshot!(graph(&Picture { scan: Scan::Interlaced, ..picture() }), @r#"
    [0:v:0]bwdif=mode=send_frame:parity=auto:deint=interlaced,trim=start_pts=120000:end_pts=598479,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',scale=640:360:flags=bicubic,setsar=1,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o0]
    "#);
}

#[test]
fn full_range() {
    let tags = tags(["smpte170m", "smpte170m", "bt470bg"]);
    insta::assert_snapshot!(coloured(Colour::Keep { range: ColourRange::Full, tags }), @r#"
    [0:v:0]trim=start_pts=60000:end_pts=299240,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',scale=640:360:flags=bicubic:in_range=pc:out_range=tv,setsar=1,format=yuv420p,setparams=range=tv:color_primaries=smpte170m:color_trc=smpte170m:colorspace=bt470bg[o0]
    "#);
}

#[test]
fn rgb() {
    insta::assert_snapshot!(coloured(Colour::Rgb), @r#"
    [0:v:0]trim=start_pts=60000:end_pts=299240,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',scale=640:360:flags=bicubic:out_color_matrix=bt709:out_range=tv,setsar=1,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o0]
    "#);
}

#[test]
fn wide_gamut() {
    let tags = tags(["smpte432", "bt709", "bt709"]);
    insta::assert_snapshot!(coloured(Colour::Convert { range: ColourRange::Limited, tags }), @r#"
    [0:v:0]trim=start_pts=60000:end_pts=299240,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',scale=640:360:flags=bicubic,setsar=1,setparams=range=tv:color_primaries=smpte432:color_trc=bt709:colorspace=bt709,zscale=p=bt709:t=bt709:m=bt709:r=tv,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o0]
    "#);
}

#[test]
fn high_dynamic_range() {
    let tags = tags(["bt2020", "smpte2084", "bt2020nc"]);
    insta::assert_snapshot!(coloured(Colour::ToneMap { range: ColourRange::Limited, tags }), @r#"
    [0:v:0]trim=start_pts=60000:end_pts=299240,select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)',scale=640:360:flags=bicubic,setsar=1,setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc,zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=mobius:desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o0]
    "#);
}

#[test]
fn stills_of_each_kind_of_colour() {
    let size = Size { width: 160, height: 90 };
    let hdr = tags(["bt2020", "arib-std-b67", "bt2020nc"]);
    let stills = [
        Colour::Keep { range: ColourRange::Unknown, tags: Tags::bt709() },
        Colour::Keep { range: ColourRange::Full, tags: Tags::bt709() },
        Colour::Rgb,
        Colour::ToneMap { range: ColourRange::Limited, tags: hdr },
    ];
    insta::assert_snapshot!(stills.map(|colour| still_filters(&colour, size)).join("\n"), @r#"
    scale=160:90:flags=bicubic:in_color_matrix=bt709:out_color_matrix=bt601:out_range=pc,setsar=1,format=yuvj420p
    scale=160:90:flags=bicubic:in_color_matrix=bt709:in_range=pc:out_color_matrix=bt601:out_range=pc,setsar=1,format=yuvj420p
    scale=160:90:flags=bicubic:out_color_matrix=bt709:out_range=tv,setsar=1,format=yuv420p,scale=in_color_matrix=bt709:out_color_matrix=bt601:out_range=pc,format=yuvj420p
    scale=160:90:flags=bicubic,setsar=1,setparams=range=tv:color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc,zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=mobius:desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv420p,scale=in_color_matrix=bt709:out_color_matrix=bt601:out_range=pc,format=yuvj420p
    "#);
}

#[test]
fn reordering_is_the_encoders_to_do() {
    let (picture, settings, rung) = (picture(), EncodeSettings::default(), rung(640, 360, 30));
    let params = Reordering::ALL.map(|reordering| {
        let chunk = ChunkGraph { reordering, ..chunk(&picture, &settings, 30_000, &[0, 1000], &[0]) };
        let arguments = chunk.args(&[Branch::Rung(&rung)]).with_pipes(&[7]);
        arguments
            .iter()
            .skip_while(|argument| *argument != "-x264-params")
            .nth(1)
            .cloned()
            .expect("parameters")
    });
    insta::assert_snapshot!(params.join("\n"), @"
    stitchable=1:zones=0,0,b=1.4:vbv-init=0.508
    stitchable=1:zones=0,0,b=1.4:vbv-init=0.508:b-pyramid=none
    stitchable=1:zones=0,0,b=1.4:vbv-init=0.508:bframes=0
    ");
}

#[test]
fn forced_idrs_lie_before_their_frames() {
    let forced = |timescale, times: &[i64]| {
        let picture = picture();
        let settings = EncodeSettings::default();
        chunk(&picture, &settings, timescale, times, &[0, 1, 2]).forced_idrs()
    };
    assert_eq!(forced(24_000, &[0, 1001, 2002]).as_deref(), Some("0.020855,0.062563"));
    // Half a tick is rounded up, so that it is never nearer to the frame before.
    assert_eq!(forced(90_000, &[0, 1, 2]).as_deref(), Some("0.000006,0.000017"));
    assert_eq!(
        forced(90_000, &[1 << 40, (1 << 40) + 2, (1 << 40) + 4]).as_deref(),
        Some("12216795.864189,12216795.864212")
    );
    assert_eq!(forced(1000, &[5]), None);
}

#[test]
fn probe_and_normalise() {
    let settings = EncodeSettings::default();
    let all = [
        probe_args(&settings),
        probe_file_args(&settings),
        normalise_args(Normalise::Remux, 5, &settings),
        normalise_args(Normalise::Reencode, 5, &settings),
    ];
    insta::assert_snapshot!(all.map(|arguments| arguments.join(" ")).join("\n\n"), @r#"
    -v error -max_alloc 400000000 -max_pixels 36000000 -protocol_whitelist pipe -f mov -show_streams -show_frames -read_intervals %+#8 -show_entries stream=codec_type,codec_name,profile,pix_fmt,width,height,sample_aspect_ratio,field_order,color_range,color_space,color_transfer,color_primaries,sample_rate,channels,channel_layout:frame=media_type,interlaced_frame,color_range,color_space,color_transfer,color_primaries -of json pipe:0

    -v error -max_alloc 400000000 -max_pixels 36000000 -protocol_whitelist file -format_whitelist mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,gxf,dv,rm,nut,wtv -show_streams -show_frames -read_intervals %+#8 -show_entries stream=codec_type,codec_name,profile,pix_fmt,width,height,sample_aspect_ratio,field_order,color_range,color_space,color_transfer,color_primaries,sample_rate,channels,channel_layout:frame=media_type,interlaced_frame,color_range,color_space,color_transfer,color_primaries -of json /proc/self/fd/0

    -hide_banner -nostdin -loglevel warning -max_alloc 400000000 -max_pixels 36000000 -protocol_whitelist file -format_whitelist mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,gxf,dv,rm,nut,wtv -fflags +genpts -threads 2 -i /proc/self/fd/0 -map 0:V:0 -map 0:a:0? -sn -dn -map_metadata -1 -map_chapters -1 -c:v copy -c:a alac -movflags frag_keyframe+delay_moov+default_base_moof -f mp4 pipe:5

    -hide_banner -nostdin -loglevel warning -max_alloc 400000000 -max_pixels 36000000 -protocol_whitelist file -format_whitelist mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,gxf,dv,rm,nut,wtv -fflags +genpts -threads 2 -i /proc/self/fd/0 -map 0:V:0 -map 0:a:0? -sn -dn -map_metadata -1 -map_chapters -1 -c:v libx264 -preset ultrafast -crf 12 -g 50 -threads 2 -fps_mode passthrough -enc_time_base 1/90000 -video_track_timescale 90000 -c:a alac -movflags frag_keyframe+delay_moov+default_base_moof -f mp4 pipe:5
    "#);
}

#[test]
fn what_a_chunk_gets_in_advance_it_earns_back() {
    let start = |milliseconds| HeadStart::of(&rung(640, 360, 30), milliseconds);
    assert_eq!(start(8_000), HeadStart { max_rate: 760_000, fill: 820 });
    assert_eq!(start(2_000), HeadStart { max_rate: 640_000, fill: 820 });
    for milliseconds in [0, 1, 300, 900, 1_200, 4_000, 60_000, 86_400_000] {
        let HeadStart { max_rate, fill } = start(milliseconds);
        let advance = (fill - 500) * 1_000_000 / 1000;
        let earned = (800_000 - max_rate) * milliseconds / 1000;
        // To the thousandth of a bucket, and to the bit per second.
        let exact = advance..=advance + 1000 + milliseconds / 1000;
        assert!(exact.contains(&earned), "{milliseconds} ms: {advance} bits ahead, {earned} earned");
        assert!(max_rate >= 533_000, "{milliseconds} ms: {max_rate}");
    }
}
