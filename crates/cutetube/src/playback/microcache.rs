//! Whole answers, kept for as long as what is known of their video: what many ask for in the same words is answered
//! before it is routed (microcaching, as caches in front of servers do it).
//!
//! An answer gets here only as the handlers have made it and the layers around them have completed it, so that both ways
//! say the same. It is one that is for everybody, to a request that asks for nothing in particular: no range, no
//! condition, no query. Who was refused, and what is not in memory, is asked for again.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, Method, Uri, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::future::{BoxFuture, Either, Ready, ready};
use moka::sync::Cache;
use tower::Service;

use super::{
    access,
    hot::{Hot, Moment, VIDEOS_LAST},
};
use crate::{http::accepts, metrics::Tally};

/// A router that answers from memory what it has answered before.
#[derive(Clone)]
pub(crate) struct Microcached {
    router: Router,
    hot: Hot,
    as_stored: Cache<String, Arc<Answer>>,
    compressed: Cache<String, Arc<Answer>>,
}

/// Goes with an answer that may be given again.
#[derive(Debug, Clone)]
pub(crate) struct Repeatable {
    body: Bytes,
    moment: Moment,
    tally: Option<Tally>,
}

struct Answer {
    headers: HeaderMap,
    body: Bytes,
    moment: Moment,
    tally: Tally,
}

/// What decides, of a request that may be answered from here.
struct Asked {
    uri: Uri,
    takes_gzip: bool,
}

/// A title of ten minutes in four renditions has some 800 objects.
const MOST_ANSWERS: u64 = 10_000;

impl Microcached {
    pub(crate) fn new(router: Router, hot: Hot) -> Self {
        let answers = || Cache::builder().max_capacity(MOST_ANSWERS).time_to_live(VIDEOS_LAST).build();
        Self { router, hot, as_stored: answers(), compressed: answers() }
    }

    fn answers(&self, asked: &Asked) -> &Cache<String, Arc<Answer>> {
        if asked.takes_gzip { &self.compressed } else { &self.as_stored }
    }

    fn answer(&self, asked: &Asked) -> Option<Response> {
        let start = Instant::now();
        let answer = self.answers(asked).get(asked.uri.path())?;
        if !self.hot.is_current(answer.moment) {
            return None;
        }
        let mut response = Response::new(Body::from(answer.body.clone()));
        *response.headers_mut() = answer.headers.clone();
        answer.tally.count(start, answer.body.len());
        Some(response)
    }

    fn keep(&self, asked: &Asked, response: &mut Response) {
        let Some(Repeatable { body, moment, tally: Some(tally) }) = response.extensions_mut().remove() else {
            return;
        };
        let mut headers = response.headers().clone();
        // It names one request.
        headers.remove(REQUEST_ID);
        let answer = Answer { headers, body, moment, tally };
        self.answers(asked).insert(asked.uri.path().to_owned(), Arc::new(answer));
    }
}

impl Service<Request> for Microcached {
    type Response = Response;
    type Error = Infallible;
    type Future =
        Either<Ready<Result<Response, Infallible>>, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Some(asked) = Asked::of(&request) else {
            return Either::Right(Box::pin(self.router.call(request)));
        };
        if let Some(answer) = self.answer(&asked) {
            return Either::Left(ready(Ok(answer)));
        }
        let making = self.router.call(request);
        let cache = self.clone();
        Either::Right(Box::pin(async move {
            let mut response = making.await?;
            cache.keep(&asked, &mut response);
            Ok(response)
        }))
    }
}

impl Repeatable {
    /// Of an answer that has all of `body`, by what was known at `moment`.
    pub(crate) fn new(body: Bytes, moment: Moment) -> Self {
        Self { body, moment, tally: None }
    }

    /// Where it is counted each time.
    pub(crate) fn counted(&mut self, tally: Tally) {
        self.tally = Some(tally);
    }
}

const REQUEST_ID: &str = "x-request-id";

impl Asked {
    /// `None` when the answer may depend on more than the path.
    fn of(request: &Request) -> Option<Self> {
        let is_plain = request.method() == Method::GET
            && request.uri().query().is_none()
            && !request.headers().keys().any(decides)
            && !tracing::enabled!(tracing::Level::DEBUG);
        is_plain.then(|| Self { uri: request.uri().clone(), takes_gzip: accepts(request.headers(), "gzip") })
    }
}

/// Whether a header asks for something in particular, or stands for somebody.
fn decides(name: &HeaderName) -> bool {
    const DECIDING: [HeaderName; 6] = [
        header::RANGE,
        header::IF_RANGE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
    ];
    DECIDING.contains(name) || [REQUEST_ID, access::ORIGIN].contains(&name.as_str())
}
