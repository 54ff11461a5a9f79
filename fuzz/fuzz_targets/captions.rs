//! `cargo +nightly fuzz run captions`: no file makes the reader panic, and what it writes is read as the same captions.

#![no_main]

use libfuzzer_sys::fuzz_target;
use packager::captions::Captions;

fuzz_target!(|file: &[u8]| {
    if let Ok(captions) = Captions::parse(file) {
        let written = captions.to_webvtt();
        assert_eq!(Captions::parse(written.as_bytes()).as_ref(), Ok(&captions));
        for cue in captions.cues() {
            assert!(!cue.plain().contains('\n'));
        }
    }
});
