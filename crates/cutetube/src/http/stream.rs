//! Answers that go on: `text/event-stream` (HTML Living Standard §9.2).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::Problem;

/// The event streams of a process: how many there may be, and when they end. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Streams {
    free: Arc<Semaphore>,
    closing: CancellationToken,
}

/// The right to one stream.
pub(crate) struct StreamSlot {
    streams: Streams,
    _permit: OwnedSemaphorePermit,
}

/// One event. Its id says what the client has seen once it has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamEvent {
    pub(crate) id: String,
    /// JSON, without line breaks.
    pub(crate) data: String,
    /// Nothing comes after it.
    pub(crate) is_last: bool,
}

/// A stream ends after this time, and the client goes on with another one: so that what it may see is asked again.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Proxies end what is silent for too long.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How soon a client whose stream broke off comes back.
const RETRY: Duration = Duration::from_secs(2);

impl Streams {
    pub(crate) fn new(limit: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(limit)), closing: CancellationToken::new() }
    }

    /// Ends all streams, so that the server can stop.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    /// Refused when there are as many streams as there may be.
    pub(crate) fn slot(&self) -> Result<StreamSlot, StreamsFull> {
        let permit = self.free.clone().try_acquire_owned().map_err(|_| StreamsFull)?;
        Ok(StreamSlot { streams: self.clone(), _permit: permit })
    }
}

/// There are as many streams as there may be.
#[derive(Debug)]
pub(crate) struct StreamsFull;

impl IntoResponse for StreamsFull {
    fn into_response(self) -> Response {
        let detail = "too many clients follow something at once; ask for the state itself instead";
        let mut response = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        response
    }
}

impl StreamSlot {
    /// Sends `events` until one is the last, leaving out those whose id is that of the event before, or of the last
    /// event that the client says it has.
    pub(crate) fn answer(
        self,
        headers: &HeaderMap,
        events: impl Stream<Item = StreamEvent> + Send + 'static,
    ) -> Response {
        let new = changes(last_event_id(headers).map(str::to_owned), events);
        let closing = self.streams.closing.clone();
        let end = async move {
            tokio::select! {
                () = closing.cancelled() => {}
                () = tokio::time::sleep(LIFETIME) => {}
            }
        };
        let hello = stream::iter([Event::default().retry(RETRY)]);
        let events = new.map(|event| Event::default().id(event.id).data(event.data));
        let body = hello.chain(events).take_until(end).map(move |event| {
            // The slot is free again when the stream is dropped.
            let _ = &self;
            Ok::<_, Infallible>(event)
        });
        let keep_alive = KeepAlive::new().interval(HEARTBEAT);
        let mut response = Sse::new(body).keep_alive(keep_alive).into_response();
        // nginx would keep events back until its buffer is full.
        response
            .headers_mut()
            .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        response
    }
}

/// What the client has seen, when it comes back.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id")?.to_str().ok()
}

/// Events that say something new, up to the last.
fn changes(
    known: Option<String>,
    events: impl Stream<Item = StreamEvent> + Send + 'static,
) -> impl Stream<Item = StreamEvent> + Send + 'static {
    let state = Some((known, Box::pin(events)));
    stream::unfold(state, |state| async move {
        let (known, mut events) = state?;
        loop {
            let event = events.next().await?;
            if known.as_ref() != Some(&event.id) {
                let next = (!event.is_last).then(|| (Some(event.id.clone()), events));
                return Some((event, next));
            }
            if event.is_last {
                return None;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, is_last: bool) -> StreamEvent {
        StreamEvent { id: id.to_owned(), data: String::new(), is_last }
    }

    /// The ids that a client gets who comes with `known`.
    async fn check(known: Option<&str>, ids: &[&str], last: &str) -> String {
        let events: Vec<_> = ids.iter().map(|id| event(id, *id == last)).collect();
        let sent: Vec<_> = changes(known.map(str::to_owned), stream::iter(events)).collect().await;
        sent.into_iter().map(|event| event.id).collect()
    }

    #[tokio::test]
    async fn nothing_is_said_twice_and_nothing_after_the_end() {
        assert_eq!(check(None, &["a", "a", "b", "b", "c"], "z").await, "abc");
        assert_eq!(check(Some("a"), &["a", "b"], "z").await, "b");
        assert_eq!(check(Some("unknown"), &["a", "b"], "b").await, "ab");
        assert_eq!(check(None, &["a", "b", "c"], "b").await, "ab");
        assert_eq!(check(Some("b"), &["b", "c"], "b").await, "");
    }
}
