//! Bytes ⇄ boxes of the ISO Base Media File Format (ISO/IEC 14496-12) and of QuickTime.
//!
//! What it deliberately does not do: no I/O (the reader asks for byte ranges, the writer returns bytes), no
//! knowledge of any codec (sample entries are kept verbatim), no decryption. It never panics on any input and
//! never allocates from a size or count that the input merely declares.

mod movie;
mod reader;
mod stream;
mod writer;

pub use movie::{
    Edit, FileType, FourCc, Matrix, Movie, Sample, SampleEntry, SampleTable, SyncTable, Track,
};
pub use reader::{ByteRange, Demuxer, Error, Limits, Progress, index_slice};
pub use stream::{FragmentStream, StreamEvent, StreamFragment, StreamSample, StreamTrack};
pub use writer::{
    EditList, FragmentSample, FragmentSpec, InitSpec, InitTrack, write_fragment_header, write_init,
};
