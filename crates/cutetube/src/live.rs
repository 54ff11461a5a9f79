//! Things that many people watch at once: read again and again while anybody does, and once for all of them.
//!
//! One task per kind of thing looks at everything that is watched, in one go; those who watch wait for it in memory and
//! hold no connection. Progress is written without a notification, so it looks at a steady pace.

use std::collections::HashMap;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

/// What is watched by key. Cheap to clone.
pub(crate) struct Live<K, V>(Arc<Shared<K, V>>);

/// Reads the things of these keys. Those that do not exist are left out.
type Read<K, V> = dyn Fn(Vec<K>) -> Pin<Box<dyn Future<Output = Option<Vec<(K, V)>>> + Send>> + Send + Sync;

struct Shared<K, V> {
    read: Box<Read<K, V>>,
    watched: Mutex<Watched<K, V>>,
    /// Somebody new must not wait for the next look.
    newcomer: Notify,
}

struct Watched<K, V> {
    by_key: HashMap<K, watch::Sender<Sighting<V>>>,
    /// A task looks at them.
    is_looked_at: bool,
}

/// What was there, at a moment not earlier than `at`.
struct Sighting<V> {
    at: Option<Instant>,
    seen: Option<Arc<V>>,
}

/// One watcher's view of one thing.
pub(crate) struct Sight<V> {
    since: Instant,
    sightings: watch::Receiver<Sighting<V>>,
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

impl<K: Clone + Eq + Hash + Send + 'static, V: Send + Sync + 'static> Live<K, V> {
    /// `read` answers `None` when it could not look; it has logged why.
    pub(crate) fn new<F>(read: impl Fn(Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<Vec<(K, V)>>> + Send + 'static,
    {
        let watched = Watched { by_key: HashMap::new(), is_looked_at: false };
        Self(Arc::new(Shared {
            read: Box::new(move |keys| Box::pin(read(keys))),
            watched: Mutex::new(watched),
            newcomer: Notify::new(),
        }))
    }

    /// Watches the thing of this key from now on.
    pub(crate) fn watch(&self, key: K) -> Sight<V> {
        let mut watched = self.0.watched();
        let sender = watched
            .by_key
            .entry(key)
            .or_insert_with(|| watch::Sender::new(Sighting { at: None, seen: None }));
        let sight = Sight { since: Instant::now(), sightings: sender.subscribe() };
        if !watched.is_looked_at {
            watched.is_looked_at = true;
            tokio::spawn(self.0.clone().look());
        }
        self.0.newcomer.notify_one();
        sight
    }
}

impl<K: Clone + Eq + Hash, V> Shared<K, V> {
    /// Looks until nobody watches.
    async fn look(self: Arc<Self>) {
        while let Some(keys) = self.keys() {
            let at = Instant::now();
            if let Some(found) = (self.read)(keys.clone()).await {
                self.show(at, &keys, found);
            }
            tokio::select! {
                () = sleep(PAUSE) => {}
                () = self.newcomer.notified() => {}
            }
        }
    }

    /// What somebody watches; nothing from then on when nobody does.
    fn keys(&self) -> Option<Vec<K>> {
        let mut watched = self.watched();
        watched.by_key.retain(|_, sender| sender.receiver_count() > 0);
        watched.is_looked_at = !watched.by_key.is_empty();
        watched.is_looked_at.then(|| watched.by_key.keys().cloned().collect())
    }

    fn show(&self, at: Instant, keys: &[K], found: Vec<(K, V)>) {
        let mut found: HashMap<K, V> = found.into_iter().collect();
        let watched = self.watched();
        for key in keys {
            if let Some(sender) = watched.by_key.get(key) {
                sender.send_replace(Sighting { at: Some(at), seen: found.remove(key).map(Arc::new) });
            }
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched<K, V>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Sight<V> {
    /// Waits for the next look, and answers what was there: `None` when there is no such thing (any more). A look that
    /// began before this watcher came does not count: it may show less than the watcher has seen elsewhere.
    pub(crate) async fn next(&mut self) -> Option<Arc<V>> {
        loop {
            if self.sightings.changed().await.is_err() {
                return None;
            }
            let sighting = self.sightings.borrow_and_update();
            if sighting.at.is_some_and(|at| at >= self.since) {
                return sighting.seen.clone();
            }
        }
    }
}

impl<K, V> Clone for Live<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Things named by numbers; each look shows how many there have been before it. `99` does not exist.
    fn counted() -> (Live<u32, usize>, Arc<AtomicUsize>) {
        let looks = Arc::new(AtomicUsize::new(0));
        let live = Live::new({
            let looks = looks.clone();
            move |keys: Vec<u32>| {
                let look = looks.fetch_add(1, Ordering::SeqCst);
                async move { Some(keys.into_iter().filter(|key| *key != 99).map(|key| (key, look)).collect()) }
            }
        });
        (live, looks)
    }

    #[tokio::test]
    async fn many_watchers_cost_one_look_and_none_cost_nothing() {
        let (live, looks) = counted();
        let mut sights: Vec<_> = (0..100).map(|number| live.watch(number % 3)).collect();
        let mut last = 0;
        for sight in &mut sights {
            last = last.max(*sight.next().await.expect("it is there"));
        }
        // One for all, and perhaps one more because of those who came.
        assert!(last <= 2, "{last}");
        assert!(*sights[0].next().await.expect("it is there") >= last, "and it goes on");
        drop(sights);
        while live.0.watched().is_looked_at {
            tokio::task::yield_now().await;
        }
        let looked = looks.load(Ordering::SeqCst);
        let look = *live.watch(1).next().await.expect("it is there");
        assert!(look <= looked + 1, "somebody looked in between");
    }

    #[tokio::test]
    async fn nobody_is_shown_what_was_seen_before_they_came() {
        let (live, looks) = counted();
        let mut early = live.watch(1);
        early.next().await;
        let seen = looks.load(Ordering::SeqCst);
        let late = live.watch(1).next().await.expect("it is there");
        assert!(*late >= seen, "{late} is older than {seen}");
    }

    #[tokio::test]
    async fn what_is_not_there_is_said_to_be_gone() {
        let (live, _) = counted();
        assert!(live.watch(99).next().await.is_none());
    }
}
