//! Addresses that a CDN checks before it answers: a query that is made here, and compared there with what the CDN makes
//! of the same secret.
//!
//! One query opens everything below a folder: that of a published revision, or the flat one of the second generation,
//! for CDNs that compare folders and no more. Manifests carry it on to what they name.

use std::{fmt, net::IpAddr};

use axum::{extract::FromRequestParts as _, http::request::Parts};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use catalog::ids::{Revision, VideoId};
use md5::{Digest as _, Md5};
use packager::{FlattenError, hls};
use ring::{rand::SystemRandom, rsa::KeyPair as RsaKeyPair, signature::RSA_PKCS1_SHA256};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};

use super::address::Target;
use crate::{
    AppState,
    blobs::KeyPrefix,
    config::{CdnSigning, Secret, SigningScheme},
    http::{ClientAddress, Problem},
};

/// Makes such queries, and checks those that this server can check.
#[derive(Clone)]
pub(crate) enum CdnSigner {
    /// `secure_link_md5` of nginx (`ngx_http_secure_link_module`) and the secure tokens of Gcore.
    Link(SecureLink),
    /// Signed URLs with a custom policy.
    CloudFront(CloudFront),
}

/// MD5 over when it ends, what it opens, for whom, and a secret. It is the CDNs' choice, not ours.
#[derive(Clone)]
pub(crate) struct SecureLink {
    secret: Secret,
    binds_address: bool,
    pub(crate) layout: Layout,
}

/// What one query opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `/vod-media/{video}/{revision}/` and everything below.
    Revision,
    /// `/app/v2/dash/{video}/`, in which there are no folders.
    Flat,
}

#[derive(Clone)]
pub(crate) struct CloudFront {
    key_pair_id: String,
    key: std::sync::Arc<RsaKeyPair>,
}

/// `delivery.signing` asks for something that cannot be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningError {
    #[error("`delivery.signing.scheme = \"{}\"` needs `delivery.{missing}`", scheme.as_str())]
    Missing { scheme: SigningScheme, missing: &'static str },
    #[error("`delivery.signing.private_key` is no RSA key in PEM")]
    Key,
}

impl CdnSigner {
    /// As `delivery.signing` says; `None` when the CDN checks nothing, or what it passes on.
    pub(crate) fn new(signing: &CdnSigning) -> Result<Option<Self>, SigningError> {
        let scheme = signing.scheme;
        let missing = |missing| SigningError::Missing { scheme, missing };
        let link = |layout| {
            let secret = signing.secret.clone().ok_or_else(|| missing("signing.secret"))?;
            Ok(Some(Self::Link(SecureLink { secret, binds_address: signing.bind_address, layout })))
        };
        match scheme {
            SigningScheme::None | SigningScheme::Path => Ok(None),
            SigningScheme::SecureLink => link(Layout::Revision),
            SigningScheme::Gcore => link(Layout::Flat),
            SigningScheme::Cloudfront => {
                let key_pair_id =
                    signing.key_pair_id.clone().ok_or_else(|| missing("signing.key_pair_id"))?;
                let pem = signing.private_key.as_ref().ok_or_else(|| missing("signing.private_key"))?;
                let key = rsa_key(pem).ok_or(SigningError::Key)?.into();
                Ok(Some(Self::CloudFront(CloudFront { key_pair_id, key })))
            }
        }
    }

    /// Under which names the CDN has the media.
    pub(crate) fn layout(&self) -> Layout {
        match self {
            Self::Link(link) => link.layout,
            Self::CloudFront(_) => Layout::Revision,
        }
    }

    /// What `?` is followed by, for `folder` of the CDN at `base`, until `expires` (in seconds since 1970).
    pub(crate) fn query(&self, base: &str, folder: &str, expires: u64, viewer: Option<IpAddr>) -> String {
        match self {
            Self::Link(link) => format!("md5={}&expires={expires}", link.tag(folder, expires, viewer)),
            Self::CloudFront(cloudfront) => cloudfront.query(base, folder, expires),
        }
    }

    /// What the names of a manifest carry that was asked for with `query`, which this server or the CDN has checked. A CDN
    /// that keeps its own query to itself needs a new one.
    pub(crate) fn onward(
        &self,
        state: &AppState,
        query: Option<&str>,
        video: VideoId,
        revision: Revision,
    ) -> String {
        match self {
            Self::Link(_) => {
                let (tag, expires) = query.and_then(pair).unwrap_or_default();
                format!("md5={tag}&expires={expires}")
            }
            Self::CloudFront(cloudfront) => {
                let base = state.config.delivery.cdn_base_url.as_deref().unwrap_or_default();
                let folder = self.layout().folder(video, revision);
                cloudfront.query(base, &folder, state.paths.end(state.clock.seconds()))
            }
        }
    }

    /// For how many seconds from `now` the query still opens `folder`; `None` when it does not, or only the CDN can tell.
    pub(crate) fn check(&self, folder: &str, query: &str, now: u64, viewer: Option<IpAddr>) -> Option<u64> {
        let Self::Link(link) = self else { return None };
        let (tag, expires) = pair(query)?;
        // So what is carried on is what was made here, and nothing that a client has written.
        let is_ours = Secret::new(link.tag(folder, expires, viewer)).is(tag);
        expires.checked_sub(now).filter(|left| is_ours && *left > 0)
    }
}

impl Layout {
    /// The folder of what `target` names, if that is in this layout.
    pub(crate) fn folder_of(self, target: &Target) -> Option<String> {
        match (self, target) {
            (Self::Revision, Target::Object { video, revision, .. }) => Some(self.folder(*video, *revision)),
            (Self::Flat, Target::Flat { video, name }) => Some(self.folder(*video, name.revision)),
            (Self::Flat, Target::FlatManifest(video)) => Some(self.folder(*video, Revision::FIRST)),
            _ => None,
        }
    }

    /// As a path, with slashes at both ends.
    pub(crate) fn folder(self, video: VideoId, revision: Revision) -> String {
        match self {
            Self::Revision => format!("/{}/", KeyPrefix::Revision(video, revision)),
            Self::Flat => Target::FlatManifest(video).to_string().trim_end_matches("manifest.mpd").to_owned(),
        }
    }
}

impl SecureLink {
    /// `$secure_link_expires$folder$remote_addr secret`, as both describe it.
    fn tag(&self, folder: &str, expires: u64, viewer: Option<IpAddr>) -> String {
        let address =
            viewer.filter(|_| self.binds_address).map(|viewer| viewer.to_string()).unwrap_or_default();
        let text = format!("{expires}{folder}{address} {}", self.secret.expose());
        BASE64_URL_SAFE_NO_PAD.encode(Md5::digest(text))
    }
}

impl CloudFront {
    fn query(&self, base: &str, folder: &str, expires: u64) -> String {
        let policy = serde_json::json!({"Statement": [{
            "Resource": format!("{}{folder}*", base.trim_end_matches('/')),
            "Condition": {"DateLessThan": {"AWS:EpochTime": expires}},
        }]})
        .to_string();
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), policy.as_bytes(), &mut signature)
            .expect("a signature is as long as the modulus");
        format!(
            "Policy={}&Signature={}&Key-Pair-Id={}&Hash-Algorithm=SHA256",
            url_safe(policy.as_bytes()),
            url_safe(&signature),
            self.key_pair_id
        )
    }
}

/// Whoever sends this request, where addresses are for one viewer and no other.
pub(super) async fn viewer(state: &AppState, parts: &mut Parts) -> Result<Option<IpAddr>, Problem> {
    match state.config.delivery.signing.bind_address {
        true => Ok(Some(ClientAddress::from_request_parts(parts, state).await?.ip())),
        false => Ok(None),
    }
}

/// The tag and the end in a query.
fn pair(query: &str) -> Option<(&str, u64)> {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    Some((value("md5")?, value("expires")?.parse().ok()?))
}

/// Amazon's own way to write base64 in a URL.
fn url_safe(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

fn rsa_key(pem: &Secret) -> Option<RsaKeyPair> {
    match PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).ok()? {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok(),
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
        _ => None,
    }
}

/// A manifest whose names all carry `query`. `manifest` is what the packager has written, DASH or HLS.
pub(super) fn carry(manifest: &str, query: &str) -> Result<String, FlattenError> {
    let carried = |name: &str| {
        let joint = if name.contains('?') { '&' } else { '?' };
        format!("{name}{joint}{query}")
    };
    match manifest.starts_with("#EXTM3U") {
        true => Ok(hls::renamed_playlist(manifest, carried)),
        false => packager::renamed(manifest, carried),
    }
}

/// Never the secret.
impl fmt::Debug for CdnSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CdnSigner").field("layout", &self.layout()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn link(scheme: SigningScheme, bind_address: bool) -> CdnSigner {
        let secret = Some(Secret::new("a secret of the CDN".to_owned()));
        CdnSigner::new(&CdnSigning { scheme, secret, bind_address, ..CdnSigning::default() })
            .unwrap()
            .unwrap()
    }

    fn video() -> VideoId {
        VideoId::new(7, &[7; 10])
    }

    /// The example of Gcore's documentation, with our folder: `echo -n '{expires}{path}{ip} {secret}' | openssl md5 -binary |
    /// openssl base64 | tr +/ -_ | tr -d =`.
    #[test]
    fn links_are_what_openssl_makes_of_the_same_text() {
        let signer = link(SigningScheme::SecureLink, true);
        let query = signer.query("https://cdn", "/live/133529_2/", 1_510_000_000, Some([1, 2, 3, 4].into()));
        assert_eq!(query, "md5=c9HiWOOcU4IIMK-jJ2WzlA&expires=1510000000");
    }

    #[test]
    fn a_link_opens_its_folder_until_it_ends_and_nothing_else() {
        let signer = link(SigningScheme::SecureLink, false);
        let folder = signer.layout().folder(video(), Revision::FIRST);
        let query = signer.query("https://cdn", &folder, NOW + 10, None);
        assert_eq!(signer.check(&folder, &query, NOW, None), Some(10));
        assert_eq!(signer.check(&folder, &query, NOW + 10, None), None, "expired");
        assert_eq!(signer.check(&folder, &query.replace("18000", "18001"), NOW, None), None, "tampered");
        let other = signer.layout().folder(video(), Revision::FIRST.next());
        assert_eq!(signer.check(&other, &query, NOW, None), None, "another path");
        for nothing in ["", "md5=", "expires=1", "md5=x&expires=-1", "md5=x&expires=18446744073709551616"] {
            assert_eq!(signer.check(&folder, nothing, NOW, None), None, "{nothing}");
        }
        let bound = link(SigningScheme::SecureLink, true);
        let query = bound.query("https://cdn", &folder, NOW + 10, Some([192, 0, 2, 1].into()));
        assert_eq!(bound.check(&folder, &query, NOW, Some([192, 0, 2, 1].into())), Some(10));
        assert_eq!(bound.check(&folder, &query, NOW, Some([192, 0, 2, 2].into())), None, "another address");
    }

    #[test]
    fn names_of_manifests_carry_the_query() {
        let mpd = r#"<MPD><SegmentTemplate timescale="1" initialization="../$RepresentationID$/init.mp4" media="../$RepresentationID$/$Number$.m4s"/></MPD>"#;
        insta::assert_snapshot!(carry(mpd, "md5=a&expires=1").unwrap(), @r#"<MPD><SegmentTemplate timescale="1" initialization="../$RepresentationID$/init.mp4?md5=a&amp;expires=1" media="../$RepresentationID$/$Number$.m4s?md5=a&amp;expires=1"/></MPD>"#);
        let playlist = "#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"https://here/licences/key/1\"\n#EXT-X-MAP:URI=\"360p/init.mp4\"\n#EXTINF:1,\n360p/1.m4s\n360p.m3u8?token=t\n";
        insta::assert_snapshot!(carry(playlist, "md5=a&expires=1").unwrap(), @r#"
        #EXTM3U
        #EXT-X-KEY:METHOD=SAMPLE-AES,URI="https://here/licences/key/1"
        #EXT-X-MAP:URI="360p/init.mp4?md5=a&expires=1"
        #EXTINF:1,
        360p/1.m4s?md5=a&expires=1
        360p.m3u8?token=t&md5=a&expires=1
        "#);
    }
}
