//! Every difficult source, made on demand and kept in a scratch folder under a name that is its recipe's hash.

mod recordings;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::tools;

pub use recordings::recordings;
pub use table::clips;

/// A source and what the verifier must know to read it.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Unique in the table; also the name of its test.
    pub name: &'static str,
    /// Decides the container.
    pub extension: &'static str,
    /// How the file is made.
    pub recipe: Recipe,
    /// How frames are told apart.
    pub picture: Picture,
    /// How the reference for PSNR gets from the decoded source to the picture that is encoded, before scaling.
    pub reference: Option<&'static str>,
    /// What its first audio track holds.
    pub sound: Sound,
    /// Whether all of it can be decoded.
    pub integrity: Integrity,
}

/// How a source comes to be.
#[derive(Debug, Clone)]
pub enum Recipe {
    /// ffmpeg arguments, the output left out.
    Encode(Vec<String>),
    /// Another clip goes in, then these arguments.
    Remux {
        /// Name of the other clip.
        of: &'static str,
        /// Those before `--` come before `-i`; `{}` is the other clip's path.
        args: Vec<String>,
    },
    /// Another clip's bytes, changed.
    Operate {
        /// Name of the other clip.
        of: &'static str,
        /// Names the change for the cache, and must change with it.
        what: &'static str,
        /// The change.
        operation: fn(&[u8]) -> Result<Vec<u8>>,
    },
    /// Two clips' samples in one track under two sample entries.
    Join(&'static str, &'static str),
    /// A file that set-up has fetched.
    Recording(PathBuf),
}

/// What frames can be identified by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// Sixteen boxes in the top eighth of the coded picture: the frame's number in binary.
    Numbered,
    /// The same, and the coded picture is turned clockwise by this many degrees for display.
    Turned(u32),
    /// A real recording: only a coarse likeness of the picture.
    Unmarked,
}

/// What can be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// No audio track.
    None,
    /// A pulse at every half second, counted from the first audio sample.
    Pulses,
    /// Pulses, and white frames that begin with them.
    FlashAndBeep,
    /// Nothing that could be recognised.
    Unmarked,
}

/// Whether a decoder can give every frame back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integrity {
    /// All of it decodes.
    Whole,
    /// Frames `first..end` depend on damaged samples. They may be missing or show anything, each at its own time.
    Damaged {
        /// In order of presentation.
        first: usize,
        /// Exclusive.
        end: usize,
    },
}

/// Raised when a change here or in [`crate::surgery`] changes what a recipe makes.
const GENERATION: u32 = 1;

impl Clip {
    /// The file, made now unless an earlier run has left it in `cache`.
    pub fn make(&self, cache: &Path) -> Result<PathBuf> {
        // One at a time: encoders use all cores, and two clips may want the same base.
        static MAKING: Mutex<()> = Mutex::new(());
        let _making = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.make_locked(cache).with_context(|| format!("cannot make the clip `{}`", self.name))
    }

    fn make_locked(&self, cache: &Path) -> Result<PathBuf> {
        if let Recipe::Recording(path) = &self.recipe {
            ensure!(
                path.is_file(),
                "the recording {} is missing: `make test` fetches it (scripts/setup test)",
                path.display()
            );
            return Ok(path.clone());
        }
        let target = cache.join(format!("{}-{}.{}", self.name, self.hash()?, self.extension));
        if target.is_file() {
            return Ok(target);
        }
        fs::create_dir_all(cache)?;
        // Another process may be at it too: whoever finishes last replaces the same bytes.
        let unfinished = cache.join(format!("unfinished-{}-{}.{}", self.name, process::id(), self.extension));
        let bases = self.bases()?.iter().map(|base| base.make_locked(cache)).collect::<Result<Vec<_>>>()?;
        match &self.recipe {
            Recipe::Encode(args) => encode(args, None, &unfinished)?,
            Recipe::Remux { args, .. } => encode(args, bases.first(), &unfinished)?,
            Recipe::Operate { operation, .. } => {
                fs::write(&unfinished, operation(&fs::read(&bases[0])?)?)?;
            }
            Recipe::Join(..) => {
                fs::write(&unfinished, crate::surgery::join(&fs::read(&bases[0])?, &fs::read(&bases[1])?)?)?;
            }
            Recipe::Recording(_) => {}
        }
        fs::rename(&unfinished, &target)?;
        Ok(target)
    }

    /// Whether the colours must be tone-mapped.
    pub fn is_hdr(&self) -> bool {
        self.reference.is_some_and(|filter| filter.contains("tonemap"))
    }

    fn bases(&self) -> Result<Vec<Self>> {
        let names = match &self.recipe {
            Recipe::Encode(_) | Recipe::Recording(_) => vec![],
            Recipe::Remux { of, .. } | Recipe::Operate { of, .. } => vec![*of],
            Recipe::Join(first, second) => vec![*first, *second],
        };
        names.into_iter().map(named).collect()
    }

    /// Of everything the file depends on.
    fn hash(&self) -> Result<String> {
        let mut digest = Sha256::new();
        digest.update(GENERATION.to_be_bytes());
        match &self.recipe {
            Recipe::Encode(args) | Recipe::Remux { args, .. } => digest.update(args.join("\0")),
            Recipe::Operate { what, .. } => digest.update(what),
            Recipe::Join(..) => digest.update("join"),
            Recipe::Recording(path) => digest.update(path.as_os_str().as_encoded_bytes()),
        }
        for base in self.bases()? {
            digest.update(base.hash()?);
        }
        Ok(hex::encode(&digest.finalize()[..6]))
    }
}

/// The clip of the table with this name.
pub fn named(name: &str) -> Result<Clip> {
    clips()
        .into_iter()
        .chain(table::ingredients())
        .find(|clip| clip.name == name)
        .with_context(|| format!("no clip `{name}`"))
}

fn encode(args: &[String], base: Option<&PathBuf>, target: &Path) -> Result<()> {
    let mut all: Vec<String> = Vec::new();
    if let Some(base) = base {
        let (before, after) = args.split_at(args.iter().position(|arg| arg == "--").unwrap_or(0));
        all.extend(before.iter().cloned());
        all.extend(["-i".to_owned(), base.display().to_string()]);
        // `{}` names the base once more.
        let again = |arg: &String| arg.replace("{}", &base.display().to_string());
        all.extend(after.iter().filter(|arg| *arg != "--").map(again));
    } else {
        all.extend(args.iter().cloned());
    }
    all.push(target.display().to_string());
    let outcome = tools::ffmpeg(&all, target.parent().context("a file lies in a folder")?)?;
    ensure!(outcome.code == Some(0), "ffmpeg {}: {}", all.join(" "), outcome.stderr.trim());
    Ok(())
}
