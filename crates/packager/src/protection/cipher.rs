//! AES-128 over the protected ranges of one sample (23001-7 §9, §10).

use aes::Aes128;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit, StreamCipher};
use cbc::{Decryptor, Encryptor};
use ctr::Ctr64BE;
use ctr::cipher::StreamCipherCoreWrapper;
use isobmff::{Pattern, Subsample};

use super::keys::{Key, Scheme};

const BLOCK: usize = 16;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Encrypt,
    Decrypt,
}

/// A key, ready to use.
#[derive(Clone)]
pub(crate) struct SampleCipher {
    aes: Aes128,
    scheme: Scheme,
    pattern: Pattern,
    direction: Direction,
}

/// The ranges of a sample do not fit into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RangesExceedSample;

impl SampleCipher {
    pub(crate) fn new(scheme: Scheme, pattern: Pattern, key: &Key, direction: Direction) -> Self {
        Self { aes: Aes128::new(key.expose().into()), scheme, pattern, direction }
    }

    /// The protected ranges of a sample, in place. Counter mode goes on from one range to the next (§10.1), CBC starts
    /// again in each (§10.4.2).
    pub(crate) fn apply(
        &self,
        mut sample: &mut [u8],
        iv: &[u8; BLOCK],
        subsamples: &[Subsample],
    ) -> Result<(), RangesExceedSample> {
        let mut counter = self.counter(iv);
        for range in subsamples {
            let protected = usize::try_from(range.protected).map_err(|_| RangesExceedSample)?;
            let (_, rest) = sample.split_at_mut_checked(range.clear.into()).ok_or(RangesExceedSample)?;
            let (bytes, rest) = rest.split_at_mut_checked(protected).ok_or(RangesExceedSample)?;
            match self.scheme {
                Scheme::Cenc => counter.apply_keystream(bytes),
                Scheme::Cbcs => self.chain(bytes, iv),
            }
            sample = rest;
        }
        Ok(())
    }

    /// A whole sample, in place: a last block that is not whole stays clear with CBC.
    pub(crate) fn apply_whole(&self, sample: &mut [u8], iv: &[u8; BLOCK]) {
        match self.scheme {
            Scheme::Cenc => self.counter(iv).apply_keystream(sample),
            Scheme::Cbcs => self.chain(sample, iv),
        }
    }

    /// The low half of the counter block counts blocks, the high half is the vector (§10.1).
    fn counter(&self, iv: &[u8; BLOCK]) -> Ctr64BE<Aes128> {
        let core = ctr::CtrCore::inner_iv_init(self.aes.clone(), iv.into());
        StreamCipherCoreWrapper::from_core(core)
    }

    fn chain(&self, bytes: &mut [u8], iv: &[u8; BLOCK]) {
        let (blocks, _) = bytes.as_chunks_mut::<BLOCK>();
        let pattern = self.pattern;
        let crypt = usize::from(pattern.crypt);
        let period = if pattern == Pattern::ALL { usize::MAX } else { crypt + usize::from(pattern.skip) };
        let crypt = if pattern == Pattern::ALL { usize::MAX } else { crypt };
        let units = blocks.chunks_mut(period.max(1)).map(|unit| {
            let len = unit.len().min(crypt);
            unit.get_mut(..len).unwrap_or_default()
        });
        match self.direction {
            Direction::Encrypt => {
                let mut chain = Encryptor::inner_iv_init(self.aes.clone(), iv.into());
                for block in units.flatten() {
                    chain.encrypt_block(block.into());
                }
            }
            Direction::Decrypt => {
                let mut chain = Decryptor::inner_iv_init(self.aes.clone(), iv.into());
                for block in units.flatten() {
                    chain.decrypt_block(block.into());
                }
            }
        }
    }
}
