//! How protected videos are encrypted, and who gets their keys.

use std::path::PathBuf;
use std::time::Duration;

use catalog::{
    licences::{Audience, Policy},
    videos::Protection,
};
use packager::VendorSystem;
use serde::{Deserialize, Serialize};

use super::{Config, Secret, Speke, Vendor};

/// `drm.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drm {
    /// How videos are protected whose uploader does not say: `none`, `cenc` or `cbcs`.
    pub default: Protection,
    /// What content keys are encrypted with: 64 hexadecimal digits. Several, with white space between them, for a time
    /// of change: the first encrypts, all decrypt. Without it, one is made and kept in the data folder, as long as the
    /// database is there too.
    pub master_key: Option<Secret>,
    /// What becomes of the uploaded file once its protected video plays.
    pub sources: SourcesOfProtected,
    /// How long a playback token is good: the time between opening a page and pressing play.
    pub token_minutes: u64,
    /// How long a stream counts that has given no sign of life since, once its player gives such signs.
    pub stream_seconds: u64,
    /// How long the log of licences is kept.
    pub log_days: u64,
    /// Whether this server itself gives keys to players (W3C ClearKey). They are not hidden from the viewer there.
    pub clearkey: bool,
    /// Who gets licences, where a video has no rules of its own.
    pub policy: LicencePolicy,
    /// Where keys come from instead of this server.
    pub speke: Option<Speke>,
    /// Who makes licences for Widevine.
    pub widevine: Option<Vendor>,
    /// Who makes licences for PlayReady.
    pub playready: Option<Vendor>,
    /// Who makes licences for FairPlay.
    pub fairplay: Option<Vendor>,
    /// The certificate that FairPlay's players need, as Apple gave it.
    pub fairplay_certificate: Option<PathBuf>,
}

/// `drm.sources`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourcesOfProtected {
    /// It is kept, encrypted.
    Encrypt,
    /// It is deleted. The video can never be processed again.
    Delete,
    /// It is kept as it is.
    Keep,
}

/// `drm.policy.*`; 0 sets no limit.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicencePolicy {
    /// `viewers` (whoever may see the video), `accounts` (who is signed in) or `entitled` (who is on the video's list).
    pub audience: Audience,
    /// The largest pictures, by their shorter side.
    pub max_height: u32,
    /// How much one person may play at once. It needs `accounts` or `entitled`.
    pub max_streams: u32,
    /// How long a licence is good.
    pub licence_minutes: u64,
}

/// Where PlayReady's players ask when nothing else is configured: Microsoft's server for tests.
pub const PLAYREADY_TEST_SERVER: &str = "https://test.playready.microsoft.com/service/rightsmanager.asmx";

impl Default for Drm {
    fn default() -> Self {
        Self {
            default: Protection::None,
            master_key: None,
            sources: SourcesOfProtected::Encrypt,
            token_minutes: 60,
            stream_seconds: 90,
            log_days: 90,
            clearkey: true,
            policy: LicencePolicy {
                audience: Audience::Viewers,
                max_height: 0,
                max_streams: 0,
                licence_minutes: 12 * 60,
            },
            speke: None,
            widevine: None,
            playready: None,
            fairplay: None,
            fairplay_certificate: None,
        }
    }
}

impl Drm {
    /// The vendors of licences that there are.
    pub(crate) fn vendors(&self) -> impl Iterator<Item = (VendorSystem, &Vendor)> {
        let all = [
            (VendorSystem::Widevine, &self.widevine),
            (VendorSystem::PlayReady, &self.playready),
            (VendorSystem::FairPlay, &self.fairplay),
        ];
        all.into_iter().filter_map(|(system, vendor)| Some((system, vendor.as_ref()?)))
    }
}

impl LicencePolicy {
    /// As the catalogue has it.
    pub fn rules(&self) -> Policy {
        let limit = |number| Some(number).filter(|number| *number > 0);
        Policy {
            audience: Some(self.audience),
            max_height: limit(self.max_height),
            max_streams: limit(self.max_streams),
            licence_duration: Some(Duration::from_secs(self.licence_minutes.saturating_mul(60))),
        }
    }
}

impl Config {
    /// The first setting of protection that cannot work, and why.
    pub(super) fn drm_problem(&self) -> Option<(&'static str, String)> {
        let said = |key, sentence: &str| Some((key, sentence.to_owned()));
        let drm = &self.drm;
        if drm.token_minutes == 0 {
            return said("drm.token_minutes", "no token would be good for any time at all");
        }
        if drm.stream_seconds < 10 {
            return said(
                "drm.stream_seconds",
                "players say once in a third of this time that they play: at least 10",
            );
        }
        if drm.policy.licence_minutes == 0 {
            return said("drm.policy.licence_minutes", "no licence would be good for any time at all");
        }
        if drm.policy.max_streams > 0 && drm.policy.audience == Audience::Viewers {
            return said(
                "drm.policy.max_streams",
                "streams are counted for each account: set `drm.policy.audience` to `accounts` or `entitled`",
            );
        }
        let of_vendors = drm.vendors().find_map(|(system, vendor)| vendor.problem(system));
        of_vendors.or_else(|| drm.speke.as_ref().and_then(Speke::problem))
    }
}
