//! Changes to MP4 files that no muxer would make for us: odd tables, lies and damage.
//!
//! A file is taken apart into a tree of boxes down to the sample table, changed, and written back. Offsets into
//! `mdat` are not recomputed, so every input must have its `moov` last (ffmpeg's default).

use anyhow::{Context, Result, bail, ensure};

/// A box: its children if it is one of [`CONTAINERS`], else its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its four-character code.
    pub kind: [u8; 4],
    /// Empty for a container.
    pub body: Vec<u8>,
    /// Empty for any other box.
    pub children: Vec<Node>,
}

const CONTAINERS: [&[u8; 4]; 6] = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"];

/// One entry for [`set_edits`]: milliseconds, and where in the media it starts (`None` is an empty edit).
#[derive(Debug, Clone, Copy)]
pub struct EditMs {
    /// How long it is shown.
    pub duration: u32,
    /// Where in the media it starts; `None` shows nothing.
    pub media_start: Option<u32>,
}

/// The tree of a whole file.
pub fn parse(file: &[u8]) -> Result<Vec<Node>> {
    let (mut nodes, mut rest) = (Vec::new(), file);
    while !rest.is_empty() {
        let size = match be32(rest, 0)? {
            0 => rest.len(),
            1 => usize::try_from(be64(rest, 8)?)?,
            size => size as usize,
        };
        let header = if be32(rest, 0)? == 1 { 16 } else { 8 };
        ensure!(size >= header && size <= rest.len(), "box of {size} bytes in {}", rest.len());
        let kind: [u8; 4] = rest[4..8].try_into()?;
        let body = &rest[header..size];
        nodes.push(if CONTAINERS.contains(&&kind) {
            Node { kind, body: Vec::new(), children: parse(body)? }
        } else {
            Node { kind, body: body.to_vec(), children: Vec::new() }
        });
        rest = &rest[size..];
    }
    Ok(nodes)
}

/// The bytes of a tree, with 32-bit sizes.
pub fn write(nodes: &[Node]) -> Vec<u8> {
    let mut out = Vec::new();
    for node in nodes {
        let inner = write(&node.children);
        out.extend(((8 + node.body.len() + inner.len()) as u32).to_be_bytes());
        out.extend(node.kind);
        out.extend(&node.body);
        out.extend(inner);
    }
    out
}

/// Turns the picture for display, clockwise by 90, 180 or 270 degrees, through the matrix of `tkhd`.
pub fn rotate(file: &[u8], degrees: u32) -> Result<Vec<u8>> {
    const ONE: i32 = 0x1_0000;
    let mut tree = parse(file)?;
    let header = &mut find(&mut video_track(&mut tree)?.children, b"tkhd")?.body;
    let (width, height) = (be32(header, 76)? as i32, be32(header, 80)? as i32);
    let (a, b, c, d, x, y) = match degrees {
        90 => (0, ONE, -ONE, 0, height, 0),
        180 => (-ONE, 0, 0, -ONE, width, height),
        270 => (0, -ONE, ONE, 0, 0, width),
        _ => bail!("no matrix for {degrees} degrees"),
    };
    for (index, value) in [a, b, 0, c, d, 0, x, y, 0x4000_0000].into_iter().enumerate() {
        header[40 + 4 * index..44 + 4 * index].copy_from_slice(&i32::to_be_bytes(value));
    }
    Ok(write(&tree))
}

/// Replaces the edit list of the video track.
pub fn set_edits(file: &[u8], edits: &[EditMs]) -> Result<Vec<u8>> {
    let mut tree = parse(file)?;
    let moov = &mut find(&mut tree, b"moov")?.children;
    let movie_scale = u64::from(be32(&find(moov, b"mvhd")?.body, 12)?);
    let track = video_track(&mut tree)?;
    let media_scale = u64::from(be32(&descend(track, &[b"mdia", b"mdhd"])?.body, 12)?);
    let mut body = 0u32.to_be_bytes().to_vec();
    body.extend((edits.len() as u32).to_be_bytes());
    for edit in edits {
        body.extend(((u64::from(edit.duration) * movie_scale / 1000) as u32).to_be_bytes());
        let media = edit.media_start.map_or(-1, |start| (u64::from(start) * media_scale / 1000) as i32);
        body.extend(media.to_be_bytes());
        body.extend(0x1_0000u32.to_be_bytes());
    }
    let elst = Node { kind: *b"elst", body, children: Vec::new() };
    track.children.retain(|child| &child.kind != b"edts");
    track.children.insert(1, Node { kind: *b"edts", body: Vec::new(), children: vec![elst] });
    Ok(write(&tree))
}

/// Removes `stss`, which declares every sample a sync sample.
pub fn drop_sync_table(file: &[u8]) -> Result<Vec<u8>> {
    let mut tree = parse(file)?;
    video_table(&mut tree)?.children.retain(|child| &child.kind != b"stss");
    Ok(write(&tree))
}

/// `mdat` with a 64-bit size, `co64` in place of `stco`.
pub fn widen(file: &[u8]) -> Result<Vec<u8>> {
    let mut tree = parse(file)?;
    for table in find(&mut tree, b"moov")?.children.iter_mut().filter(|node| &node.kind == b"trak") {
        let offsets = descend(table, &[b"mdia", b"minf", b"stbl", b"stco"])?;
        let mut wide = offsets.body[..8].to_vec();
        for entry in offsets.body[8..].chunks_exact(4) {
            wide.extend([0; 4]);
            wide.extend(entry);
        }
        (offsets.kind, offsets.body) = (*b"co64", wide);
    }
    let mut out = Vec::new();
    for node in &tree {
        match &node.kind {
            // ffmpeg leaves these eight bytes for exactly this purpose: no offset changes.
            b"free" if node.body.is_empty() => {}
            b"mdat" => {
                out.extend(1u32.to_be_bytes());
                out.extend(b"mdat");
                out.extend((16 + node.body.len() as u64).to_be_bytes());
                out.extend(&node.body);
            }
            _ => out.extend(write(std::slice::from_ref(node))),
        }
    }
    Ok(out)
}

/// `stz2` with 16-bit sizes in place of the video track's `stsz`.
pub fn shrink_sizes(file: &[u8]) -> Result<Vec<u8>> {
    let mut tree = parse(file)?;
    let sizes = find(&mut video_table(&mut tree)?.children, b"stsz")?;
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 16];
    body.extend(&sizes.body[8..12]);
    for entry in sizes.body[12..].chunks_exact(4) {
        ensure!(entry[..2] == [0, 0], "a sample does not fit 16 bits");
        body.extend(&entry[2..]);
    }
    (sizes.kind, sizes.body) = (*b"stz2", body);
    Ok(write(&tree))
}

/// Zeroes the bytes of video samples `first..last`, from `keep` bytes into each.
pub fn damage(file: &[u8], samples: std::ops::Range<usize>, keep: usize) -> Result<Vec<u8>> {
    let mut out = file.to_vec();
    for (offset, size) in sample_positions(file)?.get(samples).context("no such samples")?.iter().copied() {
        out[offset + keep.min(size)..offset + size].fill(0);
    }
    Ok(out)
}

/// Sets the picture size in `tkhd` and in the sample entry; the stream itself still says the truth.
pub fn claim_picture_size(file: &[u8], width: u16, height: u16) -> Result<Vec<u8>> {
    let mut tree = parse(file)?;
    let track = video_track(&mut tree)?;
    let header = &mut find(&mut track.children, b"tkhd")?.body;
    header[76..78].copy_from_slice(&width.to_be_bytes());
    header[80..82].copy_from_slice(&height.to_be_bytes());
    let entries = &mut find(&mut video_table(&mut tree)?.children, b"stsd")?.body;
    entries[40..42].copy_from_slice(&width.to_be_bytes());
    entries[42..44].copy_from_slice(&height.to_be_bytes());
    Ok(write(&tree))
}

/// Declares `count` samples of one byte each in the video track's `stsz` and `stts`.
pub fn claim_sample_count(file: &[u8], count: u32) -> Result<Vec<u8>> {
    let mut tree = parse(file)?;
    let table = &mut video_table(&mut tree)?.children;
    let mut sizes = [0, 1].map(u32::to_be_bytes).concat();
    sizes.extend(count.to_be_bytes());
    find(table, b"stsz")?.body = sizes;
    find(table, b"stts")?.body = [0, 1, count, 1].map(u32::to_be_bytes).concat();
    Ok(write(&tree))
}

/// Declares `count` entries in a table of the video track without adding any.
pub fn claim_entries(file: &[u8], table: &[u8; 4], count: u32) -> Result<Vec<u8>> {
    let mut tree = parse(file)?;
    let body = &mut find(&mut video_table(&mut tree)?.children, table)?.body;
    let at = if table == b"stsz" { 8 } else { 4 };
    body[at..at + 4].copy_from_slice(&count.to_be_bytes());
    Ok(write(&tree))
}

/// Writes `size` into the header of the first box of this kind, wherever it lies.
pub fn claim_box_size(file: &[u8], kind: &[u8; 4], size: u32) -> Result<Vec<u8>> {
    let mut out = file.to_vec();
    let at = file.windows(4).position(|window| window == kind).context("no such box")?;
    out[at - 4..at].copy_from_slice(&size.to_be_bytes());
    Ok(out)
}

/// One track with two sample entries: the samples of `first`, then those of `second`. Only video survives.
pub fn join(first: &[u8], second: &[u8]) -> Result<Vec<u8>> {
    let (mut tree, mut other) = (parse(first)?, parse(second)?);
    let moved = mdat_offset(first)? as i64 + mdat_len(&tree)? as i64 - mdat_offset(second)? as i64;
    let second_media = find(&mut other, b"mdat")?.body.clone();
    let moov = &mut find(&mut tree, b"moov")?.children;
    moov.retain(|node| &node.kind == b"mvhd" || &node.kind == b"trak");
    let second_track = video_track(&mut other)?.clone();
    let track = video_track(&mut tree)?;
    track.children.retain(|node| &node.kind != b"edts");
    join_tables(track, second_track, moved)?;
    let duration = be32(&descend(track, &[b"mdia", b"mdhd"])?.body, 16)?;
    let scale = be32(&descend(track, &[b"mdia", b"mdhd"])?.body, 12)?;
    let in_ms = (u64::from(duration) * 1000 / u64::from(scale)) as u32;
    find(&mut track.children, b"tkhd")?.body[20..24].copy_from_slice(&in_ms.to_be_bytes());
    let moov = &mut find(&mut tree, b"moov")?.children;
    find(moov, b"mvhd")?.body[12..20].copy_from_slice(&[1000, in_ms].map(u32::to_be_bytes).concat());
    find(&mut tree, b"mdat")?.body.extend(second_media);
    Ok(write(&tree))
}

fn join_tables(track: &mut Node, mut second: Node, moved: i64) -> Result<()> {
    let second_duration = be32(&descend(&mut second, &[b"mdia", b"mdhd"])?.body, 16)?;
    let header = &mut descend(track, &[b"mdia", b"mdhd"])?.body;
    let duration = be32(header, 16)? + second_duration;
    header[16..20].copy_from_slice(&duration.to_be_bytes());
    let table = descend(track, &[b"mdia", b"minf", b"stbl"])?;
    let second = descend(&mut second, &[b"mdia", b"minf", b"stbl"])?;
    table.children.retain(|node| !matches!(&node.kind, b"sgpd" | b"sbgp"));
    let samples = be32(&find(&mut table.children, b"stsz")?.body, 8)?;
    let chunks = be32(&find(&mut table.children, b"stco")?.body, 4)?;
    for node in &mut table.children {
        let entries = &find(&mut second.children, &node.kind)?.body;
        let head = if &node.kind == b"stsz" { 12 } else { 8 };
        let mut tail = entries[head..].to_vec();
        let (row, shift): (usize, i64) = match &node.kind {
            b"stss" => (4, samples.into()),
            b"stsc" => (12, chunks.into()),
            b"stco" => (4, moved),
            _ => (0, 0),
        };
        if row > 0 {
            for entry in tail.chunks_exact_mut(row) {
                let value = u32::try_from(i64::from(be32(entry, 0)?) + shift)?;
                entry[..4].copy_from_slice(&value.to_be_bytes());
                if &node.kind == b"stsc" {
                    entry[8..12].copy_from_slice(&2u32.to_be_bytes());
                }
            }
        }
        let count = be32(&node.body, head - 4)? + be32(entries, head - 4)?;
        node.body[head - 4..head].copy_from_slice(&count.to_be_bytes());
        node.body.extend(tail);
    }
    Ok(())
}

/// Position and size of every video sample, in decode order.
fn sample_positions(file: &[u8]) -> Result<Vec<(usize, usize)>> {
    let mut tree = parse(file)?;
    let table = &mut video_table(&mut tree)?.children;
    let sizes: Vec<usize> = words(&find(table, b"stsz")?.body[12..]);
    let chunks: Vec<usize> = words(&find(table, b"stco")?.body[8..]);
    let runs: Vec<usize> = words(&find(table, b"stsc")?.body[8..]);
    let (mut positions, mut sizes) = (Vec::new(), sizes.into_iter());
    for (index, start) in chunks.into_iter().enumerate() {
        let run = runs.chunks_exact(3).rev().find(|run| run[0] <= index + 1).context("stsc")?;
        let mut offset = start;
        for size in sizes.by_ref().take(run[1]) {
            positions.push((offset, size));
            offset += size;
        }
    }
    Ok(positions)
}

fn mdat_offset(file: &[u8]) -> Result<usize> {
    let mut at = 0;
    while &file[at + 4..at + 8] != b"mdat" {
        at += be32(file, at)? as usize;
    }
    Ok(at + 8)
}

fn mdat_len(tree: &[Node]) -> Result<usize> {
    Ok(tree.iter().find(|node| &node.kind == b"mdat").context("no mdat")?.body.len())
}

fn video_table(tree: &mut [Node]) -> Result<&mut Node> {
    descend(video_track(tree)?, &[b"mdia", b"minf", b"stbl"])
}

fn video_track(tree: &mut [Node]) -> Result<&mut Node> {
    find(tree, b"moov")?
        .children
        .iter_mut()
        .filter(|node| &node.kind == b"trak")
        .find(|track| {
            let media = track.children.iter().find(|node| &node.kind == b"mdia");
            let handler = media.and_then(|node| node.children.iter().find(|child| &child.kind == b"hdlr"));
            handler.is_some_and(|node| node.body.get(8..12) == Some(b"vide"))
        })
        .context("no video track")
}

fn descend<'a>(mut node: &'a mut Node, path: &[&[u8; 4]]) -> Result<&'a mut Node> {
    for kind in path {
        node = find(&mut node.children, kind)?;
    }
    Ok(node)
}

fn find<'a>(nodes: &'a mut [Node], kind: &[u8; 4]) -> Result<&'a mut Node> {
    nodes
        .iter_mut()
        .find(|node| &node.kind == kind)
        .with_context(|| format!("no `{}`", String::from_utf8_lossy(kind)))
}

fn words(bytes: &[u8]) -> Vec<usize> {
    bytes
        .chunks_exact(4)
        .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]) as usize)
        .collect()
}

fn be32(bytes: &[u8], at: usize) -> Result<u32> {
    Ok(u32::from_be_bytes(bytes.get(at..at + 4).context("cut short")?.try_into()?))
}

fn be64(bytes: &[u8], at: usize) -> Result<u64> {
    Ok(u64::from_be_bytes(bytes.get(at..at + 8).context("cut short")?.try_into()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_written_as_it_was_read() {
        let mut file = b"\0\0\0\x10ftypisom\0\0\0\x01".to_vec();
        file.extend(b"\0\0\0\x20moov\0\0\0\x18trak\0\0\0\x10tkhd12345678");
        file.extend(b"\0\0\0\x0cmdat\xff\xff\xff\xff");
        assert_eq!(write(&parse(&file).expect("boxes")), file);
    }

    #[test]
    fn a_box_that_reaches_too_far_is_an_error() {
        assert!(parse(b"\0\0\0\x10ftyp").is_err());
        assert!(parse(b"\0\0\0\x04ftyp").is_err());
    }
}
