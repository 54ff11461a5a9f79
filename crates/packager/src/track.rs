//! What init segments of all tracks have in common.

use isobmff::{FileType, FourCc};

use crate::layout::Flavour;
use crate::protection::TrackProtection;

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

/// A sample entry as the init segment has it: as it is, or as that of a protected track.
pub(crate) fn entry_of(
    entry: &[u8],
    protected_format: FourCc,
    protection: Option<&TrackProtection>,
) -> Vec<u8> {
    match protection {
        None => entry.to_vec(),
        Some(protection) => protection.encryption.protect(entry, protected_format),
    }
}
