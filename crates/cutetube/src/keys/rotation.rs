//! Putting all content keys under another master key.

use std::{io, path::Path};

use catalog::keys::{self, WrappedKey};
use db::Db;
use zeroize::Zeroizing;

use super::{
    Identity,
    master::{MasterKeys, UnwrapError},
};
use crate::{
    ambient,
    config::{Secret, replace_secret},
};

/// What became of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rotated {
    /// Those that are under the first master key now and were not before.
    pub(crate) moved: u64,
    /// Those that are under another still: somebody made them in the meantime.
    pub(crate) left: u64,
}

/// Why not all keys were moved. Those that were are fine where they are.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    #[error(transparent)]
    Unwrap(#[from] UnwrapError),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

/// Keys that are read at once.
const BATCH: u32 = 500;

/// Puts every content key under the first of these master keys. It may be stopped and begun again at any time, and run
/// beside servers that know the first one.
pub(crate) async fn rotate(db: &Db, masters: &MasterKeys) -> Result<Rotated, RotationError> {
    let mut rotated = Rotated { moved: 0, left: 0 };
    let mut after = None;
    loop {
        let batch = keys::under_others(db, masters.id(), after, BATCH).await?;
        let Some(last) = batch.last() else { break };
        after = Some(last.key_id);
        for old in &batch {
            rotated.moved += u64::from(move_one(db, masters, old).await?);
        }
    }
    rotated.left = keys::count_under_others(db, masters.id()).await?;
    Ok(rotated)
}

async fn move_one(db: &Db, masters: &MasterKeys, old: &WrappedKey) -> Result<bool, RotationError> {
    let key = masters.unwrap(old)?;
    let wrapped = masters.wrap(&Identity::of(old), &key, ambient::random());
    Ok(keys::rewrap(db, old, masters.id(), &wrapped).await?)
}

/// Puts a new master key in front of those that are kept in this file. They stay there: a server that runs goes on under
/// them until it is started again.
pub(crate) fn add_first(file: &Path, masters: MasterKeys) -> io::Result<MasterKeys> {
    let new = Zeroizing::new(ambient::random::<32>());
    let kept = Zeroizing::new(std::fs::read_to_string(file)?);
    replace_secret(
        file,
        &Zeroizing::new(format!("{}\n{}", *Zeroizing::new(hex::encode(*new)), kept.trim_start())),
    )?;
    Ok(masters.led_by(&new))
}

/// Leaves only the first of the master keys in this file, and answers how many went.
pub(crate) fn keep_first(file: &Path) -> io::Result<usize> {
    let kept = Secret::new(std::fs::read_to_string(file)?);
    let mut keys = kept.expose().split_whitespace();
    let first = keys.next().unwrap_or_default();
    replace_secret(file, first)?;
    Ok(keys.count())
}
