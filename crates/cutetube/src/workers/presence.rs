//! Which workers beside this data folder live.
//!
//! Each worker holds a lock on a file of its own, which the kernel gives up when the process ends, however it ends: the
//! jobs of a killed worker go on as soon as another one looks, as after a restart, and need not wait for their leases.
//! A worker on another machine has its file elsewhere and is not judged; its leases tell.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use jobs::WorkerId;

/// The sign that this worker lives. Dropping it says that its work has ended in order.
#[derive(Debug)]
pub(super) struct Presence {
    folder: PathBuf,
    file: PathBuf,
    _lock: File,
}

/// A worker that ended without saying so. While this lives, nobody else finds it.
#[derive(Debug)]
pub(super) struct Vanished {
    pub(super) worker: WorkerId,
    file: PathBuf,
    _lock: File,
}

impl Presence {
    /// Announces `worker` in a folder of `data`.
    pub(super) fn announce(data: &Path, worker: &WorkerId) -> io::Result<Self> {
        let folder = data.join("workers");
        fs::create_dir_all(&folder)?;
        let (unlocked, file) = (folder.join(format!(".{worker}")), folder.join(&worker.0));
        let lock = File::create_new(&unlocked)?;
        lock.try_lock()?;
        // Under its name only now: a file that can be locked is taken for that of a vanished worker.
        fs::rename(&unlocked, &file)?;
        Ok(Self { folder, file, _lock: lock })
    }

    /// The workers that are gone.
    pub(super) fn vanished(&self) -> io::Result<Vec<Vanished>> {
        let mut vanished = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Some(name) =
                entry.file_name().to_str().filter(|name| !name.starts_with('.')).map(str::to_owned)
            else {
                continue;
            };
            let lock = match File::open(entry.path()) {
                Ok(lock) => lock,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match lock.try_lock() {
                Ok(()) => {
                    vanished.push(Vanished { worker: WorkerId(name), file: entry.path(), _lock: lock });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(vanished)
    }
}

impl Vanished {
    /// Its jobs are taken care of.
    pub(super) fn forget(self) -> io::Result<()> {
        fs::remove_file(&self.file)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // One that stays is that of a vanished worker without jobs.
        let _ = fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(name: &str) -> WorkerId {
        WorkerId(name.to_owned())
    }

    fn gone(presence: &Presence) -> Vec<String> {
        presence.vanished().unwrap().into_iter().map(|vanished| vanished.worker.0).collect()
    }

    #[test]
    fn only_who_ended_without_a_word_has_vanished() {
        let data = tempfile::tempdir().unwrap();
        let here = Presence::announce(data.path(), &worker("here")).unwrap();
        let orderly = Presence::announce(data.path(), &worker("orderly")).unwrap();
        let killed = Presence::announce(data.path(), &worker("killed")).unwrap();
        assert_eq!(gone(&here), Vec::<String>::new());
        drop(orderly);
        // What the kernel does for a process that ends: the lock goes, the file stays.
        killed._lock.unlock().unwrap();
        assert_eq!(gone(&here), ["killed"]);
        let mut found = here.vanished().unwrap();
        assert_eq!(gone(&here), Vec::<String>::new(), "one looker finds it at a time");
        found.pop().unwrap().forget().unwrap();
        assert_eq!(gone(&here), Vec::<String>::new());
    }
}
