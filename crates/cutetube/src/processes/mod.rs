//! The processing of an upload, as its uploader and everybody who waits for the video follow it.

pub(crate) mod actions;
pub(crate) mod api;
mod resource;
mod wording;

pub(crate) use resource::StageResource;
pub(crate) use wording::note;
