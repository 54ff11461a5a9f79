//! What init segments of all tracks have in common.

use isobmff::{FileType, FourCc};

use crate::layout::Flavour;

/// A file holds one track (23000-19 §7.3.2.1).
pub(crate) const TRACK_ID: u32 = 1;

/// `ftyp`: the flavours differ in nothing else. `codec` is the brand of the codec's own rules.
pub(crate) fn file_type(flavour: Flavour, codec: &[u8; 4]) -> FileType {
    let cmaf = [FourCc(*b"cmfc"), FourCc(*b"iso6"), FourCc(*b"dash"), FourCc(*codec)];
    match flavour {
        Flavour::Mp4 => FileType { major: FourCc(*b"cmfc"), minor: 0, compatible: cmaf.to_vec() },
        Flavour::Mov => {
            let quicktime = FourCc(*b"qt  ");
            let compatible = std::iter::once(quicktime).chain(cmaf).collect();
            FileType { major: quicktime, minor: 0, compatible }
        }
    }
}
