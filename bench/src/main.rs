//! Peer comparisons: whole programs, side by side in one run, reported as ratios.
//!
//! What it deliberately does not do: judge. It prints the table that goes into `bench/RESULTS.md`, with the commands
//! that made it. Absolute times of a shared machine mean little; the ratios of runs taken in turns do.

mod crowd;
mod ladder;
mod origin;
mod packaging;
mod pages;
mod platform;
mod players;
mod queue;
mod run;
mod scaling;
mod uploads;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use ladder::Against;

/// Compare CuteTube with the pipeline it replaces and with its peers.
#[derive(Parser)]
struct Cli {
    /// The CuteTube binary under test.
    #[arg(long, default_value = "target/release/cutetube")]
    cutetube: PathBuf,
    /// Folder with the real recordings that the set-up fetched.
    #[arg(long, default_value = "samples")]
    samples: PathBuf,
    /// Where to make a scratch folder; on tmpfs the packaging figures show the packager, not the disk.
    #[arg(long, default_value = "/dev/shm")]
    scratch: PathBuf,
    /// Rounds; each round runs every contestant once, in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The whole ladder: the original's commands, one hand-written ffmpeg, and ours.
    Ladder {
        /// x264 preset for every contestant.
        #[arg(long, default_value = "veryfast")]
        preset: String,
        /// Seconds of the clip.
        #[arg(long, default_value_t = 30)]
        seconds: u32,
        /// Ours and the hand-written command only, which are three quarters quicker.
        #[arg(long)]
        without_original: bool,
    },
    /// Packaging of a ready ladder: ours and Shaka Packager.
    Packaging {
        /// Shaka Packager's binary.
        #[arg(long)]
        shaka: Option<PathBuf>,
        /// Megabytes of input.
        #[arg(long, default_value_t = 600)]
        megabytes: u64,
    },
    /// The job queue: ours on both databases, graphile_worker, faults.
    Queue {
        /// The program of `bench/peers`, for the comparison.
        #[arg(long)]
        peers: Option<PathBuf>,
        /// What to do of it.
        #[arg(long, value_enum, value_delimiter = ',', default_value = "speed,load,faults")]
        parts: Vec<queue::Part>,
    },
    /// One video and 1, 2 and 4 workers, beside one process that does all.
    Scaling {
        /// Seconds of the clip.
        #[arg(long, default_value_t = 30)]
        seconds: u32,
    },
    /// Large uploads at once: memory of the server, and how long it takes to say that it lives. What is uploaded has to
    /// fit into the scratch folder.
    Uploads {
        /// How many at once.
        #[arg(long, default_value_t = 20)]
        clients: u32,
        /// Megabytes of each.
        #[arg(long, default_value_t = 1024)]
        megabytes: u64,
    },
    /// Manifests and segments from our origin, and from nginx's static files.
    Origin {
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 5)]
        seconds: u32,
    },
    /// Players that walk manifests, choose rungs and keep their pace, all at once.
    Players {
        /// How many.
        #[arg(long, default_value_t = 500)]
        players: u32,
        /// For how many seconds.
        #[arg(long, default_value_t = 120)]
        seconds: u32,
    },
    /// Home, search and channels with many videos in the catalogue, on both databases.
    Pages {
        /// How many.
        #[arg(long, default_value_t = 10_000)]
        videos: u64,
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 5)]
        seconds: u32,
    },
    /// A short video of somebody behind a thousand chunks of somebody else.
    Crowd,
    /// A process of the queue's bench.
    #[command(hide = true)]
    QueueProcess {
        #[command(subcommand)]
        order: queue::process::Order,
    },
}

fn main() -> anyhow::Result<()> {
    let mut cli = Cli::parse();
    if let What::QueueProcess { order } = &cli.what {
        // One of many: the scratch folder is not its own.
        return queue::process::obey(order);
    }
    cli.scratch.push("cutetube-bench");
    std::fs::create_dir_all(&cli.scratch)?;
    let outcome = match &cli.what {
        What::Ladder { preset, seconds, without_original } => {
            let against = if *without_original { Against::HandWritten } else { Against::Everybody };
            ladder::bench(&cli, preset, *seconds, against)
        }
        What::Packaging { shaka, megabytes } => packaging::bench(&cli, shaka.as_deref(), *megabytes),
        What::Queue { peers, parts } => queue::bench(cli.rounds, peers.as_deref(), parts),
        What::Scaling { seconds } => scaling::bench(&cli, *seconds),
        What::Uploads { clients, megabytes } => uploads::bench(&cli, *clients, *megabytes),
        What::Origin { seconds } => origin::bench(&cli, *seconds),
        What::Players { players, seconds } => players::bench(&cli, *players, *seconds),
        What::Pages { videos, seconds } => pages::bench(&cli, *videos, *seconds),
        What::Crowd => crowd::bench(&cli),
        What::QueueProcess { order } => queue::process::obey(order),
    };
    std::fs::remove_dir_all(&cli.scratch)?;
    outcome
}
