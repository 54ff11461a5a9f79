//! Which bytes of a sample are encrypted, and how that is written down (23001-7 §7.2, §9.5).

use isobmff::Subsample;

/// The clear and protected ranges of one sample, from its start.
#[derive(Debug, Default)]
pub(crate) struct SubsampleMap {
    entries: Vec<Subsample>,
    /// Clear bytes that no entry counts yet.
    clear: usize,
}

/// Clear bytes of one entry are counted in 16 bits.
const MOST_CLEAR: u16 = u16::MAX;

impl SubsampleMap {
    /// Clear bytes.
    pub(crate) fn push_clear(&mut self, bytes: usize) {
        self.clear = self.clear.saturating_add(bytes);
    }

    /// Protected bytes, and the end of a subsample; 0 is no end.
    pub(crate) fn push_protected(&mut self, bytes: u32) {
        if bytes == 0 {
            return;
        }
        let clear = self.split_clear();
        self.entries.push(Subsample { clear, protected: bytes });
    }

    /// All entries.
    pub(crate) fn finish(&mut self) -> &[Subsample] {
        if self.clear > 0 {
            let clear = self.split_clear();
            self.entries.push(Subsample { clear, protected: 0 });
        }
        &self.entries
    }

    /// Forgets everything, and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.clear = 0;
    }

    /// What fits into the next entry; full ones before it take the rest.
    fn split_clear(&mut self) -> u16 {
        loop {
            match u16::try_from(self.clear) {
                Ok(clear) => {
                    self.clear = 0;
                    return clear;
                }
                Err(_) => {
                    self.entries.push(Subsample { clear: MOST_CLEAR, protected: 0 });
                    self.clear = self.clear.saturating_sub(MOST_CLEAR.into());
                }
            }
        }
    }
}

/// The bytes of an entry in `senc`.
pub(crate) fn row(subsample: Subsample) -> [u8; 6] {
    let [a, b] = subsample.clear.to_be_bytes();
    let [c, d, e, f] = subsample.protected.to_be_bytes();
    [a, b, c, d, e, f]
}
