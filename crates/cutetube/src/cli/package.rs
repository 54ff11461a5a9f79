//! `cutetube package`

use std::path::PathBuf;

use clap::Args;
use packager::{EncryptionError, PackageError};

use super::Advised;
use super::key_args::EncryptArgs;
use super::transcode::print_presentation;
use crate::ambient;
use crate::pipeline::package::{Encryption, PackagingError, package};
use crate::progress::{Progress, Unit};

/// Package renditions that exist already for DASH and HLS, without encoding anything.
#[derive(Debug, Args)]
pub(super) struct Package {
    /// MP4 or MOV files of one video: H.264 with common key frames and AAC sound; players start with the first
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder to write to; any web server can serve it
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    encrypt: EncryptArgs,
}

impl Package {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let protection = self.encrypt.protection()?;
        let encryption =
            protection.as_ref().map(|protection| Encryption { protection, ivs: ambient::iv_run() });
        let mut shown = None;
        let outcome = package(&self.files, &self.out, encryption, |done, total| {
            shown.get_or_insert_with(|| Progress::new("packaging", total, Unit::Bytes)).set(done, "");
        })
        .await;
        if let Some(shown) = shown {
            shown.finish();
        }
        print_presentation(&outcome.map_err(explain)?, &self.out)
    }
}

/// The whole story in a sentence, and what to do about it.
fn explain(error: PackagingError) -> anyhow::Error {
    let hint = match &error {
        PackagingError::Package(error) => hint(error),
        PackagingError::Index { .. } => Some("only complete MP4 and MOV files can be packaged"),
        PackagingError::Key(_) => {
            Some("add a key for it: `--key hd:KID:KEY`, or one for all: `--key KID:KEY`")
        }
        PackagingError::Encrypt { source: EncryptionError::TooManySlices { .. }, .. } => {
            Some("encode it with fewer slices in each frame, for instance with x264's `slices=4`")
        }
        PackagingError::Encrypt { .. } => {
            Some("encode it again: `cutetube transcode` encrypts what it makes")
        }
        PackagingError::Read { .. } | PackagingError::Write { .. } => None,
    };
    let error = anyhow::Error::from(error);
    match hint {
        Some(hint) => Advised::new(format!("{error:#}"), hint).into(),
        None => error,
    }
}

fn hint(error: &PackageError) -> Option<&'static str> {
    Some(match error {
        PackageError::NoVideo => "add the files that hold the picture",
        PackageError::Truncated { .. } => "copy or download the file again, completely",
        PackageError::NotAligned { .. } => {
            "with ffmpeg: `-force_key_frames 'expr:gte(t,n_forced*4)'` for every rendition; or `cutetube transcode` makes \
             the whole ladder from the source"
        }
        PackageError::TimescalesDiffer { .. } => {
            "with ffmpeg: `-video_track_timescale 90000` for every rendition"
        }
        PackageError::SampleEntry { .. }
        | PackageError::SeveralEntries { .. }
        | PackageError::NotUpright { .. }
        | PackageError::Edits { .. }
        | PackageError::EditInsideGroup { .. }
        | PackageError::AudioGrid { .. }
        | PackageError::AudioOffset { .. }
        | PackageError::NoSilence { .. } => "`cutetube transcode` makes a whole ladder from almost any video",
        PackageError::EndsEarly { .. } => "all files must be renditions of the same video, from start to end",
        _ => return None,
    })
}
