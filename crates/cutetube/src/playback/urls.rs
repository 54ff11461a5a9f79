//! Every absolute URL that an answer contains.

use std::{borrow::Cow, fmt, net::IpAddr};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts, uri::Authority},
};
use catalog::{
    ids::{ProcessId, Revision, UploadId, VideoId},
    names::Username,
    videos::{Video, Visibility},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    address::{FlatName, MediaAddress, Target},
    cdn::{self, CdnSigner, Layout},
    downloads::{Audience, Offer},
    signing::{PathToken, Scope},
};
use crate::{
    AppState,
    accounts::Code,
    blobs::{Flavour, MediaObject},
    config::{Config, SigningScheme},
    http::Problem,
    licences::Pass,
};

/// How the world calls this server: `https://videos.example.org`, without a slash at its end; and who asks, where
/// addresses are for nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    url: Cow<'static, str>,
    viewer: Option<IpAddr>,
}

/// The two generations of the original's API that list videos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Original {
    V3,
    V4,
}

/// Where the media of one published video are fetched from. The addresses of a video that is not public open it to
/// whoever has them, for a while: they are for those who may see it.
#[derive(Debug, Clone)]
pub(crate) struct MediaUrls {
    /// What players of a protected video show when they ask for licences. It is in the addresses of manifests, and no
    /// others, so that manifests lead there with it.
    pass: Option<String>,
    prefix: String,
    token: Option<PathToken>,
    /// What a CDN checks.
    link: Option<Link>,
    video: VideoId,
    revision: Revision,
}

#[derive(Debug, Clone)]
struct Link {
    query: String,
    layout: Layout,
    expires: u64,
}

/// Where a video plays from. Everything is absent until it is published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PlaybackUrls {
    pub(crate) dash: Option<String>,
    pub(crate) dash_mov: Option<String>,
    pub(crate) hls: Option<String>,
    pub(crate) hls_mov: Option<String>,
}

impl BaseUrl {
    /// This server, from one of its own pages.
    pub(crate) const RELATIVE: Self = Self { url: Cow::Borrowed(""), viewer: None };

    /// `server.public_url`.
    pub(crate) fn configured(config: &Config) -> Option<Self> {
        let url = config.server.public_url.as_deref()?;
        Some(Self::from(url.trim_end_matches('/').to_owned()))
    }

    /// `server.public_url`, else where this process listens: for letters, where nobody has asked for anything.
    pub(crate) fn of_letters(config: &Config) -> Self {
        Self::configured(config).unwrap_or_else(|| Self::from(format!("http://{}", config.server.listen)))
    }

    /// `server.public_url`, else what the client asked for.
    fn of(config: &Config, parts: &Parts) -> Option<Self> {
        if let Some(configured) = Self::configured(config) {
            return Some(configured);
        }
        let asked = parts.uri.authority().map(ToString::to_string).or_else(|| host(&parts.headers))?;
        let scheme = if config.server.tls.certificate.is_some() { "https" } else { "http" };
        Some(Self::from(format!("{scheme}://{asked}")))
    }

    /// The same viewer on a page of this server.
    pub(crate) fn relative(&self) -> Self {
        Self { viewer: self.viewer, ..Self::RELATIVE }
    }

    /// Whether browsers come over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// The page where a letter's code sets another password. What follows `#` is not sent to any server, so that codes
    /// are in nobody's log.
    pub(crate) fn reset(&self, code: &Code) -> String {
        format!("{self}/reset#{}", code.expose())
    }

    /// The page where a letter's code confirms an address.
    pub(crate) fn verify(&self, code: &Code) -> String {
        format!("{self}/verify#{}", code.expose())
    }

    /// The page where an invitation makes an account.
    pub(crate) fn invitation(&self, code: &Code) -> String {
        format!("{self}/signup#{}", code.expose())
    }

    /// The page where one logs in.
    pub(crate) fn log_in(&self) -> String {
        format!("{self}/login")
    }

    /// The page that plays a video.
    pub(crate) fn watch(&self, video: VideoId) -> String {
        format!("{self}/watch/{video}")
    }

    /// The same from a moment on, in whole seconds.
    pub(crate) fn watch_at(&self, video: VideoId, seconds: u64) -> String {
        format!("{}?t={seconds}", self.watch(video))
    }

    /// The page that plays a video inside a page of another site.
    pub(crate) fn embed(&self, video: VideoId) -> String {
        format!("{self}/embed/{video}")
    }

    /// The page of what one person has published. User names have no characters that mean something in a path.
    pub(crate) fn channel(&self, name: &Username) -> String {
        format!("{self}/u/{name}")
    }

    /// Where people choose which letters they get.
    pub(crate) fn letters(&self) -> String {
        format!("{self}/account#letters")
    }

    /// A picture of a person, by the key of its object.
    pub(crate) fn picture(&self, key: &str) -> String {
        format!("{self}/{key}")
    }

    /// What `/api/v5` says about a video.
    pub(crate) fn status(&self, video: VideoId) -> String {
        format!("{self}/api/v5/videos/{video}")
    }

    /// Where players say that a video is watched.
    pub(crate) fn views(&self, video: VideoId) -> String {
        format!("{}/views", self.status(video))
    }

    /// Where captions are as WebVTT.
    pub(crate) fn captions(&self, video: VideoId, language: &str) -> String {
        format!("{}/captions/{language}", self.status(video))
    }

    /// Where they say what of it is watched.
    pub(crate) fn audience(&self, video: VideoId) -> String {
        format!("{}/audience", self.status(video))
    }

    /// Where a file goes that is sent in pieces.
    pub(crate) fn upload(&self, upload: UploadId) -> String {
        format!("{self}/api/v5/uploads/{upload}")
    }

    /// What `/api/v5` says about the processing of an upload.
    pub(crate) fn process(&self, process: ProcessId) -> String {
        format!("{self}/api/v5/processes/{process}")
    }

    /// The same as a stream of events.
    pub(crate) fn process_events(&self, process: ProcessId) -> String {
        format!("{}/events", self.process(process))
    }

    /// What the URLs of public media begin with: those of the CDN when there is one.
    pub(crate) fn media_prefix<'a>(&'a self, config: &'a Config) -> &'a str {
        config.delivery.cdn_base_url.as_deref().unwrap_or(&self.url)
    }

    /// What `/api/v5` says about playing a video.
    pub(crate) fn playback(&self, video: VideoId) -> String {
        format!("{}/playback", self.status(video))
    }

    /// Where players ask for licences of a protection system.
    pub(crate) fn licences(&self, system: &str) -> String {
        format!("{self}/licences/{system}")
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.url
    }

    /// A page of a list of the original's API.
    pub(crate) fn list_page(&self, original: Original, number: u32) -> String {
        let videos = match original {
            Original::V3 => "/api/v3/vod/videos",
            Original::V4 => "/api/v4/drm/vod/videos",
        };
        format!("{self}{videos}/all/?page={number}")
    }
}

impl MediaUrls {
    /// From this server, whatever is before it. `None` until the video is published.
    pub(crate) fn origin(state: &AppState, base: &BaseUrl, video: &Video) -> Option<Self> {
        Self::new(state, &base.url, video)
    }

    /// From where viewers should fetch: the CDN when there is one. What is not public goes through it only when it
    /// checks who asks, or asks this server each time.
    pub(crate) fn preferred(state: &AppState, base: &BaseUrl, video: &Video) -> Option<Self> {
        let Some(cdn) = &state.config.delivery.cdn_base_url else { return Self::origin(state, base, video) };
        if let Some(signer) = &state.cdn {
            return Self::signed(state, cdn, signer, base.viewer, video);
        }
        let passes_on = state.config.delivery.signing.scheme == SigningScheme::Path;
        match video.visibility {
            Visibility::Public => Self::new(state, cdn, video),
            Visibility::Unlisted | Visibility::Private if passes_on => Self::new(state, cdn, video),
            Visibility::Unlisted | Visibility::Private => Self::origin(state, base, video),
        }
    }

    /// From a CDN that checks addresses: everything through it, what is public too.
    fn signed(
        state: &AppState,
        cdn: &str,
        signer: &CdnSigner,
        viewer: Option<IpAddr>,
        video: &Video,
    ) -> Option<Self> {
        let revision = video.published_revision?;
        let expires = state.paths.end(state.clock.seconds());
        let folder = signer.layout().folder(video.id, revision);
        let link =
            Link { query: signer.query(cdn, &folder, expires, viewer), layout: signer.layout(), expires };
        let prefix = cdn.trim_end_matches('/').to_owned();
        Some(Self { pass: None, prefix, token: None, link: Some(link), video: video.id, revision })
    }

    fn new(state: &AppState, prefix: &str, video: &Video) -> Option<Self> {
        let scope = Scope::of(video)?;
        let token = match video.visibility {
            Visibility::Public => None,
            Visibility::Unlisted | Visibility::Private => {
                Some(state.paths.sign(scope, state.clock.seconds()))
            }
        };
        let prefix = prefix.trim_end_matches('/').to_owned();
        Some(Self {
            pass: None,
            prefix,
            token,
            link: None,
            video: video.id,
            revision: video.published_revision?,
        })
    }

    /// For a viewer who has this pass, if any is needed.
    pub(crate) fn for_holder_of(self, pass: Option<&Pass>) -> Self {
        Self { pass: pass.map(|pass| pass.token.expose().to_owned()), ..self }
    }

    pub(crate) fn object(&self, object: MediaObject) -> String {
        let pass = self.pass.as_ref().filter(|_| object.is_manifest()).map(|pass| format!("token={pass}"));
        let link = self.link.as_ref().map(|link| link.query.clone());
        let query: Vec<String> = pass.into_iter().chain(link).collect();
        let address = self.at(self.target(object));
        if query.is_empty() { address } else { format!("{address}?{}", query.join("&")) }
    }

    /// The picture that stands for the video: the one that its owner chose, or the one that was made with it.
    pub(crate) fn poster(&self, video: &Video) -> String {
        match video.poster {
            Some(name) => self.at(Target::Poster { video: self.video, name }),
            None => self.object(MediaObject::Poster),
        }
    }

    fn target(&self, object: MediaObject) -> Target {
        let (video, revision) = (self.video, self.revision);
        match self.link.as_ref().map_or(Layout::Revision, |link| link.layout) {
            Layout::Revision => Target::Object { video, revision, object },
            Layout::Flat => Target::Flat { video, name: FlatName { revision, object } },
        }
    }

    /// The file as it was uploaded.
    pub(crate) fn source(&self) -> String {
        self.at(Target::Source(self.video))
    }

    /// A file to keep. A token opens what is for viewers, and nothing else.
    pub(crate) fn download(&self, offer: &Offer) -> String {
        let (video, revision, name) = (self.video, self.revision, offer.name.clone());
        let target = Target::Download { video, revision, name };
        match offer.to {
            Audience::Viewers => self.at(target),
            Audience::Managers => format!("{}{}", self.prefix, MediaAddress { token: None, target }),
        }
    }

    pub(crate) fn playback(&self) -> PlaybackUrls {
        PlaybackUrls {
            dash: Some(self.object(MediaObject::Mpd(Flavour::Mp4))),
            dash_mov: Some(self.object(MediaObject::Mpd(Flavour::Mov))),
            hls: Some(self.object(MediaObject::Master(Flavour::Mp4))),
            hls_mov: Some(self.object(MediaObject::Master(Flavour::Mov))),
        }
    }

    /// When the addresses end, in seconds since 1970; `None` when they do not.
    pub(crate) fn expires(&self) -> Option<u64> {
        self.token.map(PathToken::expires).or_else(|| Some(self.link.as_ref()?.expires))
    }

    fn at(&self, target: Target) -> String {
        format!("{}{}", self.prefix, MediaAddress { token: self.token, target })
    }
}

impl PlaybackUrls {
    /// Of one output, whatever is published now and whoever may see it: without a token.
    pub(crate) fn of_revision(video: VideoId, revision: Revision, prefix: &str) -> Self {
        let prefix = prefix.trim_end_matches('/').to_owned();
        MediaUrls { pass: None, prefix, token: None, link: None, video, revision }.playback()
    }
}

impl From<String> for BaseUrl {
    fn from(url: String) -> Self {
        Self { url: url.into(), viewer: None }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl FromRequestParts<AppState> for BaseUrl {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let base = Self::of(&state.config, parts).ok_or_else(|| {
            Problem::new(axum::http::StatusCode::BAD_REQUEST, "the request has no valid Host header")
        })?;
        Ok(Self { viewer: cdn::viewer(state, parts).await?, ..base })
    }
}

/// Only what can be a host and a port is written back into an answer.
fn host(headers: &HeaderMap) -> Option<String> {
    let host: Authority = headers.get(header::HOST)?.to_str().ok()?.parse().ok()?;
    (!host.as_str().contains('@')).then(|| host.to_string())
}
