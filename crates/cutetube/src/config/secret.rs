//! Values that never reach a log, and the one that is made when nobody sets it.

use std::{
    fmt, io,
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::Config;

/// Text that neither `Debug` nor serialising shows.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether it is what somebody says. Hashes are compared, so that how long that takes tells nothing about it.
    pub fn is(&self, said: &str) -> bool {
        Sha256::digest(said) == Sha256::digest(&self.0)
    }

    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("…")
    }
}

const SIGNING_SECRET: &str = "signing-secret";
const MASTER_KEY: &str = "master-key";
const SECRET_BYTES: usize = 32;

/// What tokens and sessions are signed with: `accounts.signing_secret`, or one made from `random` at the first
/// start and kept in the data folder, readable by the owner only.
///
/// # Errors
/// When the data folder cannot be written, or the secret is shorter than 32 bytes.
pub fn signing_secret(config: &Config, random: impl FnOnce(&mut [u8; SECRET_BYTES])) -> io::Result<Secret> {
    let secret = match &config.accounts.signing_secret {
        Some(secret) => secret.clone(),
        None => kept_secret(&config.data, SIGNING_SECRET, random)?,
    };
    if secret.expose().len() < SECRET_BYTES {
        let problem = format!("the signing secret has fewer than {SECRET_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(secret)
}

/// What content keys are encrypted with when nobody sets it: made from `random` at the first start, and kept in the data
/// folder, readable by the owner only. Whoever loses this file loses every protected video.
///
/// # Errors
/// When the data folder cannot be written.
pub fn master_key(config: &Config, random: impl FnOnce(&mut [u8; SECRET_BYTES])) -> io::Result<Secret> {
    kept_secret(&config.data, MASTER_KEY, random)
}

/// The file that it is kept in.
pub fn master_key_file(config: &Config) -> PathBuf {
    config.data.join(MASTER_KEY)
}

/// The file that the signing secret is kept in when nobody sets it.
pub fn signing_secret_file(config: &Config) -> PathBuf {
    config.data.join(SIGNING_SECRET)
}

/// Two processes starting at once agree: the file appears whole, under its name, once.
fn kept_secret(
    data: &Path,
    file_name: &str,
    random: impl FnOnce(&mut [u8; SECRET_BYTES]),
) -> io::Result<Secret> {
    let path = data.join(file_name);
    match std::fs::read_to_string(&path) {
        Ok(text) => return Ok(Secret::new(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::create_dir_all(data)?;
    let mut bytes = [0; SECRET_BYTES];
    random(&mut bytes);
    match written(data, &hex::encode(bytes))?.persist_noclobber(&path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.error),
    }
    std::fs::read_to_string(&path).map(Secret::new)
}

/// Puts other text into the file of a secret. Whoever reads it meanwhile finds the old or the new one, whole.
///
/// # Errors
/// When its folder cannot be written.
pub fn replace_secret(path: &Path, text: &str) -> io::Result<()> {
    written(path.parent().unwrap_or(Path::new(".")), text)?.persist(path)?;
    Ok(())
}

/// A file with this text, readable by the owner only, which has no name yet.
fn written(folder: &Path, text: &str) -> io::Result<NamedTempFile> {
    // A temporary file is created with mode 0600.
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_made_secret_is_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data: folder.path().join("new"), ..Config::default() };
        let first = signing_secret(&config, |bytes| bytes.fill(7)).unwrap();
        let second = signing_secret(&config, |_| panic!("one secret is made once")).unwrap();
        assert_eq!(first, second);
        assert_eq!(first.expose(), "07".repeat(32));
        let mode = std::fs::metadata(config.data.join(SIGNING_SECRET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_short_secret_is_refused() {
        let mut config = Config::default();
        config.accounts.signing_secret = Some(Secret::new("short".to_owned()));
        assert!(signing_secret(&config, |_| {}).is_err());
    }
}
