//! Content keys on the command line, or in a file, where no list of processes shows them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use packager::{ContentKey, Key, KeyClass, KeyId, Licences, Protection, Scheme};

use super::Advised;
use crate::ambient;

/// Keys to encrypt with; taken by every command that packages.
#[derive(Debug, Args)]
pub(super) struct EncryptArgs {
    /// Encrypt everything but still pictures: `cbcs` for all players of today, `cenc` for older ones
    #[arg(long, value_enum)]
    scheme: Option<SchemeName>,
    #[command(flatten)]
    keys: KeyArgs,
    /// Where players ask for licences; `{kid}` in that of `identity` stands for the key id
    #[arg(long = "licence", value_name = "SYSTEM=URL", requires = "scheme")]
    licences: Vec<Licence>,
}

/// Keys by id.
#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// A key, both parts in hexadecimal digits. With `audio:`, `sd:` or `hd:` in front it is for these tracks alone;
    /// `:IV` behind it sets the initialisation vector of `cbcs`
    #[arg(long = "key", value_name = "[CLASS:]KID:KEY[:IV]")]
    keys: Vec<KeySpec>,
    /// The same from a file, one key on a line: other users see the command line
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchemeName {
    Cenc,
    Cbcs,
}

/// `[CLASS:]KID:KEY[:IV]`
#[derive(Debug, Clone)]
struct KeySpec {
    class: Option<KeyClass>,
    id: KeyId,
    key: Key,
    iv: Option<KeyId>,
}

/// `SYSTEM=URL`
#[derive(Debug, Clone)]
struct Licence {
    system: LicenceSystem,
    url: String,
}

#[derive(Debug, Clone, Copy)]
enum LicenceSystem {
    ClearKey,
    Widevine,
    PlayReady,
    Identity,
}

impl FromStr for KeySpec {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let class = KeyClass::ALL.into_iter().find(|class| text.split(':').next() == Some(class.as_str()));
        let mut parts = text.split(':').skip(usize::from(class.is_some()));
        let (Some(id), Some(key), iv, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err("write it as `KID:KEY` or `CLASS:KID:KEY`, the class being `audio`, `sd` or `hd`");
        };
        let id = id.parse().map_err(|_| "the key id is not 32 hexadecimal digits")?;
        let key = key.parse().map_err(|_| "the key is not 32 hexadecimal digits")?;
        let iv = iv.map(str::parse).transpose().map_err(|_| "the vector is not 32 hexadecimal digits")?;
        Ok(Self { class, id, key, iv })
    }
}

impl FromStr for Licence {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (system, url) = text.split_once('=').ok_or("write it as `SYSTEM=URL`")?;
        let system = match system {
            "clearkey" => LicenceSystem::ClearKey,
            "widevine" => LicenceSystem::Widevine,
            "playready" => LicenceSystem::PlayReady,
            "identity" => LicenceSystem::Identity,
            _ => return Err("the system is `clearkey`, `widevine`, `playready` or `identity`"),
        };
        Ok(Self { system, url: url.to_owned() })
    }
}

impl EncryptArgs {
    /// What to encrypt with; `None` when nobody asked for it.
    pub(super) fn protection(self) -> anyhow::Result<Option<Protection>> {
        let specs = self.keys.specs()?;
        let Some(scheme) = self.scheme else {
            return match specs.is_empty() {
                true => Ok(None),
                false => Err(Advised::new("there are keys and no scheme", "add `--scheme cbcs`").into()),
            };
        };
        let scheme = match scheme {
            SchemeName::Cenc => Scheme::Cenc,
            SchemeName::Cbcs => Scheme::Cbcs,
        };
        let mut licences = Licences::default();
        for Licence { system, url } in self.licences {
            let place = match system {
                LicenceSystem::ClearKey => &mut licences.clearkey,
                LicenceSystem::Widevine => &mut licences.widevine,
                LicenceSystem::PlayReady => &mut licences.playready,
                LicenceSystem::Identity => &mut licences.identity,
            };
            *place = Some(url);
        }
        Ok(Some(Protection::new(scheme, by_class(specs)?, licences)))
    }
}

impl KeyArgs {
    /// Keys by id, to decrypt with.
    pub(super) fn by_id(self) -> anyhow::Result<Vec<(KeyId, Key)>> {
        let specs = self.specs()?;
        if specs.is_empty() {
            return Err(Advised::new("there is no key", "add `--key KID:KEY` or `--key-file FILE`").into());
        }
        Ok(specs.into_iter().map(|spec| (spec.id, spec.key)).collect())
    }

    fn specs(self) -> anyhow::Result<Vec<KeySpec>> {
        let mut specs = self.keys;
        if let Some(file) = &self.key_file {
            specs.extend(read_key_file(file)?);
        }
        Ok(specs)
    }
}

/// One key on a line; lines that are empty or start with `#` are not read.
fn read_key_file(file: &Path) -> anyhow::Result<Vec<KeySpec>> {
    let unread = |error| anyhow::anyhow!("cannot read `{}`: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(unread)?;
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let spec = |(number, line): (u32, &str)| {
        line.parse().map_err(|error: &str| anyhow::anyhow!("line {number} of `{}`: {error}", file.display()))
    };
    lines.map(spec).collect()
}

/// A key for each class: its own, or the one that is for all.
fn by_class(specs: Vec<KeySpec>) -> anyhow::Result<BTreeMap<KeyClass, ContentKey>> {
    let mut keys = BTreeMap::new();
    let mut common = None;
    for KeySpec { class, id, key, iv } in specs {
        let key = ContentKey { id, key, constant_iv: iv.map_or_else(ambient::random, |KeyId(iv)| iv) };
        let taken = match class {
            Some(class) => keys.insert(class, key),
            None => common.replace(key),
        };
        if taken.is_some() {
            let whose = class.map_or_else(|| "all tracks".to_owned(), |class| format!("`{class}`"));
            let hint = "put `audio:`, `sd:` or `hd:` in front of keys";
            return Err(Advised::new(format!("there are two keys for {whose}"), hint).into());
        }
    }
    if let Some(common) = common {
        for class in KeyClass::ALL {
            keys.entry(class).or_insert_with(|| common.clone());
        }
    }
    if keys.is_empty() {
        return Err(Advised::new("there is no key to encrypt with", "add `--key KID:KEY`").into());
    }
    Ok(keys)
}
