//! The name space of objects. No path of an object is put together or taken apart elsewhere.

use std::{fmt, str::FromStr};

use catalog::{
    ids::{Revision, UploadId, UserId, VideoId},
    names::SourceExtension,
};
use packager::{Flavour, layout};

/// An object's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StorageKey {
    /// `sources/{video}/source.{ext}`: the file as it was uploaded.
    Source {
        /// Whose file it is.
        video: VideoId,
        /// As the uploader named it.
        extension: SourceExtension,
    },
    /// `sources/{video}/rewritten.mp4`: the uploaded file in a form that can be read, where it was not.
    RewrittenSource {
        /// Whose file it is.
        video: VideoId,
    },
    /// `sources/{video}/source.sealed` or `sources/{video}/rewritten.sealed`: one of these files, encrypted.
    Sealed {
        /// Whose file it is.
        video: VideoId,
        /// Which of them.
        file: SealedFile,
    },
    /// `vod-media/{video}/{revision}/…`: what viewers are served.
    Media {
        /// Whose media it is.
        video: VideoId,
        /// Fresh for each publication, so that nothing but manifests is ever overwritten.
        revision: Revision,
        /// Which part of the revision.
        object: MediaObject,
    },
    /// `vod-media/{video}/posters/{name}.jpg`: a poster that the owner chose, whatever revision is served.
    Poster {
        /// Whose poster it is.
        video: VideoId,
        /// Unlike that of any other poster of it.
        name: u64,
    },
    /// An object of a static export: a store that holds one presentation and nothing else.
    Export(MediaObject),
    /// `rewritten.mp4`: the source of a static export while that is made, rewritten so that it can be read.
    Rewritten,
    /// `uploads/{upload}/{name}`: some bytes of a file that is sent in pieces, until all of them are there.
    Piece {
        /// What they were sent for; they may have become part of another upload since.
        upload: UploadId,
        /// Unlike that of any other piece of it.
        name: u64,
    },
    /// `pictures/{user}/{name}.jpg`: what somebody shows of themselves.
    Picture {
        /// Who shows it.
        user: UserId,
        /// Unlike that of any other picture of theirs.
        name: u64,
    },
    /// `probe/{name}`: written, read and deleted by `doctor` and `/readyz`.
    Probe {
        /// Unlike that of any probe running now.
        name: u64,
    },
}

/// What is kept encrypted of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SealedFile {
    /// The file as it was uploaded.
    Source,
    /// The same in a form that can be read.
    Rewritten,
}

/// Id and folder of the storyboard, which is a rendition of its own.
pub const STORYBOARD: &str = "storyboard";

/// What the ids of captions begin with.
const TEXT: &str = "text";
/// Folder of the posters that owners chose, beside those of revisions, which are numbers.
const POSTERS: &str = "posters";

/// Objects that are deleted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyPrefix {
    /// `sources`: everything that was uploaded.
    Sources,
    /// `vod-media`: everything that was made of it.
    AllMedia,
    /// `uploads`: everything that is sent in pieces.
    Uploads,
    /// `pictures`: what people show of themselves.
    Pictures,
    /// `probe`
    Probes,
    /// `sources/{video}`
    Source(VideoId),
    /// `uploads/{upload}`
    Upload(UploadId),
    /// `pictures/{user}`
    PicturesOf(UserId),
    /// `vod-media/{video}`: every revision.
    Video(VideoId),
    /// `vod-media/{video}/{revision}`
    Revision(VideoId, Revision),
    /// `vod-media/{video}/posters`
    Posters(VideoId),
}

/// One object of a revision, relative to its prefix. This is also the layout of `cutetube transcode --out`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MediaObject {
    /// `{rendition}/init.mp4`, or `mov/{rendition}/init.mp4`
    Init(Flavour, RenditionName),
    /// `{rendition}/{n}.m4s`, `n` from 1; both flavours share it.
    Segment(RenditionName, u32),
    /// `mp4/manifest.mpd` or `mov/manifest.mpd`
    Mpd(Flavour),
    /// `master.m3u8` or `mov/master.m3u8`
    Master(Flavour),
    /// `{rendition}.m3u8` or `mov/{rendition}.m3u8`
    Playlist(Flavour, RenditionName),
    /// `{rendition}-iframes.m3u8` or `mov/{rendition}-iframes.m3u8`
    IframePlaylist(Flavour, RenditionName),
    /// `poster.jpg`
    Poster,
    /// `storyboard.vtt`
    Storyboard,
    /// `storyboard/{n}.jpg`, `n` from 1.
    StoryboardSheet(u32),
    /// `{rendition}.vtt`: captions.
    Text(RenditionName),
}

/// Folder name of a rendition: `360p`, `720p-2`, `audio`, `audio-de`. Words of `a-z`, `0-9` joined by `-`, at most 32 bytes,
/// and none of the names beside it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RenditionName(String);

/// How long an object may be kept without asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caching {
    /// Its bytes never change.
    Immutable,
    /// Ask again after a short time.
    Revalidate,
    /// Not for shared caches.
    Private,
}

/// Text that names no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of an object")]
pub struct KeyError(String);

impl StorageKey {
    /// The MIME type the object is served as.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Source { extension: SourceExtension::Mp4, .. } => "video/mp4",
            Self::Source { extension: SourceExtension::Mov, .. } => "video/quicktime",
            Self::Media { object, .. } | Self::Export(object) => object.content_type(),
            Self::RewrittenSource { .. } | Self::Rewritten => "video/mp4",
            Self::Picture { .. } => "image/jpeg",
            Self::Poster { .. } => MediaObject::Poster.content_type(),
            Self::Sealed { .. } | Self::Piece { .. } | Self::Probe { .. } => "application/octet-stream",
        }
    }

    /// How the object may be cached.
    pub fn caching(&self) -> Caching {
        match self {
            Self::Source { .. }
            | Self::RewrittenSource { .. }
            | Self::Sealed { .. }
            | Self::Rewritten
            | Self::Piece { .. }
            | Self::Probe { .. } => Caching::Private,
            // Who may see it sees it on pages of this server, and when somebody shows another one nobody asks for it.
            Self::Picture { .. } => Caching::Immutable,
            Self::Media { object, .. } | Self::Export(object) => object.caching(),
            Self::Poster { .. } => MediaObject::Poster.caching(),
        }
    }
}

impl SealedFile {
    fn name(self) -> &'static str {
        match self {
            Self::Source => "source.sealed",
            Self::Rewritten => "rewritten.sealed",
        }
    }
}

impl KeyPrefix {
    /// The prefix that is called `name` below this one; `None` when there is none of that name.
    pub fn child(&self, name: &str) -> Option<Self> {
        let child = match self {
            Self::Sources => Self::Source(name.parse().ok()?),
            Self::AllMedia => Self::Video(name.parse().ok()?),
            Self::Uploads => Self::Upload(name.parse().ok()?),
            Self::Pictures => Self::PicturesOf(name.parse().ok()?),
            Self::Video(video) if name == POSTERS => Self::Posters(*video),
            Self::Video(video) => Self::Revision(*video, name.parse().ok().and_then(Revision::new)?),
            Self::Probes
            | Self::Source(_)
            | Self::Upload(_)
            | Self::PicturesOf(_)
            | Self::Revision(..)
            | Self::Posters(_) => {
                return None;
            }
        };
        (child.to_string() == format!("{self}/{name}")).then_some(child)
    }
}

impl MediaObject {
    /// The MIME type the object is served as.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Init(Flavour::Mp4, rendition) | Self::Segment(rendition, _) if rendition.is_audio() => {
                "audio/mp4"
            }
            Self::Init(Flavour::Mov, _) => "video/quicktime",
            _ => self.file().content_type(),
        }
    }

    /// The same object as the manifests name it.
    fn file(&self) -> layout::File<'_> {
        match self {
            Self::Init(flavour, rendition) => {
                layout::File::Init { flavour: *flavour, rendition: rendition.as_str() }
            }
            Self::Segment(rendition, number) => {
                layout::File::Segment { rendition: rendition.as_str(), number: *number }
            }
            Self::Mpd(flavour) => layout::File::Mpd(*flavour),
            Self::Master(flavour) => layout::File::Master(*flavour),
            Self::Playlist(flavour, rendition) => {
                layout::File::Media { flavour: *flavour, rendition: rendition.as_str() }
            }
            Self::IframePlaylist(flavour, rendition) => {
                layout::File::IFrames { flavour: *flavour, rendition: rendition.as_str() }
            }
            Self::Poster => layout::File::Poster,
            Self::Storyboard => layout::File::StoryboardTrack,
            Self::Text(rendition) => layout::File::Text { rendition: rendition.as_str() },
            Self::StoryboardSheet(number) => layout::File::Sheet { rendition: STORYBOARD, number: *number },
        }
    }

    /// The container that it is for; what both share counts as the main one's.
    pub fn flavour(&self) -> Flavour {
        match self {
            Self::Init(flavour, _)
            | Self::Mpd(flavour)
            | Self::Master(flavour)
            | Self::Playlist(flavour, _)
            | Self::IframePlaylist(flavour, _) => *flavour,
            Self::Segment(..)
            | Self::Poster
            | Self::Storyboard
            | Self::StoryboardSheet(_)
            | Self::Text(_) => Flavour::Mp4,
        }
    }

    /// Whether it tells players where everything else is.
    pub fn is_manifest(&self) -> bool {
        match self {
            Self::Mpd(_) | Self::Master(_) | Self::Playlist(..) | Self::IframePlaylist(..) => true,
            Self::Init(..)
            | Self::Segment(..)
            | Self::Poster
            | Self::Storyboard
            | Self::StoryboardSheet(_)
            | Self::Text(_) => false,
        }
    }

    /// Whether it comes and goes with captions: their file, or a playlist that names nothing else.
    pub(crate) fn is_of_captions(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Playlist(_, rendition) => rendition.is_text(),
            _ => false,
        }
    }

    /// Manifests are what a new revision, or other captions, change; nothing else ever changes.
    pub fn caching(&self) -> Caching {
        if self.is_manifest() { Caching::Revalidate } else { Caching::Immutable }
    }
}

impl RenditionName {
    /// The rendition that carries sound.
    pub fn audio() -> Self {
        Self("audio".to_owned())
    }

    /// The rendition that is pictures for seeking.
    pub fn storyboard() -> Self {
        Self(STORYBOARD.to_owned())
    }

    /// The captions of a video that have this number.
    pub fn text(number: u32) -> Self {
        Self(format!("{TEXT}-{number}"))
    }

    /// Whether it is captions.
    pub fn is_text(&self) -> bool {
        self.0.strip_prefix(TEXT).is_some_and(|rest| rest.starts_with('-'))
    }

    /// Whether it carries sound.
    pub fn is_audio(&self) -> bool {
        self.0.split('-').next() == Some("audio")
    }

    /// As in a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source { video, extension } => {
                write!(f, "{}/source.{}", KeyPrefix::Source(*video), extension.as_str())
            }
            Self::Media { video, revision, object } => {
                write!(f, "{}/{object}", KeyPrefix::Revision(*video, *revision))
            }
            Self::Poster { video, name } => write!(f, "{}/{name:016x}.jpg", KeyPrefix::Posters(*video)),
            Self::Export(object) => object.fmt(f),
            Self::RewrittenSource { video } => write!(f, "{}/rewritten.mp4", KeyPrefix::Source(*video)),
            Self::Sealed { video, file } => write!(f, "{}/{}", KeyPrefix::Source(*video), file.name()),
            Self::Rewritten => f.write_str("rewritten.mp4"),
            Self::Piece { upload, name } => write!(f, "{}/{name:016x}", KeyPrefix::Upload(*upload)),
            Self::Picture { user, name } => write!(f, "{}/{name:016x}.jpg", KeyPrefix::PicturesOf(*user)),
            Self::Probe { name } => write!(f, "probe/{name:016x}"),
        }
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sources => f.write_str("sources"),
            Self::AllMedia => f.write_str("vod-media"),
            Self::Uploads => f.write_str("uploads"),
            Self::Pictures => f.write_str("pictures"),
            Self::Probes => f.write_str("probe"),
            Self::Source(video) => write!(f, "sources/{video}"),
            Self::Upload(upload) => write!(f, "uploads/{upload}"),
            Self::PicturesOf(user) => write!(f, "pictures/{user}"),
            Self::Video(video) => write!(f, "vod-media/{video}"),
            Self::Revision(video, revision) => write!(f, "vod-media/{video}/{revision}"),
            Self::Posters(video) => write!(f, "vod-media/{video}/{POSTERS}"),
        }
    }
}

impl fmt::Display for MediaObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file().fmt(f)
    }
}

impl fmt::Display for RenditionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StorageKey {
    type Err = KeyError;

    /// Accepts exactly what `Display` writes for the platform's own objects; none is an [`Self::Export`].
    fn from_str(text: &str) -> Result<Self, KeyError> {
        parse_key(text).filter(|key| key.to_string() == text).ok_or_else(|| KeyError(text.to_owned()))
    }
}

impl FromStr for MediaObject {
    type Err = KeyError;

    /// Accepts exactly what `Display` writes.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        parse_object(text)
            .filter(|object| object.to_string() == text)
            .ok_or_else(|| KeyError(text.to_owned()))
    }
}

impl FromStr for RenditionName {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let words = text.split('-').all(|word| !word.is_empty() && word.bytes().all(plain));
        let taken = ["mp4", "mov", "master"].contains(&text) || text.ends_with("-iframes");
        if text.len() > 32 || !words || taken {
            return Err(KeyError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

fn parse_key(text: &str) -> Option<StorageKey> {
    let (kind, rest) = text.split_once('/')?;
    let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
    match kind {
        "sources" => {
            let video = name.parse().ok()?;
            let sealed = [SealedFile::Source, SealedFile::Rewritten];
            match (sealed.into_iter().find(|file| file.name() == rest), rest.strip_prefix("source.")) {
                (Some(file), _) => Some(StorageKey::Sealed { video, file }),
                (None, Some(extension)) => {
                    Some(StorageKey::Source { video, extension: extension.parse().ok()? })
                }
                (None, None) => (rest == "rewritten.mp4").then_some(StorageKey::RewrittenSource { video }),
            }
        }
        "vod-media" => {
            let (revision, object) = rest.split_once('/')?;
            if revision == POSTERS {
                let poster = u64::from_str_radix(object.strip_suffix(".jpg")?, 16).ok()?;
                return Some(StorageKey::Poster { video: name.parse().ok()?, name: poster });
            }
            Some(StorageKey::Media {
                video: name.parse().ok()?,
                revision: revision.parse().ok().and_then(Revision::new)?,
                object: object.parse().ok()?,
            })
        }
        "uploads" => {
            Some(StorageKey::Piece { upload: name.parse().ok()?, name: u64::from_str_radix(rest, 16).ok()? })
        }
        "pictures" => {
            let picture = u64::from_str_radix(rest.strip_suffix(".jpg")?, 16).ok()?;
            Some(StorageKey::Picture { user: name.parse().ok()?, name: picture })
        }
        "probe" => Some(StorageKey::Probe { name: u64::from_str_radix(name, 16).ok()? }),
        _ => None,
    }
}

fn parse_object(text: &str) -> Option<MediaObject> {
    match text {
        "poster.jpg" => return Some(MediaObject::Poster),
        "storyboard.vtt" => return Some(MediaObject::Storyboard),
        "mp4/manifest.mpd" => return Some(MediaObject::Mpd(Flavour::Mp4)),
        "mov/manifest.mpd" => return Some(MediaObject::Mpd(Flavour::Mov)),
        _ => {}
    }
    if let Some(captions) = text.strip_suffix(".vtt") {
        return captions.parse().ok().filter(RenditionName::is_text).map(MediaObject::Text);
    }
    if let Some(sheet) = text.strip_prefix("storyboard/") {
        return Some(MediaObject::StoryboardSheet(number(sheet.strip_suffix(".jpg")?)?));
    }
    let (flavour, text) = match text.strip_prefix("mov/") {
        Some(rest) => (Flavour::Mov, rest),
        None => (Flavour::Mp4, text),
    };
    if let Some(playlist) = text.strip_suffix(".m3u8") {
        return Some(match (playlist, playlist.strip_suffix("-iframes")) {
            ("master", _) => MediaObject::Master(flavour),
            (_, Some(rendition)) => MediaObject::IframePlaylist(flavour, rendition.parse().ok()?),
            (rendition, None) => MediaObject::Playlist(flavour, rendition.parse().ok()?),
        });
    }
    let (rendition, file) = text.split_once('/').filter(|(rendition, _)| *rendition != STORYBOARD)?;
    let rendition = rendition.parse().ok()?;
    match file.strip_suffix(".m4s") {
        Some(segment) => Some(MediaObject::Segment(rendition, number(segment)?)),
        None => (file == "init.mp4").then_some(MediaObject::Init(flavour, rendition)),
    }
}

/// Segments and sheets are counted from 1.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rendition() -> impl Strategy<Value = RenditionName> {
        prop_oneof![Just("audio"), Just("360p"), Just("2160p"), Just("42p-2"), Just("audio-de")]
            .prop_map(|name| name.parse().unwrap())
    }

    fn flavour() -> impl Strategy<Value = Flavour> {
        prop_oneof![Just(Flavour::Mp4), Just(Flavour::Mov)]
    }

    fn object() -> impl Strategy<Value = MediaObject> {
        prop_oneof![
            (flavour(), rendition()).prop_map(|(f, r)| MediaObject::Init(f, r)),
            (rendition(), 1..=u32::MAX).prop_map(|(r, n)| MediaObject::Segment(r, n)),
            flavour().prop_map(MediaObject::Mpd),
            flavour().prop_map(MediaObject::Master),
            (flavour(), rendition()).prop_map(|(f, r)| MediaObject::Playlist(f, r)),
            (flavour(), rendition()).prop_map(|(f, r)| MediaObject::IframePlaylist(f, r)),
            Just(MediaObject::Poster),
            Just(MediaObject::Storyboard),
            (1..=u32::MAX).prop_map(MediaObject::StoryboardSheet),
        ]
    }

    proptest! {
        #[test]
        fn objects_survive_the_round_trip(object in object()) {
            prop_assert_eq!(object.to_string().parse::<MediaObject>().unwrap(), object);
        }

        #[test]
        fn no_text_reaches_outside(text in "[a-z0-9./%\\\\-]{0,40}") {
            if let Ok(object) = text.parse::<MediaObject>() {
                let written = object.to_string();
                prop_assert!(!written.contains(".."));
                prop_assert_eq!(written, text);
            }
        }
    }

    #[test]
    fn other_spellings_name_nothing() {
        let refused = [
            "",
            "/",
            "..",
            "../poster.jpg",
            "360p/../poster.jpg",
            "360p//1.m4s",
            "360p/0.m4s",
            "360p/01.m4s",
            "360p/+1.m4s",
            "360p/4294967296.m4s",
            "360P/1.m4s",
            "mov/360p/1.m4s",
            "mp4/init.mp4",
            "mov/init.mp4",
            "storyboard/init.mp4",
            "master/init.mp4",
            "mp4/master.m3u8",
            ".m3u8",
            "-iframes.m3u8",
            "360p-iframes-iframes.m3u8",
            "360p-/1.m4s",
            "-360p/1.m4s",
            "poster.jpg/",
            "360p/init.mp4\0",
            "storyboard/0.jpg",
        ];
        for text in refused {
            assert_eq!(text.parse::<MediaObject>(), Err(KeyError(text.to_owned())));
        }
    }
}
