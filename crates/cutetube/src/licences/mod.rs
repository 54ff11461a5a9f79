//! Licences for protected videos.

pub(crate) mod vendor;
