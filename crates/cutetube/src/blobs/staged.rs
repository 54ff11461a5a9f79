//! Files of objects that have not appeared: a store on this machine writes an object as `{name}#{number}` first.

use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Staged {
    pub(crate) path: PathBuf,
    /// In bytes, so far.
    pub(crate) len: u64,
    /// When the last byte came.
    pub(crate) written: SystemTime,
}

/// All of them below a folder, which need not exist.
pub(super) fn find(folder: &Path) -> io::Result<Vec<Staged>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.append(&mut find(&entry.path())?);
            continue;
        }
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.rsplit_once('#')).map(|(_, number)| number);
        if number.is_none_or(|number| number.parse::<u64>().is_err()) {
            continue;
        }
        match entry.metadata() {
            Ok(data) => {
                found.push(Staged { path: entry.path(), len: data.len(), written: data.modified()? });
            }
            // It has just become an object, or was given up.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Removes a folder, as far as there is nothing in it but folders.
pub(super) fn remove_empty_folders(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_folders(&entry.path());
        }
    }
    // Fails, as it should, when something else lives there.
    let _ = std::fs::remove_dir(folder);
}

impl Staged {
    pub(super) async fn discard(self) -> io::Result<()> {
        match tokio::fs::remove_file(&self.path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(folder) = self.path.parent() {
            // Fails, as it should, when something else lives there.
            let _ = tokio::fs::remove_dir(folder).await;
        }
        Ok(())
    }
}
