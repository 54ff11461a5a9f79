//! `cutetube backup` and `cutetube restore`

use std::path::PathBuf;

use anyhow::bail;
use catalog::storage;
use clap::Args;

use super::{Advised, ConfigArgs, Environment, print};
use crate::{
    backup::{self, ArchiveError, Made, MakeError, Objects, RestoreError, Restored},
    progress::{Progress, Unit},
    state::{open_database, open_store, prepare_database},
    telemetry,
};

/// Put the database, the secrets beside it, and a list of all objects into one file, while everything runs
#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file, which is not there yet; it holds secrets, and only its owner may read it
    file: PathBuf,
    /// Put the objects in, too
    #[arg(long)]
    with_objects: bool,
}

/// Restore a backup into a database that is empty, of whichever kind
#[derive(Debug, Args)]
pub(super) struct Restore {
    #[command(flatten)]
    config: ConfigArgs,
    /// What `cutetube backup` has made
    file: PathBuf,
}

impl Backup {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        let config = self.config.load(env, Vec::new())?;
        telemetry::init(&config.log)?;
        if self.file.exists() {
            bail!(Advised::new(
                format!("`{}` is there already", self.file.display()),
                "name a new file: a backup never takes the place of another"
            ));
        }
        let db = prepare_database(&config).await?;
        let blobs = open_store(&config, &db)?;
        let objects = if self.with_objects { Objects::Included } else { Objects::Listed };
        let total = storage::amount(&db).await?.bytes;
        let mut progress =
            (objects == Objects::Included).then(|| Progress::new("copying", total, Unit::Bytes));
        let mut advance = |bytes| {
            if let Some(progress) = &mut progress {
                progress.advance(bytes);
            }
        };
        let made = backup::make(&config, &db, &blobs, &self.file, objects, &mut advance).await;
        let made = made.map_err(|error| match error {
            MakeError::Write { .. } => {
                let hint = "choose a folder that can be written to and has room";
                Advised::new(super::sentence(&error.into()), hint).into()
            }
            error => anyhow::Error::from(error),
        })?;
        if let Some(progress) = progress {
            progress.finish();
        }
        db.close().await;
        tell_made(&made, objects)
    }
}

fn tell_made(made: &Made, objects: Objects) -> anyhow::Result<()> {
    let Made { tables, rows, objects: listed, bytes, secrets, lost } = made;
    print(&format!("backed up {rows} rows of {tables} tables and {secrets} secrets of the data folder"))?;
    match objects {
        Objects::Listed => print(&format!("{listed} objects are listed; they stay where they are"))?,
        Objects::Included => print(&format!("{listed} objects are in it, {bytes} bytes"))?,
    }
    for key in lost {
        print(&format!("not as it was recorded: `{key}`"))?;
    }
    if lost.is_empty() {
        return Ok(());
    }
    bail!(Advised::new(
        format!("{} objects are lost or damaged; everything else is in the backup", lost.len()),
        "`cutetube scrub` says which videos they are of, and can have them made again"
    ))
}

impl Restore {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        let config = self.config.load(env, Vec::new())?;
        telemetry::init(&config.log)?;
        let db = open_database(&config).await?;
        let blobs = open_store(&config, &db)?;
        let restored = backup::restore(&config, &db, &blobs, &self.file).await;
        db.close().await;
        tell_restored(&restored.map_err(advised)?)
    }
}

/// With what to do about it.
fn advised(error: RestoreError) -> anyhow::Error {
    let hint = match &error {
        RestoreError::NotEmpty => {
            "name a new database as `database.url`, or remove the old one when you are sure: a backup is never mixed with \
             what is there"
        }
        RestoreError::Archive(ArchiveError::Damaged { .. }) => "use another copy of the backup",
        RestoreError::NewerForm { .. } | RestoreError::Schema(_) => {
            "use the version of the program that has made it, or a newer one"
        }
        RestoreError::OtherSecret { .. } => "choose an empty data folder, or put that file elsewhere",
        _ => return error.into(),
    };
    Advised::new(super::sentence(&error.into()), hint).into()
}

fn tell_restored(restored: &Restored) -> anyhow::Result<()> {
    let Restored { program, tables, rows, secrets, put, objects, lost, named } = restored;
    print(&format!(
        "restored {rows} rows of {tables} tables and {secrets} secrets from a backup of cutetube {program}"
    ))?;
    print(&format!(
        "{put} objects were put into the store; of {objects} that are needed {lost} are not right"
    ))?;
    for line in named {
        print(&format!("  {line}"))?;
    }
    if *lost > 0 {
        print("copy the objects back, and then run `cutetube scrub`")?;
    }
    Ok(())
}
