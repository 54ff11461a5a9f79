//! Reaching an S3 server: settings, time-outs, repetition.

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};

use tokio::time::Instant;

use super::BlobError;
use crate::{config::S3, tls};

/// Connecting takes milliseconds or fails.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long repetitions wait: from the first pause to the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A bucket, and where in it the objects lie.
pub(super) struct Bucket {
    pub(super) client: Arc<AmazonS3>,
    pub(super) prefix: Path,
}

/// For how long what the client does not repeat is repeated: it repeats no request whose answer was lost on the way
/// unless it knows that doing it twice leaves the same, and no answer whose end was lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Persistence(pub(super) Duration);

impl Persistence {
    /// Makes attempts, each of which leaves the same when it is made twice.
    pub(super) async fn run<T, F: Future<Output = Result<T, BlobError>>>(
        self,
        attempt: impl Fn() -> F,
    ) -> Result<T, BlobError> {
        let end = Instant::now() + self.0;
        let (mut pause, longest) = BACKOFF;
        loop {
            match attempt().await {
                Err(error) if error.is_cut() && Instant::now() + pause < end => {
                    tracing::debug!(%error, "the store is asked again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
                outcome => return outcome,
            }
        }
    }
}

/// The bucket and prefix of `s3://bucket/prefix`.
///
/// Requests are repeated after 5xx, 429, time-outs and connections that fail, with pauses that double up to a cap, for
/// as long as `retry_seconds` allows.
pub(super) fn open(url: &str, settings: &S3) -> Result<Bucket, BlobError> {
    let bad_url = || BlobError::BadUrl { url: url.to_owned() };
    let bad_settings = |problem: String| BlobError::BadSettings { problem };
    let place = url.strip_prefix("s3://").ok_or_else(bad_url)?;
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
    if bucket.is_empty() || !place.chars().all(plain) {
        return Err(bad_url());
    }
    let prefix = Path::parse(prefix).map_err(|_| bad_url())?;
    if prefix.as_ref() != place.split_once('/').map_or("", |(_, prefix)| prefix.trim_end_matches('/')) {
        return Err(bad_url());
    }

    // Plain HTTP is for a server that somebody named with `http://`, never for one that is looked up.
    let plain_http = settings.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let client = ClientOptions::new()
        .with_allow_http(plain_http)
        .with_connect_timeout(CONNECT_TIMEOUT)
        // Of the silence, not of the whole: a body takes as long as its reader takes.
        .with_read_timeout(Duration::from_secs(settings.timeout_seconds.max(1)))
        .with_timeout_disabled();
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&settings.region)
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_retry(retry(settings))
        .with_client_options(client);
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint_of(endpoint, bucket, settings.path_style));
    }
    builder = match (&settings.access_key_id, &settings.secret_access_key) {
        (Some(id), Some(secret)) => builder.with_access_key_id(id).with_secret_access_key(secret.expose()),
        (None, None) => builder,
        (Some(_), None) => return Err(bad_settings("`secret_access_key` is missing".to_owned())),
        (None, Some(_)) => return Err(bad_settings("`access_key_id` is missing".to_owned())),
    };
    tls::provide();
    let client = builder.build().map_err(|error| bad_settings(error.to_string()))?;
    Ok(Bucket { client: Arc::new(client), prefix })
}

/// With the bucket in the host name, unless it is in the path.
fn endpoint_of(endpoint: &str, bucket: &str, path_style: bool) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    match endpoint.split_once("://") {
        Some((scheme, host)) if !path_style => format!("{scheme}://{bucket}.{host}"),
        _ => endpoint.to_owned(),
    }
}

fn retry(settings: &S3) -> RetryConfig {
    let (init_backoff, max_backoff) = BACKOFF;
    RetryConfig {
        backoff: BackoffConfig { init_backoff, max_backoff, base: 2.0 },
        // The time is what bounds them.
        max_retries: 100,
        retry_timeout: Duration::from_secs(settings.retry_seconds),
    }
}
