//! `delivery.*`: how viewers get media.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::Secret;

/// `delivery.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// What the CDN URLs of manifests start with. Without it, they are this server's. Videos that are not public are
    /// delivered by this server, unless the CDN checks who may have them (`signing`).
    pub cdn_base_url: Option<String>,
    /// How long the addresses of media that are not public work at least. Whoever has one can watch until then.
    pub signed_path_hours: NonZeroU32,
    /// What viewers may take home of videos whose owners have not said anything else.
    pub downloads: Downloads,
    /// How long it is kept what players tell of how well they play; 0 keeps nothing.
    pub quality_days: u32,
    /// What a process keeps in memory of segments and manifests that many ask for, in bytes. As much again may be on its
    /// way to slow clients.
    pub cache_bytes: u64,
    /// What the CDN checks.
    pub signing: CdnSigning,
    /// What the CDN sends as `X-CuteTube-Origin` and nobody else knows: requests with it are answered whatever they are
    /// for, because the CDN has checked them (`signing.scheme = "cloudfront"`).
    pub origin_secret: Option<Secret>,
    /// Where to tell what the CDN should forget when a video is deleted or is no longer public.
    pub purge_url: Option<String>,
    /// What it is told with, as `Authorization: Bearer …`.
    pub purge_token: Option<Secret>,
}

/// `delivery.downloads`. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Downloads {
    /// Nothing: only the owner and administrators have files.
    None,
    /// What was made of a video.
    Renditions,
    /// Also the file as it was uploaded.
    OriginalToo,
}

/// `delivery.signing.*`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CdnSigning {
    /// How addresses are signed.
    pub scheme: SigningScheme,
    /// Of `secure-link` and `gcore`.
    pub secret: Option<Secret>,
    /// Whether an address works for the viewer who was told it, and from no other IP address.
    pub bind_address: bool,
    /// Of `cloudfront`: the id of the public key there.
    pub key_pair_id: Option<String>,
    /// Of `cloudfront`: the private key, RSA in PEM.
    pub private_key: Option<Secret>,
}

/// `delivery.signing.scheme`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SigningScheme {
    /// The CDN checks nothing, and gets only what is public.
    #[default]
    None,
    /// Our own token in the path, which the CDN passes on: it is a part of what it caches by.
    Path,
    /// nginx's `secure_link` over the folder of a revision.
    SecureLink,
    /// Gcore's secure token, which is the same over a folder without folders in it.
    Gcore,
    /// Amazon CloudFront's signed URLs.
    Cloudfront,
}

impl SigningScheme {
    /// As it is configured.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Path => "path",
            Self::SecureLink => "secure-link",
            Self::Gcore => "gcore",
            Self::Cloudfront => "cloudfront",
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            cdn_base_url: None,
            signed_path_hours: NonZeroU32::new(12).expect("12 is not 0"),
            downloads: Downloads::None,
            quality_days: 90,
            cache_bytes: 64 << 20,
            signing: CdnSigning::default(),
            origin_secret: None,
            purge_url: None,
            purge_token: None,
        }
    }
}
