//! JPEGs back to back on a pipe, cut apart.

use bytes::{Buf, Bytes, BytesMut};

/// Cuts a stream of JPEG interchange files (ITU-T T.81 Annex B) at their ends.
///
/// Markers are followed by their lengths, so that a payload that looks like an end is not taken for one.
#[derive(Debug)]
pub struct JpegStream {
    buffer: BytesMut,
    /// Where the parser stands in `buffer`, which starts with a picture.
    position: usize,
    state: State,
    max_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At a marker.
    Marker,
    /// In entropy-coded bytes, which end at a marker other than a restart.
    Scan,
}

/// The stream holds something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JpegError {
    /// Bytes where a marker should be.
    #[error("the picture stream is no sequence of JPEGs")]
    NotJpeg,
    /// One picture is longer than allowed.
    #[error("a still picture is longer than the limit of `{0}` bytes")]
    TooLong(usize),
}

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

impl JpegStream {
    /// Refuses a picture longer than `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self { buffer: BytesMut::new(), position: 0, state: State::Marker, max_bytes }
    }

    /// The next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete picture, if all of it is there.
    ///
    /// # Errors
    /// [`JpegError`], which is final.
    pub fn poll(&mut self) -> Result<Option<Bytes>, JpegError> {
        loop {
            let step = match self.state {
                State::Marker => self.marker()?,
                State::Scan => self.scan(),
            };
            match step {
                Step::On => {}
                Step::Picture => {
                    let picture = self.buffer.split_to(self.position).freeze();
                    (self.position, self.state) = (0, State::Marker);
                    return Ok(Some(picture));
                }
                Step::More if self.buffer.len() > self.max_bytes => {
                    return Err(JpegError::TooLong(self.max_bytes));
                }
                Step::More => return Ok(None),
            }
        }
    }

    /// Whether no partial picture is left over.
    pub fn is_drained(&self) -> bool {
        self.buffer.is_empty()
    }

    fn marker(&mut self) -> Result<Step, JpegError> {
        let mut rest = self.buffer.get(self.position..).unwrap_or_default();
        if rest.len() < 2 {
            return Ok(Step::More);
        }
        let (prefix, code) = (rest.get_u8(), rest.get_u8());
        if prefix != 0xff || (self.position == 0) != (code == START) {
            return Err(JpegError::NotJpeg);
        }
        let segment = match code {
            // Any number of fill bytes may come before a marker (B.1.1.2).
            0xff => {
                self.position = self.position.saturating_add(1);
                return Ok(Step::On);
            }
            START => 2,
            END => {
                self.position = self.position.saturating_add(2);
                return Ok(Step::Picture);
            }
            _ if rest.len() < 2 => return Ok(Step::More),
            _ => usize::from(rest.get_u16()).saturating_add(2),
        };
        let end = self.position.saturating_add(segment);
        if self.buffer.len() < end {
            return Ok(Step::More);
        }
        self.position = end;
        if code == START_OF_SCAN {
            self.state = State::Scan;
        }
        Ok(Step::On)
    }

    fn scan(&mut self) -> Step {
        let rest = self.buffer.get(self.position..).unwrap_or_default();
        let marker = rest.windows(2).position(|pair| matches!(pair, [0xff, code] if !is_in_scan(*code)));
        match marker {
            Some(marker) => {
                self.position = self.position.saturating_add(marker);
                self.state = State::Marker;
                Step::On
            }
            None => {
                // The last byte may be the first half of a marker.
                self.position = self.position.saturating_add(rest.len().saturating_sub(1));
                Step::More
            }
        }
    }
}

enum Step {
    On,
    More,
    Picture,
}

/// Stuffed zeros, restart markers and fill bytes belong to the scan.
fn is_in_scan(code: u8) -> bool {
    matches!(code, 0x00 | 0xd0..=0xd7 | 0xff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, proptest};

    use super::*;

    /// A picture with a comment, which may hold anything, and scan bytes, stuffed as the standard has it.
    fn picture(comment: &[u8], scan: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xff, START, 0xff, 0xfe];
        bytes.extend(u16::try_from(comment.len() + 2).unwrap().to_be_bytes());
        bytes.extend(comment);
        bytes.extend([0xff, START_OF_SCAN, 0, 3, 0]);
        for byte in scan {
            bytes.push(*byte);
            if *byte == 0xff {
                bytes.push(0);
            }
        }
        bytes.extend([0xff, 0xd3, 0x11, 0xff, END]);
        bytes
    }

    fn any_picture() -> impl Strategy<Value = Vec<u8>> {
        let bytes = || prop::collection::vec(prop::sample::select(vec![0xff_u8, END, START, 0, 7]), 0..40);
        (bytes(), bytes()).prop_map(|(comment, scan)| picture(&comment, &scan))
    }

    proptest! {
        #[test]
        fn pictures_come_out_whole(pictures in prop::collection::vec(any_picture(), 0..5), step in 1_usize..50) {
            let mut stream = JpegStream::new(1000);
            let mut found = Vec::new();
            for bytes in pictures.concat().chunks(step) {
                stream.push(bytes);
                while let Some(picture) = stream.poll().unwrap() {
                    found.push(picture.to_vec());
                }
            }
            assert_eq!(found, pictures);
            assert!(stream.is_drained());
        }

        #[test]
        fn anything_else_is_refused_or_waited_for(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut stream = JpegStream::new(100);
            stream.push(&bytes);
            while let Ok(Some(_)) = stream.poll() {}
        }
    }

    #[test]
    fn a_picture_without_end_is_refused() {
        let mut stream = JpegStream::new(100);
        stream.push(&picture(&[0; 50], &[1; 100])[..120]);
        assert_eq!(stream.poll(), Err(JpegError::TooLong(100)));
    }
}
