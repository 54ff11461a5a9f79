//! The payload of a NAL unit, bit by bit (ISO/IEC 14496-10 §7.3.1, §7.2, §9.1).

use super::slice_header::SliceHeaderError;

/// Reads the RBSP inside of a NAL unit: emulation prevention bytes are left out of what is read, and counted in where
/// it was read.
#[derive(Debug, Clone)]
pub(crate) struct NalBits<'a> {
    nal: &'a [u8],
    /// Bytes of `nal` that are used up.
    position: usize,
    /// The last of them, shifted so that its next bit is the highest.
    byte: u8,
    /// Bits of it that are not read yet.
    left: u32,
    /// Zero bytes right before `position`.
    zeros: u32,
}

type Bits<T> = Result<T, SliceHeaderError>;

impl<'a> NalBits<'a> {
    /// From behind the one-byte header of `nal`.
    pub(crate) fn after_header(nal: &'a [u8]) -> Self {
        Self { nal, position: 1.min(nal.len()), byte: 0, left: 0, zeros: 0 }
    }

    /// Bytes of the NAL unit, its header and emulation prevention bytes included, up to and with the one that holds the
    /// last bit read.
    pub(crate) fn bytes_read(&self) -> usize {
        self.position
    }

    /// `u(1)`
    pub(crate) fn flag(&mut self) -> Bits<bool> {
        if self.left == 0 {
            self.byte = self.next_byte()?;
            self.left = 8;
        }
        let bit = self.byte & 0x80 != 0;
        self.byte <<= 1;
        self.left -= 1;
        Ok(bit)
    }

    /// `u(count)`, at most 32 bits.
    pub(crate) fn take(&mut self, count: u32) -> Bits<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Ok(value)
    }

    pub(crate) fn skip(&mut self, count: u32) -> Bits<()> {
        for _ in 0..count {
            self.flag()?;
        }
        Ok(())
    }

    /// `ue(v)` (§9.1)
    pub(crate) fn unsigned(&mut self) -> Bits<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(SliceHeaderError::OutOfRange("an Exp-Golomb code"));
            }
        }
        let suffix = self.take(zeros)?;
        // 2^zeros - 1 + suffix, and both terms are below 2^31.
        Ok((1 << zeros) - 1 + suffix)
    }

    /// `se(v)` (§9.1.1)
    pub(crate) fn signed(&mut self) -> Bits<i64> {
        let code = i64::from(self.unsigned()?);
        Ok(if code % 2 == 1 { code / 2 + 1 } else { -(code / 2) })
    }

    /// `ue(v)` that must not exceed `most`.
    pub(crate) fn at_most(&mut self, most: u32, name: &'static str) -> Bits<u32> {
        let value = self.unsigned()?;
        if value > most { Err(SliceHeaderError::OutOfRange(name)) } else { Ok(value) }
    }

    fn next_byte(&mut self) -> Bits<u8> {
        let mut byte = self.raw_byte()?;
        if self.zeros >= 2 && byte == 3 {
            self.zeros = 0;
            byte = self.raw_byte()?;
        }
        self.zeros = if byte == 0 { self.zeros.saturating_add(1) } else { 0 };
        Ok(byte)
    }

    fn raw_byte(&mut self) -> Bits<u8> {
        let byte = self.nal.get(self.position).copied().ok_or(SliceHeaderError::Ended)?;
        self.position += 1;
        Ok(byte)
    }
}
