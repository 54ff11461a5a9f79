//! Encrypted fragments → clear ones, in place: for tests, and for whoever has the keys and needs the media.

use std::collections::BTreeMap;
use std::ops::Range;

use isobmff::{EncryptedMovie, EncryptedSample, FourCc, IvPlace, SampleEntry, TrackEncryption, boxes};

use super::cipher::{Direction, SampleCipher};
use super::keys::{Key, KeyId, Scheme};

/// Undoes common encryption of init segments and fragments, ours or others'.
///
/// No byte moves: boxes that tell of encryption become free space. Byte ranges in manifests stay right.
#[derive(Debug)]
pub struct Decryption {
    keys: BTreeMap<KeyId, Key>,
    movie: Option<EncryptedMovie>,
}

/// Why something cannot be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecryptionError {
    /// Boxes that do not fit together.
    #[error("the boxes cannot be read")]
    Format(#[from] isobmff::Error),
    /// A fragment whose init segment did not come before it.
    #[error("a fragment comes before its init segment")]
    NoInit,
    /// Nobody handed over the key.
    #[error("there is no key for the key id `{0}`")]
    UnknownKey(KeyId),
    /// Not `cenc` and not `cbcs`.
    #[error("the scheme `{0}` is not supported")]
    UnknownScheme(FourCc),
    /// A sample that is not where it should be, or divided into more bytes than it has.
    #[error("encrypted sample `{sample}` of the fragment is damaged")]
    Sample {
        /// From 0, over all tracks.
        sample: usize,
    },
}

impl Decryption {
    /// With all keys that may be needed.
    pub fn new(keys: impl IntoIterator<Item = (KeyId, Key)>) -> Self {
        Self { keys: keys.into_iter().collect(), movie: None }
    }

    /// Decrypts whole boxes that lie in a file at `offset`: a fragment with its media, an init segment, or anything
    /// else that needs nothing done.
    pub fn apply(&mut self, bytes: &mut [u8], offset: u64) -> Result<(), DecryptionError> {
        for found in layout(bytes) {
            let start = u64::try_from(found.whole.start).unwrap_or(u64::MAX);
            let at = offset.saturating_add(start);
            let body = bytes.get(found.body.clone()).unwrap_or_default();
            match found.kind {
                FourCc::MOOV => {
                    self.movie = Some(EncryptedMovie::parse(body)?);
                    clear_movie(bytes.get_mut(found.body).unwrap_or_default());
                }
                FourCc::MOOF => {
                    let movie = self.movie.as_ref().ok_or(DecryptionError::NoInit)?;
                    let samples = movie.samples(body, at)?;
                    self.decrypt(&samples, bytes, offset)?;
                    clear_fragment(bytes.get_mut(found.body).unwrap_or_default());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn decrypt(
        &self,
        samples: &[EncryptedSample],
        bytes: &mut [u8],
        offset: u64,
    ) -> Result<(), DecryptionError> {
        let mut cipher: Option<(TrackEncryption, SampleCipher)> = None;
        for (index, sample) in samples.iter().enumerate() {
            let damaged = DecryptionError::Sample { sample: index };
            let cipher = match &mut cipher {
                Some((encryption, cipher)) if *encryption == sample.encryption => cipher,
                other => &other.insert((sample.encryption, self.cipher(&sample.encryption)?)).1,
            };
            let start = sample.offset.checked_sub(offset).and_then(|start| usize::try_from(start).ok());
            let size = usize::try_from(sample.size).unwrap_or(usize::MAX);
            let range = start.and_then(|start| Some(start..start.checked_add(size)?));
            let media = range.and_then(|range| bytes.get_mut(range)).ok_or(damaged.clone())?;
            let iv = counter_block(sample).ok_or(damaged.clone())?;
            match &sample.subsamples {
                Some(subsamples) => cipher.apply(media, &iv, subsamples).map_err(|_| damaged)?,
                None => cipher.apply_whole(media, &iv),
            }
        }
        Ok(())
    }

    fn cipher(&self, encryption: &TrackEncryption) -> Result<SampleCipher, DecryptionError> {
        let TrackEncryption { scheme, key_id, pattern, .. } = *encryption;
        let known = Scheme::of(scheme).ok_or(DecryptionError::UnknownScheme(scheme))?;
        let key = self.keys.get(&KeyId(key_id)).ok_or(DecryptionError::UnknownKey(KeyId(key_id)))?;
        Ok(SampleCipher::new(known, pattern, key, Direction::Decrypt))
    }
}

/// The vector of a sample as the cipher takes it: 8 bytes are the first half (23001-7 §9.2).
fn counter_block(sample: &EncryptedSample) -> Option<[u8; 16]> {
    if let IvPlace::Constant(iv) = sample.encryption.iv {
        return Some(iv);
    }
    let mut block = [0; 16];
    block.get_mut(..sample.iv.len())?.copy_from_slice(&sample.iv);
    Some(block)
}

/// A box and where it lies.
struct Place {
    kind: FourCc,
    whole: Range<usize>,
    body: Range<usize>,
}

/// The boxes of `bytes`.
fn layout(bytes: &[u8]) -> Vec<Place> {
    let mut start = 0;
    let place = |found: isobmff::RawBox<'_>| {
        let whole = start..start + found.raw.len();
        start = whole.end;
        Place { kind: found.kind, body: whole.end - found.body.len()..whole.end, whole }
    };
    boxes(bytes).map(place).collect()
}

/// Takes `pssh` and `sinf` out of the body of `moov`.
fn clear_movie(moov: &mut [u8]) {
    for found in layout(moov) {
        match found.kind {
            FourCc::PSSH => rename(moov, &found.whole, FourCc::FREE),
            FourCc::TRAK => {
                let path = [FourCc::MDIA, FourCc::MINF, FourCc::STBL, FourCc::STSD];
                let trak = moov.get_mut(found.body).unwrap_or_default();
                // Version, flags and the number of entries come before the entries.
                if let Some(entries) = descend(trak, &path).and_then(|stsd| stsd.get_mut(8..)) {
                    clear_entries(entries);
                }
            }
            _ => {}
        }
    }
}

fn descend<'a>(bytes: &'a mut [u8], path: &[FourCc]) -> Option<&'a mut [u8]> {
    let Some((kind, deeper)) = path.split_first() else { return Some(bytes) };
    let found = layout(bytes).into_iter().find(|found| found.kind == *kind)?;
    descend(bytes.get_mut(found.body)?, deeper)
}

/// Gives protected sample entries their original names.
fn clear_entries(entries: &mut [u8]) {
    for found in layout(entries) {
        let Some(raw) = entries.get(found.whole.clone()) else { continue };
        let entry = SampleEntry { format: found.kind, raw: raw.to_vec() };
        if !entry.is_encrypted() {
            continue;
        }
        let mut children = entry.children();
        let walked: usize = children.by_ref().map(|child| child.raw.len()).sum();
        let start = found.whole.end - children.remainder().len() - walked;
        let original = entry.child(FourCc::SINF).and_then(|sinf| {
            let frma = boxes(sinf).find(|child| child.kind == FourCc::FRMA)?;
            frma.body.first_chunk().copied().map(FourCc)
        });
        let Some(original) = original else { continue };
        rename(entries, &found.whole, original);
        let children = entries.get_mut(start..found.whole.end).unwrap_or_default();
        for child in layout(children).into_iter().filter(|child| child.kind == FourCc::SINF) {
            rename(children, &child.whole, FourCc::FREE);
        }
    }
}

/// Takes what tells of encryption out of the body of `moof`.
fn clear_fragment(moof: &mut [u8]) {
    for found in layout(moof).into_iter().filter(|found| found.kind == FourCc::TRAF) {
        let traf = moof.get_mut(found.body).unwrap_or_default();
        for child in layout(traf) {
            if [FourCc::SENC, FourCc::SAIZ, FourCc::SAIO].contains(&child.kind) {
                rename(traf, &child.whole, FourCc::FREE);
            }
        }
    }
}

fn rename(bytes: &mut [u8], place: &Range<usize>, kind: FourCc) {
    let name = bytes.get_mut(place.start..place.end).and_then(|whole| whole.get_mut(4..8));
    if let Some(name) = name {
        name.copy_from_slice(&kind.0);
    }
}
