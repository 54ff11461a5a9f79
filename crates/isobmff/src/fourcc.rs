//! Four-character codes and the ones this crate and its callers know by name.

use std::fmt;

/// A four-character code, the name of a box, brand, handler or codec.
///
/// Shown as text; bytes outside printable ASCII are shown as `\xNN`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc(pub [u8; 4]);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl FourCc {
            $($(#[$doc])* pub const $name: Self = Self(*$code);)*
        }
    };
}

codes! {
    /// Brand of QuickTime files.
    QT = b"qt  ";
    /// Handler of a video track.
    VIDE = b"vide";
    /// Handler of a sound track.
    SOUN = b"soun";
    /// File type and compatibility (§4.3).
    FTYP = b"ftyp";
    /// Segment type (§8.16.2).
    STYP = b"styp";
    /// Segment index (§8.16.3).
    SIDX = b"sidx";
    /// Movie: the index of the file (§8.2.1).
    MOOV = b"moov";
    /// Media data (§8.1.1).
    MDAT = b"mdat";
    /// Free space (§8.1.2).
    FREE = b"free";
    /// Free space (§8.1.2).
    SKIP = b"skip";
    /// Room kept for a 64-bit size of the box after it (QTFF, "wide").
    WIDE = b"wide";
    /// User-defined type (§4.2).
    UUID = b"uuid";
    /// Metadata (§8.11.1).
    META = b"meta";
    /// Preview image (QTFF, "pnot").
    PNOT = b"pnot";
    /// Movie fragment (§8.8.4).
    MOOF = b"moof";
    /// Movie fragment random access (§8.8.9).
    MFRA = b"mfra";
    /// Compressed movie (QTFF, "cmov").
    CMOV = b"cmov";
    /// Movie header (§8.2.2).
    MVHD = b"mvhd";
    /// Movie extends (§8.8.1).
    MVEX = b"mvex";
    /// Track extends defaults (§8.8.3).
    TREX = b"trex";
    /// Track (§8.3.1).
    TRAK = b"trak";
    /// Track header (§8.3.2).
    TKHD = b"tkhd";
    /// Edit box (§8.6.5).
    EDTS = b"edts";
    /// Edit list (§8.6.6).
    ELST = b"elst";
    /// Media (§8.4.1).
    MDIA = b"mdia";
    /// Media header (§8.4.2).
    MDHD = b"mdhd";
    /// Handler reference (§8.4.3).
    HDLR = b"hdlr";
    /// Media information (§8.4.4).
    MINF = b"minf";
    /// Video media header (§12.1.2).
    VMHD = b"vmhd";
    /// Sound media header (§12.2.2).
    SMHD = b"smhd";
    /// Null media header (§8.4.5.2).
    NMHD = b"nmhd";
    /// Data information (§8.7.1).
    DINF = b"dinf";
    /// Data references (§8.7.2).
    DREF = b"dref";
    /// Data entry URL (§8.7.2).
    URL = b"url ";
    /// Sample table (§8.5.1).
    STBL = b"stbl";
    /// Sample descriptions (§8.5.2).
    STSD = b"stsd";
    /// Decoding time to sample (§8.6.1.2).
    STTS = b"stts";
    /// Composition time to sample (§8.6.1.3).
    CTTS = b"ctts";
    /// Sync samples (§8.6.2).
    STSS = b"stss";
    /// Partial sync samples (QTFF, "stps").
    STPS = b"stps";
    /// Sample to chunk (§8.7.4).
    STSC = b"stsc";
    /// Sample sizes (§8.7.3.2).
    STSZ = b"stsz";
    /// Compact sample sizes (§8.7.3.3).
    STZ2 = b"stz2";
    /// Chunk offsets, 32 bits (§8.7.5).
    STCO = b"stco";
    /// Chunk offsets, 64 bits (§8.7.5).
    CO64 = b"co64";
    /// Movie fragment header (§8.8.5).
    MFHD = b"mfhd";
    /// Track fragment (§8.8.6).
    TRAF = b"traf";
    /// Track fragment header (§8.8.7).
    TFHD = b"tfhd";
    /// Track fragment decode time (§8.8.12).
    TFDT = b"tfdt";
    /// Track run (§8.8.8).
    TRUN = b"trun";
    /// Sample auxiliary information sizes (§8.7.8).
    SAIZ = b"saiz";
    /// Sample auxiliary information offsets (§8.7.9).
    SAIO = b"saio";
    /// Sample encryption (ISO/IEC 23001-7 §7.2).
    SENC = b"senc";
    /// Protection system specific header (ISO/IEC 23001-7 §8.1).
    PSSH = b"pssh";
    /// Track encryption (ISO/IEC 23001-7 §8.2).
    TENC = b"tenc";
    /// Protection scheme information (§8.12.2).
    SINF = b"sinf";
    /// Original format (§8.12.3).
    FRMA = b"frma";
    /// Scheme type (§8.12.6).
    SCHM = b"schm";
    /// Scheme information (§8.12.7).
    SCHI = b"schi";
    /// Encrypted video sample entry (§8.12.1).
    ENCV = b"encv";
    /// Encrypted audio sample entry (§8.12.1).
    ENCA = b"enca";
    /// Sampling rate beyond 16 bits (§12.2.3).
    SRAT = b"srat";
    /// QuickTime's container for decoder parameters of sound ("siDecompressionParam").
    WAVE = b"wave";
    /// Pixel aspect ratio (§12.1.4).
    PASP = b"pasp";
    /// Clean aperture (§12.1.4).
    CLAP = b"clap";
    /// Colour information (§12.1.5).
    COLR = b"colr";
    /// AVC sample entry, parameter sets only in the entry (14496-15 §5.4.2).
    AVC1 = b"avc1";
    /// AVC sample entry, parameter sets possibly in the samples (14496-15 §5.4.2).
    AVC3 = b"avc3";
    /// AVC decoder configuration (14496-15 §5.4.2).
    AVCC = b"avcC";
    /// HEVC sample entry, parameter sets only in the entry (14496-15 §8.4.1).
    HVC1 = b"hvc1";
    /// HEVC sample entry, parameter sets possibly in the samples (14496-15 §8.4.1).
    HEV1 = b"hev1";
    /// HEVC decoder configuration (14496-15 §8.4.1).
    HVCC = b"hvcC";
    /// MPEG-4 audio sample entry (14496-14 §6.7).
    MP4A = b"mp4a";
    /// MPEG-4 elementary stream descriptor (14496-14 §6.7).
    ESDS = b"esds";
}

impl From<[u8; 4]> for FourCc {
    fn from(code: [u8; 4]) -> Self {
        Self(code)
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in &self.0 {
            if byte == b' ' || byte.is_ascii_graphic() {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::FourCc;

    #[test]
    fn is_shown_as_text() {
        assert_eq!(FourCc::AVC1.to_string(), "avc1");
        assert_eq!(format!("{:?}", FourCc::QT), "qt  ");
        assert_eq!(FourCc(*b"\xa9nam").to_string(), "\\xa9nam");
    }
}
