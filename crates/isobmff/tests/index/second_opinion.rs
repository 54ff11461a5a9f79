//! `mp4-atom`, which shares no line with this crate, reads from our boxes what went into them.

use isobmff::{
    EditList, FileType, FourCc, FragmentSample, FragmentSpec, InitSpec, InitTrack, Limits, boxes,
    index_slice, write_fragment_header, write_init,
};
use mp4_atom::{
    Atom, Avc1, Avcc, Codec, Decode, DrefEntry, ElstEntry, Encode, FourCC, Ftyp, Moof, Moov, Stbl, Stsc,
    StszSamples, Stts, Tfhd, Tkhd, Trex, TrunEntry, Url, Visual,
};
use proptest::prelude::*;

use crate::build::{Sizes, Sync};
use crate::strategies::files;

/// Decodes the one box of this kind. What remains of its bytes would be a box that the reader did not understand.
fn decode<T: Atom + Decode>(file: &[u8]) -> T {
    let raw = boxes(file).find(|found| found.kind == FourCc(T::KIND.into())).expect("the box is there").raw;
    let mut rest = raw;
    let decoded = T::decode(&mut rest).expect("the box is in order");
    assert!(rest.is_empty());
    decoded
}

/// A visual sample entry that `mp4-atom` knows.
fn avc1() -> Avc1 {
    let visual = Visual { data_reference_index: 1, width: 640, height: 360, ..Default::default() };
    Avc1 {
        visual,
        avcc: Avcc::new(&[0x67, 0x64, 0, 30, 1], &[0x68, 1]).expect("long enough"),
        ..Default::default()
    }
}

#[test]
fn reads_our_init_segments() {
    let mut entry = Vec::new();
    avc1().encode(&mut entry).unwrap();
    let track = |id, handler, edit, entries| InitTrack {
        id,
        handler,
        timescale: 30_000,
        language: *b"deu",
        matrix: isobmff::Matrix([0, 0x1_0000, 0, -0x1_0000, 0, 0, 360 << 16, 0, 0x4000_0000]),
        width: 640 << 16,
        height: 360 << 16,
        entries,
        edit,
    };
    let spec = InitSpec {
        file_type: FileType { major: FourCc::QT, minor: 512, compatible: vec![FourCc::QT, FourCc(*b"iso6")] },
        tracks: vec![
            track(3, FourCc::VIDE, EditList::Skip { media_time: 1 << 40 }, vec![&entry]),
            track(7, FourCc::SOUN, EditList::None, Vec::new()),
            track(8, FourCc(*b"meta"), EditList::None, Vec::new()),
        ],
        extra: &[],
    };
    let init = write_init(&spec);
    let expected_brands = Ftyp {
        major_brand: b"qt  ".into(),
        minor_version: 512,
        compatible_brands: vec![b"qt  ".into(), b"iso6".into()],
    };
    assert_eq!(decode::<Ftyp>(&init), expected_brands);
    let moov: Moov = decode(&init);
    assert_eq!((moov.mvhd.timescale, moov.mvhd.duration, moov.mvhd.next_track_id), (30_000, 0, 9));
    assert_eq!((moov.mvhd.rate.integer(), moov.mvhd.volume.integer()), (1, 1));
    let defaults = |track_id| Trex { track_id, default_sample_description_index: 1, ..Default::default() };
    assert_eq!(moov.mvex.unwrap().trex, [defaults(3), defaults(7), defaults(8)]);
    let [video, sound, other] = moov.trak.as_slice() else { panic!("three tracks") };
    let header = Tkhd {
        track_id: 3,
        enabled: true,
        in_movie: true,
        matrix: mp4_atom::Matrix {
            a: 0,
            b: 0x1_0000,
            c: -0x1_0000,
            d: 0,
            x: 360 << 16,
            ..Default::default()
        },
        width: 640.into(),
        height: 360.into(),
        ..Default::default()
    };
    assert_eq!(video.tkhd, header);
    assert_eq!(sound.tkhd, Tkhd { track_id: 7, volume: 1.into(), ..header });
    let edits = &video.edts.as_ref().unwrap().elst.as_ref().unwrap().entries;
    let edit = ElstEntry { segment_duration: 0, media_time: Some(1 << 40), media_rate: 1.into() };
    assert_eq!(edits, &[edit]);
    assert_eq!(sound.edts, None);
    assert_eq!((video.mdia.mdhd.timescale, video.mdia.mdhd.language.as_str()), (30_000, "deu"));
    assert_eq!(
        (video.mdia.hdlr.handler, video.mdia.hdlr.name.as_str()),
        (FourCC::new(b"vide"), "VideoHandler")
    );
    assert_eq!(
        (sound.mdia.hdlr.handler, sound.mdia.hdlr.name.as_str()),
        (FourCC::new(b"soun"), "SoundHandler")
    );
    assert!(
        video.mdia.minf.vmhd.is_some() && sound.mdia.minf.smhd.is_some() && other.mdia.minf.nmhd.is_some()
    );
    let [url] = video.mdia.minf.dinf.dref.entries.as_slice() else { panic!("one data reference") };
    assert_eq!(url, &DrefEntry::Url(Url { location: String::new() }));
    let tables = &video.mdia.minf.stbl;
    assert_eq!(tables.stsd.codecs, [Codec::Avc1(avc1())]);
    assert_eq!((&tables.stts, &tables.stsc), (&Stts::default(), &Stsc::default()));
    assert_eq!(tables.stsz.samples, StszSamples::default());
}

/// Each table written out in full, which only a test can afford.
fn expand(stbl: &Stbl) -> Vec<(i64, i32, u64, u32, bool)> {
    let durations =
        stbl.stts.entries.iter().flat_map(|run| vec![run.sample_delta; run.sample_count as usize]);
    let shifts = stbl.ctts.iter().flat_map(|ctts| &ctts.entries);
    let mut shifts = shifts.flat_map(|run| vec![run.sample_offset; run.sample_count as usize]);
    let mut sizes = match &stbl.stsz.samples {
        StszSamples::Identical { count, size } => vec![*size; *count as usize],
        StszSamples::Different { sizes } => sizes.clone(),
    }
    .into_iter();
    let chunks: Vec<u64> = match (&stbl.stco, &stbl.co64) {
        (Some(stco), _) => stco.entries.iter().map(|offset| u64::from(*offset)).collect(),
        (None, Some(co64)) => co64.entries.clone(),
        (None, None) => Vec::new(),
    };
    let mut places = Vec::new();
    for (number, start) in (1..).zip(chunks) {
        let run = stbl
            .stsc
            .entries
            .iter()
            .rfind(|run| run.first_chunk <= number)
            .expect("the first run starts at 1");
        let mut offset = start;
        for size in sizes.by_ref().take(run.samples_per_chunk as usize) {
            places.push((offset, size));
            offset += u64::from(size);
        }
    }
    let mut time = 0;
    let rows = (1..).zip(durations.zip(places)).map(|(number, (duration, (offset, size)))| {
        let sync = stbl.stss.as_ref().is_none_or(|stss| stss.entries.contains(&number));
        let start = time;
        time += i64::from(duration);
        // Version 0 is unsigned on paper; its bits are what recorders mean.
        (start, shifts.next().unwrap_or_default() as i32, offset, size, sync)
    });
    rows.collect()
}

proptest! {
    #[test]
    fn reads_the_tables_as_we_do(file in files()) {
        // What `mp4-atom` does not know: `stz2` and `stps`.
        let mut file = file;
        file.tracks.retain(|track| !matches!(track.sizes, Sizes::Compact { .. }) && track.sync != Sync::Partial);
        prop_assume!(!file.tracks.is_empty());
        let (bytes, _) = file.build();
        let moov: Moov = decode(&bytes);
        let movie = index_slice(&bytes, Limits::default()).unwrap();
        for (theirs, ours) in moov.trak.iter().zip(&movie.tracks) {
            let ours = ours.samples.iter().map(|sample| {
                (sample.decode_time, sample.composition_offset, sample.offset, sample.size, sample.sync)
            });
            prop_assert_eq!(ours.collect::<Vec<_>>(), expand(&theirs.mdia.minf.stbl));
        }
    }

    #[test]
    fn reads_our_fragments(
        sequence_number: u32,
        track_id: u32,
        entry: u32,
        base_decode_time: u64,
        rows in proptest::collection::vec((any::<u32>(), any::<u32>(), any::<bool>(), any::<i32>()), 0..20),
    ) {
        let samples: Vec<FragmentSample> = rows
            .iter()
            .map(|&(duration, size, sync, composition_offset)| FragmentSample {
                duration, size, sync, composition_offset,
            })
            .collect();
        let spec =
            FragmentSpec { sequence_number, track_id, entry, base_decode_time, samples: &samples, encryption: None };
        let header = write_fragment_header(&spec);
        let moof: Moof = decode(&header);
        prop_assert_eq!(moof.mfhd.sequence_number, sequence_number);
        let [traf] = moof.traf.as_slice() else { panic!("one track fragment") };
        prop_assert_eq!(&traf.tfhd, &Tfhd {
            track_id,
            sample_description_index: Some(entry),
            default_base_is_moof: true,
            ..Default::default()
        });
        prop_assert_eq!(traf.tfdt.as_ref().unwrap().base_media_decode_time, base_decode_time);
        let [trun] = traf.trun.as_slice() else { panic!("one run") };
        prop_assert_eq!(trun.data_offset, Some(i32::try_from(header.len()).unwrap()));
        let expected = samples.iter().map(|sample| TrunEntry {
            duration: Some(sample.duration),
            size: Some(sample.size),
            flags: Some(if sample.sync { 0x0200_0000 } else { 0x0101_0000 }),
            cts: Some(sample.composition_offset.into()),
        });
        prop_assert_eq!(trun.samples.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}
