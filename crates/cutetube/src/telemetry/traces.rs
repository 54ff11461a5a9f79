//! What becomes of an upload, as spans for a collector of OpenTelemetry (OTLP over HTTP).
//!
//! **The trace of a video has its id**: both are 128 bits (W3C Trace Context, trace-id), so that whoever works on a video,
//! on whatever machine, adds to the same trace, and whoever knows the video finds it. Its root is the upload; each attempt
//! at a job is a span below it.

use std::{
    collections::HashMap,
    mem,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use catalog::{ids::VideoId, videos::Video, work::video_of_group};
use jobs::Job;
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks},
};
use reqwest::redirect;
use tokio::sync::{mpsc, oneshot};

use crate::{ambient, config, metrics::Attempt, tls};

/// Where spans go, if anywhere. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Traces(Option<mpsc::Sender<Message>>);

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "next to all of them are spans")]
enum Message {
    Ended(SpanData),
    /// Answered when everything before it has been sent.
    Flush(oneshot::Sender<()>),
}

/// Spans that wait to be sent; with more of them at once, some are lost, and nobody waits.
const WAITING: usize = 4096;
/// Spans of one request.
const BATCH: usize = 512;
/// How long spans are gathered before they are sent.
const GATHER: Duration = Duration::from_secs(1);
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(10);
const SCOPE: &str = env!("CARGO_PKG_NAME");

impl Traces {
    /// To the collector that `traces` names; nowhere, when it names none.
    pub(crate) fn open(traces: &config::Traces) -> anyhow::Result<Self> {
        let Some(url) = &traces.otlp_url else { return Ok(Self(None)) };
        let exporter = exporter(url, traces).context("traces cannot be sent to `traces.otlp_url`")?;
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(send(exporter, receiver));
        Ok(Self(Some(sender)))
    }

    /// The upload of `video`, which began so long after 1970 and is over now.
    pub(crate) fn uploaded(&self, video: &Video, began: Duration) {
        let context = context(video.id, root(video.id));
        let bytes = i64::try_from(video.source.bytes).unwrap_or(i64::MAX);
        let attributes = vec![
            KeyValue::new("video.id", video.id.to_string()),
            KeyValue::new("user.id", video.owner.to_string()),
            KeyValue::new("upload.bytes", bytes),
        ];
        self.ended(SpanData {
            attributes,
            ..span("upload".to_owned(), context, SpanId::INVALID, SpanKind::Server, began)
        });
    }

    /// An attempt at a job, which has taken so long and is over now. Jobs that are of no video are in no trace.
    pub(crate) fn attempted(&self, job: &Job, took: Duration, attempt: Attempt) {
        let Some(video) = job.group.as_deref().and_then(video_of_group) else { return };
        let began = ambient::unix_time().saturating_sub(took);
        let context = context(video, SpanId::from_bytes(ambient::random()));
        let (outcome, status) = match attempt {
            Attempt::Done => ("done", Status::Ok),
            Attempt::Retried => ("retried", Status::error("it failed, and is tried again")),
            Attempt::Dead => ("dead", Status::error("it failed for good")),
            Attempt::LetGo => ("let go", Status::Unset),
        };
        let attributes = vec![
            KeyValue::new("video.id", video.to_string()),
            KeyValue::new("job.id", job.lease.id.to_string()),
            KeyValue::new("job.queue", job.queue.clone()),
            KeyValue::new("job.attempt", i64::from(job.attempt)),
            KeyValue::new("job.outcome", outcome),
        ];
        self.ended(SpanData {
            attributes,
            status,
            ..span(job.kind.clone(), context, root(video), SpanKind::Consumer, began)
        });
    }

    /// Returns when everything until now was sent, or could not be.
    pub(crate) async fn flush(&self) {
        let Some(sender) = &self.0 else { return };
        let (done, is_done) = oneshot::channel();
        if sender.send(Message::Flush(done)).await.is_ok() {
            let _ = is_done.await;
        }
    }

    fn ended(&self, span: SpanData) {
        if let Some(sender) = &self.0
            && sender.try_send(Message::Ended(span)).is_err()
        {
            tracing::debug!("a span is lost: the collector is too slow");
        }
    }
}

fn exporter(url: &str, traces: &config::Traces) -> anyhow::Result<SpanExporter> {
    tls::provide();
    let client =
        reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(PATIENCE).build()?;
    let token =
        traces.token.as_ref().map(|token| ("authorization".to_owned(), format!("Bearer {}", token.expose())));
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(url)
        .with_timeout(PATIENCE)
        .with_headers(token.into_iter().collect::<HashMap<_, _>>())
        .build()?;
    let about = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("host.name", ambient::host_name()),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ];
    let resource = Resource::builder_empty().with_service_name(traces.service_name.clone());
    exporter.set_resource(&resource.with_attributes(about).build());
    Ok(exporter)
}

/// Sends what comes, until nobody is left who could send any.
async fn send(exporter: SpanExporter, mut messages: mpsc::Receiver<Message>) {
    let mut received = Vec::new();
    while messages.recv_many(&mut received, BATCH).await > 0 {
        let mut spans = Vec::new();
        let mut waiting = Vec::new();
        for message in mem::take(&mut received) {
            match message {
                Message::Ended(span) => spans.push(span),
                Message::Flush(done) => waiting.push(done),
            }
        }
        if !spans.is_empty()
            && let Err(error) = exporter.export(spans).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "spans could not be sent");
        }
        if waiting.is_empty() {
            tokio::time::sleep(GATHER).await;
        }
        for done in waiting {
            // Nobody may be waiting any more.
            let _ = done.send(());
        }
    }
}

/// The span of an upload has an id that every node knows: the random half of the video's.
fn root(video: VideoId) -> SpanId {
    let id = video.uuid();
    let (_, random) = id.as_u64_pair();
    SpanId::from_bytes(random.to_be_bytes())
}

fn context(video: VideoId, span: SpanId) -> SpanContext {
    let trace = TraceId::from_bytes(video.uuid().into_bytes());
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}

/// From `began`, so long after 1970, until now.
fn span(name: String, context: SpanContext, parent: SpanId, kind: SpanKind, began: Duration) -> SpanData {
    let time = |since: Duration| -> SystemTime { UNIX_EPOCH + since };
    SpanData {
        span_context: context,
        parent_span_id: parent,
        parent_span_is_remote: parent != SpanId::INVALID,
        span_kind: kind,
        name: name.into(),
        start_time: time(began),
        end_time: time(ambient::unix_time()),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder(SCOPE).build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_of_a_video_has_its_id() {
        let video: VideoId = "0190a0b0-5b7e-7c3a-9d2f-3f6a1c2b4d5e".parse().unwrap();
        let context = context(video, root(video));
        assert_eq!(context.trace_id().to_string(), "0190a0b05b7e7c3a9d2f3f6a1c2b4d5e");
        assert_eq!(context.span_id().to_string(), "9d2f3f6a1c2b4d5e");
        assert!(context.is_valid() && context.is_sampled());
    }
}
