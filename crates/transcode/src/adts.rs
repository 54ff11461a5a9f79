//! AAC frames out of an ADTS stream, as they come.

use bytes::{Bytes, BytesMut};

/// Incremental splitter (13818-7 §6.2); memory is bounded by one frame, 8 KiB, and what was pushed.
#[derive(Debug, Default)]
pub struct AdtsStream {
    buffer: BytesMut,
}

/// The stream is not ADTS.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("there is no ADTS header where one has to be")]
pub struct AdtsError;

/// Without and with CRC.
const HEADER: usize = 7;
const CRC: usize = 2;

impl AdtsStream {
    /// The next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete frame, without its header.
    pub fn poll(&mut self) -> Result<Option<Bytes>, AdtsError> {
        let Some(&[sync, flags, _, length_high, length, length_low, _]) = self.buffer.first_chunk::<HEADER>()
        else {
            return Ok(None);
        };
        if sync != 0xff || flags & 0xf6 != 0xf0 {
            return Err(AdtsError);
        }
        let length =
            (usize::from(length_high & 3) << 11) | (usize::from(length) << 3) | usize::from(length_low >> 5);
        let header = if flags & 1 == 0 { HEADER + CRC } else { HEADER };
        if length < header {
            return Err(AdtsError);
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        Ok(Some(self.buffer.split_to(length).split_off(header).freeze()))
    }

    /// Whether no partial frame is left over: call at the end of the stream.
    pub fn is_drained(&self) -> bool {
        self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_header(payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len() + HEADER).expect("short payloads");
        let [high, low] = length.to_be_bytes();
        let header =
            [0xff, 0xf1, 0x4c, 0x80 | (high >> 3), (high << 5) | (low >> 3), (low << 5) | 0x1f, 0xfc];
        [&header, payload].concat()
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_however_the_pipe_cuts_them(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            piece in 1_usize..64,
        ) {
            let stream: Vec<u8> = frames.iter().flat_map(|frame| with_header(frame)).collect();
            let mut adts = AdtsStream::default();
            let mut split = Vec::new();
            for bytes in stream.chunks(piece) {
                adts.push(bytes);
                while let Some(frame) = adts.poll().expect("well-formed") {
                    split.push(frame.to_vec());
                }
            }
            prop_assert_eq!(split, frames);
            prop_assert!(adts.is_drained());
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let mut adts = AdtsStream::default();
        adts.push(b"ID3\x04 and more");
        assert_eq!(adts.poll(), Err(AdtsError));
    }
}
