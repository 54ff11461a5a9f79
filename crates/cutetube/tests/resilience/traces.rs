//! What becomes of an upload, as a collector of OpenTelemetry hears it from two processes.

use std::{collections::BTreeSet, time::Duration};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{Span, status::StatusCode},
};
use prost::Message as _;
use testbed::Database;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use crate::platform::{Platform, Role};

/// The body of each request, and what it is authorised by.
type Heard = (HeaderMap, Bytes);

async fn collector() -> (String, mpsc::UnboundedReceiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (sender, heard) = mpsc::unbounded_channel();
    let take = async |State(sender): State<mpsc::UnboundedSender<Heard>>, headers: HeaderMap, body: Bytes| {
        sender.send((headers, body)).unwrap();
    };
    let app = Router::new().route("/v1/traces", post(take)).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, heard)
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    format!(
        "{:?}",
        found.and_then(|attribute| attribute.value.as_ref()).and_then(|value| value.value.as_ref())
    )
}

#[tokio::test]
async fn an_upload_is_one_trace_on_all_machines() {
    let (url, mut heard) = collector().await;
    let settings = [("CUTETUBE_TRACES__OTLP_URL", url), ("CUTETUBE_TRACES__TOKEN", "sesame".to_owned())];
    let mut platform = Platform::with(Database::postgres(), &settings).await;
    let (web, worker) = (platform.start_as(Role::Web).await, platform.start_as(Role::Worker).await);
    let video = platform.upload(&web).await;
    platform.check_ready(&web, &video).await;
    worker.stop().await;
    web.stop().await;

    // Both have told everything before they ended.
    let mut spans = Vec::new();
    let mut processes = BTreeSet::new();
    let jobs = jobs::group(&platform.db, &catalog::work::group(video.parse().unwrap())).await.unwrap();
    while spans.len() <= jobs.len() {
        let (headers, body) = timeout(Duration::from_secs(60), heard.recv()).await.unwrap().unwrap();
        assert_eq!(headers["authorization"], "Bearer sesame");
        for resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
            processes.insert(format!("{:?}", resource.resource.unwrap()));
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    assert_eq!(processes.len(), 2, "{processes:?}");
    assert!(processes.iter().all(|process| process.contains("cutetube")), "{processes:?}");

    let id: catalog::ids::VideoId = video.parse().unwrap();
    let (below, roots): (Vec<&Span>, Vec<&Span>) =
        spans.iter().partition(|span| !span.parent_span_id.is_empty());
    let [root] = roots.as_slice() else { panic!("{roots:?}") };
    assert_eq!(root.name, "upload");
    assert_eq!(below.len(), jobs.len());
    for span in &spans {
        assert_eq!(span.trace_id, id.uuid().as_bytes(), "the trace has the id of the video");
        assert!(span.start_time_unix_nano < span.end_time_unix_nano);
        assert!(attribute(span, "video.id").contains(&video), "{span:?}");
    }
    for span in below {
        assert_eq!(span.parent_span_id, root.span_id);
        assert_eq!(span.status.as_ref().unwrap().code(), StatusCode::Ok);
        let id = attribute(span, "job.id");
        assert!(jobs.iter().any(|job| id.contains(&job.id.to_string()) && job.kind == span.name), "{span:?}");
    }
}
