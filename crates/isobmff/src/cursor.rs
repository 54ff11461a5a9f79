//! Big-endian fields of one box body, read in order.

use crate::error::Error;
use crate::fourcc::FourCc;

/// Reads the fields of a box; running out of bytes is [`Error::BoxTooShort`] naming the box.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    kind: FourCc,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(kind: FourCc, body: &'a [u8]) -> Self {
        Self { kind, rest: body }
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Error::BoxTooShort { kind: self.kind })?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn skip(&mut self, len: usize) -> Result<(), Error> {
        self.rest = self.rest.get(len..).ok_or(Error::BoxTooShort { kind: self.kind })?;
        Ok(())
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Error> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Error> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn fourcc(&mut self) -> Result<FourCc, Error> {
        self.array().map(FourCc)
    }

    /// Version and flags of a full box (§4.2.2).
    pub(crate) fn version_flags(&mut self) -> Result<(u8, u32), Error> {
        let [version, a, b, c] = self.array()?;
        Ok((version, u32::from_be_bytes([0, a, b, c])))
    }

    /// A table of `count` entries of `N` bytes. Nothing is allocated: the entries stay where they are.
    pub(crate) fn table<const N: usize>(&mut self, count: u32) -> Result<&'a [[u8; N]], Error> {
        let (entries, _) = self.rest.as_chunks::<N>();
        usize::try_from(count).ok().and_then(|wanted| entries.get(..wanted)).ok_or(Error::TableTooLong {
            kind: self.kind,
            count,
            room: self.rest.len(),
        })
    }

    /// A count, then a table of that many entries.
    pub(crate) fn counted_table<const N: usize>(&mut self) -> Result<&'a [[u8; N]], Error> {
        let count = self.u32()?;
        self.table(count)
    }
}

/// The two halves of an eight-byte table entry.
pub(crate) fn pair([a, b, c, d, e, f, g, h]: [u8; 8]) -> (u32, u32) {
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}
