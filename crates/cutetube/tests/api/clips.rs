//! Small files that are, or only nearly are, videos. Their pictures are noise: nothing here decodes.

/// What a [`clip`] is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clip {
    /// Index before or after the media.
    pub(crate) moov_first: bool,
    pub(crate) handler: &'static [u8; 4],
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Pictures that the table of sizes declares; there are 20.
    pub(crate) declared: u32,
}

const SAMPLES: u32 = 20;
const SAMPLE_BYTES: u32 = 500;

/// A sound file by default.
pub(crate) const CLIP: Clip =
    Clip { moov_first: true, handler: b"vide", width: 320, height: 180, declared: SAMPLES };

/// A progressive MP4 of two seconds.
pub(crate) fn clip(clip: Clip) -> Vec<u8> {
    let ftyp = box_of(b"ftyp", &[b"isom\0\0\x02\0isomavc1"]);
    let media = vec![0x5a; (SAMPLES * SAMPLE_BYTES) as usize];
    let mdat = box_of(b"mdat", &[&media]);
    let moov_len = moov(clip, 0).len();
    let media_at = ftyp.len() + 8 + if clip.moov_first { moov_len } else { 0 };
    let moov = moov(clip, media_at as u32);
    let parts = if clip.moov_first { [ftyp, moov, mdat] } else { [ftyp, mdat, moov] };
    parts.concat()
}

/// A file whose boxes are all there, of about `len` bytes, most of which are no media.
pub(crate) fn padded_clip(len: u32) -> (Vec<u8>, u32) {
    let small = clip(CLIP);
    let padding = len - small.len() as u32;
    let head = [&padding.to_be_bytes()[..], b"free"].concat();
    ([small, head].concat(), padding - 8)
}

fn moov(clip: Clip, media_at: u32) -> Vec<u8> {
    let matrix = [0x1_0000_u32, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000].map(u32::to_be_bytes).concat();
    let mvhd = full(
        b"mvhd",
        &[&words(&[0, 0, 1000, 2000, 0x1_0000]), &[1, 0], &[0; 10], &matrix, &[0; 24], &words(&[2])],
    );
    let size = words(&[u32::from(clip.width) << 16, u32::from(clip.height) << 16]);
    let tkhd = full(b"tkhd", &[&words(&[0, 0, 1, 0, 2000]), &[0; 16], &matrix, &size]);
    let mdhd = full(b"mdhd", &[&words(&[0, 0, 10_000, 20_000]), &[0x55, 0xc4, 0, 0]]);
    let hdlr = full(b"hdlr", &[&[0; 4], clip.handler, &[0; 13]]);
    let entry = if clip.handler == b"vide" { picture_entry(clip) } else { sound_entry() };
    let stsd = full(b"stsd", &[&words(&[1]), &entry]);
    let stts = full(b"stts", &[&words(&[1, SAMPLES, 1000])]);
    let stsc = full(b"stsc", &[&words(&[1, 1, SAMPLES, 1])]);
    let sizes = vec![SAMPLE_BYTES; SAMPLES as usize];
    let stsz = full(b"stsz", &[&words(&[0, clip.declared]), &words(&sizes)]);
    let stco = full(b"stco", &[&words(&[1, media_at])]);
    let stbl = box_of(b"stbl", &[&stsd, &stts, &stsc, &stsz, &stco]);
    let minf = box_of(b"minf", &[&stbl]);
    let mdia = box_of(b"mdia", &[&mdhd, &hdlr, &minf]);
    let trak = box_of(b"trak", &[&tkhd, &mdia]);
    box_of(b"moov", &[&mvhd, &trak])
}

fn picture_entry(clip: Clip) -> Vec<u8> {
    let size = [clip.width.to_be_bytes(), clip.height.to_be_bytes()].concat();
    let avcc = box_of(b"avcC", &[&[1, 0x64, 0, 0x1e, 0xff, 0xe0, 0]]);
    let rest = [&words(&[0x48_0000, 0x48_0000, 0])[..], &[0, 1], &[0; 32], &[0, 0x18, 0xff, 0xff]].concat();
    box_of(b"avc1", &[&[0, 0, 0, 0, 0, 0, 0, 1], &[0; 16], &size, &rest, &avcc])
}

fn sound_entry() -> Vec<u8> {
    box_of(
        b"mp4a",
        &[&[0, 0, 0, 0, 0, 0, 0, 1], &[0; 8], &[0, 2, 0, 16, 0, 0, 0, 0], &words(&[48_000 << 16])],
    )
}

fn full(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    box_of(kind, &[&[0; 4], &parts.concat()])
}

fn box_of(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, &body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}
