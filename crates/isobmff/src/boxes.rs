//! The box structure (§4.2): a length, a name, a body.

use crate::cursor::Cursor;
use crate::error::Error;
use crate::fourcc::FourCc;
use crate::size::to_u64;

/// The boxes that lie one after the other in `bytes`.
///
/// Ends at the end of `bytes`, at QuickTime's terminator of zeros, or at the first box that does not fit; what is left
/// then is [`Boxes::remainder`].
pub fn boxes(bytes: &[u8]) -> Boxes<'_> {
    Boxes { rest: bytes }
}

/// One box inside a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawBox<'a> {
    /// The box's name.
    pub kind: FourCc,
    /// What follows the header (for a full box: from its version on).
    pub body: &'a [u8],
    /// The whole box, header included.
    pub raw: &'a [u8],
}

/// Iterator over boxes, made by [`boxes`].
#[derive(Debug, Clone)]
pub struct Boxes<'a> {
    rest: &'a [u8],
}

impl<'a> Boxes<'a> {
    /// The bytes that are not walked yet; after the last box, those that do not form one.
    pub fn remainder(&self) -> &'a [u8] {
        self.rest
    }

    /// Says why the walk ended, when it ended because a box does not fit into its parent.
    fn finish(&self) -> Result<(), Error> {
        match BoxHeader::parse(self.rest) {
            Some(header) if header.kind.0 != [0; 4] => {
                Err(Error::BoxTooLong { kind: header.kind, room: to_u64(self.rest.len()) })
            }
            _ => Ok(()),
        }
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = RawBox<'a>;

    fn next(&mut self) -> Option<RawBox<'a>> {
        let header = BoxHeader::parse(self.rest)?;
        if header.kind.0 == [0; 4] {
            return None;
        }
        let len = match header.len {
            BoxLen::Bytes(len) => usize::try_from(len).ok()?,
            BoxLen::ToEnd => self.rest.len(),
        };
        let (raw, rest) = self.rest.split_at_checked(len)?;
        let body = raw.get(header.header_len..)?;
        self.rest = rest;
        Some(RawBox { kind: header.kind, body, raw })
    }
}

/// How long a box says it is, header included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BoxLen {
    Bytes(u64),
    /// Size 0: to the end of the file.
    ToEnd,
}

/// The first 8 or 16 bytes of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BoxHeader {
    pub(crate) kind: FourCc,
    pub(crate) len: BoxLen,
    pub(crate) header_len: usize,
}

impl BoxHeader {
    /// The longest header: with a 64-bit size.
    pub(crate) const MAX_LEN: usize = 16;

    /// `None` when `bytes` is too short to hold it. The stated length is not compared with anything.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(FourCc::FREE, bytes);
        let size = cursor.u32().ok()?;
        let kind = cursor.fourcc().ok()?;
        Some(match size {
            0 => Self { kind, len: BoxLen::ToEnd, header_len: 8 },
            1 => Self { kind, len: BoxLen::Bytes(cursor.u64().ok()?), header_len: 16 },
            size => Self { kind, len: BoxLen::Bytes(size.into()), header_len: 8 },
        })
    }
}

/// The body of the first child named `kind`.
///
/// A box that does not fit into `parent` is an error only when it hides what is looked for.
pub(crate) fn child(parent: &[u8], kind: FourCc) -> Result<Option<&[u8]>, Error> {
    let mut children = boxes(parent);
    match children.find(|child| child.kind == kind) {
        Some(found) => Ok(Some(found.body)),
        None => children.finish().map(|()| None),
    }
}

/// [`child`], where the format demands one.
pub(crate) fn required(parent: &[u8], parent_kind: FourCc, kind: FourCc) -> Result<&[u8], Error> {
    child(parent, kind)?.ok_or(Error::MissingBox { kind, parent: parent_kind })
}

/// The bodies of all children named `kind`. A box that does not fit into `parent` is an error: it may hide one.
pub(crate) fn children(parent: &[u8], kind: FourCc) -> Result<impl Iterator<Item = &[u8]>, Error> {
    let mut walk = boxes(parent);
    walk.by_ref().for_each(drop);
    walk.finish()?;
    Ok(boxes(parent).filter(move |child| child.kind == kind).map(|child| child.body))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(bytes: &[u8], kinds: &[&[u8; 4]], remainder: usize) {
        let mut walk = boxes(bytes);
        let found: Vec<FourCc> = walk.by_ref().map(|found| found.kind).collect();
        assert_eq!(found, kinds.iter().map(|kind| FourCc(**kind)).collect::<Vec<_>>());
        assert_eq!(walk.remainder().len(), remainder);
    }

    #[test]
    fn walks_every_form_of_size() {
        check(b"", &[], 0);
        check(b"\0\0\0\x08free\0\0\0\x09skipx", &[b"free", b"skip"], 0);
        check(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x11x\0\0\0\x08free", &[b"mdat", b"free"], 0);
        check(b"\0\0\0\x08free\0\0\0\0mdat123", &[b"free", b"mdat"], 0);
    }

    #[test]
    fn stops_at_what_does_not_fit() {
        check(b"\0\0\0\x08free\0\0\0\0", &[b"free"], 4);
        check(b"\0\0\0\x08free\0\0\0\0\0\0\0\0", &[b"free"], 8);
        check(b"\0\0\0\x08free\0\0\0\x07skip", &[b"free"], 8);
        check(b"\0\0\0\x09free", &[], 8);
        check(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0f", &[], 16);
        check(b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff", &[], 16);
    }

    proptest! {
        #[test]
        fn never_panics_and_loses_no_byte(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut walk = boxes(&bytes);
            let walked: usize = walk.by_ref().map(|found| found.raw.len()).sum();
            prop_assert_eq!(walked + walk.remainder().len(), bytes.len());
        }
    }
}
