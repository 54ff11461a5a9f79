//! Encryption of samples and its way back, headers of protection systems, and what manifests tell of them.

use std::collections::{BTreeMap, BTreeSet};

use isobmff::Pssh;
use packager::{
    AudioSpecificConfig, AudioTrack, ContentKey, Decryption, DecryptionError, Flavour, Header, IvRun, Key,
    KeyClass, KeyId, Licences, Presentation, PresentationError, Protection, SampleInformation, Scheme,
    System, SystemHeaders, VideoSample, VideoTrack, is_playready_object, playready_object, widevine_header,
};
use proptest::collection::vec;
use proptest::prelude::*;
use pssh_box::PsshData;

use crate::cases;
use crate::sample_entries::avc1;

pub(crate) fn content_key(last: u8) -> ContentKey {
    let mut id = *b"\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef";
    id[15] = last;
    let key = Key::new(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
    ContentKey { id: KeyId(id), key, constant_iv: [last; 16] }
}

/// A key of its own for each class.
pub(crate) fn protection(scheme: Scheme) -> Protection {
    let keys = KeyClass::ALL.into_iter().zip(1..).map(|(class, last)| (class, content_key(last)));
    Protection::new(scheme, keys.collect(), licences())
}

fn licences() -> Licences {
    Licences {
        clearkey: Some("https://example.org/licences/clearkey?video=1&for=2".into()),
        widevine: None,
        playready: Some("https://example.org/licences/playready?a=1&b=2".into()),
        identity: Some("https://example.org/keys/{kid}".into()),
    }
}

const SCHEMES: [Scheme; 2] = [Scheme::Cenc, Scheme::Cbcs];

/// Baseline, every field of slice headers as short as it gets.
pub(crate) const SPS: &[u8] = b"\x67\x42\x00\x1e\xf8\x28\x0b\xfe";
pub(crate) const PPS: &[u8] = b"\x68\xce\x38\x80";

/// An IDR slice of that stream, its header four bytes long.
fn slice(data: &[u8]) -> Vec<u8> {
    let nal = [&b"\x65\x88\x84\x0f"[..], data].concat();
    [&u32::try_from(nal.len()).unwrap().to_be_bytes()[..], &nal].concat()
}

/// A segment of these samples, init segment in front, and where each sample starts in it.
fn encrypted(scheme: Scheme, class: KeyClass, samples: &[Vec<u8>], ivs: &mut IvRun) -> (Vec<u8>, usize) {
    let protection = protection(scheme);
    let mut media = samples.concat();
    let sizes: Vec<u32> = samples.iter().map(|sample| u32::try_from(sample.len()).unwrap()).collect();
    let track_protection = Some(protection.track(class).unwrap());
    let (init, header) = if class == KeyClass::Audio {
        let config = AudioSpecificConfig::new(48_000, 2).unwrap();
        let track = AudioTrack { config, language: *b"und", protection: track_protection };
        let information = protection.audio_cipher().unwrap().encrypt(&mut media, sizes.clone(), ivs).unwrap();
        (track.init(Flavour::Mov), track.segment(1, 0, &sizes, &information).unwrap().header)
    } else {
        let sample_entry = avc1(640, 360, SPS, PPS, &[]);
        let mut cipher = protection.video_cipher(class, &sample_entry).unwrap();
        let information = cipher.encrypt(&mut media, sizes.clone(), ivs).unwrap();
        let track = VideoTrack {
            timescale: 25,
            width: 640,
            height: 360,
            sample_entry,
            reorder_delay: 0,
            protection: track_protection,
        };
        let frames: Vec<VideoSample> = (0..)
            .zip(&sizes)
            .map(|(presentation_time, &size)| VideoSample {
                presentation_time,
                size,
                sync: presentation_time == 0,
            })
            .collect();
        let end = u64::try_from(frames.len()).unwrap();
        (track.init(Flavour::Mp4), track.segment(1, 0..end, &frames, &information).unwrap().header)
    };
    let start = init.len() + header.len();
    ([init, header, media].concat(), start)
}

fn keys() -> Vec<(KeyId, Key)> {
    (1..4).map(content_key).map(|key| (key.id, key.key)).collect()
}

/// Encrypted and decrypted again, nothing has changed but the names of boxes; and encrypted it is not what it was.
fn check_round_trip(scheme: Scheme, class: KeyClass, samples: &[Vec<u8>]) {
    let clear = samples.concat();
    let (mut file, start) = encrypted(scheme, class, samples, &mut IvRun::starting_at(u64::MAX));
    let longest = samples.iter().map(Vec::len).max().unwrap();
    assert!(longest < 64 || file[start..] != clear);
    Decryption::new(keys()).apply(&mut file, 0).unwrap();
    assert!(file[start..] == clear);
    for gone in [b"sinf", b"pssh", b"encv", b"enca", b"senc", b"saiz", b"saio"] {
        assert!(!file[..start].windows(4).any(|name| name == gone));
    }
}

fn samples() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let length = prop_oneof![Just(0_usize), 1..40_usize, 100..500_usize, 65_000..66_000_usize];
    vec(vec(length, 1..5), 1..6).prop_map(sliced)
}

/// Samples of slices with this many bytes of data.
fn sliced(samples: Vec<Vec<usize>>) -> Vec<Vec<u8>> {
    let slices = |lengths: Vec<usize>| lengths.into_iter().flat_map(|length| slice(&vec![0x5a; length]));
    samples.into_iter().map(|lengths| slices(lengths).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pictures_come_back(samples in samples(), cbcs in any::<bool>(), hd in any::<bool>()) {
        let class = if hd { KeyClass::Hd } else { KeyClass::Sd };
        check_round_trip(SCHEMES[usize::from(cbcs)], class, &samples);
    }

    #[test]
    fn sound_comes_back(samples in vec(vec(any::<u8>(), 1..600), 1..20), cbcs in any::<bool>()) {
        check_round_trip(SCHEMES[usize::from(cbcs)], KeyClass::Audio, &samples);
    }

    #[test]
    fn no_bytes_make_decryption_panic(
        samples in samples(),
        cbcs in any::<bool>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (mut file, start) = encrypted(SCHEMES[usize::from(cbcs)], KeyClass::Sd, &samples, &mut IvRun::starting_at(1));
        for (at, value) in damage {
            file[at.index(start)] = value;
        }
        let _ = Decryption::new(keys()).apply(&mut file, 0);
    }

    /// Attempts whose runs are disjoint have no vector in common, over tracks and over attempts at the same bytes.
    #[test]
    fn vectors_never_repeat(
        samples in vec(vec(0..40_usize, 1..3), 1..9).prop_map(sliced),
        starts in proptest::collection::btree_set(0_u64..1 << 40, 1..6),
        attempts in vec(0..6_usize, 1..12),
    ) {
        let starts: Vec<u64> = starts.into_iter().map(|start| start << 24).collect();
        let mut runs: Vec<IvRun> = starts.iter().map(|start| IvRun::starting_at(*start)).collect();
        let mut seen = BTreeSet::new();
        for attempt in attempts {
            let run = attempt % runs.len();
            for class in KeyClass::ALL {
                for iv in vectors(class, &samples, &mut runs[run]) {
                    prop_assert!(seen.insert(iv), "{iv:x} was used before");
                }
            }
        }
    }
}

/// The vectors that an attempt to encrypt samples takes.
fn vectors(class: KeyClass, samples: &[Vec<u8>], ivs: &mut IvRun) -> Vec<u64> {
    let protection = protection(Scheme::Cenc);
    let mut cipher = match class {
        KeyClass::Audio => protection.audio_cipher().unwrap(),
        _ => protection.video_cipher(class, &avc1(640, 360, SPS, PPS, &[])).unwrap(),
    };
    let sizes = samples.iter().map(|sample| u32::try_from(sample.len()).unwrap());
    let information = cipher.encrypt(&mut samples.concat(), sizes, ivs).unwrap();
    let SampleInformation::Encrypted { information, sizes, .. } = information else { panic!() };
    let mut rest = information.as_slice();
    let mut vectors = Vec::new();
    for size in sizes {
        let (sample, after) = rest.split_at(size.into());
        vectors.push(u64::from_be_bytes(sample[..8].try_into().unwrap()));
        rest = after;
    }
    vectors
}

#[test]
fn counter_mode_leaves_the_remainder_in_front() {
    // 37 bytes of data: two blocks are protected, at the end.
    let mut media = slice(&[7; 37]);
    let whole = media.clone();
    let protection = protection(Scheme::Cenc);
    let mut cipher = protection.video_cipher(KeyClass::Sd, &avc1(640, 360, SPS, PPS, &[])).unwrap();
    let size = u32::try_from(media.len()).unwrap();
    let information = cipher.encrypt(&mut media, [size], &mut IvRun::starting_at(0x0102)).unwrap();
    let clear = u8::try_from(whole.len() - 32).unwrap();
    assert_eq!(
        information,
        SampleInformation::Encrypted {
            ranges: isobmff::Ranges::Subsamples,
            information: vec![0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 0, clear, 0, 0, 0, 32],
            sizes: vec![16],
        }
    );
    assert_eq!(media[..usize::from(clear)], whole[..usize::from(clear)]);
}

#[test]
fn too_many_slices_are_refused_with_the_sample_named() {
    let check = |scheme: Scheme, slices: usize, expected: Option<&str>| {
        let sample = slice(&[1; 64]).repeat(slices);
        let entry = avc1(640, 360, SPS, PPS, &[]);
        let mut cipher = protection(scheme).video_cipher(KeyClass::Sd, &entry).unwrap();
        let size = u32::try_from(sample.len()).unwrap();
        let outcome = cipher.encrypt(&mut sample.clone(), [size], &mut IvRun::starting_at(0));
        assert_eq!(outcome.err().map(|error| error.to_string()).as_deref(), expected);
    };
    check(Scheme::Cenc, 40, None);
    check(
        Scheme::Cenc,
        41,
        Some("sample `0` has too many slices: `41` clear and protected ranges, and at most `40` can be told"),
    );
    check(Scheme::Cbcs, 42, None);
    check(
        Scheme::Cbcs,
        43,
        Some("sample `0` has too many slices: `43` clear and protected ranges, and at most `42` can be told"),
    );
}

#[test]
fn what_cannot_be_decrypted_is_refused() {
    let check = |keys: Vec<(KeyId, Key)>, cut: usize, expected: &DecryptionError| {
        let (mut file, _) =
            encrypted(Scheme::Cenc, KeyClass::Sd, &[slice(&[1; 99])], &mut IvRun::starting_at(9));
        let end = file.len() - cut;
        assert_eq!(&Decryption::new(keys).apply(&mut file[..end], 0).unwrap_err(), expected);
    };
    check(vec![], 0, &DecryptionError::UnknownKey(content_key(2).id));
    check(keys(), 1, &DecryptionError::Sample { sample: 0 });
    let (mut file, _) = encrypted(Scheme::Cenc, KeyClass::Sd, &[slice(&[1; 99])], &mut IvRun::starting_at(9));
    let moof = file.windows(4).position(|name| name == b"moof").unwrap() - 4;
    assert_eq!(Decryption::new(keys()).apply(&mut file[moof..], 0), Err(DecryptionError::NoInit));
}

/// The vector is from Microsoft's documentation of the key checksum, with this key id and key.
#[test]
fn playready_as_documented() {
    let key = content_key(0xef);
    let text = |scheme| {
        let object = playready_object(&key, scheme, Some("https://example.org/?a=1&b=2"));
        let length = u32::from_le_bytes(object[..4].try_into().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), object.len());
        let units: Vec<u16> =
            object[10..].as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        String::from_utf16(&units).unwrap()
    };
    let cenc = text(Scheme::Cenc);
    assert!(cenc.contains("<KID>Z0UjAauJ780BI0VniavN7w==</KID><CHECKSUM>Ib0Unyi9LCw=</CHECKSUM>"), "{cenc}");
    insta::assert_snapshot!("playready", format!("{cenc}\n{}", text(Scheme::Cbcs)));
}

#[test]
fn widevine_as_google_writes_it() {
    let id = content_key(0xef).id;
    let check = |scheme, field: &[u8]| {
        assert_eq!(widevine_header(id, scheme), [&b"\x12\x10"[..], &id.0, b"\x48", field].concat());
    };
    check(Scheme::Cenc, b"\xe3\xdc\x95\x9b\x06");
    check(Scheme::Cbcs, b"\xf3\xc6\x89\x9b\x06");
}

/// Somebody else's parser finds the same values in our `pssh` boxes.
#[test]
fn pssh_boxes_read_back() {
    for (scheme, number, version) in
        [(Scheme::Cenc, 0x6365_6e63, "4.0.0.0"), (Scheme::Cbcs, 0x6362_6373, "4.3.0.0")]
    {
        let protection = protection(scheme);
        for class in KeyClass::ALL {
            let told = &protection.signalling().keys[&class];
            let read = pssh_box::from_bytes(&protection.track(class).unwrap().pssh).unwrap();
            let [common, widevine, playready] = &read.iter().collect::<Vec<_>>()[..] else {
                panic!("three boxes")
            };
            let id = pssh_box::DRMKeyId::try_from(&told.key_id.0[..]).unwrap();
            assert_eq!((common.version, &common.key_ids), (1, &vec![id]));
            let PsshData::Widevine(data) = &widevine.pssh_data else { panic!("Widevine") };
            assert_eq!(
                (data.key_id.as_slice(), data.protection_scheme),
                (&[told.key_id.0.to_vec()][..], Some(number))
            );
            let PsshData::PlayReady(data) = &playready.pssh_data else { panic!("PlayReady") };
            let header = &data.record[0].record_value;
            assert_eq!(header.version, version);
            assert_eq!(header.data.la_url.as_deref(), licences().playready.as_deref());
            let [a, b, c, d, e, f, g, h, rest @ ..] = told.key_id.0;
            let swapped = [&[d, c, b, a, f, e, h, g][..], &rest].concat();
            // The parser reads key ids of version 4.0 only; those of 4.3 are in the snapshot of the object.
            let kids: Vec<_> = header.data.kids.iter().map(|kid| kid.content.clone()).collect();
            assert_eq!(kids, if scheme == Scheme::Cenc { vec![swapped] } else { vec![] });
        }
    }
}

#[test]
fn a_protected_presentation() {
    for scheme in SCHEMES {
        let mut parts = cases::ladder();
        parts.protection = Some(protection(scheme).signalling().clone());
        crate::manifests::check_snapshot(&format!("protected_{}", scheme.as_str()), parts);
    }
}

#[test]
fn renditions_under_one_key_stay_together() {
    let keys = KeyClass::ALL.into_iter().map(|class| (class, content_key(9)));
    let protection = Protection::new(Scheme::Cbcs, keys.collect(), Licences::default());
    let mut parts = cases::ladder();
    parts.protection = Some(protection.signalling().clone());
    let mpd = packager::mpd(&Presentation::new(parts).unwrap(), Flavour::Mp4);
    assert_eq!(mpd.matches("contentType=\"video\"").count(), 1);
    assert!(!mpd.contains("switching"));
}

#[test]
fn a_rendition_without_a_key_is_no_presentation() {
    let mut parts = cases::ladder();
    let only_sd = BTreeMap::from([(KeyClass::Sd, content_key(1)), (KeyClass::Audio, content_key(2))]);
    parts.protection = Some(Protection::new(Scheme::Cenc, only_sd, Licences::default()).signalling().clone());
    let refused = Presentation::new(parts).unwrap_err();
    assert!(matches!(&refused, PresentationError::MissingKey { id, .. } if id == "720p"), "{refused}");
    let mut parts = cases::ladder();
    let mut signalling = protection(Scheme::Cenc).signalling().clone();
    signalling.licences.clearkey = Some("https://example.org/\"\n".to_owned());
    parts.protection = Some(signalling);
    assert!(matches!(Presentation::new(parts), Err(PresentationError::UnsafeUrl(_))));
}

#[test]
fn manifests_without_protection_are_what_they_were() {
    for scheme in SCHEMES {
        let clear = Presentation::new(cases::ladder()).unwrap();
        let mut parts = cases::ladder();
        parts.protection = Some(protection(scheme).signalling().clone());
        let protected = Presentation::new(parts).unwrap();
        let mpd = packager::clear_mpd(&packager::mpd(&protected, Flavour::Mp4)).unwrap();
        assert!(!mpd.contains("pssh") && mpd.matches("<Representation").count() == 6);
        dash_mpd_core::parse(&mpd).unwrap();
        let playlist = |of: &Presentation| packager::hls::media(of, "720p", Flavour::Mp4).unwrap();
        assert_ne!(playlist(&protected), playlist(&clear));
        assert_eq!(packager::clear_playlist(&playlist(&protected)), playlist(&clear));
        let master = packager::hls::master(&protected, Flavour::Mov);
        assert_eq!(packager::clear_playlist(&master), packager::hls::master(&clear, Flavour::Mov));
    }
}

#[test]
fn key_ids_and_keys_are_read_and_never_shown() {
    let check = |text: &str, expected: Option<&str>| {
        assert_eq!(text.parse::<KeyId>().ok().map(|id| id.uuid()).as_deref(), expected);
    };
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    check("0123456789abcdef0123456789ABCDEF", Some(uuid));
    check(uuid, Some(uuid));
    check("0123-456789abcdef0123456789abcdef", None);
    check("0123456789abcdef0123456789abcde", None);
    check("0123456789abcdef0123456789abcdeg", None);
    let shown = format!("{:?} {:?}", content_key(1), protection(Scheme::Cbcs));
    assert!(!shown.contains("0011") && !shown.contains("17, 34"), "{shown}");
}

fn header<T: Clone + std::fmt::Debug + 'static>(given: T) -> impl Strategy<Value = Header<T>> {
    prop_oneof![Just(Header::Own), Just(Header::Given(given)), Just(Header::Withheld)]
}

proptest! {
    /// What a vendor gives is told, what it withholds is not offered, and of the rest is told what would be without it.
    #[test]
    fn a_vendors_headers_take_the_place_of_ours(
        widevine in header(b"vendor".to_vec()),
        playready in header(b"PRO".to_vec()),
        fairplay in header("skd://vendor".to_owned()),
        cbcs in any::<bool>(),
    ) {
        let scheme = SCHEMES[usize::from(cbcs)];
        let keys: BTreeMap<KeyClass, ContentKey> =
            KeyClass::ALL.into_iter().zip(1..).map(|(class, last)| (class, content_key(last))).collect();
        let own = protection(scheme).signalling().clone();
        let headers = SystemHeaders { widevine: widevine.clone(), playready: playready.clone(), fairplay: fairplay.clone() };
        let stored = serde_json::to_string(&headers).unwrap();
        prop_assert_eq!(&serde_json::from_str::<SystemHeaders>(&stored).unwrap(), &headers);
        let vendors = BTreeMap::from([(KeyClass::Hd, headers)]);
        let protection = Protection::with_headers(scheme, keys, licences(), vendors);

        let mut expected = own.clone();
        let hd = expected.keys.get_mut(&KeyClass::Hd).unwrap();
        match widevine {
            Header::Own => {}
            Header::Given(data) => hd.widevine = Some(data),
            Header::Withheld => hd.widevine = None,
        }
        match playready {
            Header::Own => {}
            Header::Given(object) => hd.playready = Some(object),
            Header::Withheld => hd.playready = None,
        }
        match fairplay {
            Header::Own => {}
            Header::Given(address) => hd.fairplay = cbcs.then_some(address),
            Header::Withheld => hd.fairplay = None,
        }
        let offered = [hd.widevine.is_some(), hd.playready.is_some()];
        prop_assert_eq!(protection.signalling(), &expected);

        let pssh = protection.track(KeyClass::Hd).unwrap().pssh;
        let systems: Vec<Pssh<'_>> = isobmff::boxes(&pssh).filter_map(|found| Pssh::parse(found.raw)).collect();
        let has = |system: System| systems.iter().any(|found| found.system == system.id());
        prop_assert_eq!([has(System::Widevine), has(System::PlayReady)], offered);
        prop_assert_eq!(systems[0].key_ids, &[content_key(3).id.0]);
    }
}

#[test]
fn a_playready_object_is_known_by_its_lengths() {
    for scheme in SCHEMES {
        let object = playready_object(&content_key(1), scheme, None);
        assert!(is_playready_object(&object));
        for len in 0..object.len() {
            assert!(!is_playready_object(&object[..len]), "{len}");
        }
        assert!(!is_playready_object(&[&object[..], b"\0"].concat()));
    }
    // A licence store (type 3) without a header.
    assert!(!is_playready_object(b"\x0a\0\0\0\x01\0\x03\0\0\0"));
    assert!(is_playready_object(b"\x0e\0\0\0\x02\0\x03\0\0\0\x01\0\0\0"));
}
