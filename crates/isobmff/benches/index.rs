//! How long the index of a film takes, and a fragment's header.

#[expect(dead_code, reason = "not every form of table is needed here")]
#[path = "../tests/index/build.rs"]
mod build;
#[path = "../tests/two_hours/mod.rs"]
mod two_hours;

use divan::Bencher;
use isobmff::{FragmentSample, FragmentSpec, FragmentStream, Limits, index_slice, write_fragment_header};

fn main() {
    divan::main();
}

/// 769,500 samples: to stay below 100 ms.
#[divan::bench]
fn index_of_two_hours(bencher: Bencher<'_, '_>) {
    let film = two_hours::file();
    bencher.bench(|| index_slice(&film, Limits::default()));
}

const SAMPLES: [FragmentSample; 240] =
    [FragmentSample { duration: 1001, size: 20_000, sync: false, composition_offset: 2002 }; 240];

const SEGMENT: FragmentSpec<'_> = FragmentSpec {
    sequence_number: 1,
    track_id: 1,
    entry: 1,
    base_decode_time: 0,
    samples: &SAMPLES,
    encryption: None,
};

/// Four seconds at 60 pictures a second.
#[divan::bench]
fn header_of_a_segment() -> Vec<u8> {
    write_fragment_header(&SEGMENT)
}

/// A segment of 4.8 MB that comes in pieces of 64 KiB.
#[divan::bench]
fn segment_from_a_pipe(bencher: Bencher<'_, '_>) {
    let mut segment = write_fragment_header(&SEGMENT);
    segment.resize(segment.len() + 240 * 20_000, 0);
    let counter = divan::counter::BytesCount::of_slice(&segment);
    bencher.counter(counter).bench(|| {
        let mut stream = FragmentStream::new(64 << 20);
        for piece in segment.chunks(64 << 10) {
            stream.push(piece);
        }
        stream.poll()
    });
}
