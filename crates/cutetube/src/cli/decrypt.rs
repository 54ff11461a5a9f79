//! `cutetube decrypt`

use std::path::PathBuf;

use clap::Args;
use packager::DecryptionError;

use super::key_args::KeyArgs;
use super::{Advised, print};
use crate::pipeline::decrypt::{self, DecryptingError};

/// Undo encryption with the keys, for tests and support.
#[derive(Debug, Args)]
pub(super) struct Decrypt {
    /// One folder, as `package` and `transcode` make it; or an init segment and the segments after it; or one fragmented
    /// file
    #[arg(required = true, value_name = "FILE")]
    inputs: Vec<PathBuf>,
    /// Folder to write to when the input is a folder, else a file
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    #[command(flatten)]
    keys: KeyArgs,
}

impl Decrypt {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let keys = self.keys.by_id()?;
        let outcome = tokio::task::block_in_place(|| match &self.inputs[..] {
            [folder] if folder.is_dir() => decrypt::folder(folder, &self.out, &keys),
            files => decrypt::files(files, &self.out, &keys).map(|()| files.len()),
        });
        let files = outcome.map_err(explain)?;
        print(&format!("{files} media files, decrypted: {}", self.out.display()))
    }
}

fn explain(error: DecryptingError) -> anyhow::Error {
    let hint = match &error {
        DecryptingError::Decrypt { source: DecryptionError::NoInit, .. } => "put the init segment in front",
        DecryptingError::Decrypt { source: DecryptionError::UnknownKey(_), .. } => {
            "add `--key KID:KEY` for that key id"
        }
        DecryptingError::SeveralInits { .. } => "decrypt one init segment with its segments at a time",
        DecryptingError::Itself { .. } => "choose a place outside of it",
        _ => return error.into(),
    };
    let error = anyhow::Error::from(error);
    Advised::new(super::sentence(&error), hint).into()
}
