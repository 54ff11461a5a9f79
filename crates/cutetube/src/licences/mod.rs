//! Licences: who gets the keys of a protected video, and how players ask for them.

pub(crate) mod actions;
pub(crate) mod api;
pub(crate) mod manifest;
pub(crate) mod rules;
mod shown;
pub(crate) mod token;
mod vendor;

pub(crate) use actions::{Pass, pass, pass_after};
pub(crate) use shown::{LicenceUrls, Protected, Viewer};
pub(crate) use token::{PlaybackTokens, in_query};
pub(crate) use vendor::Vendors;
