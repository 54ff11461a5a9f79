//! ADTS: any cut of the stream, any bytes.

use packager::{AdtsError, AdtsParser, AudioSpecificConfig};
use proptest::collection::vec;
use proptest::prelude::*;

/// A frame as an encoder writes it; `checked` adds the 16-bit checksum.
fn adts(rate_index: u8, channels: u8, checked: bool, payload: &[u8]) -> Vec<u8> {
    let header = if checked { 9 } else { 7 };
    let length = u16::try_from(payload.len() + header).unwrap();
    let mut bytes = vec![
        0xff,
        if checked { 0xf0 } else { 0xf1 },
        0x40 | rate_index << 2 | channels >> 2,
        channels << 6 | u8::try_from(length >> 11).unwrap(),
        u8::try_from(length >> 3 & 0xff).unwrap(),
        u8::try_from(length & 7).unwrap() << 5 | 0x1f,
        0xfc,
    ];
    bytes.resize(header, 0xcc);
    bytes.extend_from_slice(payload);
    bytes
}

/// Everything that comes out of a stream pushed in pieces of these lengths.
fn parse(stream: &[u8], cuts: &[usize]) -> Result<(Vec<Vec<u8>>, Option<AudioSpecificConfig>), AdtsError> {
    let mut parser = AdtsParser::default();
    let mut frames = Vec::new();
    let mut rest = stream;
    let mut cuts = cuts.iter().copied().chain(std::iter::repeat(usize::MAX));
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(cuts.next().unwrap().clamp(1, rest.len()));
        parser.push(piece);
        rest = after;
        while let Some(frame) = parser.poll()? {
            frames.push(frame.to_vec());
        }
    }
    parser.finish()?;
    Ok((frames, parser.config()))
}

proptest! {
    #[test]
    fn frames_survive_any_cut(
        frames in vec(vec(any::<u8>(), 1..600), 1..30),
        cuts in vec(1_usize..700, 0..50),
        checked in any::<bool>(),
        rate_index in 0_u8..13,
        channels in 1_u8..8,
    ) {
        let stream: Vec<u8> = frames.iter().flat_map(|f| adts(rate_index, channels, checked, f)).collect();
        let (found, config) = parse(&stream, &cuts).unwrap();
        prop_assert_eq!(found, frames);
        let config = config.unwrap();
        prop_assert_eq!(AudioSpecificConfig::from_bytes(&config.to_bytes()), Ok(config));
        prop_assert_eq!(config.to_bytes(), [2 << 3 | rate_index >> 1, rate_index << 7 | channels << 3]);
    }

    #[test]
    fn any_bytes_end_in_an_answer(stream in vec(any::<u8>(), 0..3000), cuts in vec(1_usize..700, 0..50)) {
        let _ = parse(&stream, &cuts);
    }

    #[test]
    fn damage_never_panics(at in 0_usize..2000, byte in any::<u8>()) {
        let mut stream: Vec<u8> = (0..10).flat_map(|n| adts(3, 2, false, &[n; 193])).collect();
        stream[at] = byte;
        let _ = parse(&stream, &[512; 4]);
    }
}

fn check_refused(stream: &[u8], message: &str) {
    assert_eq!(parse(stream, &[]).unwrap_err().to_string(), message);
}

#[test]
fn what_cannot_be_packaged_is_named() {
    let good = adts(3, 2, false, &[1, 2, 3]);
    check_refused(&[&good, &b"ID3 tag"[..]].concat(), "no ADTS header where frame `1` should start");
    check_refused(&[&good[..], &good[..9]].concat(), "the stream ends inside frame `1`");
    check_refused(&[&good[..], &good[..3]].concat(), "the stream ends inside frame `1`");
    let mono = adts(3, 1, false, &[1, 2, 3]);
    check_refused(&[good.clone(), mono].concat(), "sample rate or channels change at frame `1`");
    let unsupported = "frame `0` is not a single AAC-LC block with 1 to 8 channels";
    check_refused(&adts(3, 0, false, &[1]), unsupported);
    check_refused(&adts(13, 2, false, &[1]), unsupported);
    let main_profile: Vec<u8> =
        good.iter().enumerate().map(|(i, &b)| if i == 2 { b & 0x3f } else { b }).collect();
    check_refused(&main_profile, unsupported);
    let two_blocks: Vec<u8> = good.iter().enumerate().map(|(i, &b)| if i == 6 { b | 1 } else { b }).collect();
    check_refused(&two_blocks, unsupported);
    check_refused(&adts(3, 2, false, &[]), "no ADTS header where frame `0` should start");
}
