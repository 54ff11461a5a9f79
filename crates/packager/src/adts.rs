//! AAC as it comes out of a pipe: ADTS in (ISO/IEC 14496-3 §1.A.3.2), raw frames out.

use bytes::{Buf, Bytes, BytesMut};

use crate::aac::AudioSpecificConfig;

/// Incremental parser. Memory is bounded by what is pushed between two polls and one frame (8,191 bytes).
#[derive(Debug, Default)]
pub struct AdtsParser {
    buffer: BytesMut,
    config: Option<AudioSpecificConfig>,
    frames: u64,
}

/// Why a stream cannot be used. `frame` counts from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdtsError {
    /// No header where the frame before ended.
    #[error("no ADTS header where frame `{frame}` should start")]
    LostSync {
        /// Index of the frame.
        frame: u64,
    },
    /// Not AAC-LC, more than one block in a frame, or loudspeakers declared in the stream.
    #[error("frame `{frame}` is not a single AAC-LC block with 1 to 8 channels")]
    Unsupported {
        /// Index of the frame.
        frame: u64,
    },
    /// One init segment cannot serve both.
    #[error("sample rate or channels change at frame `{frame}`")]
    ConfigChanged {
        /// Index of the frame.
        frame: u64,
    },
    /// The stream ends inside a frame.
    #[error("the stream ends inside frame `{frame}`")]
    Truncated {
        /// Index of the frame.
        frame: u64,
    },
}

impl AdtsParser {
    /// The next bytes of the stream, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next raw frame (a `raw_data_block` without header and checksum), if it is complete. It shares the buffer.
    pub fn poll(&mut self) -> Result<Option<Bytes>, AdtsError> {
        let Some(header) = self.buffer.first_chunk::<7>() else { return Ok(None) };
        let header = Header::parse(header, self.frames)?;
        if self.config.is_some_and(|config| config != header.config) {
            return Err(AdtsError::ConfigChanged { frame: self.frames });
        }
        if self.buffer.len() < header.frame_length {
            return Ok(None);
        }
        self.config = Some(header.config);
        self.frames += 1;
        let mut frame = self.buffer.split_to(header.frame_length);
        frame.advance(header.length);
        Ok(Some(frame.freeze()))
    }

    /// Known from the first frame on.
    pub fn config(&self) -> Option<AudioSpecificConfig> {
        self.config
    }

    /// Call at the end of the stream, after the last [`Self::poll`]: nothing may be left over.
    pub fn finish(&self) -> Result<(), AdtsError> {
        if self.buffer.is_empty() { Ok(()) } else { Err(AdtsError::Truncated { frame: self.frames }) }
    }
}

struct Header {
    config: AudioSpecificConfig,
    length: usize,
    frame_length: usize,
}

impl Header {
    fn parse(header: &[u8; 7], frame: u64) -> Result<Self, AdtsError> {
        let unsupported = AdtsError::Unsupported { frame };
        let [sync, flags, rate, channels, middle, _, blocks] = *header;
        // Twelve bits of sync word, then ID, two bits of layer, protection_absent.
        if sync != 0xff || flags & 0xf6 != 0xf0 {
            return Err(AdtsError::LostSync { frame });
        }
        // Profile 1 is LC; number_of_raw_data_blocks_in_frame 0 is one block.
        if rate >> 6 != 1 || blocks & 3 != 0 {
            return Err(unsupported);
        }
        let configuration = ((rate & 1) << 2) | (channels >> 6);
        let config = AudioSpecificConfig::from_indices((rate >> 2) & 15, configuration)
            .map_err(|_| unsupported.clone())?;
        let length = if flags & 1 == 1 { 7 } else { 9 };
        let [_, _, _, _, _, low, _] = *header;
        let frame_length =
            (usize::from(channels & 3) << 11) | (usize::from(middle) << 3) | usize::from(low >> 5);
        if frame_length <= length {
            return Err(AdtsError::LostSync { frame });
        }
        Ok(Self { config, length, frame_length })
    }
}
