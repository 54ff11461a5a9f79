//! The name space of media: every path that leads to an object or a file of a video, and back.

use std::{fmt, str::FromStr};

use catalog::ids::{Revision, VideoId};

use super::{downloads::DownloadName, signing::PathToken};
use crate::blobs::{MediaObject, StorageKey};

/// A path below this server's root, `/vod-media/…`, `/app/…` or `/download/…`, or the same below `/p/{token}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaAddress {
    /// What opens media that are not for everybody.
    pub(crate) token: Option<PathToken>,
    pub(crate) target: Target,
}

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/vod-media/{video}/{revision}/{object}`: under the name it is stored by.
    Object { video: VideoId, revision: Revision, object: MediaObject },
    /// `/vod-media/{video}/posters/{name}.jpg`: a poster that the owner chose.
    Poster { video: VideoId, name: u64 },
    /// `/app/v2/dash/{video}/{name}`: the same segments under flat names.
    Flat { video: VideoId, name: FlatName },
    /// `/app/v2/dash/{video}/manifest.mpd`: the manifest that names them so.
    FlatManifest(VideoId),
    /// `/app/stream/{video}/`: the file as it was uploaded.
    Source(VideoId),
    /// `/download/{video}/{revision}/{name}`: a file to keep.
    Download { video: VideoId, revision: Revision, name: DownloadName },
}

/// `{revision}_{object}` with `_` for each `/`: `1_360p_init.mp4`, `1_360p_12.m4s`, `1_storyboard_3.jpg`. No part of an
/// object's path has a `_`, so there is one way back. With the revision in it, the name never stands for other bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlatName {
    pub(crate) revision: Revision,
    pub(crate) object: MediaObject,
}

/// A path that leads to no media.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoAddress;

impl Target {
    pub(crate) fn video(&self) -> VideoId {
        match self {
            Self::Object { video, .. }
            | Self::Poster { video, .. }
            | Self::Flat { video, .. }
            | Self::Download { video, .. } => *video,
            Self::FlatManifest(video) | Self::Source(video) => *video,
        }
    }

    /// The revision that it is of, where the path says that.
    pub(crate) fn revision(&self) -> Option<Revision> {
        match self {
            Self::Object { revision, .. } | Self::Download { revision, .. } => Some(*revision),
            Self::Flat { name, .. } => Some(name.revision),
            Self::Poster { .. } | Self::FlatManifest(_) | Self::Source(_) => None,
        }
    }
}

impl FlatName {
    /// What every flat name of a revision begins with.
    pub(crate) fn prefix(revision: Revision) -> String {
        format!("{revision}_")
    }
}

impl fmt::Display for MediaAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.token {
            Some(token) => write!(f, "/p/{token}{}", self.target),
            None => self.target.fmt(f),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object { video, revision, object } => {
                write!(
                    f,
                    "/{}",
                    StorageKey::Media { video: *video, revision: *revision, object: object.clone() }
                )
            }
            Self::Poster { video, name } => {
                write!(f, "/{}", StorageKey::Poster { video: *video, name: *name })
            }
            Self::Flat { video, name } => write!(f, "/app/v2/dash/{video}/{name}"),
            Self::FlatManifest(video) => write!(f, "/app/v2/dash/{video}/manifest.mpd"),
            Self::Source(video) => write!(f, "/app/stream/{video}/"),
            Self::Download { video, revision, name } => write!(f, "/download/{video}/{revision}/{name}"),
        }
    }
}

impl fmt::Display for FlatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::prefix(self.revision), self.object.to_string().replace('/', "_"))
    }
}

impl FromStr for MediaAddress {
    type Err = NoAddress;

    /// Reads the raw path of a request and accepts exactly what `Display` writes: these paths need no escapes, so that
    /// one that has some leads nowhere.
    fn from_str(path: &str) -> Result<Self, NoAddress> {
        let (token, rest) = match path.strip_prefix("/p/") {
            Some(rest) => {
                let slash = rest.find('/').ok_or(NoAddress)?;
                let (token, rest) = rest.split_at(slash);
                (Some(token.parse().map_err(|_| NoAddress)?), rest)
            }
            None => (None, path),
        };
        let target = parse_target(rest).ok_or(NoAddress)?;
        let address = Self { token, target };
        if address.to_string() == path { Ok(address) } else { Err(NoAddress) }
    }
}

impl FromStr for FlatName {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let (revision, object) = text.split_once('_').ok_or(NoAddress)?;
        let revision = revision.parse().ok().and_then(Revision::new).ok_or(NoAddress)?;
        let object = object.replace('_', "/").parse().map_err(|_| NoAddress)?;
        Ok(Self { revision, object })
    }
}

fn parse_target(path: &str) -> Option<Target> {
    if let Some(rest) = path.strip_prefix("/app/stream/") {
        return Some(Target::Source(rest.strip_suffix('/')?.parse().ok()?));
    }
    if let Some(rest) = path.strip_prefix("/download/") {
        let (video, rest) = rest.split_once('/')?;
        let (revision, name) = rest.split_once('/')?;
        let revision = revision.parse().ok().and_then(Revision::new)?;
        return Some(Target::Download { video: video.parse().ok()?, revision, name: name.parse().ok()? });
    }
    if let Some(rest) = path.strip_prefix("/app/v2/dash/") {
        let (video, name) = rest.split_once('/')?;
        let video = video.parse().ok()?;
        return Some(match name {
            "manifest.mpd" => Target::FlatManifest(video),
            name => Target::Flat { video, name: name.parse().ok()? },
        });
    }
    match path.strip_prefix('/')?.parse().ok()? {
        StorageKey::Media { video, revision, object } => Some(Target::Object { video, revision, object }),
        StorageKey::Poster { video, name } => Some(Target::Poster { video, name }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: &str = "01234567-89ab-7def-8123-456789abcdef";
    const TOKEN: &str = "6b49d200.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn check(path: &str) -> Option<MediaAddress> {
        path.parse().ok()
    }

    #[test]
    fn each_path_leads_there_and_back() {
        for path in [
            format!("/vod-media/{VIDEO}/1/mp4/manifest.mpd"),
            format!("/vod-media/{VIDEO}/12/360p/1.m4s"),
            format!("/vod-media/{VIDEO}/posters/0123456789abcdef.jpg"),
            format!("/app/v2/dash/{VIDEO}/manifest.mpd"),
            format!("/app/v2/dash/{VIDEO}/12_360p_init.mp4"),
            format!("/app/v2/dash/{VIDEO}/1_audio-de_7.m4s"),
            format!("/app/v2/dash/{VIDEO}/1_storyboard_2.jpg"),
            format!("/app/v2/dash/{VIDEO}/1_mov_manifest.mpd"),
            format!("/app/v2/dash/{VIDEO}/1_mov_360p_init.mp4"),
            format!("/app/v2/dash/{VIDEO}/1_360p-iframes.m3u8"),
            format!("/app/stream/{VIDEO}/"),
            format!("/download/{VIDEO}/12/1080p.mp4"),
            format!("/download/{VIDEO}/1/360p.mov"),
            format!("/download/{VIDEO}/1/original.mov"),
        ] {
            for path in [path.clone(), format!("/p/{TOKEN}{path}")] {
                let address = check(&path).unwrap_or_else(|| panic!("{path} leads nowhere"));
                assert_eq!(address.target.video(), VIDEO.parse().unwrap());
                assert_eq!(address.to_string(), path);
            }
        }
    }

    #[test]
    fn everything_else_leads_nowhere() {
        let upper = VIDEO.to_uppercase();
        let long = "9".repeat(10_000);
        for path in [
            String::new(),
            "/".to_owned(),
            "/vod-media".to_owned(),
            format!("/sources/{VIDEO}/source.mp4"),
            format!("/vod-media/{upper}/1/poster.jpg"),
            format!("/vod-media/{VIDEO}/01/poster.jpg"),
            format!("/vod-media/{VIDEO}/posters/1.jpg"),
            format!("/vod-media/{VIDEO}/posters/0123456789ABCDEF.jpg"),
            format!("/vod-media/{VIDEO}/posters/0123456789abcdef.png"),
            format!("/vod-media/{VIDEO}/1/360p/1.m4s/"),
            format!("/vod-media/{VIDEO}/1/..%2f1%2fposter.jpg"),
            format!("/app/stream/{VIDEO}"),
            format!("/app/stream/{upper}/"),
            format!("/app/stream/{VIDEO}//"),
            "/app/stream/../".to_owned(),
            "/app/stream/%2e%2e/".to_owned(),
            "/app/stream/%252e%252e%252f/".to_owned(),
            format!("/app/stream/{VIDEO}%00/"),
            format!("/app/stream/{long}/"),
            format!("/app/v2/dash/{VIDEO}/"),
            format!("/app/v2/dash/{VIDEO}/360p_1.m4s"),
            format!("/app/v2/dash/{VIDEO}/0_360p_1.m4s"),
            format!("/app/v2/dash/{VIDEO}/1_360p/1.m4s"),
            format!("/app/v2/dash/{VIDEO}/1_.._1.m4s"),
            format!("/app/v2/dash/{VIDEO}/1_360p_{long}.m4s"),
            format!("/app/v2/dash/{VIDEO}/1_360p_1.m4s%00"),
            format!("/download/{VIDEO}/1/360p.MP4"),
            format!("/download/{VIDEO}/1/360p.avi"),
            format!("/download/{VIDEO}/1/360p"),
            format!("/download/{VIDEO}/01/360p.mp4"),
            format!("/download/{VIDEO}/0/360p.mp4"),
            format!("/download/{VIDEO}/360p.mp4"),
            format!("/download/{VIDEO}/1/original.avi"),
            format!("/download/{VIDEO}/1/..mp4"),
            format!("/download/{VIDEO}/1/360p/1.mp4"),
            format!("/p/{TOKEN}"),
            format!("/p/{TOKEN}/"),
            format!("/p//app/stream/{VIDEO}/"),
            format!("/p/{TOKEN}/p/{TOKEN}/app/stream/{VIDEO}/"),
            format!("/p/{}/app/stream/{VIDEO}/", TOKEN.to_uppercase()),
            format!("/p/0{TOKEN}/app/stream/{VIDEO}/"),
            format!("/p/{TOKEN}A/app/stream/{VIDEO}/"),
        ] {
            assert_eq!(check(&path), None, "{path}");
        }
    }
}
