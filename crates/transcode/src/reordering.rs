//! How far pictures are encoded out of the order in which they are shown.

/// The B-frames of an encode. They compress better, and each picture is decoded ahead of its time for them: by as many
/// pictures as [`Reordering::depth`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reordering {
    /// B-frames that B-frames refer to.
    Pyramid,
    /// B-frames that nothing refers to.
    Flat,
    /// Pictures are encoded as they are shown.
    None,
}

impl Reordering {
    /// From the best compression to the shortest delay.
    pub const ALL: [Self; 3] = [Self::Pyramid, Self::Flat, Self::None];

    /// H.264 `max_num_reorder_frames`: how many pictures may precede another in decoding and follow it when shown.
    pub fn depth(self) -> usize {
        match self {
            Self::Pyramid => 2,
            Self::Flat => 1,
            Self::None => 0,
        }
    }
}
