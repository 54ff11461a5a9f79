//! The file of a backup: a tar archive inside Zstandard (RFC 8878), whose last entry has the SHA-256 of every other one, as
//! `sha256sum` writes and reads them.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use tar::{Builder, Header};
use tempfile::NamedTempFile;
use zstd::{Decoder, Encoder};

use crate::blobs::{Fingerprint, Stored};

/// An archive that is being written. It has its name when it is complete; dropped before, it leaves nothing.
pub(super) struct Writing {
    builder: Builder<Encoder<'static, NamedTempFile>>,
    sums: File,
    path: PathBuf,
}

/// A complete archive, or a file that somebody takes for one.
#[derive(Debug)]
pub(super) struct Archive {
    file: File,
    path: PathBuf,
}

/// Why a file cannot be read as an archive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("cannot open `{}`", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("`{}` is no complete backup: {problem}", path.display())]
    Damaged { path: PathBuf, problem: String },
}

/// The list of all entries.
const SUMS: &str = "SHA256SUMS";

/// Media is compressed already; rows become an eighth.
const LEVEL: i32 = 3;

/// An entry that is kept in memory is not longer than this.
pub(super) const LONGEST_TEXT: u64 = 256 << 20;

impl Writing {
    /// The archive that is to be called `path`, readable by its owner only.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let file = NamedTempFile::new_in(folder(path))?;
        let mut encoder = Encoder::new(file, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self { builder: Builder::new(encoder), sums: tempfile::tempfile()?, path: path.to_owned() })
    }

    /// Adds an entry of exactly `len` bytes.
    pub(super) fn add(&mut self, name: &str, len: u64, bytes: impl Read) -> io::Result<()> {
        let mut passing = Passing::new(bytes.take(len));
        self.builder.append_data(&mut header(len), name, &mut passing)?;
        let added = passing.print.finish();
        if added.len != len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.sums.write_all(line(&added, name).as_bytes())
    }

    /// Gives the archive its name, durably. One that has it already stays.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let len = self.sums.stream_position()?;
        self.sums.rewind()?;
        self.builder.append_data(&mut header(len), SUMS, &mut self.sums)?;
        let file = self.builder.into_inner()?.finish()?;
        file.as_file().sync_all()?;
        file.persist_noclobber(&self.path).map_err(|error| error.error)?;
        File::open(folder(&self.path))?.sync_all()
    }
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        match File::open(path) {
            Ok(file) => Ok(Self { file, path: path.to_owned() }),
            Err(source) => Err(ArchiveError::Open { path: path.to_owned(), source }),
        }
    }

    /// Reads all of it, and compares it with its list. Answers the entry `kept`.
    pub(super) fn verify(&self, kept: &str) -> Result<Vec<u8>, ArchiveError> {
        let (mut found, mut listed, mut kept_bytes) = (Fingerprint::default(), None, None);
        self.each(|name, entry| {
            if listed.is_some() {
                return Err(damaged("something follows its list"));
            }
            let mut passing = Passing::new(entry);
            if name == kept {
                kept_bytes = Some(text(&mut passing)?);
            }
            io::copy(&mut passing, &mut io::sink())?;
            let read = passing.print.finish();
            if name == SUMS {
                listed = Some(read);
            } else {
                found.add(line(&read, name).as_bytes());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        match (listed, kept_bytes) {
            (Some(listed), Some(kept)) if listed == found.finish() => Ok(kept),
            (None, _) => Err(self.damaged("its end is missing")),
            (Some(_), None) => Err(self.damaged(&format!("it has no `{kept}`"))),
            (Some(_), Some(_)) => Err(self.damaged("its checksums are wrong")),
        }
    }

    /// Hands every entry to `take`, until that has enough.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(&str, &mut dyn Read) -> io::Result<ControlFlow<()>>,
    ) -> Result<(), ArchiveError> {
        let mut read = || -> io::Result<()> {
            let mut file = self.file.try_clone()?;
            file.rewind()?;
            let mut archive = tar::Archive::new(Decoder::new(file)?);
            for entry in archive.entries()? {
                let mut entry = entry?;
                let name =
                    entry.path()?.to_str().ok_or_else(|| damaged("an entry has a strange name"))?.to_owned();
                if take(&name, &mut entry)?.is_break() {
                    return Ok(());
                }
            }
            // Up to the checksum of the compressed whole.
            io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop)
        };
        read().map_err(|error| self.damaged(&error.to_string()))
    }

    pub(super) fn damaged(&self, problem: &str) -> ArchiveError {
        ArchiveError::Damaged { path: self.path.clone(), problem: problem.to_owned() }
    }
}

/// A whole entry that is known to be small.
pub(super) fn text(entry: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match entry.take(LONGEST_TEXT + 1).read_to_end(&mut bytes)? {
        len if u64::try_from(len).is_ok_and(|len| len <= LONGEST_TEXT) => Ok(bytes),
        _ => Err(damaged("an entry is far too long")),
    }
}

/// The lines of an entry.
pub(super) fn lines(entry: &mut dyn Read) -> impl Iterator<Item = io::Result<String>> {
    BufReader::new(entry.take(LONGEST_TEXT)).lines()
}

pub(super) fn damaged(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.to_owned())
}

fn header(len: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(len);
    header.set_mode(0o600);
    header
}

fn line(entry: &Stored, name: &str) -> String {
    format!("{}  {name}\n", hex::encode(entry.sha256))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Bytes whose length and hash are taken as they pass.
struct Passing<R> {
    bytes: R,
    print: Fingerprint,
}

impl<R> Passing<R> {
    fn new(bytes: R) -> Self {
        Self { bytes, print: Fingerprint::default() }
    }
}

impl<R: Read> Read for Passing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.bytes.read(buffer)?;
        self.print.add(buffer.get(..len).unwrap_or_default());
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn written(path: &Path) {
        let mut archive = Writing::new(path).unwrap();
        archive.add("manifest.json", 2, &b"{}"[..]).unwrap();
        let long = format!("blobs/{}", "long/".repeat(60));
        archive.add(&format!("{long}name"), 100_000, &vec![7; 100_000][..]).unwrap();
        assert!(!path.exists(), "it appears whole");
        archive.finish().unwrap();
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        written(&path);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let archive = Archive::open(&path).unwrap();
        assert_eq!(archive.verify("manifest.json").unwrap(), b"{}");
        let mut names = Vec::new();
        let read = archive.each(|name, entry| {
            names.push((name.len(), text(entry)?.len()));
            Ok(ControlFlow::Continue(()))
        });
        read.unwrap();
        assert_eq!(names[..2], [(13, 2), (310, 100_000)]);
        let again = Writing::new(&path).unwrap().finish().unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn an_entry_that_is_too_short_is_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = Writing::new(&folder.path().join("backup")).unwrap();
        assert!(archive.add("manifest.json", 3, &b"{}"[..]).is_err());
        drop(archive);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// All entries of an archive that is whole.
    fn entries(path: &Path) -> Result<Vec<(String, Vec<u8>)>, ArchiveError> {
        let archive = Archive::open(path)?;
        archive.verify("manifest.json")?;
        let mut entries = Vec::new();
        archive.each(|name, entry| {
            entries.push((name.to_owned(), text(entry)?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(entries)
    }

    /// A changed byte is found, unless it is one that says how to decompress and not what: then all entries are the same.
    #[test]
    fn damage_anywhere_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        written(&path);
        let (whole, right) = (std::fs::read(&path).unwrap(), entries(&path).unwrap());
        let damaged = |bytes: &[u8]| {
            let path = folder.path().join("damaged");
            std::fs::write(&path, bytes).unwrap();
            entries(&path)
        };
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            if let Ok(found) = damaged(&changed) {
                assert!(found == right, "byte {at} of {}", whole.len());
            }
        }
        for len in 0..whole.len() {
            assert!(damaged(&whole[..len]).is_err(), "cut at {len} of {}", whole.len());
        }
        let mut other = Writing::new(&folder.path().join("other")).unwrap();
        other.add("something", 0, io::empty()).unwrap();
        other.finish().unwrap();
        let other = Archive::open(&folder.path().join("other")).unwrap().verify("manifest.json");
        assert!(matches!(other, Err(ArchiveError::Damaged { .. })), "{other:?}");
    }
}
