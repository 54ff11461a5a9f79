//! Renditions that exist already → a folder, without decoding a sample: index, plan, copy.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use isobmff::{ByteRange, Movie};
use packager::{MediaPiece, Package, PackageError, PackageInput, PackageRules, Presentation};
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
    /// The folder cannot be written, or an input not be read any longer.
    #[error("cannot write `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Packages `files` into the folder `out`, manifests last. `progress` hears bytes written and bytes in all.
///
/// Memory is that of the files' sample tables: media goes from file to file.
pub(crate) async fn package(
    files: &[PathBuf],
    out: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Presentation, PackagingError> {
    let mut inputs = Vec::with_capacity(files.len());
    for path in files {
        inputs.push(Input::open(path).await?);
    }
    tokio::task::block_in_place(|| copy(&inputs, out, &mut progress))
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
    progress: &mut impl FnMut(u64, u64),
) -> Result<Presentation, PackagingError> {
    let named = inputs.iter().map(|input| PackageInput { name: &input.name, movie: &input.movie });
    let package = Package::new(&named.collect::<Vec<_>>(), PackageRules::default())?;
    let presentation = package.presentation()?;
    let total = media_bytes(&presentation);
    let mut done = 0;
    for rendition in package.renditions() {
        let name: RenditionName = rendition.id().parse().expect("a packager's ids are names of renditions");
        for flavour in Flavour::ALL {
            write(out, &MediaObject::Init(flavour, name.clone()), |to| to.bytes(&rendition.init(flavour)))?;
        }
        for number in 1..=rendition.segment_count() {
            let made = rendition.segment(number)?;
            write(out, &MediaObject::Segment(name.clone(), number), |to| {
                to.bytes(&made.segment.header)?;
                made.media.iter().try_for_each(|piece| to.piece(inputs, *piece))
            })?;
            done += made.segment.bytes();
            progress(done, total);
        }
    }
    for (object, text) in manifests(&presentation) {
        write(out, &object, |to| to.bytes(text.as_bytes()))?;
    }
    Ok(presentation)
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
        let start = self.pending.len();
        let len = usize::try_from(range.len).map_err(io::Error::other)?;
        self.pending.resize(start + len, 0);
        from.read_exact_at(&mut self.pending[start..], range.offset)?;
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
