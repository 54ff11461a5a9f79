//! The samples of one track, encrypted in place.

use isobmff::{Pattern, Ranges, SampleEncryption, TrackEncryption};

use super::cipher::{Direction, SampleCipher};
use super::keys::{ContentKey, MissingKey, Scheme};
use super::subsamples::{SubsampleMap, row};
use crate::avc::{AvcConfig, NalUnit, ParameterSets, SliceHeaderError};
use crate::sample_entry::SampleEntryError;

/// What the init segment of an encrypted track tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackProtection {
    /// How samples are encrypted, for the sample entry.
    pub encryption: TrackEncryption,
    /// Whole `pssh` boxes, for `moov`.
    pub pssh: Vec<u8>,
}

/// Initialisation vectors that nobody else uses: consecutive numbers from a start that its maker answers for.
///
/// In counter mode, two samples with one vector under one key give their difference away. So a run is made for one
/// attempt to encrypt something, with a start that is drawn anew for each attempt, and cannot be copied.
/// `docs/decisions/0013-initialisation-vectors.md` says how improbable it is that two runs overlap.
#[derive(Debug)]
pub struct IvRun {
    next: u64,
}

/// Encrypts the samples of one track, in decode order.
pub struct TrackCipher {
    scheme: Scheme,
    cipher: SampleCipher,
    constant_iv: [u8; 16],
    coding: Coding,
}

enum Coding {
    Avc { nal_length_size: usize, parameter_sets: ParameterSets, map: SubsampleMap },
    Aac,
}

/// What a fragment tells about its encrypted samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SampleInformation {
    /// The track is not encrypted.
    Clear,
    /// Contents of `senc` and `saiz`.
    Encrypted {
        /// Whether samples are divided into clear and protected ranges.
        ranges: Ranges,
        /// Of all samples, one after the other.
        information: Vec<u8>,
        /// Bytes of it for each sample.
        sizes: Vec<u8>,
    },
}

/// Why samples cannot be encrypted. Samples count from 0 in what was handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// No key for the track.
    #[error(transparent)]
    MissingKey(#[from] MissingKey),
    /// The track's description is not understood.
    #[error("the sample entry cannot be read")]
    SampleEntry(#[from] SampleEntryError),
    /// The track's parameter sets are not understood.
    #[error("the parameter sets of the sample entry cannot be read")]
    ParameterSets(#[source] SliceHeaderError),
    /// What must stay clear cannot be told from what must not.
    #[error("sample `{sample}` cannot be encrypted")]
    Slice {
        /// Which one.
        sample: usize,
        /// What is wrong with it.
        source: SliceHeaderError,
    },
    /// A NAL unit that is longer than its sample.
    #[error("sample `{sample}` does not consist of whole NAL units")]
    BrokenSample {
        /// Which one.
        sample: usize,
    },
    /// More slices than `saiz` has room for.
    #[error(
        "sample `{sample}` has too many slices: `{ranges}` clear and protected ranges, and at most `{most}` can be told"
    )]
    TooManySlices {
        /// Which one.
        sample: usize,
        /// Entries it would need.
        ranges: usize,
        /// Entries there is room for.
        most: usize,
    },
    /// The sizes are not those of the bytes.
    #[error("sample `{sample}` ends outside of its segment")]
    OutsideSegment {
        /// Which one.
        sample: usize,
    },
}

const BLOCK: usize = 16;

impl IvRun {
    /// The first vector. It must be drawn at random for every attempt.
    pub fn starting_at(start: u64) -> Self {
        Self { next: start }
    }

    /// The counter block that the next sample starts with.
    fn next_counter(&mut self) -> [u8; BLOCK] {
        let counter = u128::from(self.next) << 64;
        self.next = self.next.wrapping_add(1);
        counter.to_be_bytes()
    }
}

impl SampleInformation {
    /// What the writer of the fragment's header takes.
    pub(crate) fn for_header(&self) -> Option<SampleEncryption<'_>> {
        match self {
            Self::Clear => None,
            Self::Encrypted { ranges, information, sizes } => {
                Some(SampleEncryption { ranges: *ranges, information, sizes })
            }
        }
    }
}

impl TrackCipher {
    pub(crate) fn video(scheme: Scheme, key: &ContentKey, entry: &[u8]) -> Result<Self, EncryptionError> {
        let config = AvcConfig::from_sample_entry(entry)?;
        let mut parameter_sets = ParameterSets::default();
        for sps in &config.sps {
            parameter_sets.add_sps(sps).map_err(EncryptionError::ParameterSets)?;
        }
        for pps in &config.pps {
            parameter_sets.add_pps(pps).map_err(EncryptionError::ParameterSets)?;
        }
        let nal_length_size = config.nal_length_size.into();
        let coding = Coding::Avc { nal_length_size, parameter_sets, map: SubsampleMap::default() };
        let pattern = match scheme {
            Scheme::Cenc => Pattern::ALL,
            Scheme::Cbcs => Pattern { crypt: 1, skip: 9 },
        };
        Ok(Self::new(scheme, pattern, key, coding))
    }

    pub(crate) fn audio(scheme: Scheme, key: &ContentKey) -> Self {
        Self::new(scheme, Pattern::ALL, key, Coding::Aac)
    }

    fn new(scheme: Scheme, pattern: Pattern, key: &ContentKey, coding: Coding) -> Self {
        let cipher = SampleCipher::new(scheme, pattern, &key.key, Direction::Encrypt);
        Self { scheme, cipher, constant_iv: key.constant_iv, coding }
    }

    /// Encrypts samples of these sizes that lie one after the other in `media`, each with a vector of its own from `ivs`
    /// where the scheme needs one.
    ///
    /// # Errors
    /// `media` is encrypted up to the sample that the error names, and worth nothing.
    pub fn encrypt(
        &mut self,
        media: &mut [u8],
        sizes: impl IntoIterator<Item = u32>,
        ivs: &mut IvRun,
    ) -> Result<SampleInformation, EncryptionError> {
        let mut written = Written::default();
        let mut rest = media;
        for (index, size) in sizes.into_iter().enumerate() {
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            let outside = EncryptionError::OutsideSegment { sample: index };
            let (sample, after) = rest.split_at_mut_checked(size).ok_or(outside)?;
            let iv = match self.scheme {
                Scheme::Cenc => ivs.next_counter(),
                Scheme::Cbcs => self.constant_iv,
            };
            let told_iv = match self.scheme {
                Scheme::Cenc => iv.first_chunk::<8>().map_or(&[][..], |iv| iv),
                Scheme::Cbcs => &[],
            };
            written.begin(told_iv);
            self.encrypt_sample(index, sample, &iv, &mut written)?;
            written.end();
            rest = after;
        }
        let ranges = match self.coding {
            Coding::Avc { .. } => Ranges::Subsamples,
            Coding::Aac => Ranges::Whole,
        };
        Ok(SampleInformation::Encrypted { ranges, information: written.information, sizes: written.sizes })
    }

    fn encrypt_sample(
        &mut self,
        index: usize,
        sample: &mut [u8],
        iv: &[u8; BLOCK],
        written: &mut Written,
    ) -> Result<(), EncryptionError> {
        let Coding::Avc { nal_length_size, parameter_sets, map } = &mut self.coding else {
            self.cipher.apply_whole(sample, iv);
            return Ok(());
        };
        map.clear();
        divide(index, sample, *nal_length_size, (parameter_sets, self.scheme), map)?;
        let subsamples = map.finish();
        let most = (usize::from(u8::MAX) - written.pending() - 2) / 6;
        if subsamples.len() > most {
            return Err(EncryptionError::TooManySlices { sample: index, ranges: subsamples.len(), most });
        }
        self.cipher
            .apply(sample, iv, subsamples)
            .expect("the ranges are those of the NAL units that lie in the sample");
        let count = u16::try_from(subsamples.len()).expect("checked to be few above");
        written.information.extend(count.to_be_bytes());
        for subsample in subsamples {
            written.information.extend(row(*subsample));
        }
        Ok(())
    }
}

/// Divides a sample (14496-15 §5.3.2: NAL units behind their lengths): everything is clear but what follows the header
/// of a slice (23001-7 §10.2.2).
fn divide(
    index: usize,
    sample: &[u8],
    nal_length_size: usize,
    (parameter_sets, scheme): (&mut ParameterSets, Scheme),
    map: &mut SubsampleMap,
) -> Result<(), EncryptionError> {
    let mut rest = sample;
    while !rest.is_empty() {
        let broken = EncryptionError::BrokenSample { sample: index };
        let (prefix, after) = rest.split_at_checked(nal_length_size).ok_or(broken.clone())?;
        let length = prefix.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let (nal, after) = after.split_at_checked(length).ok_or(broken)?;
        let read = parameter_sets.read(nal);
        let unit = read.map_err(|source| EncryptionError::Slice { sample: index, source })?;
        let protected = match unit {
            NalUnit::Other => 0,
            NalUnit::Slice { header_bytes } => protected_bytes(length.saturating_sub(header_bytes), scheme),
        };
        map.push_clear(nal_length_size + length - protected);
        map.push_protected(u32::try_from(protected).unwrap_or(u32::MAX));
        rest = after;
    }
    Ok(())
}

/// How many of the last bytes of a slice are protected. Whole blocks with counter mode (§10.2.2: the rest is clear, and
/// before them); with the pattern everything from the slice data on, the last, partial block of which stays clear.
fn protected_bytes(slice_data: usize, scheme: Scheme) -> usize {
    match scheme {
        Scheme::Cenc => slice_data / BLOCK * BLOCK,
        Scheme::Cbcs if slice_data < BLOCK => 0,
        Scheme::Cbcs => slice_data,
    }
}

/// Sample information as it grows.
#[derive(Default)]
struct Written {
    information: Vec<u8>,
    sizes: Vec<u8>,
    /// Where that of the present sample starts.
    start: usize,
}

impl Written {
    fn begin(&mut self, iv: &[u8]) {
        self.start = self.information.len();
        self.information.extend_from_slice(iv);
    }

    /// Bytes of the present sample so far.
    fn pending(&self) -> usize {
        self.information.len() - self.start
    }

    fn end(&mut self) {
        self.sizes.push(u8::try_from(self.pending()).expect("ranges are counted before they are written"));
    }
}
