//! Everything that starts a program, against the real ffmpeg.
//!
//! This binary is its own sandbox helper, exactly as the server is: hence a `main` of its own.

mod clips;
mod encode;
mod posters;
mod process;
mod sandbox;
mod sound;
mod support;
mod uploads;
mod video;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(first) if first == transcode::sandbox::HELPER_COMMAND => {
            return transcode::sandbox::exec_main(arguments);
        }
        Some(first) if first == process::HOST_COMMAND => return process::host(),
        _ => {}
    }
    let trials: Vec<Trial> = [
        sandbox::trials(),
        process::trials(),
        encode::trials(),
        sound::trials(),
        uploads::trials(),
        posters::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
