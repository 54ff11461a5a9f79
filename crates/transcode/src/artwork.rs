//! Poster and storyboard: which frames become still pictures, and in which size.

/// What a still picture is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StillKind {
    /// One picture that stands for the video.
    Poster,
    /// Small pictures at regular times.
    Storyboard,
}
