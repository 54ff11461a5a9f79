//! Renditions that exist already → a folder, without decoding a sample: index, plan, copy.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use isobmff::{ByteRange, Movie};
use packager::{
    EncryptionError, IvRun, MediaPiece, MissingKey, Package, PackageError, PackageInput, PackageRules,
    PackagedSegment, Presentation, Protection, SampleInformation, Segment, VideoSegment,
};
use transcode::source::{IndexError, LocalFile, index};

use super::inspect::INDEX_LIMITS;
use super::publish::manifests;
use crate::blobs::{Flavour, MediaObject, RenditionName};

/// Why files were not packaged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackagingError {
    /// An input cannot be opened or read.
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// An input is not what it should be.
    #[error("`{}` has no index that can be read", path.display())]
    Index {
        path: PathBuf,
        #[source]
        source: isobmff::Error,
    },
    /// The inputs are not one presentation.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// There is no key for a rendition.
    #[error("the files cannot all be encrypted")]
    Key(#[from] MissingKey),
    /// A segment that cannot be encrypted.
    #[error("`{segment}` cannot be encrypted")]
    Encrypt {
        segment: String,
        #[source]
        source: EncryptionError,
    },
    /// The folder cannot be written, or an input not be read any longer.
    #[error("cannot write `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Packages `files` into the folder `out`, encrypted where asked, manifests last. `progress` hears bytes written and
/// bytes in all.
///
/// Memory is that of the files' sample tables: media goes from file to file, or through the memory of one segment to be
/// encrypted.
pub(crate) async fn package(
    files: &[PathBuf],
    out: &Path,
    encryption: Option<Encryption<'_>>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Presentation, PackagingError> {
    let mut inputs = Vec::with_capacity(files.len());
    for path in files {
        inputs.push(Input::open(path).await?);
    }
    tokio::task::block_in_place(|| copy(&inputs, out, encryption, &mut progress))
}

/// Keys, and the initialisation vectors of one packaging.
#[derive(Debug)]
pub(crate) struct Encryption<'a> {
    pub(crate) protection: &'a Protection,
    pub(crate) ivs: IvRun,
}

/// A file to package.
struct Input {
    name: String,
    file: File,
    movie: Movie,
}

impl Input {
    async fn open(path: &Path) -> Result<Self, PackagingError> {
        let unreadable = |source| PackagingError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let source = LocalFile::new(file.try_clone().map_err(unreadable)?).map_err(unreadable)?;
        let movie = index(&source, INDEX_LIMITS).await.map_err(|error| match error {
            IndexError::Read(source) => unreadable(source),
            IndexError::Format(source) => PackagingError::Index { path: path.to_owned(), source },
        })?;
        Ok(Self { name: path.display().to_string(), file, movie })
    }
}

fn copy(
    inputs: &[Input],
    out: &Path,
    mut encryption: Option<Encryption<'_>>,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Presentation, PackagingError> {
    let named = inputs.iter().map(|input| PackageInput { name: &input.name, movie: &input.movie });
    let mut package = Package::new(&named.collect::<Vec<_>>(), PackageRules::default())?;
    let mut presentation = package.presentation()?;
    if let Some(Encryption { protection, .. }) = encryption {
        package.protect(protection)?;
        let mut parts = presentation.into_parts();
        parts.protection = Some(protection.signalling().clone());
        presentation = Presentation::new(parts).map_err(PackageError::from)?;
    }
    let total = media_bytes(&presentation);
    let mut done = 0;
    let mut written = HashMap::new();
    for rendition in package.renditions() {
        let name: RenditionName = rendition.id().parse().expect("a packager's ids are names of renditions");
        for flavour in Flavour::ALL {
            write(out, &MediaObject::Init(flavour, name.clone()), |to| to.bytes(&rendition.init(flavour)))?;
        }
        let cipher = encryption.as_ref().map(|encryption| rendition.cipher(encryption.protection));
        let mut cipher = cipher.transpose()?;
        let mut sizes = Vec::new();
        for number in 1..=rendition.segment_count() {
            let planned = rendition.segment(number)?;
            let object = MediaObject::Segment(name.clone(), number);
            let segment = match (&mut cipher, &mut encryption) {
                (Some(cipher), Some(Encryption { ivs, .. })) => {
                    let encrypt = |media: &mut [u8]| cipher.encrypt(media, planned.sizes(), ivs);
                    write_encrypted(inputs, out, &object, &planned, encrypt)?
                }
                _ => write_clear(inputs, out, &object, &planned)?,
            };
            sizes.push(VideoSegment { bytes: segment.bytes(), iframe_bytes: segment.iframe_bytes() });
            done += segment.bytes();
            progress(done.min(total), total);
        }
        written.insert(rendition.id().to_owned(), sizes);
    }
    let presentation = with_sizes(presentation, &written)?;
    for (object, text) in manifests(&presentation) {
        write(out, &object, |to| to.bytes(text.as_bytes()))?;
    }
    Ok(presentation)
}

/// The presentation with the sizes of what was `written`, by rendition: encrypted segments are longer than planned.
fn with_sizes(
    presentation: Presentation,
    written: &HashMap<String, Vec<VideoSegment>>,
) -> Result<Presentation, PackageError> {
    let mut parts = presentation.into_parts();
    for video in &mut parts.video {
        video.segments.clone_from(&written[&video.id]);
    }
    for audio in &mut parts.audio {
        audio.segments = written[&audio.id].iter().map(|segment| segment.bytes).collect();
    }
    Ok(Presentation::new(parts)?)
}

/// Writes a segment as it is.
fn write_clear(
    inputs: &[Input],
    out: &Path,
    object: &MediaObject,
    planned: &PackagedSegment<'_>,
) -> Result<Segment, PackagingError> {
    let segment = planned.with(&SampleInformation::Clear)?;
    write(out, object, |to| {
        to.bytes(&segment.header)?;
        planned.media.iter().try_for_each(|piece| to.piece(inputs, *piece))
    })?;
    Ok(segment)
}

/// Encrypts a segment and writes it.
fn write_encrypted(
    inputs: &[Input],
    out: &Path,
    object: &MediaObject,
    planned: &PackagedSegment<'_>,
    encrypt: impl FnOnce(&mut [u8]) -> Result<SampleInformation, EncryptionError>,
) -> Result<Segment, PackagingError> {
    let mut media = Vec::new();
    for piece in &planned.media {
        match *piece {
            MediaPiece::Silence(frame) => media.extend_from_slice(frame),
            MediaPiece::Source { input, range } => {
                let Input { name, file, .. } = &inputs[input];
                let unreadable = |source| PackagingError::Read { path: name.into(), source };
                append(file, range, &mut media).map_err(unreadable)?;
            }
        }
    }
    let information = encrypt(&mut media)
        .map_err(|source| PackagingError::Encrypt { segment: object.to_string(), source })?;
    let segment = planned.with(&information)?;
    write(out, object, |to| to.whole(&segment.header, &media))?;
    Ok(segment)
}

/// Adds a piece of a file to `bytes`.
fn append(from: &File, range: ByteRange, bytes: &mut Vec<u8>) -> io::Result<()> {
    let start = bytes.len();
    let len = usize::try_from(range.len).map_err(io::Error::other)?;
    bytes.resize(start + len, 0);
    from.read_exact_at(&mut bytes[start..], range.offset)
}

/// Length of all segments.
fn media_bytes(presentation: &Presentation) -> u64 {
    let parts = presentation.parts();
    let video = parts.video.iter().flat_map(|rendition| &rendition.segments).map(|segment| segment.bytes);
    let audio = parts.audio.iter().flat_map(|rendition| &rendition.segments);
    video.chain(audio.copied()).sum()
}

/// Makes an object of the folder; it appears whole or not at all.
fn write(
    out: &Path,
    object: &MediaObject,
    fill: impl FnOnce(&mut Output) -> io::Result<()>,
) -> Result<(), PackagingError> {
    let path = out.join(object.to_string());
    // Whatever is served or packaged from this folder meanwhile keeps the file it has.
    let unfinished = path.with_added_extension("part");
    let outcome = Output::create(&unfinished).and_then(|mut output| {
        fill(&mut output)?;
        output.flush()?;
        std::fs::rename(&unfinished, &path)
    });
    outcome.map_err(|source| {
        let _ = std::fs::remove_file(&unfinished);
        PackagingError::Write { path, source }
    })
}

/// A file being written: what is short through a buffer, what is long from file to file inside the kernel.
struct Output {
    file: File,
    pending: Vec<u8>,
}

/// From here on, a system call costs less than copying the bytes twice.
const LONG_PIECE: u64 = 64 << 10;

impl Output {
    /// Its folder is made when missing.
    fn create(path: &Path) -> io::Result<Self> {
        let file = match File::create(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
                File::create(path)?
            }
            file => file?,
        };
        Ok(Self { file, pending: Vec::new() })
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    /// Header and media of a segment, neither of them copied.
    fn whole(&mut self, header: &[u8], media: &[u8]) -> io::Result<()> {
        let mut parts = [io::IoSlice::new(header), io::IoSlice::new(media)];
        let mut left = &mut parts[..];
        while !left.is_empty() {
            match self.file.write_vectored(left)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => io::IoSlice::advance_slices(&mut left, written),
            }
        }
        Ok(())
    }

    fn piece(&mut self, inputs: &[Input], piece: MediaPiece) -> io::Result<()> {
        match piece {
            MediaPiece::Silence(frame) => self.bytes(frame),
            MediaPiece::Source { input, range } if range.len < LONG_PIECE => {
                self.short(&inputs[input].file, range)
            }
            MediaPiece::Source { input, range } => self.long(&inputs[input].file, range),
        }
    }

    fn short(&mut self, from: &File, range: ByteRange) -> io::Result<()> {
        append(from, range, &mut self.pending)?;
        if u64::try_from(self.pending.len()).is_ok_and(|len| len >= LONG_PIECE) {
            self.flush()?;
        }
        Ok(())
    }

    fn long(&mut self, mut from: &File, range: ByteRange) -> io::Result<()> {
        self.flush()?;
        from.seek(SeekFrom::Start(range.offset))?;
        let copied = io::copy(&mut from.take(range.len), &mut self.file)?;
        if copied < range.len {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "an input has become shorter"));
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }
}
