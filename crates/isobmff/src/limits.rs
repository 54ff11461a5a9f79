//! What input may cost, and the count of what it has cost.

use crate::error::Error;

/// What a file may cost before it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest `moov` or `moof` that is read, in bytes.
    pub max_header_bytes: u64,
    /// Samples over all tracks, after grouping of PCM frames. Each costs up to 26 bytes.
    pub max_samples: u64,
    /// Tracks of `moov`.
    pub max_tracks: usize,
    /// Boxes at the top level (fragments included).
    pub max_boxes: u64,
}

impl Default for Limits {
    /// Enough for a day of 60 pictures a second with sound, at most about 400 MB of memory.
    fn default() -> Self {
        Self { max_header_bytes: 128 << 20, max_samples: 10_000_000, max_tracks: 256, max_boxes: 500_000 }
    }
}

/// Counts samples over all tracks.
#[derive(Debug)]
pub(crate) struct SampleBudget {
    limit: u64,
    left: u64,
}

impl SampleBudget {
    pub(crate) fn new(limit: u64) -> Self {
        // Indices are 32 bits.
        let limit = limit.min(u32::MAX.into());
        Self { limit, left: limit }
    }

    /// Whether a table of so many samples may take one more.
    pub(crate) fn check(&self, samples: u32) -> Result<(), Error> {
        self.check_all(u64::from(samples) + 1)
    }

    /// Whether a table may have so many samples.
    pub(crate) fn check_all(&self, samples: u64) -> Result<(), Error> {
        if samples > self.left { Err(Error::TooManySamples { limit: self.limit }) } else { Ok(()) }
    }

    pub(crate) fn spend(&mut self, samples: u32) -> Result<(), Error> {
        self.check_all(samples.into())?;
        self.left -= u64::from(samples);
        Ok(())
    }
}
