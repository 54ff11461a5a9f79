//! `cargo +nightly fuzz run decryption`: no init segment and no fragment make the decryption panic, or move a byte.

#![no_main]

use libfuzzer_sys::fuzz_target;
use packager::{Decryption, Key, KeyId};

fuzz_target!(|input: &[u8]| {
    let mut bytes = input.to_vec();
    let keys = [(KeyId([0; 16]), Key::new([1; 16]))];
    let _ = Decryption::new(keys).apply(&mut bytes, 0);
    assert_eq!(bytes.len(), input.len());
});
