//! Boxes of common encryption (ISO/IEC 23001-7): where keys and initialisation vectors are written down. Nothing here
//! encrypts or decrypts.

use crate::boxes::{boxes, child, children, required};
use crate::cursor::Cursor;
use crate::entry::SampleEntry;
use crate::error::Error;
use crate::fourcc::FourCc;
use crate::fragment::{TrackDefaults, TrackFragment, parse_fragment};
use crate::header::MovieHeader;
use crate::limits::{Limits, SampleBudget};
use crate::movie::Track;
use crate::size::to_usize;
use crate::writer::BoxWriter;

/// How the samples of a track are encrypted: `schm` and `tenc` (§8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackEncryption {
    /// `cenc`, `cbcs` or another scheme.
    pub scheme: FourCc,
    /// default_KID.
    pub key_id: [u8; 16],
    /// Where initialisation vectors are.
    pub iv: IvPlace,
    /// Encrypted and clear blocks that take turns inside of protected ranges.
    pub pattern: Pattern,
}

/// Where the initialisation vector of a sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IvPlace {
    /// In `senc`, in this many bytes: 8 or 16.
    Sample(u8),
    /// In `tenc`, for all samples.
    Constant([u8; 16]),
}

/// `crypt_byte_block` and `skip_byte_block` (§9.6): 0 and 0 encrypt every block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// Encrypted blocks, at most 15.
    pub crypt: u8,
    /// Clear blocks after these, at most 15.
    pub skip: u8,
}

/// A clear range of a sample and the protected one behind it (§7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subsample {
    /// Bytes.
    pub clear: u16,
    /// Bytes.
    pub protected: u32,
}

/// What `senc` says of the samples of a fragment, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleEncryption<'a> {
    /// Whether samples are divided.
    pub ranges: Ranges,
    /// For each sample its initialisation vector, unless that is constant, and its [`Ranges`], one after the other.
    pub information: &'a [u8],
    /// How long that is for each sample.
    pub sizes: &'a [u8],
}

/// Which part of a sample is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranges {
    /// All of it.
    Whole,
    /// [`Subsample`]s, behind their number.
    Subsamples,
}

/// `senc` flag: subsamples are there (§7.2).
const USE_SUBSAMPLES: u32 = 2;
/// Version 1.0 of every scheme (§4.2 and the following).
const SCHEME_VERSION: u32 = 0x1_0000;

impl Pattern {
    /// Every block.
    pub const ALL: Self = Self { crypt: 0, skip: 0 };
}

impl TrackEncryption {
    /// A sample entry, any whole box, as that of a protected track: renamed to `encv` or `enca`, with `sinf` (14496-12
    /// §8.12) at its end.
    ///
    /// # Panics
    /// When `entry` is no box.
    pub fn protect(&self, entry: &[u8], protected_format: FourCc) -> Vec<u8> {
        let mut out = BoxWriter::with_capacity(entry.len() + 97);
        let (header, fields) = entry.split_first_chunk::<8>().expect("a sample entry is a box");
        let [_, _, _, _, original @ ..] = header;
        out.nest(&protected_format.0, |out| {
            out.bytes(fields);
            out.nest(b"sinf", |out| {
                out.nest(b"frma", |out| out.bytes(original));
                out.nest_full(b"schm", 0, 0, |out| {
                    out.fourcc(self.scheme);
                    out.u32(SCHEME_VERSION);
                });
                out.nest(b"schi", |out| self.write_tenc(out));
            });
        });
        out.bytes
    }

    /// §8.2.2. A pattern and a constant vector need version 1; players know version 0 better.
    fn write_tenc(&self, out: &mut BoxWriter) {
        let Pattern { crypt, skip } = self.pattern;
        let version = u8::from(self.pattern != Pattern::ALL || matches!(self.iv, IvPlace::Constant(_)));
        out.nest_full(b"tenc", version, 0, |out| {
            let iv_size = match self.iv {
                IvPlace::Sample(size) => size,
                IvPlace::Constant(_) => 0,
            };
            out.bytes(&[0, crypt << 4 | skip & 15, 1, iv_size]);
            out.bytes(&self.key_id);
            if let IvPlace::Constant(iv) = self.iv {
                out.bytes(&[16]);
                out.bytes(&iv);
            }
        });
    }

    /// Reads the body of `sinf`; `None` when its samples are not encrypted after all.
    fn parse(sinf: &[u8]) -> Result<Option<Self>, Error> {
        let mut schm = Cursor::new(FourCc::SCHM, required(sinf, FourCc::SINF, FourCc::SCHM)?);
        schm.version_flags()?;
        let scheme = schm.fourcc()?;
        let schi = required(sinf, FourCc::SINF, FourCc::SCHI)?;
        let mut tenc = Cursor::new(FourCc::TENC, required(schi, FourCc::SCHI, FourCc::TENC)?);
        let (version, _) = tenc.version_flags()?;
        let [_, pattern, protected, iv_size] = tenc.array()?;
        let key_id = tenc.array()?;
        let pattern = match version {
            0 => Pattern::ALL,
            _ => Pattern { crypt: pattern >> 4, skip: pattern & 15 },
        };
        let unsupported = |what| Err(Error::UnsupportedEncryption { what });
        let iv = match (protected, iv_size) {
            (0, _) => return Ok(None),
            (_, 0) => match tenc.array()? {
                [16] => IvPlace::Constant(tenc.array()?),
                [8] => {
                    let [a, b, c, d, e, f, g, h] = tenc.array()?;
                    IvPlace::Constant([a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0])
                }
                _ => return unsupported("an initialisation vector of a length that does not exist"),
            },
            (_, size @ (8 | 16)) => IvPlace::Sample(size),
            _ => return unsupported("initialisation vectors of a length that does not exist"),
        };
        Ok(Some(Self { scheme, key_id, iv, pattern }))
    }
}

/// `pssh` (§8.1) of one protection system, where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pssh<'a> {
    /// SystemID.
    pub system: [u8; 16],
    /// Which keys it is for; version 0 does not tell.
    pub key_ids: &'a [[u8; 16]],
    /// What the system wants to know, in a form of its own.
    pub data: &'a [u8],
}

impl<'a> Pssh<'a> {
    /// `None` for bytes that are not one whole box, and nothing else.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let found = boxes(bytes).next()?;
        if found.kind != FourCc::PSSH || found.raw.len() != bytes.len() {
            return None;
        }
        let mut body = Cursor::new(FourCc::PSSH, found.body);
        let (version, _) = body.version_flags().ok()?;
        let system = body.array().ok()?;
        let key_ids = match version {
            0 => &[],
            _ => body.counted_table::<16>().ok()?,
        };
        body.skip(key_ids.as_flattened().len()).ok()?;
        let data = body.counted_table::<1>().ok()?.as_flattened();
        (data.len() == body.rest().len()).then_some(Self { system, key_ids, data })
    }
}

/// `pssh` (§8.1) of one protection system. With key ids it is of version 1.
pub fn write_pssh(system: [u8; 16], key_ids: &[[u8; 16]], data: &[u8]) -> Vec<u8> {
    let mut out = BoxWriter::with_capacity(32 + 20 * key_ids.len() + data.len());
    out.nest_full(b"pssh", u8::from(!key_ids.is_empty()), 0, |out| {
        out.bytes(&system);
        if !key_ids.is_empty() {
            out.length(key_ids.len());
            out.bytes(key_ids.as_flattened());
        }
        out.length(data.len());
        out.bytes(data);
    });
    out.bytes
}

impl SampleEncryption<'_> {
    /// `senc`, and where a sample has information, `saiz` and `saio` that point at it (14496-12 §8.7.8, §8.7.9).
    /// `out` starts with the `moof`, where offsets count from.
    pub(crate) fn write(&self, out: &mut BoxWriter) {
        let flags = match self.ranges {
            Ranges::Whole => 0,
            Ranges::Subsamples => USE_SUBSAMPLES,
        };
        let mut information_at = 0;
        out.nest_full(b"senc", 0, flags, |out| {
            out.length(self.sizes.len());
            information_at = out.bytes.len();
            out.bytes(self.information);
        });
        if self.information.is_empty() {
            return;
        }
        let first = self.sizes.first().copied().unwrap_or_default();
        let equal = self.sizes.iter().all(|size| *size == first);
        out.nest_full(b"saiz", 0, 0, |out| {
            out.bytes(&[if equal { first } else { 0 }]);
            out.length(self.sizes.len());
            if !equal {
                out.bytes(self.sizes);
            }
        });
        out.nest_full(b"saio", 0, 0, |out| {
            out.u32(1);
            out.length(information_at);
        });
    }
}

/// An encrypted track of a movie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedTrack {
    /// `tkhd` track_ID.
    pub id: u32,
    /// For each of the track's sample entries.
    pub entries: Vec<Option<TrackEncryption>>,
}

/// An encrypted movie, from its `moov`.
#[derive(Debug, Clone)]
pub struct EncryptedMovie {
    tracks: Vec<EncryptedTrack>,
    defaults: Vec<TrackDefaults>,
}

/// An encrypted sample of a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedSample {
    /// Of its first byte, in the file.
    pub offset: u64,
    /// Bytes.
    pub size: u32,
    /// Its own initialisation vector, 8 or 16 bytes; empty where it is constant.
    pub iv: Vec<u8>,
    /// What is protected; `None` is everything.
    pub subsamples: Option<Vec<Subsample>>,
    /// How.
    pub encryption: TrackEncryption,
}

impl SampleEntry {
    /// How samples of this entry are encrypted; `None` when they are not.
    pub fn encryption(&self) -> Result<Option<TrackEncryption>, Error> {
        if !self.is_encrypted() {
            return Ok(None);
        }
        let sinf = self.child(FourCc::SINF);
        TrackEncryption::parse(sinf.ok_or(Error::MissingBox { kind: FourCc::SINF, parent: self.format })?)
    }
}

impl EncryptedMovie {
    /// Of the body of `moov`. Samples that `moov` itself lists are not read: encryption is undone in fragments.
    pub fn parse(moov: &[u8]) -> Result<Self, Error> {
        let limits = Limits::default();
        let movie = MovieHeader::parse(moov, &limits, &mut SampleBudget::new(limits.max_samples))?;
        let track = |track: Track| {
            let entries = track.entries.iter().map(SampleEntry::encryption);
            entries.collect::<Result<_, _>>().map(|entries| EncryptedTrack { id: track.id, entries })
        };
        let tracks = movie.tracks.into_iter().map(track).collect::<Result<_, _>>()?;
        Ok(Self { tracks, defaults: movie.defaults.unwrap_or_default() })
    }

    /// Every track.
    pub fn tracks(&self) -> &[EncryptedTrack] {
        &self.tracks
    }

    /// The encrypted samples of the `moof` with this body, whose box starts at `moof_offset`.
    pub fn samples(&self, moof: &[u8], moof_offset: u64) -> Result<Vec<EncryptedSample>, Error> {
        let fragments = parse_fragment(moof, moof_offset, &self.defaults)?;
        let mut samples = Vec::new();
        for (traf, fragment) in children(moof, FourCc::TRAF)?.zip(&fragments) {
            let track_id = fragment.track_id;
            let track = self.tracks.iter().find(|track| track.id == track_id);
            let track = track.ok_or(Error::UnknownTrack { track_id })?;
            let entry = to_usize(fragment.entry).checked_sub(1).and_then(|entry| track.entries.get(entry));
            let Some(Some(encryption)) = entry else { continue };
            read_fragment(traf, fragment, *encryption, &mut samples)?;
        }
        Ok(samples)
    }
}

fn read_fragment(
    traf: &[u8],
    fragment: &TrackFragment<'_>,
    encryption: TrackEncryption,
    samples: &mut Vec<EncryptedSample>,
) -> Result<(), Error> {
    let mut groups = boxes(traf).filter(|found| [*b"sgpd", *b"sbgp"].contains(&found.kind.0));
    if groups.any(|group| group.body.get(4..8) == Some(b"seig")) {
        return Err(Error::UnsupportedEncryption { what: "keys that change inside of a track" });
    }
    let senc = child(traf, FourCc::SENC)?;
    let no_senc = Error::MissingBox { kind: FourCc::SENC, parent: FourCc::TRAF };
    let mut senc = match (senc, encryption.iv) {
        (Some(senc), _) => Information::new(senc)?,
        // Samples that are encrypted whole with a constant vector need no information (23000-19 §8.2.2.1).
        (None, IvPlace::Constant(_)) => Information::none(),
        (None, IvPlace::Sample(_)) => return Err(no_senc),
    };
    let iv_size = match encryption.iv {
        IvPlace::Sample(size) => usize::from(size),
        IvPlace::Constant(_) => 0,
    };
    for run in &fragment.runs {
        let mut offset = run.offset;
        for sample in run.samples() {
            let (iv, subsamples) = senc.next(iv_size)?;
            samples.push(EncryptedSample { offset, size: sample.size, iv, subsamples, encryption });
            offset = offset.checked_add(sample.size.into()).ok_or(Error::OffsetOverflow)?;
        }
    }
    Ok(())
}

/// What is left of the body of `senc`.
struct Information<'a> {
    cursor: Cursor<'a>,
    ranges: Ranges,
    samples: Option<u32>,
}

impl<'a> Information<'a> {
    fn new(senc: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(FourCc::SENC, senc);
        let (_, flags) = cursor.version_flags()?;
        let samples = Some(cursor.u32()?);
        let ranges = if flags & USE_SUBSAMPLES == 0 { Ranges::Whole } else { Ranges::Subsamples };
        Ok(Self { cursor, ranges, samples })
    }

    /// Every sample whole.
    fn none() -> Self {
        Self { cursor: Cursor::new(FourCc::SENC, &[]), ranges: Ranges::Whole, samples: None }
    }

    fn next(&mut self, iv_size: usize) -> Result<(Vec<u8>, Option<Vec<Subsample>>), Error> {
        if let Some(samples) = &mut self.samples {
            *samples = samples.checked_sub(1).ok_or(Error::BoxTooShort { kind: FourCc::SENC })?;
        }
        let iv = self.cursor.rest().get(..iv_size).ok_or(Error::BoxTooShort { kind: FourCc::SENC })?.to_vec();
        self.cursor.skip(iv_size)?;
        if self.ranges == Ranges::Whole {
            return Ok((iv, None));
        }
        let count = self.cursor.u16()?;
        let rows: &[[u8; 6]] = self.cursor.table(count.into())?;
        self.cursor.skip(rows.as_flattened().len())?;
        let subsample = |&[a, b, c, d, e, f]: &[u8; 6]| Subsample {
            clear: u16::from_be_bytes([a, b]),
            protected: u32::from_be_bytes([c, d, e, f]),
        };
        Ok((iv, Some(rows.iter().map(subsample).collect())))
    }
}
