//! The keys of protected videos: made here or by a key server, kept encrypted, and in the clear only where they are used.

pub(crate) mod master;
pub(crate) mod rotation;
pub(crate) mod source;
mod speke;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use anyhow::{Context, bail};
use catalog::{
    keys::{KeyClass, WrappedKey},
    videos::{Protection, Video},
};
use db::Backend;
use packager::{ContentKey, Key, KeyId, Licences, Scheme, SystemHeaders};
use serde::Deserialize;
use zeroize::Zeroizing;

use self::{
    master::{Identity, MasterKeys, UnwrapError},
    source::SourceCipher,
    speke::{AskedKey, KeyRequest, KeyServer, KeyServerError, VendorKey},
};
use crate::{
    ambient,
    blobs::SealedFile,
    config::{self, Config, PLAYREADY_TEST_SERVER, Secret},
    playback::BaseUrl,
};

/// What a process needs to make and to read keys.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// A process without them protects nothing and reads no key.
    masters: Option<Arc<RwLock<MasterKeys>>>,
    /// Where they are kept, unless they are configured: somebody may rotate them while this process runs.
    kept: Option<PathBuf>,
    /// Where content keys come from, if not from here.
    server: Option<KeyServer>,
}

/// The keys of one video, in the clear.
#[derive(Debug)]
pub(crate) struct VideoKeys {
    content: BTreeMap<packager::KeyClass, ContentKey>,
    headers: BTreeMap<packager::KeyClass, SystemHeaders>,
    source: Option<ContentKey>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// This process has none; another may have.
    #[error("this process has no master key (`drm.master_key`)")]
    NoMasterKey,
    #[error(transparent)]
    Unwrap(#[from] UnwrapError),
    #[error(transparent)]
    Server(#[from] KeyServerError),
    /// What is kept of a key cannot be read.
    #[error("what is kept for players of a key for `{0}` is not understood")]
    Headers(KeyClass),
}

impl Keys {
    /// With the master keys of `config`, or with one that is made at the first start and kept in the data folder. A server
    /// that shares its database with others is told its master keys: one that it made for itself, nobody else had.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        let url: db::Url = config.database_url().expose().parse()?;
        let (text, kept) = match &config.drm.master_key {
            Some(text) => (Some(text.clone()), None),
            None if url.backend() == Backend::Sqlite => {
                let made =
                    config::master_key(config, |bytes| bytes.copy_from_slice(&ambient::random::<32>()));
                let made = made.context("there is no master key to encrypt content keys with")?;
                (Some(made), Some(config::master_key_file(config)))
            }
            None => (None, None),
        };
        let masters = text.map(|text| MasterKeys::parse(&text)).transpose().context("`drm.master_key`")?;
        if masters.is_none() && config.drm.default != Protection::None {
            bail!(
                "`drm.default` protects videos, which needs `drm.master_key`: none is made where a database may be shared"
            );
        }
        let masters = masters.map(|masters| Arc::new(RwLock::new(masters)));
        let server = config.drm.speke.as_ref().map(KeyServer::new).transpose()?;
        Ok(Self { masters, kept, server })
    }

    /// Whether videos can be protected here.
    pub(crate) fn are_there(&self) -> bool {
        self.masters.is_some()
    }

    fn masters(&self) -> Result<MasterKeys, KeyError> {
        let masters = self.masters.as_ref().ok_or(KeyError::NoMasterKey)?;
        Ok(masters.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// A key in the clear. One under a master key that is new to this process makes it look for new ones.
    fn unwrap(&self, row: &WrappedKey) -> Result<Key, KeyError> {
        match (self.masters()?.unwrap(row), &self.kept, &self.masters) {
            (Err(UnwrapError::OtherMasterKey(id)), Some(kept), Some(masters)) => {
                let other = || UnwrapError::OtherMasterKey(id.clone());
                let text = std::fs::read_to_string(kept).map_err(|_| other())?;
                let found = MasterKeys::parse(&Secret::new(text)).map_err(|_| other())?;
                *masters.write().unwrap_or_else(PoisonError::into_inner) = found.clone();
                Ok(found.unwrap(row)?)
            }
            (unwrapped, _, _) => Ok(unwrapped?),
        }
    }

    /// The keys that a video which is to be protected still needs, beside those that it has. They are made once and never
    /// change.
    pub(crate) async fn make(&self, video: &Video, had: &[WrappedKey]) -> Result<Vec<WrappedKey>, KeyError> {
        let Some(scheme) = scheme(video.protection) else { return Ok(Vec::new()) };
        let masters = self.masters()?;
        let is_missing = |class: &KeyClass| had.iter().all(|key| key.class != *class);
        let played: Vec<_> =
            packager::KeyClass::ALL.into_iter().filter(|one| is_missing(&class(*one))).collect();
        let source = Some(KeyClass::Source).filter(is_missing).map(|class| made(&masters, video, class));
        let content = match &self.server {
            Some(server) if !played.is_empty() => ask(server, &masters, video, scheme, &played).await?,
            _ => played.into_iter().map(|one| made(&masters, video, class(one))).collect(),
        };
        Ok(content.into_iter().chain(source).collect())
    }

    /// The keys of a video in the clear.
    pub(crate) fn read(&self, rows: &[WrappedKey]) -> Result<VideoKeys, KeyError> {
        let mut found = VideoKeys { content: BTreeMap::new(), headers: BTreeMap::new(), source: None };
        for row in rows {
            let key = self.unwrap(row)?;
            let key = ContentKey { id: KeyId(row.key_id), key, constant_iv: row.iv };
            let Some(class) = played(row.class) else {
                found.source = Some(key);
                continue;
            };
            found.content.insert(class, key);
            if let Some(headers) = &row.headers {
                let headers =
                    SystemHeaders::deserialize(headers).map_err(|_| KeyError::Headers(row.class))?;
                found.headers.insert(class, headers);
            }
        }
        Ok(found)
    }
}

impl KeyError {
    /// Whether another process may well have what this one lacks.
    pub(crate) fn is_elsewhere(&self) -> bool {
        match self {
            Self::NoMasterKey | Self::Unwrap(UnwrapError::OtherMasterKey(_)) => true,
            Self::Unwrap(UnwrapError::Damaged { .. }) | Self::Server(_) | Self::Headers(_) => false,
        }
    }

    /// Whether trying again is of no use.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Server(error) if !error.may_pass())
    }
}

impl VideoKeys {
    /// How the media of the video are encrypted, and what manifests tell of it.
    pub(crate) fn protection(&self, config: &Config, video: &Video) -> Option<packager::Protection> {
        let scheme = scheme(video.protection)?;
        let (keys, headers) = (self.content.clone(), self.headers.clone());
        Some(packager::Protection::with_headers(scheme, keys, licences(config), headers))
    }

    /// What players may be given.
    pub(crate) fn content(&self) -> &BTreeMap<packager::KeyClass, ContentKey> {
        &self.content
    }

    /// Encrypts and decrypts a file of the video at rest.
    pub(crate) fn source(&self, file: SealedFile) -> Option<SourceCipher> {
        let key = self.source.as_ref()?;
        Some(SourceCipher::new(&key.key, key.constant_iv, file))
    }
}

/// How a video is encrypted, if it is.
pub(crate) fn scheme(protection: Protection) -> Option<Scheme> {
    match protection {
        Protection::None => None,
        Protection::Cenc => Some(Scheme::Cenc),
        Protection::Cbcs => Some(Scheme::Cbcs),
    }
}

/// The same class in the words of the catalogue.
pub(crate) fn class(class: packager::KeyClass) -> KeyClass {
    match class {
        packager::KeyClass::Audio => KeyClass::Audio,
        packager::KeyClass::Sd => KeyClass::Sd,
        packager::KeyClass::Hd => KeyClass::Hd,
    }
}

/// The same class in the words of the packager; `None` when players never get it.
pub(crate) fn played(class: KeyClass) -> Option<packager::KeyClass> {
    match class {
        KeyClass::Audio => Some(packager::KeyClass::Audio),
        KeyClass::Sd => Some(packager::KeyClass::Sd),
        KeyClass::Hd => Some(packager::KeyClass::Hd),
        KeyClass::Source => None,
    }
}

/// A new key.
fn made(masters: &MasterKeys, video: &Video, class: KeyClass) -> WrappedKey {
    let secret = Zeroizing::new(ambient::random::<16>());
    let key =
        ContentKey { id: KeyId(ambient::random()), key: Key::new(*secret), constant_iv: ambient::random() };
    wrapped(masters, video, class, &key)
}

/// Keys that a key server makes. Their ids are ours.
async fn ask(
    server: &KeyServer,
    masters: &MasterKeys,
    video: &Video,
    scheme: Scheme,
    classes: &[packager::KeyClass],
) -> Result<Vec<WrappedKey>, KeyError> {
    let asked = |class: &packager::KeyClass| AskedKey {
        class: *class,
        id: KeyId(ambient::random()),
        constant_iv: ambient::random(),
    };
    let keys = classes.iter().map(asked).collect();
    let request = KeyRequest { content_id: video.id.to_string(), scheme, keys };
    let given = server.keys(&request).await?;
    let kept = |given: &VendorKey| {
        let headers =
            serde_json::to_value(&given.headers).map_err(|_| KeyError::Headers(class(given.class)))?;
        Ok(WrappedKey { headers: Some(headers), ..wrapped(masters, video, class(given.class), &given.key) })
    };
    given.iter().map(kept).collect()
}

fn wrapped(masters: &MasterKeys, video: &Video, class: KeyClass, key: &ContentKey) -> WrappedKey {
    let identity = Identity { video: video.id, class, key_id: key.id.0, iv: key.constant_iv };
    WrappedKey {
        video: video.id,
        class,
        key_id: key.id.0,
        master_key: masters.id().to_owned(),
        wrapped: masters.wrap(&identity, &key.key, ambient::random()),
        iv: key.constant_iv,
        headers: None,
    }
}

/// Where players ask for licences, as stored manifests tell it. Manifests that this server sends have its own address and
/// a token there.
fn licences(config: &Config) -> Licences {
    let base = BaseUrl::configured(config).unwrap_or(BaseUrl::RELATIVE);
    let here = |path| Some(base.licences(path));
    let drm = &config.drm;
    Licences {
        clearkey: here("clearkey").filter(|_| drm.clearkey),
        widevine: here("widevine").filter(|_| drm.widevine.is_some()),
        playready: match drm.playready.is_some() {
            true => here("playready"),
            false => Some(PLAYREADY_TEST_SERVER.to_owned()),
        },
        identity: here("key/{kid}").filter(|_| drm.clearkey),
    }
}
