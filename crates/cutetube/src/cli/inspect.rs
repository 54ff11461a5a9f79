//! `cutetube inspect`

use std::{fs::File, path::PathBuf};

use anyhow::Context;
use clap::Args;
use isobmff::{Limits, Movie, SyncTable, Track};
use transcode::source::{LocalFile, index};

use super::print;

/// Show what a file's index says, without reading its media.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// The video, MP4 or MOV
    file: PathBuf,
}

impl Inspect {
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        let shown = self.file.display();
        let file = File::open(&self.file).with_context(|| format!("cannot open `{shown}`"))?;
        let movie = index(&LocalFile::new(file)?, Limits::default())
            .await
            .with_context(|| format!("`{shown}` has no usable index"))?;
        print(&summary(&movie))
    }
}

fn summary(movie: &Movie) -> String {
    let container = if movie.file_type.is_quicktime() { "QuickTime" } else { "MP4" };
    let layout = if movie.fragmented { "fragmented" } else { "progressive" };
    let mut lines = vec![format!("{container}, {layout}, {} bytes", movie.file_len)];
    if movie.missing_bytes() > 0 {
        lines.push(format!("{} bytes are missing at the end", movie.missing_bytes()));
    }
    lines.extend(movie.tracks.iter().map(describe));
    lines.join("\n")
}

fn describe(track: &Track) -> String {
    let entries: Vec<_> = track.entries.iter().map(|entry| entry.format.to_string()).collect();
    let sync = match track.samples.sync() {
        SyncTable::All => "all".to_owned(),
        SyncTable::Listed(listed) => listed.len().to_string(),
    };
    let size = if track.is_video() {
        format!(", {}x{}", track.width >> 16, track.height >> 16)
    } else {
        String::new()
    };
    let turned = match track.matrix.orientation() {
        Some(orientation) if orientation.quarter_turns > 0 => {
            format!(", turned by {}°", u32::from(orientation.quarter_turns) * 90)
        }
        _ => String::new(),
    };
    format!(
        "track {}: {} {}{size}{turned}, {} samples ({sync} sync), {} bytes, {}/{} s, {} edits",
        track.id,
        track.handler,
        entries.join("+"),
        track.samples.len(),
        track.samples.total_size(),
        track.samples.end(),
        track.timescale,
        track.edits.len(),
    )
}
