//! Chunks against one process: picture quality after joins, and the cap on the bit rate.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::boxes::{Kind, Rendition};
use crate::tools;
use crate::truth::Truth;

/// Frames after a join that may not look worse.
const FRAMES_AFTER_JOIN: usize = 12;
/// What they may lose against one process, in dB.
const LOSS_LIMIT: f64 = 0.5;
/// How much deeper than one process's the bucket of chunks may be overdrawn, as a share of its size. One process
/// overdraws it too where every frame is noise: x264 plans a frame's size and misses it by a few per cent.
const OVERDRAFT_TOLERANCE: f64 = 0.01;

/// The worst join of a rendition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Join {
    /// Index of the frame that the segment starts with.
    pub frame: usize,
    /// dB that the frames after it lose against one process; negative where they gain.
    pub loss: f64,
}

/// Compares a rendition made of chunks with the same one made by one process.
pub fn compare(truth: &Truth, chunked: &Rendition, whole: &Rendition) -> Result<Option<Join>> {
    let (own, other) = (psnr(truth, chunked)?, psnr(truth, whole)?);
    ensure!(own.len() == other.len(), "{}: {} and {} frames compared", chunked.id, own.len(), other.len());
    let times = chunked.times();
    let worst = chunked
        .starts()
        .into_iter()
        .skip(1)
        .filter_map(|start| times.binary_search(&start).ok())
        .map(|frame| {
            let last = (frame + FRAMES_AFTER_JOIN).min(own.len());
            Join { frame, loss: mean(&other[frame..last]) - mean(&own[frame..last]) }
        })
        .max_by(|one, other| one.loss.total_cmp(&other.loss));
    if let Some(Join { frame, loss }) = worst {
        ensure!(loss <= LOSS_LIMIT, "{}: {loss:.2} dB lost after frame {frame}", chunked.id);
    }
    let (own, other) = (overdraft(chunked)?, overdraft(whole)?);
    ensure!(
        own <= other.max(0.0) + OVERDRAFT_TOLERANCE,
        "{}: the bucket is overdrawn by {:.1} % of its size, by one process {:.1} %",
        chunked.id,
        own * 100.0,
        other * 100.0
    );
    Ok(worst)
}

/// How far the leaky bucket of the rung's cap is overdrawn, as a share of its size; negative where it never is.
///
/// The bucket starts full and is filled at the cap; a frame takes its bits out at its decode time. It is overdrawn
/// exactly when some span of the stream holds more bits than cap × span + bucket.
pub fn overdraft(rendition: &Rendition) -> Result<f64> {
    let cap = cap(rendition)?;
    let bucket = 2.0 * cap;
    let (mut fill, mut lowest) = (bucket, bucket);
    for sample in rendition.samples() {
        fill -= sample.range.len() as f64 * 8.0;
        lowest = fill.min(lowest);
        fill = bucket.min(fill + cap * sample.duration as f64 / f64::from(rendition.timescale));
    }
    Ok(-lowest / bucket)
}

/// Bits per second, by the ladder's default settings; a rung below 360 has a share of that of 360.
fn cap(rendition: &Rendition) -> Result<f64> {
    let Kind::Video { width, height, .. } = rendition.kind else {
        anyhow::bail!("{} is no video", rendition.id);
    };
    Ok(match width.min(height) {
        side @ ..360 => 800_000.0 * f64::from(side) / 360.0,
        360..480 => 800_000.0,
        480..720 => 1_200_000.0,
        720..1080 => 2_400_000.0,
        _ => 4_800_000.0,
    })
}

/// Of every frame against the source, scaled the plain way. Frames pair up by index.
fn psnr(truth: &Truth, rendition: &Rendition) -> Result<Vec<f64>> {
    let Kind::Video { width, height, .. } = rendition.kind else {
        anyhow::bail!("{} is no video", rendition.id);
    };
    let mut file = tempfile::Builder::new().suffix(".mp4").tempfile()?;
    file.write_all(&rendition.concatenated()?)?;
    let before = truth.clip.reference.map_or(String::new(), |filter| format!("{filter},"));
    let scaled = format!("scale={width}:{height}:flags=bicubic,setsar=1");
    // Tone mapping is slow at full size, and the product scales first too.
    let source = if truth.clip.is_hdr() {
        format!("{scaled},{before}format=yuv420p")
    } else {
        format!("{before}{scaled},format=yuv420p")
    };
    let graph = format!(
        "[0:v:0]{source},settb=1/1000,setpts=N[source];[1:v:0]format=yuv420p,settb=1/1000,setpts=N[own];\
[own][source]psnr=stats_file=-"
    );
    let source = truth.path.to_str().context("a path in UTF-8")?;
    let own = file.path().to_str().context("a path in UTF-8")?;
    let args =
        ["-i", source, "-i", own, "-filter_complex", &graph, "-fps_mode", "passthrough", "-f", "null", "-"];
    let outcome = tools::ffmpeg(&args, Path::new("."))?;
    let text = String::from_utf8(outcome.stdout)?;
    text.lines()
        .map(|line| {
            let value = line.split(' ').find_map(|field| field.strip_prefix("psnr_avg:"));
            let value: f64 = value.with_context(|| format!("no psnr_avg in `{line}`"))?.parse()?;
            // Identical frames have an infinite one.
            Ok(value.min(60.0))
        })
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::{Sample, Segment};

    const FRAME: i64 = 40;

    #[test]
    fn a_stream_at_its_cap_never_overdraws() {
        // 800 kbit/s at 25 frames per second.
        assert!(overdraft(&rendition(vec![4_000; 500])).expect("a rung") < 0.0);
    }

    #[test]
    fn two_full_buckets_in_a_row_overdraw() {
        // What two chunks do that each believe in a full bucket: 200,000 bytes hold 1.6 Mbit, the bucket.
        let mut sizes = vec![200_000];
        sizes.extend(vec![4_000; 50]);
        sizes.push(200_000);
        let overdraft = overdraft(&rendition(sizes)).expect("a rung");
        assert!((0.9..1.1).contains(&overdraft), "{overdraft}");
    }

    fn rendition(sizes: Vec<usize>) -> Rendition {
        let samples = sizes
            .into_iter()
            .zip(0..)
            .map(|(size, index)| Sample {
                decode_time: index * FRAME,
                time: index * FRAME,
                duration: FRAME,
                sync: true,
                range: 0..size,
            })
            .collect();
        let avcc = mp4_atom::Avcc::new(&[0x67, 100, 0, 30], &[0x68]).expect("a valid SPS");
        Rendition {
            id: "360p".to_owned(),
            folder: "360p".into(),
            timescale: 1000,
            media_start: 0,
            kind: Kind::Video { avcc, width: 640, height: 360 },
            segments: vec![Segment { bytes: vec![], moof_start: 0, sequence_number: 1, base: 0, samples }],
        }
    }
}
