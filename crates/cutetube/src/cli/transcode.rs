//! `cutetube transcode`

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use clap::Args;
use packager::Presentation;
use tokio_util::sync::CancellationToken;
use transcode::process::Patience;
use transcode::runner::Runner;
use transcode::sandbox::Priority;
use transcode::settings::RateControl;

use super::key_args::EncryptArgs;
use super::{ConfigArgs, Environment, print, search_path};
use crate::ambient;
use crate::pipeline::StageError;
use crate::pipeline::export::{ExportOptions, Exported, export};
use crate::progress::{Progress, Unit};
use crate::state::locate_toolchain;
use crate::telemetry;

/// Make the whole ladder of a video in a static folder, without a server or a database.
#[derive(Debug, Args)]
pub(super) struct Transcode {
    /// The video
    file: PathBuf,
    /// Folder to write to; any web server can serve it
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// x264 preset [default: as configured]
    #[arg(long)]
    preset: Option<String>,
    /// Hold the average bit rate, as encoders for broadcast do, instead of the quality
    #[arg(long)]
    abr: bool,
    /// Segments that one process encodes, or `all` [default: two to four]
    #[arg(long, value_name = "N")]
    segments_per_chunk: Option<SegmentsPerChunk>,
    /// Processes at once [default: one per core]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    #[command(flatten)]
    encrypt: EncryptArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Clone, Copy)]
struct SegmentsPerChunk(NonZeroU32);

impl FromStr for SegmentsPerChunk {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self(NonZeroU32::MAX)),
            number => number.parse().map(Self).map_err(|_| "neither a number of segments nor `all`"),
        }
    }
}

impl Transcode {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        let search_path = search_path(&env);
        let protection = self.encrypt.protection()?;
        let flags = self.preset.into_iter().map(|preset| ("ladder.preset", preset)).collect();
        let config = self.config.load(env, flags)?;
        telemetry::init(&config.log)?;
        let toolchain = locate_toolchain(&config, &search_path)?;
        let mut settings = config.ladder;
        if self.abr {
            settings.rate_control = RateControl::Abr;
        }
        let options = ExportOptions {
            settings,
            segments_per_chunk: self.segments_per_chunk.map(|SegmentsPerChunk(number)| number),
            jobs: self.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
            protection,
        };
        let cancel = CancellationToken::new();
        let runner = Runner {
            toolchain: &toolchain,
            priority: Priority::Interactive,
            patience: Patience::default(),
            cancel: &cancel,
        };
        let shown = Mutex::new(None);
        let progress = |done, total| {
            let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.get_or_insert_with(|| Progress::new("encoding", total, Unit::Frames)).set(done, "");
        };
        let outcome = export(&runner, &self.file, &self.out, &options, &ambient::iv_run, &progress).await;
        if let Some(shown) = shown.into_inner().unwrap_or_else(PoisonError::into_inner) {
            shown.finish();
        }
        report(&outcome.map_err(explain)?, &self.out)
    }
}

/// A refused file in a sentence, anything else with its causes.
fn explain(error: StageError) -> anyhow::Error {
    match error {
        StageError::Reject(rejection) => anyhow::anyhow!("{rejection}"),
        error => error.into(),
    }
}

fn report(exported: &Exported, out: &Path) -> anyhow::Result<()> {
    for warning in &exported.warnings {
        print(&format!("warning: {warning}"))?;
    }
    print_presentation(&exported.presentation, out)
}

/// What a folder holds now, and where players start.
pub(super) fn print_presentation(presentation: &Presentation, out: &Path) -> anyhow::Result<()> {
    for rendition in &presentation.parts().video {
        print(&format!(
            "{:>6}  {} × {}  {}",
            rendition.id, rendition.width, rendition.height, rendition.codecs
        ))?;
    }
    for rendition in &presentation.parts().audio {
        print(&format!("{:>6}  {} Hz  {}", rendition.id, rendition.sample_rate, rendition.codecs))?;
    }
    print(&format!("DASH: {}", out.join("mp4/manifest.mpd").display()))?;
    print(&format!("HLS:  {}", out.join("master.m3u8").display()))
}
