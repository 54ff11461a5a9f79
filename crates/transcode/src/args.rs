//! Arguments of ffmpeg and ffprobe, as values.

use std::ops::Range;

use crate::{
    ladder::Rung,
    picture::{Colour, Picture, Range as ColourRange, Scan, Size, Tags, Turn},
    reordering::Reordering,
    settings::{EncodeSettings, RateControl},
};

#[cfg(test)]
mod tests;

/// Largest single allocation of ffmpeg, in bytes: a plane of the largest picture fits.
const MAX_ALLOC: u64 = 400_000_000;

/// ffprobe over [`crate::feed::head`] on stdin; JSON on stdout.
pub fn probe_args(settings: &EncodeSettings) -> Vec<String> {
    probe_input(settings, &["-protocol_whitelist", "pipe", "-f", "mov"], "pipe:0")
}

/// ffprobe over the seekable read-only file on stdin; JSON on stdout.
pub fn probe_file_args(settings: &EncodeSettings) -> Vec<String> {
    probe_input(settings, &["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS], SEEKABLE_STDIN)
}

fn probe_input(settings: &EncodeSettings, format: &[&str], input: &str) -> Vec<String> {
    let stream = "codec_type,codec_name,profile,pix_fmt,width,height,sample_aspect_ratio,field_order,color_range,\
                  color_space,color_transfer,color_primaries,sample_rate,channels,channel_layout";
    let frame = "media_type,interlaced_frame,color_range,color_space,color_transfer,color_primaries";
    let mut args = strings(&["-v", "error"]);
    args.extend(limits(settings));
    args.extend(strings(format));
    args.extend(strings(&["-show_streams", "-show_frames", "-read_intervals", "%+#8", "-show_entries"]));
    args.push(format!("stream={stream}:frame={frame}"));
    args.extend(strings(&["-of", "json", input]));
    args
}

/// How a file that our demuxer declines becomes one that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalise {
    /// The coded pictures as they are. Wrong for an edit list of several pieces, which ffmpeg then plays in full while
    /// it answers 0.
    Remux,
    /// The pictures encoded anew, nearly lossless, where MP4 cannot carry their codec.
    Reencode,
}

/// Containers that hold their own media. Playlists and scripts, which name other files, are not among them.
const CONTAINERS: &str =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,gxf,dv,rm,nut,wtv";

/// Standard input, when it is a file: opened anew, so that the program can seek in it.
const SEEKABLE_STDIN: &str = "/proc/self/fd/0";

/// ffmpeg from the seekable read-only file on stdin to fragmented MP4 on the descriptor `pipe`.
pub fn normalise_args(how: Normalise, pipe: i32, settings: &EncodeSettings) -> Vec<String> {
    let mut args = strings(&["-hide_banner", "-nostdin", "-loglevel", "warning"]);
    args.extend(limits(settings));
    args.extend(strings(&["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS]));
    // AVI and MPEG program streams state no presentation times.
    args.extend(strings(&["-fflags", "+genpts"]));
    let threads = settings.threads_for(1).to_string();
    args.extend(strings(&["-threads", &threads, "-i", SEEKABLE_STDIN]));
    args.extend(strings(&["-map", "0:V:0", "-map", "0:a:0?", "-sn", "-dn"]));
    args.extend(strings(&["-map_metadata", "-1", "-map_chapters", "-1"]));
    match how {
        Normalise::Remux => args.extend(strings(&["-c:v", "copy"])),
        Normalise::Reencode => {
            args.extend(strings(&["-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-g", "50"]));
            args.extend(strings(&["-threads", &threads]));
            args.extend(strings(&["-fps_mode", "passthrough", "-enc_time_base", "1/90000"]));
            args.extend(strings(&["-video_track_timescale", "90000"]));
        }
    }
    // Lossless: not every kind of sound can be copied, and it is encoded once more anyway.
    args.extend(strings(&["-c:a", "alac"]));
    let flags = "frag_keyframe+delay_moov+default_base_moof";
    args.extend(strings(&["-movflags", flags, "-f", "mp4", &format!("pipe:{pipe}")]));
    args
}

/// What one chunk tells ffmpeg.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkGraph<'a> {
    pub(crate) picture: &'a Picture,
    pub(crate) settings: &'a EncodeSettings,
    pub(crate) reordering: Reordering,
    /// Ticks per second of the stream.
    pub(crate) timescale: u32,
    /// Stream times of the wanted frames, increasing, never empty.
    pub(crate) times: &'a [i64],
    /// Indices into `times` of the frames at boundaries.
    pub(crate) boundaries: &'a [usize],
}

/// One branch of the graph, with an output of its own.
#[derive(Debug, Clone)]
pub(crate) enum Branch<'a> {
    Rung(&'a Rung),
    Stills { size: Size, times: Vec<i64> },
}

/// The arguments of a chunk but for the descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkArgs {
    input: Vec<String>,
    outputs: Vec<Vec<String>>,
}

impl ChunkArgs {
    /// The whole command line, with one descriptor for each output.
    pub(crate) fn with_pipes(&self, pipes: &[i32]) -> Vec<String> {
        let outputs = self
            .outputs
            .iter()
            .zip(pipes)
            .flat_map(|(output, pipe)| output.iter().cloned().chain([format!("pipe:{pipe}")]));
        self.input.iter().cloned().chain(outputs).collect()
    }
}

/// How a chunk begins under its cap, whatever the chunks around it are like.
///
/// x264 keeps its VBV bucket at least half full over its lookahead. A chunk that starts at half has nothing to spend on
/// its first IDR and looks up to 2 dB worse than the same frames in the middle of a stream; one that starts above, after
/// a chunk that ended at half, takes bits that were never saved, and a row of them breaks the cap. So a chunk gets
/// bits in advance and earns them back over its length, through a lower rate (`docs/decisions/0009`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HeadStart {
    /// Bit/s.
    max_rate: u64,
    /// How full the bucket is at first, in thousandths.
    fill: u64,
}

impl HeadStart {
    /// What a chunk gets in advance, in milliseconds at the cap: enough for the IDR of a quiet scene.
    const LONGEST_ADVANCE: u64 = 400;
    /// The rate is lowered by this share at most: a short chunk gets less in advance.
    const MOST_EARNED_BACK: u64 = 3;

    fn of(rung: &Rung, milliseconds: u64) -> Self {
        let advance = Self::LONGEST_ADVANCE.min(milliseconds / Self::MOST_EARNED_BACK);
        let cap = u64::from(rung.max_rate);
        let bucket = u64::from(rung.buf_size).max(1);
        Self {
            max_rate: cap - (cap * advance).div_ceil(milliseconds.max(1)),
            fill: (500 + cap * advance / bucket).min(999),
        }
    }
}

impl ChunkGraph<'_> {
    /// The recipe: one decode, exact trim by absolute times, a branch for each output.
    pub(crate) fn args(&self, branches: &[Branch<'_>]) -> ChunkArgs {
        let threads = self.settings.threads_for(1).to_string();
        let mut input = strings(&["-hide_banner", "-nostdin", "-loglevel", "warning"]);
        input.extend(limits(self.settings));
        input.extend(strings(&["-filter_complex_threads", &threads]));
        input.extend(strings(&["-protocol_whitelist", "pipe", "-copyts", "-threads", &threads]));
        input.extend(strings(&["-f", "mov", "-i", "pipe:0", "-filter_complex"]));
        input.push(self.graph(branches));
        let outputs = branches.iter().enumerate().map(|(index, branch)| {
            let mut args = strings(&["-map", &format!("[o{index}]"), "-an", "-sn", "-dn"]);
            args.extend(strings(&["-map_metadata", "-1", "-map_chapters", "-1"]));
            args.extend(match branch {
                Branch::Rung(rung) => self.x264(rung),
                Branch::Stills { .. } => self.mjpeg(),
            });
            args
        });
        ChunkArgs { outputs: outputs.collect(), input }
    }

    fn graph(&self, branches: &[Branch<'_>]) -> String {
        let mut common = Vec::new();
        if self.picture.scan == Scan::Interlaced {
            // Before the trim: it looks at neighbours, which the trim would take away.
            common.push("bwdif=mode=send_frame:parity=auto:deint=interlaced".to_owned());
        }
        let window = self.window();
        common.push(format!("trim=start_pts={}:end_pts={}", window.start, window.end));
        // A decoder that is confused by damage shows a picture twice or goes back in time; encoders do not forgive it.
        common.push("select='isnan(prev_selected_pts)+gt(pts,prev_selected_pts)'".to_owned());
        common.extend(turn(self.picture.turn).map(str::to_owned));
        let labels: Vec<String> = match branches.len() {
            1 => vec![String::new()],
            count => {
                common.push(format!("split={count}"));
                (0..count).map(|index| format!("[s{index}]")).collect()
            }
        };
        let parts = branches.iter().zip(&labels).enumerate().map(|(index, (branch, label))| {
            let filters = match branch {
                Branch::Rung(rung) => rung_filters(&self.picture.colour, rung),
                Branch::Stills { size, times } => {
                    let picked = times.iter().map(|time| format!("eq(pts,{})", self.in_graph(*time)));
                    let picked = format!("select='{}'", picked.collect::<Vec<_>>().join("+"));
                    format!("{picked},{}", still_filters(&self.picture.colour, *size))
                }
            };
            format!("{label}{filters}[o{index}]")
        });
        let parts: Vec<String> = parts.collect();
        let common = format!("[0:v:0]{}", common.join(","));
        match labels.as_slice() {
            [_] => format!("{common},{}", parts.concat()),
            _ => format!("{common}{};{}", labels.concat(), parts.join(";")),
        }
    }

    /// How long the chunk is, but for its last frame.
    fn milliseconds(&self) -> u64 {
        let ticks =
            self.times.last().copied().unwrap_or_default() - self.times.first().copied().unwrap_or_default();
        u64::try_from(ticks).unwrap_or_default().saturating_mul(1000) / u64::from(self.timescale.max(1))
    }

    /// The wanted frames in the time base of the graph behind the deinterlacer.
    fn window(&self) -> Range<i64> {
        let first = self.times.first().copied().unwrap_or_default();
        let last = self.times.last().copied().unwrap_or_default();
        self.in_graph(first)..self.in_graph(last).saturating_add(1)
    }

    /// The deinterlacer halves the time base.
    fn in_graph(&self, time: i64) -> i64 {
        match self.picture.scan {
            Scan::Progressive => time,
            Scan::Interlaced => time.saturating_mul(2),
        }
    }

    fn x264(&self, rung: &Rung) -> Vec<String> {
        let settings = self.settings;
        let start = HeadStart::of(rung, self.milliseconds());
        let mut args = strings(&["-c:v", "libx264", "-preset", settings.preset.name()]);
        match settings.rate_control {
            RateControl::CappedCrf => {
                args.extend(strings(&["-crf", &settings.crf.to_string()]));
                args.extend(strings(&["-maxrate", &start.max_rate.to_string()]));
                args.extend(strings(&["-bufsize", &rung.buf_size.to_string()]));
            }
            RateControl::Abr => args.extend(strings(&["-b:v", &rung.max_rate.to_string()])),
        }
        let level = format!("{}.{}", rung.level / 10, rung.level % 10);
        args.extend(strings(&["-profile:v", "high", "-level:v", &level]));
        if settings.preset.references() > rung.max_references {
            args.extend(strings(&["-refs:v", &rung.max_references.to_string()]));
        }
        if let Some(times) = self.forced_idrs() {
            args.extend(strings(&["-force_key_frames", &times]));
        }
        args.extend(strings(&["-forced-idr", "1", "-g", "100000", "-sc_threshold", "0"]));
        // The zone gives the first IDR the quality that later ones have.
        let mut params = format!("stitchable=1:zones=0,0,b=1.4:vbv-init=0.{:03}", start.fill);
        match self.reordering {
            Reordering::Pyramid => {}
            Reordering::Flat => params.push_str(":b-pyramid=none"),
            Reordering::None => params.push_str(":bframes=0"),
        }
        args.extend(strings(&["-x264-params", &params]));
        args.extend(strings(&["-threads", &settings.threads_for(1).to_string()]));
        args.extend(self.exact_times());
        args.extend(strings(&["-f", "mp4", "-video_track_timescale", &self.timescale.to_string()]));
        let flags = "frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets+frag_discont";
        // `btrt` would state this chunk's rate, and the sample entry has to be the same in all chunks.
        args.extend(strings(&["-write_btrt", "0", "-movflags", flags, "-flush_packets", "1"]));
        args
    }

    fn mjpeg(&self) -> Vec<String> {
        let mut args = strings(&["-c:v", "mjpeg", "-q:v", "4", "-threads", "1"]);
        args.extend(self.exact_times());
        args.extend(strings(&["-f", "image2pipe", "-flush_packets", "1"]));
        args
    }

    fn exact_times(&self) -> Vec<String> {
        strings(&["-fps_mode", "passthrough", "-enc_time_base", &format!("1/{}", self.timescale)])
    }

    /// Seconds in the middle of the gap before each boundary but the first: absolute, because of `-copyts`.
    fn forced_idrs(&self) -> Option<String> {
        let times = self.boundaries.iter().filter_map(|&boundary| {
            let before = *self.times.get(boundary.checked_sub(1)?)?;
            let at = *self.times.get(boundary)?;
            let micros = (i128::from(before) + i128::from(at)) * 1_000_000;
            let micros = u128::try_from(micros).ok()?.div_ceil(2 * u128::from(self.timescale));
            Some(format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000))
        });
        let times: Vec<String> = times.collect();
        (!times.is_empty()).then(|| times.join(","))
    }
}

/// Bounds on what crafted media can make ffmpeg take.
fn limits(settings: &EncodeSettings) -> Vec<String> {
    strings(&["-max_alloc", &MAX_ALLOC.to_string(), "-max_pixels", &settings.max_pixels.to_string()])
}

fn turn(turn: Turn) -> impl Iterator<Item = &'static str> {
    let quarter_turns = match turn.quarter_turns % 4 {
        1 => Some("transpose=clock"),
        2 => Some("hflip,vflip"),
        3 => Some("transpose=cclock"),
        _ => None,
    };
    turn.mirrored.then_some("hflip").into_iter().chain(quarter_turns)
}

/// To a rung's size and to 8-bit limited-range SDR with true tags.
fn rung_filters(colour: &Colour, rung: &Rung) -> String {
    let size = Size { width: rung.width, height: rung.height };
    let (filters, tags) = match colour {
        Colour::Keep { range: ColourRange::Full, tags } => {
            (format!("{},setsar=1,format=yuv420p", scale(size, ":in_range=pc:out_range=tv")), tags)
        }
        Colour::Keep { tags, .. } => (format!("{},setsar=1,format=yuv420p", scale(size, "")), tags),
        other => (converted(other, size), &Tags::bt709()),
    };
    format!("{filters},{}", tagged(ColourRange::Limited, tags))
}

/// To a still picture's size, full range and the matrix of BT.601, which is what JFIF says a JPEG has.
fn still_filters(colour: &Colour, size: Size) -> String {
    const JFIF: &str = "out_color_matrix=bt601:out_range=pc";
    match colour {
        Colour::Keep { range, tags } => {
            let matrix = if tags.matrix == "bt709" { "bt709" } else { "bt601" };
            let range = if *range == ColourRange::Full { ":in_range=pc" } else { "" };
            format!(
                "{},setsar=1,format=yuvj420p",
                scale(size, &format!(":in_color_matrix={matrix}{range}:{JFIF}"))
            )
        }
        other => format!("{},scale=in_color_matrix=bt709:{JFIF},format=yuvj420p", converted(other, size)),
    }
}

/// To BT.709 at the size. Scaling comes first: the rest then works on fewer pixels.
fn converted(colour: &Colour, size: Size) -> String {
    // The frames are tagged anew: decoders leave out what only the container says, and the converter then gives up.
    let from =
        |tags: &Tags, range: ColourRange| format!("{},setsar=1,{}", scale(size, ""), tagged(range, tags));
    match colour {
        Colour::Keep { .. } | Colour::Rgb => {
            format!("{},setsar=1,format=yuv420p", scale(size, ":out_color_matrix=bt709:out_range=tv"))
        }
        Colour::Convert { range, tags } => {
            format!("{},zscale=p=bt709:t=bt709:m=bt709:r=tv,format=yuv420p", from(tags, *range))
        }
        Colour::ToneMap { range, tags } => format!(
            "{},zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=mobius:desat=0,\
             zscale=t=bt709:m=bt709:r=tv,format=yuv420p",
            from(tags, *range)
        ),
    }
}

/// Says of frames what they are.
fn tagged(range: ColourRange, tags: &Tags) -> String {
    let range = if range == ColourRange::Full { "pc" } else { "tv" };
    let Tags { primaries, transfer, matrix } = tags;
    format!("setparams=range={range}:color_primaries={primaries}:color_trc={transfer}:colorspace={matrix}")
}

fn scale(size: Size, options: &str) -> String {
    format!("scale={}:{}:flags=bicubic{options}", size.width, size.height)
}

fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.to_owned()).collect()
}
