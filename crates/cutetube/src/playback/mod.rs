//! What viewers are sent: media, the addresses that lead there, and who may follow them.

mod access;
mod address;
pub(crate) mod api;
mod cdn;
mod choice;
mod downloads;
mod hot;
pub(crate) mod media;
mod microcache;
mod signing;
mod urls;

use address::{FlatName, MediaAddress, Target};

pub(crate) use cdn::CdnSigner;
pub(crate) use downloads::{Downloads, Offer, offers};
pub(crate) use hot::{HeldObject, Hot, Moment, note_changes};
pub(crate) use microcache::{Microcached, Repeatable};
pub(crate) use signing::PathSigner;
pub(crate) use urls::{BaseUrl, MediaUrls, Original, PlaybackUrls};
