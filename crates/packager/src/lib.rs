//! Samples → CMAF segments, and plain data about them → DASH and HLS manifests.
//!
//! What it deliberately does not do: no I/O (segments are headers beside the caller's media, plans name byte ranges),
//! no clock, no randomness, no encoding or decoding of media, no manifest from anything but a [`Presentation`]. Media
//! is never copied: a segment is [`Segment::header`] followed by bytes that the caller already has.
//!
//! - [`Presentation`] says what was made; [`mpd`] and [`hls`] are functions of it and of nothing else. [`flatten`] renames
//!   what such a manifest names.
//! - [`VideoTrack`] and [`AudioTrack`] make init segments and segments (ISO/IEC 23000-19).
//! - [`Protection`] encrypts their samples; keys and initialisation vectors are handed in.
//! - [`Package`] turns existing MP4 renditions into such segments without touching a sample.
//! - [`Progressive`] lays stored segments out as one progressive file, for whoever wants to keep a copy.
//! - [`captions`] reads WebVTT and SubRip and writes the WebVTT that is served.
//! - [`layout`] owns every name below a presentation's root.
#![warn(clippy::as_conversions, clippy::indexing_slicing)]

mod aac;
mod adts;
mod audio;
mod avc;
pub mod captions;
pub mod hls;
mod language;
pub mod layout;
mod mpd;
mod package;
mod presentation;
mod progressive;
mod protection;
mod rate;
mod sample_entry;
mod segment;
mod track;
mod video;

pub use aac::{AAC_FRAME_SAMPLES, AudioSpecificConfig};
pub use adts::{AdtsError, AdtsParser};
pub use audio::{AudioTrack, audio_segment_bounds};
pub use avc::{AvcConfig, SliceHeaderError};
pub use language::language_tag;
pub use layout::Flavour;
pub use mpd::{FlattenError, flatten, mpd, renamed};
pub use package::{
    MediaPiece, Package, PackageError, PackageInput, PackageRules, PackagedRendition, PackagedSegment,
};
pub use presentation::{
    AudioRendition, FrameRate, ImageRendition, Presentation, PresentationError, PresentationParts, TextKind,
    TextRendition, VideoRendition, VideoSegment, is_label, is_language,
};
pub use progressive::{FilePiece, Progressive, ProgressiveError, ProgressiveTrack};
pub use protection::{
    ContentKey, Decryption, DecryptionError, EncryptionError, Header, IvRun, Key, KeyClass, KeyId,
    KeySignalling, KeyTextError, Licences, MissingKey, Protection, SampleInformation, Scheme, Signalling,
    System, SystemHeaders, TrackCipher, TrackProtection, VendorSystem, clear_mpd, clear_playlist,
    is_playready_object, playready_object, widevine_header,
};
pub use sample_entry::{EntryOf, EntryPart, SampleEntryError, check_same_entry};
pub use segment::{Segment, SegmentError};
pub use video::{VideoSample, VideoTrack, reorder_delay};
