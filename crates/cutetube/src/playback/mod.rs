//! What viewers are sent: stored objects under their own names, and the URLs that lead there.

pub(crate) mod api;
mod urls;

pub(crate) use urls::{BaseUrl, Original, PlaybackUrls};
