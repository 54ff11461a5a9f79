//! Lengths of slices and lengths in files, without casts.

/// A length in memory as the format counts.
pub(crate) fn to_u64(len: usize) -> u64 {
    u64::try_from(len).expect("no supported target has addresses beyond 64 bits")
}

/// A length in a file as memory counts; what does not fit is longer than any slice, and `usize::MAX` is too.
pub(crate) fn to_usize(len: impl TryInto<usize>) -> usize {
    len.try_into().unwrap_or(usize::MAX)
}
