//! Requests, as the outermost layer sees them.

use std::{sync::Arc, time::Instant};

use axum::{
    body::HttpBody as _,
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::Source;
use crate::{AppState, playback::Repeatable};

/// What this process has answered. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    took: Family<Answered, Histogram>,
    bytes: Family<OfRoute, Counter>,
}

/// Where an answer that is given again is counted, found once.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    took: Histogram,
    bytes: Counter,
    objects: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    /// The pattern, not the path: there are as many as there are handlers.
    route: Arc<str>,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    route: Arc<str>,
}

/// From an answer out of memory to one that is given up.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];
/// What no handler is for.
const NO_ROUTE: &str = "none";

impl Default for Requests {
    fn default() -> Self {
        Self { took: Family::new_with_constructor(|| Histogram::new(BUCKETS)), bytes: Family::default() }
    }
}

impl Requests {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "cutetube_http_request_seconds",
            "From the headers of a request until those of its answer",
            self.took.clone(),
        );
        registry.register_with_unit(
            "cutetube_http_answer",
            "Lengths of the bodies of answers, of those whose length was known",
            Unit::Bytes,
            self.bytes.clone(),
        );
    }
}

impl Tally {
    /// An answer of `len` bytes out of memory, to a request that came at `start`.
    pub(crate) fn count(&self, start: Instant, len: usize) {
        self.took.observe(start.elapsed().as_secs_f64());
        self.bytes.inc_by(u64::try_from(len).unwrap_or(u64::MAX));
        self.objects.inc();
    }
}

/// Around everything.
pub(crate) async fn count(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str).into();
    let method = method(request.method());
    let mut response = next.run(request).await;
    let Requests { took, bytes } = &state.metrics.requests;
    let bytes = bytes.get_or_create(&OfRoute { route: Arc::clone(&route) }).clone();
    if let Some(len) = response.body().size_hint().exact() {
        bytes.inc_by(len);
    }
    let answered = Answered { route, method, status: response.status().as_u16() };
    let took = took.get_or_create(&answered).clone();
    took.observe(start.elapsed().as_secs_f64());
    if let Some(repeatable) = response.extensions_mut().get_mut::<Repeatable>() {
        repeatable.counted(Tally { took, bytes, objects: state.metrics.objects(Source::Memory) });
    }
    response
}

/// Clients may make methods up.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
