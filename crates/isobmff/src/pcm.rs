//! Sound whose table counts single frames (one sample of every channel): where its bytes lie.
//!
//! QuickTime gives uncompressed sound, and the old codecs of fixed packets, one table entry per frame. Such a table says
//! how many frames there are but often not how long they are: `stsz` then holds the size 1, and the sound description
//! knows better (QTFF, "Sound Sample Descriptions" and "Sample Size Atoms").

use crate::entry::{Packet, SampleEntry};

/// As many frames make one sample of the [`SampleTable`](crate::SampleTable), about a fiftieth of a second.
const FRAMES_PER_SAMPLE: u32 = 1024;

/// Packets of so many frames are long enough to stay alone.
const LONG_PACKET: u32 = 160;

impl Packet {
    /// The packets of an entry whose table counts frames of `stsz_size` bytes; `None` when these are no frames.
    pub(crate) fn of(entry: &SampleEntry, stsz_size: u32) -> Option<Self> {
        let audio = entry.audio()?;
        if let Some(packet) = audio.packet.filter(|packet| packet.frames > 1) {
            return Some(packet);
        }
        let channels = audio.channels.max(1);
        let (frames, bytes) = match (&entry.format.0, audio.packet) {
            _ if stsz_size > 1 => (1, stsz_size),
            (_, Some(packet)) => (1, packet.bytes),
            // Formats older than version 1, which brought the fields that describe them.
            (b"ima4", None) => (64, channels.checked_mul(34)?),
            (b"MAC3", None) => (6, channels.checked_mul(2)?),
            (b"MAC6", None) => (6, channels),
            (b"agsm", None) => (160, 33),
            (b"ulaw" | b"alaw", None) => (1, channels),
            (_, None) => (1, channels.checked_mul(audio.sample_size.div_ceil(8))?),
        };
        // A frame is at most one 64-bit number per channel. What is longer is a packet of some codec, one by one.
        let plausible = frames > 1 || bytes <= channels.saturating_mul(8);
        Self::new(frames, bytes).filter(|_| plausible)
    }

    /// How many frames make one sample: whole packets.
    pub(crate) fn frames_per_sample(self) -> u32 {
        if self.frames >= LONG_PACKET { self.frames } else { FRAMES_PER_SAMPLE / self.frames * self.frames }
    }

    /// The bytes of so many frames; the last packet of a chunk is there as a whole.
    pub(crate) fn bytes_of(self, frames: u32) -> Option<u32> {
        frames.div_ceil(self.frames).checked_mul(self.bytes)
    }
}
