//! Encrypted segments → clear ones, with the keys: for tests and support.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use packager::{Decryption, DecryptionError, Key, KeyId, clear_mpd, clear_playlist};

/// Why something was not decrypted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecryptingError {
    /// An input cannot be opened or read.
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// An output cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// An input is not what it should be, or lacks a key.
    #[error("cannot decrypt `{}`", path.display())]
    Decrypt {
        path: PathBuf,
        #[source]
        source: DecryptionError,
    },
    /// An input that ends inside of a box.
    #[error("`{}` is no MP4, or ends too early", path.display())]
    Broken { path: PathBuf },
    /// Each would be the init segment of the others.
    #[error("`{}` holds several init segments", path.display())]
    SeveralInits { path: PathBuf },
    /// What is written would destroy what is read.
    #[error("`{}` cannot be decrypted into itself", path.display())]
    Itself { path: PathBuf },
}

/// Decrypts `files`, an init segment and the segments behind it or one whole fragmented file, into the one file `out`.
pub(crate) fn files(files: &[PathBuf], out: &Path, keys: &[(KeyId, Key)]) -> Result<(), DecryptingError> {
    for path in files {
        refuse_itself(path, out)?;
    }
    let mut decryption = Decryption::new(keys.iter().cloned());
    write(out, |write| files.iter().try_for_each(|path| pour(path, &mut decryption, write)))
}

/// Decrypts everything below the folder `from` into the folder `out`, manifests included. Returns the number of media
/// files.
pub(crate) fn folder(from: &Path, out: &Path, keys: &[(KeyId, Key)]) -> Result<usize, DecryptingError> {
    refuse_itself(from, out)?;
    let unwritten = |source| DecryptingError::Write { path: out.to_owned(), source };
    fs::create_dir_all(out).map_err(unwritten)?;
    let mut media = Vec::new();
    let mut count = 0;
    for path in entries(from)? {
        let name = path.file_name().unwrap_or_default();
        let target = out.join(name);
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension {
            _ if path.is_dir() => count += folder(&path, &target, keys)?,
            "mpd" | "m3u8" => manifest(&path, &target)?,
            _ if MEDIA.contains(&extension) => media.push((path, target)),
            _ => {
                fs::copy(&path, &target).map_err(|source| DecryptingError::Read { path, source })?;
            }
        }
    }
    count += media.len();
    let (inits, segments): (Vec<_>, Vec<_>) =
        media.into_iter().partition(|(path, _)| starts_with_movie(path));
    let mut decryption = Decryption::new(keys.iter().cloned());
    if let [_, (path, _), ..] = &inits[..]
        && !segments.is_empty()
    {
        return Err(DecryptingError::SeveralInits { path: path.parent().unwrap_or(path).to_owned() });
    }
    for (path, target) in inits.into_iter().chain(segments) {
        write(&target, |write| pour(&path, &mut decryption, write))?;
    }
    Ok(count)
}

/// Endings of files that hold boxes.
const MEDIA: [&str; 8] = ["mp4", "m4s", "m4v", "m4a", "mov", "cmfv", "cmfa", "m4f"];
/// Of everything but media, nothing is longer.
const LONGEST_HEADER: u64 = 64 << 20;

/// Everything in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DecryptingError> {
    let unread = |source| DecryptingError::Read { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(unread)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>().map_err(unread)?;
    paths.sort();
    Ok(paths)
}

fn refuse_itself(from: &Path, out: &Path) -> Result<(), DecryptingError> {
    let same = fs::canonicalize(from).ok().zip(fs::canonicalize(out).ok());
    match same {
        Some((from, out)) if out.starts_with(&from) => Err(DecryptingError::Itself { path: from }),
        _ => Ok(()),
    }
}

fn manifest(path: &Path, target: &Path) -> Result<(), DecryptingError> {
    let unread = |source| DecryptingError::Read { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(unread)?;
    let clear = match path.extension() {
        Some(extension) if extension == "mpd" => {
            clear_mpd(&text).map_err(|error| unread(io::Error::other(error)))?
        }
        _ => clear_playlist(&text),
    };
    fs::write(target, clear).map_err(|source| DecryptingError::Write { path: target.to_owned(), source })
}

/// Makes a file, which appears whole or not at all.
fn write(
    target: &Path,
    fill: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<(), DecryptingError>) -> Result<(), DecryptingError>,
) -> Result<(), DecryptingError> {
    let unwritten = |source| DecryptingError::Write { path: target.to_owned(), source };
    let unfinished = target.with_added_extension("part");
    let mut file = File::create(&unfinished).map_err(unwritten)?;
    let outcome = fill(&mut |bytes| file.write_all(bytes).map_err(unwritten))
        .and_then(|()| fs::rename(&unfinished, target).map_err(unwritten));
    if outcome.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    outcome
}

/// Whether the file begins like one that has a `moov`; segments begin with `styp`, `sidx` or `moof`.
fn starts_with_movie(path: &Path) -> bool {
    let mut start = [0; 8];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && [b"ftyp", b"moov"].contains(&start.last_chunk().unwrap_or(&[0; 4]))
}

/// Reads a file, fragment by fragment, and hands on what comes of it.
fn pour(
    path: &Path,
    decryption: &mut Decryption,
    write: &mut dyn FnMut(&[u8]) -> Result<(), DecryptingError>,
) -> Result<(), DecryptingError> {
    let unread = |source| DecryptingError::Read { path: path.to_owned(), source };
    let broken = || DecryptingError::Broken { path: path.to_owned() };
    let mut file = File::open(path).map_err(unread)?;
    let mut left = file.metadata().map_err(unread)?.len();
    let mut offset = 0;
    let mut boxes = Vec::new();
    while left > 0 {
        let (header, len) = box_header(&mut file, left).map_err(unread)?.ok_or_else(broken)?;
        let is_media = header.get(4..8) == Some(b"mdat");
        if len > left || (!is_media && len > LONGEST_HEADER) {
            return Err(broken());
        }
        let start = boxes.len();
        let whole = usize::try_from(len).map_err(|error| unread(io::Error::other(error)))?;
        boxes.resize(start + whole, 0);
        boxes[start..start + header.len()].copy_from_slice(&header);
        file.read_exact(&mut boxes[start + header.len()..]).map_err(unread)?;
        left -= len;
        // A fragment is complete with its media.
        if is_media || left == 0 {
            let found = decryption.apply(&mut boxes, offset);
            found.map_err(|source| DecryptingError::Decrypt { path: path.to_owned(), source })?;
            write(&boxes)?;
            offset += u64::try_from(boxes.len()).unwrap_or(u64::MAX);
            boxes.clear();
        }
    }
    Ok(())
}

/// The header of the next box, and the length of the whole box; `None` when it is none. 0 stands for what is left.
fn box_header(file: &mut File, left: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
    if left < 8 {
        return Ok(None);
    }
    let mut header = vec![0; 8];
    file.read_exact(&mut header)?;
    let [a, b, c, d] = *header.first_chunk().unwrap_or(&[0; 4]);
    let len = match u32::from_be_bytes([a, b, c, d]) {
        0 => left,
        1 if left < 16 => return Ok(None),
        1 => {
            let mut long = [0; 8];
            file.read_exact(&mut long)?;
            header.extend(long);
            u64::from_be_bytes(long)
        }
        len => len.into(),
    };
    let is_whole = u64::try_from(header.len()).is_ok_and(|header| header <= len);
    Ok(is_whole.then_some((header, len)))
}
