//! Captions: files that people bring, and what becomes of them.

pub(crate) mod actions;
pub(crate) mod api;
mod languages;

pub(crate) use languages::LANGUAGES;
