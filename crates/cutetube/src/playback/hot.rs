//! What many viewers ask for at the same time, kept in memory: segments and manifests, and the videos they belong to.
//!
//! One request at a time fetches an object, however many wait for it. Bytes that slow readers still have count until the
//! last of them is gone; when there is no more room, objects are read from the store as the client takes them.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use catalog::{VideoState, ids::VideoId, videos::Video};
use flate2::{Compression, write::GzEncoder};
use moka::{Expiry, future::Cache};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    AppState,
    audience::api::AUDIENCE,
    blobs::{BlobError, BlobInfo, BlobStore, Caching, StorageKey},
    config::Delivery,
    metrics::Source,
    quality::api::REPORTS,
    views::api::VIEWS,
};

/// The memory of a process for what it serves. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hot {
    objects: Cache<StorageKey, Entry>,
    room: Arc<Semaphore>,
    videos: Cache<(VideoId, u64), (Arc<Video>, Moment)>,
    /// Counts what may have changed any video.
    changes: Arc<AtomicU64>,
}

/// An object in memory.
#[derive(Debug, Clone)]
pub(crate) struct HeldObject {
    pub(crate) bytes: Bytes,
    /// The same compressed (RFC 1952), where that is shorter.
    pub(crate) gzip: Option<Bytes>,
    pub(crate) info: BlobInfo,
}

#[derive(Debug, Clone)]
enum Entry {
    Held(HeldObject),
    /// Too long to be held.
    Long,
}

/// Why an object is not held.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotHeld {
    #[error(transparent)]
    Blob(BlobError),
    #[error("there is no room for another object in memory")]
    Full,
}

/// Longer objects are read from the store: they are not what many ask for within seconds.
const LONGEST: u64 = 8 << 20;
/// Manifests may grow; caches are told to ask again after as long.
const MANIFESTS_LAST: Duration = Duration::from_secs(5);
/// How long another node may not have heard of a change of a video.
pub(super) const VIDEOS_LAST: Duration = Duration::from_secs(1);
const MOST_VIDEOS: u64 = 10_000;

impl Hot {
    pub(crate) fn new(delivery: &Delivery) -> Self {
        let objects = Cache::builder()
            .max_capacity(delivery.cache_bytes)
            .weigher(|_, entry: &Entry| u32::try_from(entry.weight()).unwrap_or(u32::MAX))
            .expire_after(ManifestsExpire)
            .build();
        // What is being sent may be more than what is kept, but not without end.
        let room = usize::try_from(delivery.cache_bytes.saturating_mul(2)).unwrap_or(usize::MAX);
        Self {
            objects,
            room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
            videos: Cache::builder().max_capacity(MOST_VIDEOS).time_to_live(VIDEOS_LAST).build(),
            changes: Arc::default(),
        }
    }

    /// The object `key`, and whether it was here; `None` when it is too long to be held, or there is no room for it.
    ///
    /// # Errors
    /// Those of the store; all who waited for the object get the same one.
    pub(crate) async fn object(
        &self,
        blobs: &BlobStore,
        key: &StorageKey,
    ) -> Result<Option<(HeldObject, Source)>, Arc<NotHeld>> {
        let (entry, source) = match self.objects.get(key).await {
            Some(entry) => (Ok(entry), Source::Memory),
            None => (self.objects.try_get_with(key.clone(), self.load(blobs, key)).await, Source::Store),
        };
        match entry {
            Ok(Entry::Held(object)) => Ok(Some((object, source))),
            Ok(Entry::Long) => Ok(None),
            Err(not_held) if matches!(*not_held, NotHeld::Full) => Ok(None),
            Err(not_held) => Err(not_held),
        }
    }

    async fn load(&self, blobs: &BlobStore, key: &StorageKey) -> Result<Entry, NotHeld> {
        let info = blobs.head(key).await.map_err(NotHeld::Blob)?;
        if info.len > LONGEST {
            return Ok(Entry::Long);
        }
        let len = u32::try_from(info.len).map_err(|_| NotHeld::Full)?;
        let room = self.room.clone().try_acquire_many_owned(len).map_err(|_| NotHeld::Full)?;
        let bytes = blobs.get(key).await.map_err(NotHeld::Blob)?;
        let gzip = is_text(key).then(|| compressed(&bytes)).flatten();
        Ok(Entry::Held(HeldObject { bytes: Bytes::from_owner(Counted { bytes, _room: room }), gzip, info }))
    }

    /// What was known of a video that plays, and when, a moment ago. It says what somebody may have; what it says nobody
    /// may have has to be looked up.
    pub(crate) async fn video(&self, id: VideoId) -> Option<(Arc<Video>, Moment)> {
        self.videos.get(&(id, self.changes.load(Ordering::Acquire))).await
    }

    /// Keeps what is known of a video, if it plays, as of `moment`.
    pub(crate) async fn remember(&self, moment: Moment, video: &Arc<Video>) {
        if video.state == VideoState::Ready {
            self.videos.insert((video.id, moment.change), (video.clone(), moment)).await;
        }
    }

    /// To be taken before a video is looked up.
    pub(crate) fn moment(&self) -> Moment {
        Moment { change: self.changes.load(Ordering::Acquire), at: Instant::now() }
    }

    /// Whether what was known at `moment` may still be taken for true.
    pub(super) fn is_current(&self, moment: Moment) -> bool {
        moment.change == self.changes.load(Ordering::Acquire) && moment.at.elapsed() < VIDEOS_LAST
    }

    /// These objects are others from now on, for this process at once.
    pub(crate) async fn rewritten(&self, keys: impl Iterator<Item = StorageKey>) {
        for key in keys {
            self.objects.invalidate(&key).await;
        }
        self.changed();
    }

    /// Some video may be another from now on: nothing that was known of any counts.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}

/// Around every handler: whatever is not only a question may change who may see what, and whoever asked for the change
/// sees it in the next answer of this process. That somebody watches changes nothing of that, and is said all the time.
pub(crate) async fn note_changes(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_change = !request.method().is_safe() && !matches!(path, Some(VIEWS | AUDIENCE | REPORTS));
    let response = next.run(request).await;
    if is_change {
        state.hot.changed();
    }
    response
}

/// Between two changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    change: u64,
    at: Instant,
}

/// Bytes, and the room that they take for as long as anybody has them.
struct Counted {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Entry {
    /// In bytes, about.
    fn weight(&self) -> usize {
        const BESIDES: usize = 512;
        match self {
            Self::Held(object) => BESIDES + object.bytes.len() + object.gzip.as_ref().map_or(0, Bytes::len),
            Self::Long => BESIDES,
        }
    }
}

struct ManifestsExpire;

impl Expiry<StorageKey, Entry> for ManifestsExpire {
    fn expire_after_create(&self, key: &StorageKey, _: &Entry, _: Instant) -> Option<Duration> {
        (key.caching() != Caching::Immutable).then_some(MANIFESTS_LAST)
    }
}

/// Whether compressing it is worth the while; media are compressed.
fn is_text(key: &StorageKey) -> bool {
    !matches!(key.content_type().split('/').next(), Some("video" | "audio" | "image"))
}

fn compressed(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).ok()?;
    let packed = encoder.finish().ok()?;
    (packed.len() < bytes.len()).then(|| packed.into())
}

#[cfg(test)]
mod tests {
    use catalog::ids::Revision;
    use futures_util::future::join_all;
    use tempfile::TempDir;

    use super::*;
    use crate::blobs::MediaObject;

    fn key(object: &str) -> StorageKey {
        let object: MediaObject = object.parse().unwrap();
        StorageKey::Media { video: VideoId::new(1, &[1; 10]), revision: Revision::FIRST, object }
    }

    async fn store(objects: &[(&str, usize)]) -> (TempDir, BlobStore) {
        let folder = TempDir::new().unwrap();
        let blobs = BlobStore::export(folder.path()).unwrap();
        for (name, len) in objects {
            blobs.put(&key(name), vec![Bytes::from(vec![b'a'; *len])]).await.unwrap();
        }
        (folder, blobs)
    }

    fn hot(cache_bytes: u64) -> Hot {
        Hot::new(&Delivery { cache_bytes, ..Delivery::default() })
    }

    #[tokio::test]
    async fn an_object_is_read_once_and_texts_are_compressed() {
        let (_folder, blobs) = store(&[("360p/1.m4s", 1000), ("360p.m3u8", 1000)]).await;
        let hot = hot(1 << 20);
        let (segment, source) = hot.object(&blobs, &key("360p/1.m4s")).await.unwrap().unwrap();
        assert_eq!((segment.bytes.len(), segment.gzip, source), (1000, None, Source::Store));
        let (playlist, _) = hot.object(&blobs, &key("360p.m3u8")).await.unwrap().unwrap();
        assert!(playlist.gzip.unwrap().len() < 100);
        blobs.delete(&key("360p/1.m4s")).await.unwrap();
        let again = join_all((0..9).map(|_| async { hot.object(&blobs, &key("360p/1.m4s")).await.unwrap() }));
        for found in again.await {
            assert_eq!(found.unwrap().1, Source::Memory);
        }
    }

    #[tokio::test]
    async fn what_is_not_there_is_asked_for_again() {
        let (_folder, blobs) = store(&[]).await;
        let hot = hot(1 << 20);
        let missing = hot.object(&blobs, &key("360p/1.m4s")).await.unwrap_err();
        assert!(matches!(&*missing, NotHeld::Blob(BlobError::NotFound { .. })), "{missing}");
        blobs.put(&key("360p/1.m4s"), vec![Bytes::from_static(b"a")]).await.unwrap();
        assert!(hot.object(&blobs, &key("360p/1.m4s")).await.unwrap().is_some());
    }

    /// What slow readers still have takes room, whether it is in the cache or not.
    #[tokio::test]
    async fn memory_is_bounded_by_what_is_sent() {
        let (_folder, blobs) =
            store(&[("360p/1.m4s", 1000), ("360p/2.m4s", 1000), ("360p/3.m4s", 1000), ("a.m3u8", 9 << 20)])
                .await;
        let hot = hot(1000);
        let first = hot.object(&blobs, &key("360p/1.m4s")).await.unwrap().unwrap();
        let second = hot.object(&blobs, &key("360p/2.m4s")).await.unwrap().unwrap();
        assert!(hot.object(&blobs, &key("360p/3.m4s")).await.unwrap().is_none(), "there is room for two");
        assert!(hot.object(&blobs, &key("a.m3u8")).await.unwrap().is_none(), "nothing long is held");
        drop((first, second));
        hot.objects.invalidate_all();
        // What is removed from the cache is dropped a little later, when nobody can be looking at it.
        while hot.object(&blobs, &key("360p/3.m4s")).await.unwrap().is_none() {
            hot.objects.run_pending_tasks().await;
            tokio::task::yield_now().await;
        }
    }
}
