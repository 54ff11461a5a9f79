//! The uploaded file of a protected video at rest: AES-128 in counter mode (NIST SP 800-38A §6.5), so that any range of it
//! can be read. What it hides is the file from whoever reads the store; that nobody changed it, its SHA-256 tells.

use std::fmt;

use aes::Aes128;
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher, StreamCipherSeek},
};
use packager::Key;

use crate::blobs::SealedFile;

/// Encrypts one file, and decrypts it: in counter mode both are the same.
#[derive(Clone)]
pub(crate) struct SourceCipher {
    key: Key,
    first: [u8; 16],
}

impl SourceCipher {
    /// For `file` of the video whose key this is. Both files of a video count from places half of all counters apart, so
    /// that no counter comes twice.
    pub(crate) fn new(key: &Key, iv: [u8; 16], file: SealedFile) -> Self {
        let half = match file {
            SealedFile::Source => 0,
            SealedFile::Rewritten => 1 << 127,
        };
        let first = (u128::from_be_bytes(iv) ^ half).to_be_bytes();
        Self { key: key.clone(), first }
    }

    /// The bytes from `offset` on, in place.
    pub(crate) fn apply(&self, offset: u64, bytes: &mut [u8]) {
        let mut cipher = Ctr128BE::<Aes128>::new(self.key.expose().into(), &self.first.into());
        cipher.seek(offset);
        cipher.apply_keystream(bytes);
    }
}

impl fmt::Debug for SourceCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceCipher(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cipher(file: SealedFile) -> SourceCipher {
        // The last block but one: what follows counts over the end, back to 0.
        SourceCipher::new(&Key::new([7; 16]), [0xff; 16], file)
    }

    proptest! {
        #[test]
        fn any_range_is_read_as_it_was_written(
            bytes in prop::collection::vec(any::<u8>(), 1..200), from in 0usize..200, cuts in 1usize..40,
        ) {
            let mut sealed = bytes.clone();
            let mut offset = 0;
            for piece in sealed.chunks_mut(cuts) {
                cipher(SealedFile::Source).apply(offset, piece);
                offset += u64::try_from(piece.len()).unwrap();
            }
            let from = from.min(bytes.len());
            let mut range = sealed[from..].to_vec();
            cipher(SealedFile::Source).apply(u64::try_from(from).unwrap(), &mut range);
            prop_assert_eq!(&range, &bytes[from..]);
        }
    }

    #[test]
    fn two_files_of_a_video_share_no_key_stream() {
        let stream = |file| {
            let mut bytes = vec![0; 64 * 1024];
            cipher(file).apply(0, &mut bytes);
            bytes
        };
        let (source, rewritten) = (stream(SealedFile::Source), stream(SealedFile::Rewritten));
        let blocks: std::collections::HashSet<_> = source.chunks(16).chain(rewritten.chunks(16)).collect();
        assert_eq!(blocks.len(), 2 * 64 * 1024 / 16);
    }
}
