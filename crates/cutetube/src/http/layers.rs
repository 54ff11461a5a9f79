//! What happens around every handler.

use std::{any::Any, borrow::Cow, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    set_header::SetResponseHeaderLayer,
    timeout::TimeoutLayer,
    trace::TraceLayer,
};

use super::Problem;
use crate::{AppState, config::Config, playback::BaseUrl};

/// Answers 503 when a handler takes longer than `limit`. The body of an answer may take as long as it likes.
pub(super) fn answer_within(routes: Router<AppState>, limit: Duration) -> Router<AppState> {
    routes.layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limit))
}

/// Request id, log line, panic guard and headers that every answer carries.
pub(super) fn around(routes: Router<AppState>, config: &Config) -> Router<AppState> {
    let over_tls = BaseUrl::configured(config).is_some_and(|base| base.is_secure());
    let trace = TraceLayer::new_for_http().make_span_with(span);
    routes.layer(
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(trace)
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(CatchPanicLayer::custom(panicked))
            .option_layer(over_tls.then(|| if_missing(header::STRICT_TRANSPORT_SECURITY, ONE_YEAR)))
            .layer(if_missing(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .layer(if_missing(header::REFERRER_POLICY, "same-origin"))
            .layer(if_missing(header::CONTENT_SECURITY_POLICY, NOTHING_ACTIVE)),
    )
}

/// Who has come over TLS once shall not be talked into coming without it.
const ONE_YEAR: &str = "max-age=31536000";

/// For answers that are no pages: media, JSON, errors. Pages bring their own policy.
const NOTHING_ACTIVE: &str = "default-src 'none'; frame-ancestors 'none'";

fn if_missing(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// The path only: a query may carry a token.
fn span(request: &Request) -> tracing::Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    let path = without_token(request.uri().path());
    tracing::info_span!("request", request.id = id, method = %request.method(), path = &*path)
}

/// Whoever reads the log may not watch what is private: what opens a signed path is left out.
fn without_token(path: &str) -> Cow<'_, str> {
    match path.strip_prefix("/p/") {
        Some(rest) => {
            let (_, address) = rest.split_once('/').unwrap_or((rest, ""));
            format!("/p/…/{address}").into()
        }
        None => path.into(),
    }
}

/// The panic hook has logged it already.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side; it has been logged")
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_reaches_the_log() {
        assert_eq!(without_token("/vod-media/1/1/poster.jpg"), "/vod-media/1/1/poster.jpg");
        assert_eq!(without_token("/p/12.secret/app/stream/1/"), "/p/…/app/stream/1/");
        assert_eq!(without_token("/p/12.secret"), "/p/…/");
    }
}
