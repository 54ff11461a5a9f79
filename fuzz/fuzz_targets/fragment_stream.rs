//! `cargo +nightly fuzz run fragment_stream`: no stream makes the parser panic, and how its bytes are cut does not
//! change what it tells. The first byte is the length of the pieces.

#![no_main]

use isobmff::{Error, FragmentStream, StreamEvent};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&piece_len, bytes)) = input.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    let pieces = read(bytes, usize::from(piece_len).max(1));
    assert_eq!(whole.0, pieces.0);
    assert_eq!(whole.1.is_err(), pieces.1.is_err());
    for event in &whole.0 {
        if let StreamEvent::Fragment(fragment) = event {
            let sizes = fragment.samples.iter().map(|sample| sample.size as usize);
            assert_eq!(sizes.sum::<usize>(), fragment.data.len());
        }
    }
});

fn read(bytes: &[u8], piece_len: usize) -> (Vec<StreamEvent>, Result<(), Error>) {
    let mut stream = FragmentStream::new(1 << 16);
    let mut events = Vec::new();
    for piece in bytes.chunks(piece_len) {
        stream.push(piece);
        loop {
            match stream.poll() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
    }
    (events, Ok(()))
}
