//! Slice headers, written bit by bit from any choice of syntax elements, and read by what encryption leaves clear.

use packager::{EncryptionError, IvRun, KeyClass, Protection, SampleInformation, Scheme, SliceHeaderError};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::protection::{PPS, SPS, protection};
use crate::sample_entries::avc1;

/// Where choices come from: as many as are asked for, the same for the same input.
struct Choices {
    numbers: Vec<u32>,
    taken: usize,
}

impl Choices {
    fn below(&mut self, limit: u32) -> u32 {
        let number =
            self.numbers[self.taken % self.numbers.len()].wrapping_add(u32::try_from(self.taken).unwrap());
        self.taken += 1;
        number % limit
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }
}

/// The syntax elements of a NAL unit (14496-10 §7.2, §9.1).
struct Syntax {
    bits: Vec<bool>,
}

impl Syntax {
    fn new() -> Self {
        Self { bits: Vec::new() }
    }

    fn u(&mut self, count: u32, value: u32) {
        self.bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    fn flag(&mut self, value: bool) -> bool {
        self.bits.push(value);
        value
    }

    fn ue(&mut self, value: u32) -> u32 {
        let code = u64::from(value) + 1;
        let length = 64 - code.leading_zeros();
        self.bits.extend((1..length).map(|_| false));
        self.bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
        value
    }

    fn se(&mut self, value: i32) {
        let code = if value > 0 { value.unsigned_abs() * 2 - 1 } else { value.unsigned_abs() * 2 };
        self.ue(code);
    }

    /// The payload after `header`: bits, then `1`s to the end of the byte, then `tail`, with emulation prevention. And how
    /// long the part is that holds the bits.
    fn nal(self, header: u8, tail: &[u8]) -> (Vec<u8>, usize) {
        let mut bits = self.bits;
        while !bits.len().is_multiple_of(8) {
            bits.push(true);
        }
        let bytes: Vec<u8> = bits
            .chunks(8)
            .map(|byte| byte.iter().fold(0, |value, bit| value << 1 | u8::from(*bit)))
            .collect();
        let mut nal = vec![header];
        let mut zeros = 0;
        let mut end = 1;
        for (index, byte) in bytes.iter().chain(tail).enumerate() {
            if zeros >= 2 && *byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            nal.push(*byte);
            zeros = if *byte == 0 { zeros + 1 } else { 0 };
            if index < bytes.len() {
                end = nal.len();
            }
        }
        (nal, end)
    }
}

/// Parameter sets as chosen, and what slice headers depend on.
struct Stream {
    sps: Vec<u8>,
    pps: Vec<u8>,
    separate_planes: bool,
    has_chroma: bool,
    frame_num_bits: u32,
    order: u32,
    order_deltas: bool,
    lsb_bits: u32,
    frame_mbs_only: bool,
    map_units: u32,
    cabac: bool,
    bottom_field_order: bool,
    change_rate: Option<u32>,
    references: [u32; 2],
    weighted_pred: bool,
    weighted_bipred: u32,
    deblocking: bool,
    redundant: bool,
    pps_id: u32,
}

const PROFILES: [u32; 8] = [66, 77, 88, 100, 110, 122, 244, 44];

fn stream(choices: &mut Choices) -> Stream {
    let sps_id = choices.below(32);
    let mut s = Syntax::new();
    let profile = PROFILES[usize::try_from(choices.below(8)).unwrap()];
    s.u(8, profile);
    s.u(16, 0x001f);
    s.ue(sps_id);
    let mut chroma = 1;
    let mut separate_planes = false;
    if profile >= 100 || profile == 44 {
        chroma = s.ue(choices.below(4));
        if chroma == 3 {
            separate_planes = s.flag(choices.flag());
        }
        s.ue(choices.below(7));
        s.ue(choices.below(7));
        s.flag(choices.flag());
        if s.flag(choices.flag()) {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if s.flag(choices.flag()) {
                    scaling_list(&mut s, choices, if list < 6 { 16 } else { 64 });
                }
            }
        }
    }
    let frame_num_bits = s.ue(choices.below(13)) + 4;
    let order = s.ue(choices.below(3));
    let mut lsb_bits = 0;
    let mut order_deltas = false;
    if order == 0 {
        lsb_bits = s.ue(choices.below(13)) + 4;
    } else if order == 1 {
        order_deltas = !s.flag(choices.flag());
        s.se(-5);
        s.se(70_000);
        let cycle = s.ue(choices.below(256));
        for _ in 0..cycle {
            s.se(choices.below(2000).cast_signed() - 1000);
        }
    }
    s.ue(choices.below(17));
    s.flag(choices.flag());
    let width = s.ue(choices.below(300)) + 1;
    let height = s.ue(choices.below(300)) + 1;
    let frame_mbs_only = s.flag(choices.flag());
    if !frame_mbs_only {
        s.flag(choices.flag());
    }
    let (sps, _) = s.nal(0x67, &[0x80]);

    let pps_id = choices.below(256);
    let mut p = Syntax::new();
    p.ue(pps_id);
    p.ue(sps_id);
    let cabac = p.flag(choices.flag());
    let bottom_field_order = p.flag(choices.flag());
    let change_rate = if choices.below(4) == 0 {
        slice_groups(&mut p, choices)
    } else {
        p.ue(0);
        None
    };
    let references = [p.ue(choices.below(32)) + 1, p.ue(choices.below(32)) + 1];
    let weighted_pred = p.flag(choices.flag());
    let weighted_bipred = choices.below(3);
    p.u(2, weighted_bipred);
    for value in [-26, 25, -12] {
        p.se(value);
    }
    let deblocking = p.flag(choices.flag());
    p.flag(choices.flag());
    let redundant = p.flag(choices.flag());
    let (pps, _) = p.nal(0x68, &[0x80]);
    Stream {
        sps,
        pps,
        separate_planes,
        has_chroma: chroma != 0 && !separate_planes,
        frame_num_bits,
        order,
        order_deltas,
        lsb_bits,
        frame_mbs_only,
        map_units: width * height,
        cabac,
        bottom_field_order,
        change_rate,
        references,
        weighted_pred,
        weighted_bipred,
        deblocking,
        redundant,
        pps_id,
    }
}

fn scaling_list(s: &mut Syntax, choices: &mut Choices, size: u32) {
    let mut scale = 8_i32;
    for _ in 0..size {
        let delta = choices.below(256).cast_signed() - 128;
        s.se(delta);
        scale = (scale + delta + 256) % 256;
        if scale == 0 {
            return;
        }
    }
}

fn slice_groups(p: &mut Syntax, choices: &mut Choices) -> Option<u32> {
    let more = p.ue(1 + choices.below(7));
    match p.ue(choices.below(7)) {
        kind @ (0 | 2) => {
            for _ in 0..if kind == 0 { more + 1 } else { more * 2 } {
                p.ue(choices.below(100));
            }
        }
        3..=5 => {
            p.flag(choices.flag());
            return Some(p.ue(choices.below(500)) + 1);
        }
        6 => {
            let units = p.ue(choices.below(50));
            let bits = (more + 1).next_power_of_two().ilog2();
            (0..=units).for_each(|_| p.u(bits, choices.below(more + 1)));
        }
        _ => {}
    }
    None
}

/// One slice of a picture, and the bytes of its header.
fn slice(stream: &Stream, choices: &mut Choices, tail: &[u8]) -> (Vec<u8>, usize) {
    let is_idr = choices.flag();
    let reference = if is_idr { 1 + choices.below(3) } else { choices.below(4) };
    let kind = if is_idr { 2 } else { choices.below(5) };
    let mut s = Syntax::new();
    s.ue(choices.below(8000));
    s.ue(kind + 5 * choices.below(2));
    s.ue(stream.pps_id);
    if stream.separate_planes {
        s.u(2, choices.below(3));
    }
    s.u(stream.frame_num_bits, choices.below(1 << stream.frame_num_bits));
    let is_field = !stream.frame_mbs_only && s.flag(choices.flag());
    if is_field {
        s.flag(choices.flag());
    }
    if is_idr {
        s.ue(choices.below(65536));
    }
    let bottom = stream.bottom_field_order && !is_field;
    if stream.order == 0 {
        s.u(stream.lsb_bits, choices.below(1 << stream.lsb_bits));
    }
    if stream.order_deltas {
        s.se(choices.below(9).cast_signed() - 4);
    }
    if bottom && (stream.order == 0 || stream.order_deltas) {
        s.se(-1);
    }
    if stream.redundant {
        s.ue(choices.below(128));
    }
    prediction(&mut s, stream, choices, kind);
    if reference > 0 {
        marking(&mut s, choices, is_idr);
    }
    if stream.cabac && !matches!(kind, 2 | 4) {
        s.ue(choices.below(3));
    }
    s.se(choices.below(60).cast_signed() - 30);
    if kind >= 3 {
        if kind == 3 {
            s.flag(choices.flag());
        }
        s.se(-7);
    }
    if stream.deblocking && s.ue(choices.below(3)) != 1 {
        s.se(-6);
        s.se(6);
    }
    if let Some(rate) = stream.change_rate {
        let cycles = f64::from(stream.map_units) / f64::from(rate) + 1.0;
        s.u(cycles.log2().ceil() as u32, 0);
    }
    let header = u8::try_from(reference << 5).unwrap() | if is_idr { 5 } else { 1 };
    s.nal(header, tail)
}

fn prediction(s: &mut Syntax, stream: &Stream, choices: &mut Choices, kind: u32) {
    let lists = match kind {
        0 | 3 => 1,
        1 => 2,
        _ => 0,
    };
    if kind == 1 {
        s.flag(choices.flag());
    }
    let mut references = stream.references;
    if lists > 0 && s.flag(choices.flag()) {
        for list in references.iter_mut().take(lists) {
            *list = s.ue(choices.below(32)) + 1;
        }
    }
    for _ in 0..lists {
        if s.flag(choices.flag()) {
            for _ in 0..choices.below(5) {
                s.ue(choices.below(3));
                s.ue(choices.below(70_000));
            }
            s.ue(3);
        }
    }
    let weighted = lists == 1 && stream.weighted_pred || lists == 2 && stream.weighted_bipred == 1;
    if !weighted {
        return;
    }
    s.ue(choices.below(8));
    if stream.has_chroma {
        s.ue(choices.below(8));
    }
    for active in references.into_iter().take(lists) {
        for _ in 0..active {
            if s.flag(choices.flag()) {
                s.se(-128);
                s.se(127);
            }
            if stream.has_chroma && s.flag(choices.flag()) {
                (0..4).for_each(|_| s.se(choices.below(200).cast_signed() - 100));
            }
        }
    }
}

fn marking(s: &mut Syntax, choices: &mut Choices, is_idr: bool) {
    if is_idr {
        s.flag(choices.flag());
        s.flag(choices.flag());
        return;
    }
    if !s.flag(choices.flag()) {
        return;
    }
    for _ in 0..choices.below(5) {
        let operation = s.ue(1 + choices.below(6));
        let numbers = match operation {
            5 => 0,
            3 => 2,
            _ => 1,
        };
        for _ in 0..numbers {
            s.ue(choices.below(40));
        }
    }
    s.ue(0);
}

/// Clear and protected bytes of each slice when the sample is encrypted with `cbcs`, which protects everything behind
/// headers.
fn encrypt(entry: &[u8], sample: &[u8]) -> Result<Vec<(usize, usize)>, EncryptionError> {
    let protection: Protection = protection(Scheme::Cbcs);
    let mut cipher = protection.video_cipher(KeyClass::Sd, entry)?;
    let mut bytes = sample.to_vec();
    let size = u32::try_from(sample.len()).unwrap();
    let SampleInformation::Encrypted { information, .. } =
        cipher.encrypt(&mut bytes, [size], &mut IvRun::starting_at(0))?
    else {
        panic!("the sample is encrypted")
    };
    let rows = information[2..].chunks(6);
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
    Ok(rows.map(|row| (number(&row[..2]), number(&row[2..]))).collect())
}

fn with_length(nal: &[u8]) -> Vec<u8> {
    [&u32::try_from(nal.len()).unwrap().to_be_bytes()[..], nal].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Every syntax element of every profile but those with data partitions: the header ends where its last bit is.
    #[test]
    fn headers_end_where_they_end(
        numbers in vec(any::<u32>(), 40..200),
        tail in vec(prop_oneof![Just(0_u8), Just(3), any::<u8>()], 20..60),
        in_band in any::<bool>(),
    ) {
        let mut choices = Choices { numbers, taken: 0 };
        let stream = stream(&mut choices);
        let (first, first_header) = slice(&stream, &mut choices, &tail);
        let (second, second_header) = slice(&stream, &mut choices, &tail);
        let described = if in_band { (SPS, PPS) } else { (&stream.sps[..], &stream.pps[..]) };
        let entry = avc1(640, 360, described.0, described.1, &[]);
        let sets = if in_band { [with_length(&stream.sps), with_length(&stream.pps)].concat() } else { vec![] };
        let sample = [sets.clone(), with_length(&first), with_length(&second)].concat();
        prop_assert_eq!(
            encrypt(&entry, &sample).unwrap(),
            vec![
                (sets.len() + 4 + first_header, first.len() - first_header),
                (4 + second_header, second.len() - second_header),
            ]
        );
    }

    #[test]
    fn no_bytes_make_it_panic(
        numbers in vec(any::<u32>(), 40..80),
        sample in vec(any::<u8>(), 0..200),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut choices = Choices { numbers, taken: 0 };
        let stream = stream(&mut choices);
        let (nal, _) = slice(&stream, &mut choices, &sample);
        let mut entry = avc1(640, 360, &stream.sps, &stream.pps, &[]);
        let mut bytes = with_length(&nal);
        for (at, value) in damage {
            let at = at.index(bytes.len() + entry.len());
            *bytes.iter_mut().chain(&mut entry).nth(at).unwrap() = value;
        }
        let _ = encrypt(&entry, &bytes);
        let _ = encrypt(&entry, &sample);
    }
}

fn check_refused(sample: &[u8], expected: &EncryptionError) {
    let entry = avc1(640, 360, SPS, PPS, &[]);
    assert_eq!(&encrypt(&entry, sample).unwrap_err(), expected);
}

#[test]
fn what_cannot_be_divided_is_refused_with_the_sample_named() {
    let slice = |source| EncryptionError::Slice { sample: 0, source };
    check_refused(b"\0\0\0\x05\x65\x88", &EncryptionError::BrokenSample { sample: 0 });
    check_refused(b"\0\0", &EncryptionError::BrokenSample { sample: 0 });
    check_refused(b"\0\0\0\x01\x65", &slice(SliceHeaderError::Ended));
    check_refused(b"\0\0\0\x02\x62\xff", &slice(SliceHeaderError::Unsupported(2)));
    check_refused(b"\0\0\0\x02\x74\xff", &slice(SliceHeaderError::Unsupported(20)));
    // first_mb 0, slice type 7, picture parameter set 1.
    let missing = SliceHeaderError::MissingParameterSet { kind: "picture", id: 1 };
    check_refused(b"\0\0\0\x04\x65\x88\x40\x00", &slice(missing));
}
