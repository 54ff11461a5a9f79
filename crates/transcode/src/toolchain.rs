//! Which programs do the work, and how tightly they are held.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::sandbox::SandboxMode;

/// The programs and the helper that starts them in the [sandbox](crate::sandbox).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// Absolute path of `ffmpeg`, 5.1 or newer, with libx264.
    pub ffmpeg: PathBuf,
    /// Absolute path of `ffprobe` of the same version.
    pub ffprobe: PathBuf,
    /// A binary that calls [`sandbox::exec_main`](crate::sandbox::exec_main). The default is this very binary.
    pub helper: PathBuf,
    /// How much of the sandbox must hold.
    pub sandbox: SandboxMode,
}

impl Toolchain {
    /// The running binary, even when its file has been replaced since it started.
    pub const THIS_BINARY: &str = "/proc/self/exe";

    /// Finds both programs in the folders of `search_path`, the value of `PATH`.
    ///
    /// # Errors
    /// [`MissingProgram`] names the one that is in none of them.
    pub fn locate(search_path: &OsStr, sandbox: SandboxMode) -> Result<Self, MissingProgram> {
        Ok(Self {
            ffmpeg: find("ffmpeg", search_path)?,
            ffprobe: find("ffprobe", search_path)?,
            helper: Self::THIS_BINARY.into(),
            sandbox,
        })
    }

    /// Where `program` is.
    pub fn path(&self, program: Program) -> &Path {
        match program {
            Program::Ffmpeg => &self.ffmpeg,
            Program::Ffprobe => &self.ffprobe,
        }
    }
}

/// A program of the [`Toolchain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Decodes and encodes.
    Ffmpeg,
    /// Describes a file.
    Ffprobe,
}

/// A program is in none of the folders that were searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{program}` was not found")]
pub struct MissingProgram {
    /// Its file name.
    pub program: &'static str,
}

impl MissingProgram {
    /// What to do about it.
    pub const HINT: &str = "install ffmpeg 5.1 or newer (Debian: `apt install ffmpeg`) or configure its path";
}

fn find(program: &'static str, search_path: &OsStr) -> Result<PathBuf, MissingProgram> {
    std::env::split_paths(search_path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .ok_or(MissingProgram { program })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_folders_are_searched_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["ffmpeg", "ffprobe"] {
            std::fs::write(folder.path().join(name), b"").expect("a file");
        }
        let search =
            std::env::join_paths([Path::new("."), Path::new("/nonexistent"), folder.path()]).expect("paths");
        let found = Toolchain::locate(&search, SandboxMode::Require).expect("both are there");
        assert_eq!(found.path(Program::Ffmpeg), folder.path().join("ffmpeg"));
        assert_eq!(found.path(Program::Ffprobe), folder.path().join("ffprobe"));
    }

    #[test]
    fn a_missing_program_is_named() {
        let outcome = Toolchain::locate("/nonexistent".as_ref(), SandboxMode::Off);
        assert_eq!(outcome, Err(MissingProgram { program: "ffmpeg" }));
    }
}
