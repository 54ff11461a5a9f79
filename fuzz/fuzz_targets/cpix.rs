//! `cargo +nightly fuzz run cpix`: no answer of a key server makes the reader panic, and keys that it believes are those
//! that were asked for. It reads the answer to a request for one key with the id `01…01`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use packager::{KeyClass, KeyId, Scheme, VendorSystem};

#[path = "../../crates/cutetube/src/keys/speke/cpix.rs"]
mod cpix;

fuzz_target!(|document: &str| {
    for scheme in [Scheme::Cenc, Scheme::Cbcs] {
        let key = cpix::AskedKey { class: KeyClass::Sd, id: KeyId([1; 16]), constant_iv: [2; 16] };
        let request = cpix::KeyRequest { content_id: "film".to_owned(), scheme, keys: vec![key] };
        // A key server that sends back what it was sent has given nothing.
        let echo = cpix::request(&request, &VendorSystem::ALL);
        assert_eq!(
            cpix::parse(&echo, &request, &VendorSystem::ALL),
            Err(cpix::CpixError::NoKey(KeyId([1; 16])))
        );
        if let Ok(keys) = cpix::parse(document, &request, &VendorSystem::ALL) {
            assert_eq!(keys.len(), 1);
            assert_eq!(keys[0].key.id, KeyId([1; 16]));
        }
    }
});
