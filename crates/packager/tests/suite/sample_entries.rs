//! Sample entries: what is read out of them, and which of them are the same.

use isobmff::{FourCc, SampleEntry};
use mp4_atom::{Atom, Decode};
use packager::{AudioSpecificConfig, AvcConfig, EntryOf, check_same_entry};

pub(crate) const SPS: &[u8] = &[0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb];
pub(crate) const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];
/// pasp 1:1.
pub(crate) const SQUARE: &[u8] = b"\0\0\0\x10pasp\0\0\0\x01\0\0\0\x01";

/// An `avc1` box, High profile, level 3.1, with more child boxes after its `avcC`.
pub(crate) fn avc1(width: u16, height: u16, sps: &[u8], pps: &[u8], more: &[u8]) -> Vec<u8> {
    let length = |set: &[u8]| u16::try_from(set.len()).unwrap().to_be_bytes();
    let avcc = [&[1, 0x64, 0, 0x1f, 0xff, 0xe1], &length(sps)[..], sps, &[1], &length(pps), pps].concat();
    let avcc = boxed(b"avcC", &[&avcc, b"\xfd\xf8\xf8\0"]);
    let fields =
        [&[0, 0, 0, 0, 0, 0, 0, 1], &[0; 16][..], &width.to_be_bytes(), &height.to_be_bytes()].concat();
    let rest =
        [&[0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1], &[0; 32][..], &[0, 0x18, 0xff, 0xff]].concat();
    boxed(b"avc1", &[&fields, &rest, &avcc, more])
}

pub(crate) fn boxed(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), &name[..], &body].concat()
}

#[test]
fn avc_is_read() {
    let entry = avc1(1280, 720, SPS, PPS, SQUARE);
    let config = AvcConfig::from_sample_entry(&entry).unwrap();
    assert_eq!(config.codecs(), "avc1.64001f");
    assert_eq!((config.width, config.height), (1280, 720));
    assert_eq!((config.sps, config.pps), (vec![SPS], vec![PPS]));
    let oracle = mp4_atom::Avc1::decode(&mut entry.as_slice()).unwrap();
    assert_eq!(oracle.avcc.sequence_parameter_sets, [SPS]);
    for length in 0..entry.len() {
        assert!(AvcConfig::from_sample_entry(&entry[..length]).is_err());
    }
}

fn check_difference(first: &[u8], other: &[u8], expected: Option<&str>) {
    let first = EntryOf { origin: "720p, chunk 1", entry: first };
    let other = EntryOf { origin: "720p, chunk 7", entry: other };
    let found = check_same_entry(first, other).map_err(|error| error.to_string());
    assert_eq!(found.err().as_deref(), expected);
}

#[test]
fn entries_of_one_stream_are_the_same() {
    let entry = avc1(1280, 720, SPS, PPS, SQUARE);
    check_difference(&entry, &entry, None);
    let advice = boxed(b"btrt", &[&[9; 12]]);
    check_difference(&entry, &avc1(1280, 720, SPS, PPS, &[SQUARE, &advice].concat()), None);
    let differ = |part| format!("`720p, chunk 1` and `720p, chunk 7` differ in their {part}");
    let other_pps = [PPS, &[0]].concat();
    check_difference(&entry, &avc1(1280, 720, PPS, PPS, SQUARE), Some(&differ("sequence parameter sets")));
    check_difference(
        &entry,
        &avc1(1280, 720, SPS, &other_pps, SQUARE),
        Some(&differ("picture parameter sets")),
    );
    check_difference(&entry, &avc1(1280, 722, SPS, PPS, SQUARE), Some(&differ("sample entry")));
    check_difference(&entry, &avc1(1280, 720, SPS, PPS, &[]), Some(&differ("sample entry")));
    check_difference(&entry, &boxed(b"hvc1", &[&[0; 78]]), Some("the sample entry is `hvc1`, not `avc1`"));
}

#[test]
fn aac_survives_its_sample_entry() {
    for rate in [96000, 48000, 44100, 22050, 8000, 7350, 12345] {
        for configuration in 1..=7 {
            let config = AudioSpecificConfig::new(rate, configuration).unwrap();
            let raw = config.sample_entry();
            let entry = SampleEntry { format: FourCc(*b"mp4a"), raw: raw.clone() };
            assert_eq!(AudioSpecificConfig::from_sample_entry(&entry), Ok(config));
            let oracle = mp4_atom::Mp4a::decode(&mut raw.as_slice()).unwrap();
            assert_eq!(u32::from(oracle.audio.sample_rate.integer()), rate % 65536 * u32::from(rate < 65536));
            assert_eq!(oracle.audio.channel_count, u16::from(config.channels()));
            assert_eq!(mp4_atom::Mp4a::KIND, mp4_atom::FourCC::new(b"mp4a"));
        }
    }
}

#[test]
fn quicktime_sound_descriptions_are_read() {
    let config = AudioSpecificConfig::new(44100, 2).unwrap();
    let plain = config.sample_entry();
    let (fields, esds) = plain.split_at(36);
    let mut fields = fields[8..].to_vec();
    fields[8..10].copy_from_slice(&[0, 1]);
    let wave = boxed(b"wave", &[b"\0\0\0\x0cfrmamp4a", esds, b"\0\0\0\x08\0\0\0\0"]);
    let raw = boxed(b"mp4a", &[&fields, &[0; 16], &wave]);
    let entry = SampleEntry { format: FourCc(*b"mp4a"), raw };
    assert_eq!(AudioSpecificConfig::from_sample_entry(&entry), Ok(config));
}

#[test]
fn other_aac_is_refused() {
    // HE-AAC, a 960-sample frame length, loudspeakers in the stream, a reserved rate.
    for bytes in [[0x2b, 0x11], [0x11, 0x94], [0x11, 0x80], [0x16, 0x90]] {
        assert!(AudioSpecificConfig::from_bytes(&bytes).is_err(), "{bytes:x?}");
    }
    assert_eq!(AudioSpecificConfig::from_bytes(&[0x11, 0x90]), AudioSpecificConfig::new(48000, 2));
    // SBR signalled behind the core: the core's frames are what counts.
    assert_eq!(
        AudioSpecificConfig::from_bytes(&[0x13, 0x10, 0x56, 0xe5, 0x98]),
        AudioSpecificConfig::new(24000, 2)
    );
}
