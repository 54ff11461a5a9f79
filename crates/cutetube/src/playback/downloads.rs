//! Files for people to keep: the renditions of what is published, and what was uploaded.
//!
//! A rendition is stored in segments and nowhere as a file. What precedes the media of its file is made of the beginnings
//! of these segments and kept for a while; the media are sent from where they lie.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use catalog::{
    VideoState,
    ids::{RenditionId, Revision, VideoId},
    names::SourceExtension,
    outputs::{self, Object, Part, Rendition, RenditionKind},
    videos::{DownloadRule, Protection, SourceState, Video},
};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use isobmff::{FragmentIndex, Indexed, Limits, Movie, index_slice};
use packager::{FilePiece, Flavour, Progressive, ProgressiveError, ProgressiveTrack};
use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, Semaphore};

use crate::{
    accounts::Visitor,
    blobs::{Assembly, AssemblyPiece, BlobError, BlobStore, MediaObject, RenditionName, StorageKey},
    config::{self, Config},
    http::Representation,
};

/// What a download is called in addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum DownloadName {
    /// `{rendition}.mp4` or `{rendition}.mov`: the picture of this rendition and the sound.
    Rendition(RenditionName, Flavour),
    /// `original.mp4` or `original.mov`: the file as it was uploaded, in the container it came in.
    Original(SourceExtension),
}

/// A file that somebody may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) name: DownloadName,
    /// How long it is; of a rendition a little more than that.
    pub(crate) bytes: u64,
    pub(crate) to: Audience,
}

/// Whom a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) enum Audience {
    /// Whoever may see the video.
    Viewers,
    /// Its owner and administrators, who show who they are.
    Managers,
}

/// The files that were asked for lately, as far as they have to be kept in memory. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Downloads {
    kept: Arc<Mutex<VecDeque<Kept>>>,
    /// One permit for each file whose segments are looked at at once.
    slots: Arc<Semaphore>,
}

/// A rendition as one file.
#[derive(Debug)]
pub(crate) struct Download {
    video: VideoId,
    revision: Revision,
    /// By the tracks of the layout.
    renditions: Vec<RenditionName>,
    layout: Progressive,
    /// Of everything that precedes the media; in hexadecimal digits.
    digest: String,
}

/// Why there is no such file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    #[error("there is no such rendition")]
    NoRendition,
    #[error("the file was not finished")]
    Unfinished(#[from] tokio::task::JoinError),
    #[error("a segment is not what was stored: `{key}`")]
    Segment { key: String, source: isobmff::Error },
    #[error("the segments make no file")]
    Layout(#[from] ProgressiveError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

/// Which file, of everything that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    video: VideoId,
    revision: Revision,
    rendition: RenditionName,
    flavour: Flavour,
}

/// Whoever comes first makes it, and the others wait for that.
struct Kept {
    place: Place,
    file: Arc<OnceCell<Arc<Download>>>,
}

/// Two hours of a rendition with sound take about 5 MB.
const KEPT_BYTES: usize = 32 << 20;
const KEPT_FILES: usize = 256;
/// Files whose segments are looked at at once, and how many segments of each.
const MADE_AT_ONCE: usize = 2;
const SEGMENTS_AT_ONCE: usize = 16;
/// The first read of a segment. Four seconds of sixty pictures have a beginning of 4 kB.
const BEGINNING: u64 = 8 << 10;

impl Default for Downloads {
    fn default() -> Self {
        Self { kept: Arc::default(), slots: Arc::new(Semaphore::new(MADE_AT_ONCE)) }
    }
}

impl fmt::Debug for Downloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downloads").finish_non_exhaustive()
    }
}

/// Whether viewers may have this file of the video.
pub(super) fn is_for_viewers(config: &Config, video: &Video, name: &DownloadName) -> bool {
    let needed = match name {
        DownloadName::Rendition(..) => config::Downloads::Renditions,
        DownloadName::Original(_) => config::Downloads::OriginalToo,
    };
    let allowed = match video.downloads {
        DownloadRule::Default => config.delivery.downloads,
        DownloadRule::None => config::Downloads::None,
        DownloadRule::Renditions => config::Downloads::Renditions,
        DownloadRule::OriginalToo => config::Downloads::OriginalToo,
    };
    allowed >= needed
}

/// The files of a video that this visitor may have, who may see it. `renditions` are those of what is published.
pub(crate) async fn offers(
    config: &Config,
    db: &db::Db,
    visitor: &Visitor,
    video: &Video,
    renditions: &[Rendition],
) -> Result<Vec<Offer>, catalog::Error> {
    let (VideoState::Ready, Protection::None, Some(revision)) =
        (video.state, video.protection, video.published_revision)
    else {
        return Ok(Vec::new());
    };
    let audience = |name: &DownloadName| match is_for_viewers(config, video, name) {
        true => Some(Audience::Viewers),
        false => visitor.may_manage(video.owner).then_some(Audience::Managers),
    };
    let original = DownloadName::Original(video.source.extension);
    let pictures = renditions.iter().filter(|rendition| rendition.kind == RenditionKind::Video);
    let names: Vec<(RenditionName, &RenditionId)> =
        pictures.filter_map(|picture| Some((name_of(&picture.id)?, &picture.id))).collect();
    let mut offers = Vec::new();
    let is_any = names
        .iter()
        .any(|(name, _)| audience(&DownloadName::Rendition(name.clone(), Flavour::Mp4)).is_some());
    if is_any {
        let sizes = outputs::sizes(db, video.id, revision).await?;
        let bytes =
            |id: &RenditionId| sizes.iter().find(|size| size.rendition == *id).map_or(0, |size| size.bytes);
        let sound = renditions.iter().find(|rendition| rendition.kind == RenditionKind::Audio);
        let sound = sound.map_or(0, |sound| bytes(&sound.id));
        for (rendition, id) in names {
            for flavour in Flavour::ALL {
                let name = DownloadName::Rendition(rendition.clone(), flavour);
                let bytes = bytes(id).saturating_add(sound);
                offers.extend(audience(&name).map(|to| Offer { name, bytes, to }));
            }
        }
    }
    if video.source_state == SourceState::Clear {
        let to = audience(&original);
        offers.extend(to.map(|to| Offer { name: original, bytes: video.source.bytes, to }));
    }
    Ok(offers)
}

impl Downloads {
    /// The rendition of what is published as a file. One that is begun is finished though nobody waits for it any more:
    /// whoever asks again finds it.
    pub(super) async fn get(
        &self,
        db: &db::Db,
        blobs: &BlobStore,
        video: VideoId,
        revision: Revision,
        rendition: &RenditionName,
        flavour: Flavour,
    ) -> Result<Arc<Download>, DownloadError> {
        let place = Place { video, revision, rendition: rendition.clone(), flavour };
        let file = self.file(&place);
        if let Some(made) = file.get() {
            return Ok(made.clone());
        }
        let (downloads, db, blobs) = (self.clone(), db.clone(), blobs.clone());
        let making = tokio::spawn(async move {
            let made = file.get_or_try_init(|| async {
                let _slot = downloads.slots.acquire().await.expect("nobody closes the semaphore");
                Download::make(&db, &blobs, &place).await.map(Arc::new)
            });
            let made = made.await.cloned();
            downloads.let_go();
            made
        });
        making.await?
    }

    /// That of a place, which from now on is the one that was asked for last.
    fn file(&self, place: &Place) -> Arc<OnceCell<Arc<Download>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|kept| kept.place == *place).and_then(|at| kept.remove(at));
        let latest = found.unwrap_or_else(|| Kept { place: place.clone(), file: Arc::default() });
        let file = latest.file.clone();
        kept.push_front(latest);
        file
    }

    /// Forgets what was not asked for for the longest time, beyond what may be kept.
    fn let_go(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut bytes, mut files) = (0_usize, 0);
        kept.retain(|kept| {
            // What could not be made, or is being made; who makes it has it.
            let Some(file) = kept.file.get() else { return Arc::strong_count(&kept.file) > 1 };
            bytes = bytes.saturating_add(file.layout.footprint());
            files += 1;
            files == 1 || (bytes <= KEPT_BYTES && files <= KEPT_FILES)
        });
    }
}

impl Download {
    async fn make(db: &db::Db, blobs: &BlobStore, place: &Place) -> Result<Self, DownloadError> {
        let renditions = outputs::renditions(db, place.video, place.revision).await?;
        let is_wanted = |rendition: &Rendition| {
            rendition.kind == RenditionKind::Video && rendition.id.as_str() == place.rendition.as_str()
        };
        let picture = renditions.iter().find(|rendition| is_wanted(rendition));
        let picture = picture.ok_or(DownloadError::NoRendition)?;
        let sound = renditions.iter().find(|rendition| rendition.kind == RenditionKind::Audio);
        let (mut names, mut tracks) = (Vec::new(), Vec::new());
        for rendition in std::iter::once(picture).chain(sound) {
            let name = name_of(&rendition.id).ok_or(DownloadError::NoRendition)?;
            let objects = outputs::objects(db, place.video, place.revision, &rendition.id).await?;
            tracks.push(read(blobs, place, &name, &objects).await?);
            names.push(name);
        }
        let tracks: Vec<ProgressiveTrack<'_>> =
            tracks.iter().map(|(init, segments)| ProgressiveTrack { init, segments }).collect();
        let layout = Progressive::lay_out(place.flavour, &tracks)?;
        let mut digest = hex::encode(Sha256::digest(layout.head()));
        digest.truncate(32);
        let (video, revision) = (place.video, place.revision);
        Ok(Self { video, revision, renditions: names, layout, digest })
    }

    /// How it is answered with.
    pub(super) fn representation(self: Arc<Self>, blobs: &BlobStore, flavour: Flavour) -> Representation {
        let len = self.layout.file_len();
        // The media of a revision never change; what precedes them is made by this program, of which there are versions.
        let seed = format!("{}-{}", self.revision, self.digest);
        Representation::assembled(blobs, self, len, content_type(flavour), &seed)
    }
}

impl Assembly for Download {
    fn piece_at(&self, position: u64) -> Option<AssemblyPiece> {
        match self.layout.piece_at(position)? {
            FilePiece::Head(bytes) => Some(AssemblyPiece::Here(bytes)),
            FilePiece::Media { track, segment, start, end } => {
                let number = u32::try_from(segment).ok()?.checked_add(1)?;
                let object = MediaObject::Segment(self.renditions.get(track)?.clone(), number);
                let key = StorageKey::Media { video: self.video, revision: self.revision, object };
                Some(AssemblyPiece::Stored(key, start..end))
            }
        }
    }
}

/// The init segment of a rendition, and what each segment says of itself.
async fn read(
    blobs: &BlobStore,
    place: &Place,
    name: &RenditionName,
    objects: &[Object],
) -> Result<(Movie, Vec<FragmentIndex>), DownloadError> {
    let key = |object| StorageKey::Media { video: place.video, revision: place.revision, object };
    let init_key = key(MediaObject::Init(Flavour::Mp4, name.clone()));
    let init = blobs.get(&init_key).await?;
    let init = index_slice(&init, Limits::default())
        .map_err(|source| DownloadError::Segment { key: init_key.to_string(), source })?;
    let segments = objects.iter().filter_map(|object| match object.part {
        Part::Init => None,
        Part::Media(index) => {
            let number = index.checked_add(1)?;
            Some((key(MediaObject::Segment(name.clone(), number)), object.bytes))
        }
    });
    let indices = stream::iter(segments.collect::<Vec<_>>())
        .map(|(key, bytes)| index(blobs, key, bytes))
        .buffered(SEGMENTS_AT_ONCE)
        .try_collect();
    Ok((init, indices.await?))
}

/// Reads as much of a segment of `bytes` bytes as tells of its samples.
async fn index(blobs: &BlobStore, key: StorageKey, bytes: u64) -> Result<FragmentIndex, DownloadError> {
    let mut wanted = BEGINNING.min(bytes);
    loop {
        let beginning = blobs.read(&key, 0..wanted).await?;
        match FragmentIndex::parse(&beginning, bytes, Limits::default()) {
            Ok(Indexed::Done(index)) => return Ok(index),
            Ok(Indexed::Need(more)) => wanted = more,
            Err(source) => return Err(DownloadError::Segment { key: key.to_string(), source }),
        }
    }
}

fn name_of(rendition: &RenditionId) -> Option<RenditionName> {
    rendition.as_str().parse().ok()
}

fn content_type(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Mp4 => "video/mp4",
        Flavour::Mov => "video/quicktime",
    }
}

impl DownloadName {
    /// What it is a file of: the rendition, or `original`.
    pub(crate) fn subject(&self) -> &str {
        match self {
            Self::Rendition(rendition, _) => rendition.as_str(),
            Self::Original(_) => ORIGINAL,
        }
    }

    /// Whether it is the file as it was uploaded.
    pub(crate) fn is_original(&self) -> bool {
        matches!(self, Self::Original(_))
    }

    /// Its container: `mp4` or `mov`.
    pub(crate) fn container(&self) -> &'static str {
        match self {
            Self::Rendition(_, Flavour::Mp4) => "mp4",
            Self::Rendition(_, Flavour::Mov) => "mov",
            Self::Original(extension) => extension.as_str(),
        }
    }

    /// What people find it by among their files.
    pub(super) fn file_name(&self, video: &Video) -> String {
        match self {
            Self::Rendition(rendition, _) => {
                format!("{} {}.{}", video.title, rendition.as_str(), self.container())
            }
            Self::Original(extension) => format!("{}.{}", video.source.name, extension.as_str()),
        }
    }
}

const ORIGINAL: &str = "original";

impl fmt::Display for DownloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.subject(), self.container())
    }
}

/// Text that names no download.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoDownload;

impl std::str::FromStr for DownloadName {
    type Err = NoDownload;

    fn from_str(text: &str) -> Result<Self, NoDownload> {
        let (subject, container) = text.split_once('.').ok_or(NoDownload)?;
        if subject == ORIGINAL {
            return container.parse().map(Self::Original).map_err(|_| NoDownload);
        }
        let flavour = match container {
            "mp4" => Flavour::Mp4,
            "mov" => Flavour::Mov,
            _ => return Err(NoDownload),
        };
        Ok(Self::Rendition(subject.parse().map_err(|_| NoDownload)?, flavour))
    }
}
