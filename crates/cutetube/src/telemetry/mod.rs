//! Logs, to standard error, for people or for machines; and traces, to a collector.

mod traces;

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Log, LogFormat};

pub(crate) use traces::Traces;

/// `log.filter` holds no valid directives.
#[derive(Debug, thiserror::Error)]
#[error("`{filter}` is not a list of log directives")]
pub(crate) struct BadFilter {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Starts logging for this process. A second call changes nothing.
pub(crate) fn init(log: &Log) -> Result<(), BadFilter> {
    let filter =
        EnvFilter::try_new(&log.filter).map_err(|source| BadFilter { filter: log.filter.clone(), source })?;
    let registry = tracing_subscriber::registry().with(filter);
    // Colours are for eyes, not for files.
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // Only an earlier subscriber of the same process can be in the way.
    let _ = match log.format {
        LogFormat::Human => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    Ok(())
}
