//! Content keys of protected videos.

pub(crate) mod speke;
