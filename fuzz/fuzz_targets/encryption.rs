//! `cargo +nightly fuzz run encryption`: no parameter sets and no sample make the slice header parser panic; what is
//! encrypted comes back. The first two bytes are the lengths of a sequence and of a picture parameter set.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use packager::{ContentKey, IvRun, Key, KeyClass, KeyId, Licences, Protection, SampleInformation, Scheme};

fuzz_target!(|input: &[u8]| {
    let [sps_len, pps_len, rest @ ..] = input else { return };
    let Some((sps, rest)) = rest.split_at_checked(usize::from(*sps_len)) else { return };
    let Some((pps, sample)) = rest.split_at_checked(usize::from(*pps_len)) else { return };
    for scheme in [Scheme::Cenc, Scheme::Cbcs] {
        let key = ContentKey { id: KeyId([1; 16]), key: Key::new([2; 16]), constant_iv: [3; 16] };
        let protection = Protection::new(scheme, BTreeMap::from([(KeyClass::Sd, key)]), Licences::default());
        let Ok(mut cipher) = protection.video_cipher(KeyClass::Sd, &avc1(sps, pps)) else { return };
        let mut bytes = sample.to_vec();
        let size = u32::try_from(bytes.len()).expect("inputs are short");
        let Ok(information) = cipher.encrypt(&mut bytes, [size], &mut IvRun::starting_at(4)) else { return };
        let SampleInformation::Encrypted { information, sizes, .. } = information else { unreachable!() };
        assert_eq!(usize::from(sizes[0]), information.len());
        let rows = information[if scheme == Scheme::Cenc { 10 } else { 2 }..].chunks(6);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        let mut at = 0;
        for row in rows {
            let clear = at..at + number(&row[..2]);
            assert_eq!(bytes[clear.clone()], sample[clear.clone()]);
            at = clear.end + number(&row[2..]);
        }
        assert_eq!(at, sample.len());
    }
});

/// A sample entry with these parameter sets.
fn avc1(sps: &[u8], pps: &[u8]) -> Vec<u8> {
    let avcc = [
        &[1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, u8::try_from(sps.len()).expect("counted in a byte")],
        sps,
        &[1, 0, u8::try_from(pps.len()).expect("counted in a byte")],
        pps,
    ]
    .concat();
    let avcc = boxed(b"avcC", &avcc);
    boxed(b"avc1", &[&[0; 78][..], &avcc].concat())
}

fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).expect("boxes are short");
    [&length.to_be_bytes(), &name[..], body].concat()
}
