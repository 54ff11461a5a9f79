//! The sound of a video, encoded once, whole.

use bytes::{Bytes, BytesMut};
use isobmff::{Movie, Track};
use tokio::sync::mpsc;

use crate::audio::AudioEncode;
use crate::process::Stdin;
use crate::runner::{RunError, Runner, Task};
use crate::sandbox::Limits;
use crate::settings::EncodeSettings;
use crate::source::ReadRange;
use crate::toolchain::Program;

/// Why the sound was not encoded.
#[derive(Debug, thiserror::Error)]
pub enum AudioRunError {
    /// ffmpeg did not run to its end.
    #[error(transparent)]
    Run(#[from] RunError),
    /// ffmpeg wrote something that is no ADTS.
    #[error("ffmpeg's output is no ADTS")]
    NotAdts,
    /// ffmpeg ended early: exit status 0 does not mean that all of the sound came out.
    #[error("`{got}` frames of sound came out of `{planned}`")]
    Missing {
        /// With the priming frame.
        planned: u64,
        /// With the priming frame.
        got: u64,
        /// End of ffmpeg's standard error.
        stderr: String,
    },
}

/// Encodes the sound of `track` as `plan` says, and sends it to `adts` as it comes: whole ADTS frames
/// (ISO/IEC 14496-3 §1.A.2), several in a piece.
///
/// The first frame holds only priming; after it come exactly [`AudioEncode::frames`]. Memory is bounded: while `adts`
/// is full, ffmpeg waits.
///
/// # Errors
/// What was sent before an error is of no use.
pub async fn encode_audio(
    runner: &Runner<'_>,
    source: &dyn ReadRange,
    plan: &AudioEncode,
    (movie, track): (&Movie, &Track),
    settings: &EncodeSettings,
    adts: &mpsc::Sender<Bytes>,
) -> Result<(), AudioRunError> {
    let outputs = runner.open_pipes(1).map_err(RunError::from)?;
    let pipe = outputs.numbers().first().copied().unwrap_or_default();
    let task = Task {
        program: Program::Ffmpeg,
        arguments: plan.args(pipe, settings),
        limits: Limits::small(),
        stdin: Stdin::Feed,
        outputs,
    };
    let planned = plan.frames.saturating_add(1);
    let (written, mut bytes) = mpsc::channel::<Bytes>(1);
    let cut = async {
        let mut cutter = FrameCutter::new(planned);
        while let Some(bytes) = bytes.recv().await {
            let frames = cutter.push(&bytes)?;
            if !frames.is_empty() {
                adts.send(frames).await.map_err(|_| RunError::Abandoned)?;
            }
        }
        Ok::<u64, AudioRunError>(cutter.count)
    };
    let run = async { Ok(runner.run(task, Some((source, plan.feed(movie, track))), written).await?) };
    let (ended, got) = tokio::try_join!(run, cut)?;
    if got == planned {
        return Ok(());
    }
    let ended = ended.success().map_err(RunError::from)?;
    Err(AudioRunError::Missing { planned, got, stderr: ended.stderr })
}

/// Cuts a stream of ADTS at frame boundaries, and after the last planned frame.
#[derive(Debug)]
struct FrameCutter {
    buffer: BytesMut,
    count: u64,
    planned: u64,
}

/// `adts_fixed_header` and `adts_variable_header`.
const HEADER: usize = 7;

impl FrameCutter {
    fn new(planned: u64) -> Self {
        Self { buffer: BytesMut::new(), count: 0, planned }
    }

    /// The frames that `bytes` complete, back to back.
    fn push(&mut self, bytes: &[u8]) -> Result<Bytes, AudioRunError> {
        self.buffer.extend_from_slice(bytes);
        let mut end = 0_usize;
        while self.count < self.planned {
            let Some(&[sync, sync_and_id, _, high, middle, low, _]) =
                self.buffer.get(end..).and_then(|rest| rest.first_chunk::<HEADER>())
            else {
                break;
            };
            let length = usize::from(high & 0b11) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
            if sync != 0xff || sync_and_id & 0xf0 != 0xf0 || length < HEADER {
                return Err(AudioRunError::NotAdts);
            }
            let next = end.saturating_add(length);
            if self.buffer.len() < next {
                break;
            }
            end = next;
            self.count = self.count.saturating_add(1);
        }
        let frames = self.buffer.split_to(end).freeze();
        if self.count == self.planned {
            // Frames behind the last one hold the encoder's tail.
            self.buffer.clear();
        }
        Ok(frames)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, proptest};

    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len() + HEADER).unwrap();
        let [high, low] = (length << 5).to_be_bytes();
        let top = u8::try_from(length >> 11).unwrap();
        [&[0xff, 0xf1, 0x4c, 0x80 | top, high, low | 0x1f, 0xfc][..], payload].concat()
    }

    fn any_frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700).prop_map(|p| frame(&p)), 1..12)
    }

    proptest! {
        #[test]
        fn frames_come_out_whole(frames in any_frames(), step in 1_usize..900, less in 0_usize..3) {
            let planned = frames.len().saturating_sub(less).max(1);
            let mut cutter = FrameCutter::new(u64::try_from(planned).unwrap());
            let mut out = Vec::new();
            for bytes in frames.concat().chunks(step) {
                out.extend_from_slice(&cutter.push(bytes).unwrap());
            }
            assert_eq!(out, frames[..planned].concat());
            assert_eq!(cutter.count, u64::try_from(planned).unwrap());
        }
    }

    #[test]
    fn something_else_is_refused() {
        assert!(matches!(FrameCutter::new(9).push(b"ID3\x04something"), Err(AudioRunError::NotAdts)));
        assert!(matches!(
            FrameCutter::new(9).push(&[0xff, 0xf1, 0, 0, 0, 0, 0]),
            Err(AudioRunError::NotAdts)
        ));
    }
}
