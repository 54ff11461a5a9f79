//! Bytes ⇄ boxes of the ISO Base Media File Format (ISO/IEC 14496-12) and of QuickTime.
//!
//! What it deliberately does not do: no I/O (the reader asks for byte ranges, the writer returns bytes), no
//! knowledge of any codec (sample entries are kept verbatim), no decryption. It never panics on any input and
//! never allocates from a size or count that the input merely declares.
//!
//! - [`Demuxer`] builds the [`Movie`] of a progressive, fragmented or hybrid file from the byte ranges it asks for.
//! - [`FragmentStream`] takes fragmented MP4 apart as it arrives, media included.
//! - [`TrackEncryption`], [`SampleEncryption`] and [`EncryptedMovie`] write and read the boxes of common encryption.
//! - [`write_init`] and [`write_fragment_header`] give the exact bytes of an init segment and of a fragment, and
//!   [`FragmentIndex`] reads what the latter says. [`write_movie`] gives those of a progressive file before its media.
//!
//! ```
//! use std::io::{Read, Seek, SeekFrom};
//!
//! use isobmff::{Demuxer, Limits, Movie, Progress};
//!
//! /// Reads the index of a file and none of its media.
//! fn index(file: &mut (impl Read + Seek)) -> Result<Movie, Box<dyn std::error::Error>> {
//!     let mut demuxer = Demuxer::new(file.seek(SeekFrom::End(0))?, Limits::default());
//!     while let Progress::Need(range) = demuxer.advance()? {
//!         let mut bytes = vec![0; range.len.try_into()?];
//!         file.seek(SeekFrom::Start(range.offset))?;
//!         file.read_exact(&mut bytes)?;
//!         demuxer.supply(&bytes)?;
//!     }
//!     Ok(demuxer.finish()?)
//! }
//!
//! let error = index(&mut std::io::Cursor::new("a text")).unwrap_err();
//! assert_eq!(error.to_string(), "not an ISO base media or QuickTime file");
//! ```
//!
//! Clauses without a name are those of ISO/IEC 14496-12:2022; QTFF is Apple's *QuickTime File Format*.

#![deny(clippy::as_conversions, clippy::indexing_slicing)]

mod boxes;
mod cursor;
mod encryption;
mod entry;
mod error;
mod fourcc;
mod fragment;
mod fragment_index;
mod header;
mod limits;
mod movie;
mod pcm;
mod progressive;
mod reader;
mod size;
mod stream;
mod table;
mod tables;
mod writer;

pub use boxes::{Boxes, RawBox, boxes};
pub use encryption::{
    EncryptedMovie, EncryptedSample, EncryptedTrack, IvPlace, Pattern, Pssh, Ranges, SampleEncryption,
    Subsample, TrackEncryption, write_pssh,
};
pub use entry::{AudioEntry, Packet, SampleEntry, VisualEntry};
pub use error::Error;
pub use fourcc::FourCc;
pub use fragment_index::{FragmentIndex, Indexed};
pub use limits::Limits;
pub use movie::{Edit, FileType, Matrix, Movie, Orientation, Track};
pub use progressive::{MovieChunk, MovieSpec, MovieTrack, write_movie};
pub use reader::{ByteRange, Demuxer, Progress, index_slice};
pub use stream::{FragmentStream, StreamEvent, StreamFragment, StreamSample, StreamTrack};
pub use table::{Sample, SampleTable, Samples, SyncTable};
pub use writer::{
    EditList, FragmentSample, FragmentSpec, InitSpec, InitTrack, write_fragment_header, write_init,
};
