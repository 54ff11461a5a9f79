//! Common encryption (ISO/IEC 23001-7, schemes `cenc` and `cbcs`) of AVC and AAC: keys and initialisation vectors come
//! as values, samples are encrypted in place, and what players need to ask for a licence is plain data.
//!
//! - [`Protection`] holds the content keys of a presentation, one for each [`KeyClass`].
//! - [`TrackCipher`] encrypts the samples of one track; [`Decryption`] undoes it.
//! - [`SystemHeaders`] are what a vendor of licences says of a key.
//! - [`Signalling`] is what manifests and init segments tell: key ids, never keys.

mod cipher;
mod decryption;
mod headers;
mod keys;
mod manifests;
mod signalling;
mod subsamples;
mod systems;
mod track;

pub use decryption::{Decryption, DecryptionError};
pub use headers::{Header, SystemHeaders, VendorSystem};
pub use keys::{ContentKey, Key, KeyClass, KeyId, KeyTextError, MissingKey, Protection, Scheme};
pub use manifests::{clear_mpd, clear_playlist};
pub(crate) use signalling::is_safe_url;
pub use signalling::{KeySignalling, Licences, Signalling};
pub use systems::{System, is_playready_object, playready_object, widevine_header};
pub use track::{EncryptionError, IvRun, SampleInformation, TrackCipher, TrackProtection};
