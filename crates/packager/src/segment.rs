//! A CMAF segment: a header and the caller's media.

/// One segment, ready to store: [`Self::header`] followed by the samples' bytes in decode order, which stay where the
/// caller has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// `moof` and the header of `mdat`.
    pub header: Vec<u8>,
    /// Bytes of all samples.
    pub media_bytes: u64,
    /// Bytes of the first sample in decode order.
    pub first_sample_bytes: u64,
}

impl Segment {
    /// Length of the whole object.
    pub fn bytes(&self) -> u64 {
        self.header_bytes().saturating_add(self.media_bytes)
    }

    /// From the object's start to the end of its first sample.
    pub fn iframe_bytes(&self) -> u64 {
        self.header_bytes().saturating_add(self.first_sample_bytes)
    }

    fn header_bytes(&self) -> u64 {
        u64::try_from(self.header.len()).unwrap_or(u64::MAX)
    }
}

/// Why samples make no segment. Segments count from 1, samples from 0 in decode order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// A segment without samples.
    #[error("segment `{segment}` has no samples")]
    Empty {
        /// Its number.
        segment: u32,
    },
    /// A player could not start or switch here.
    #[error("segment `{segment}` does not start with a sync sample")]
    NoSync {
        /// Its number.
        segment: u32,
    },
    /// The first sample in decode order is not the first that is shown: an open group of pictures (SAP type 2 or 3).
    #[error("segment `{segment}` shows sample `{sample}` before its first sample")]
    LeadingSample {
        /// Its number.
        segment: u32,
        /// The sample.
        sample: usize,
    },
    /// A sample that belongs to another segment.
    #[error("segment `{segment}`: sample `{sample}` is shown at tick `{time}`, outside of it")]
    OutsideSpan {
        /// Its number.
        segment: u32,
        /// The sample.
        sample: usize,
        /// When it is shown.
        time: u64,
    },
    /// Two samples at one time.
    #[error("segment `{segment}` shows two samples at tick `{time}`")]
    RepeatedTime {
        /// Its number.
        segment: u32,
        /// When.
        time: u64,
    },
    /// The rendition's one delay is too short for this segment.
    #[error("segment `{segment}` needs a reorder delay of `{needed}` ticks, the rendition has `{delay}`")]
    ReorderDelay {
        /// Its number.
        segment: u32,
        /// Longest time from a sample's place in decode order to its presentation.
        needed: u64,
        /// [`VideoTrack::reorder_delay`](crate::VideoTrack::reorder_delay).
        delay: u64,
    },
    /// A duration or an offset that its 32-bit field cannot hold.
    #[error("segment `{segment}`: times of sample `{sample}` are too far apart")]
    TooLong {
        /// Its number.
        segment: u32,
        /// The sample.
        sample: usize,
    },
}
