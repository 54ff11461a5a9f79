//! Samples of a protected video are encrypted on their way to the store; those of others go as they are.

use bytes::{Bytes, BytesMut};
use packager::{EncryptionError, IvRun, KeyClass, SampleInformation, TrackCipher};

use super::StageError;
use super::blueprint::Blueprint;

/// Encrypts one rendition, segment by segment.
pub(crate) struct Seal(Option<TrackCipher>);

impl Seal {
    /// Of a rung whose pictures have this description, the whole `avc1` box.
    pub(crate) fn video(blueprint: &Blueprint, rung: usize, entry: &[u8]) -> Result<Self, StageError> {
        let Some(protection) = &blueprint.protection else { return Ok(Self(None)) };
        let rung = blueprint.rung(rung);
        let class = KeyClass::of_picture(rung.width, rung.height);
        Ok(Self(Some(protection.video_cipher(class, entry)?)))
    }

    /// Of the sound.
    pub(crate) fn audio(blueprint: &Blueprint) -> Result<Self, StageError> {
        let Some(protection) = &blueprint.protection else { return Ok(Self(None)) };
        Ok(Self(Some(protection.audio_cipher().map_err(EncryptionError::from)?)))
    }

    /// The media of a segment, which consists of `samples`, and what its header has to tell.
    pub(crate) fn apply(
        &mut self,
        samples: Vec<Bytes>,
        sizes: impl IntoIterator<Item = u32>,
        ivs: &mut IvRun,
    ) -> Result<(Vec<Bytes>, SampleInformation), StageError> {
        let Self(Some(cipher)) = self else { return Ok((samples, SampleInformation::Clear)) };
        let mut media = match <[Bytes; 1]>::try_from(samples) {
            Ok([only]) => only.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..])),
            Err(several) => several.iter().flatten().collect(),
        };
        let information = cipher.encrypt(&mut media, sizes, ivs)?;
        Ok((vec![media.freeze()], information))
    }
}

impl From<EncryptionError> for StageError {
    fn from(error: EncryptionError) -> Self {
        Self::retry("what was encoded cannot be encrypted", error)
    }
}
