//! The `cutetube` program. Everything is in the library.

use std::process::ExitCode;

use transcode::sandbox;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    // ffmpeg is started through this same program, which locks itself up first.
    if args.by_ref().nth(1).is_some_and(|command| command == sandbox::HELPER_COMMAND) {
        return sandbox::exec_main(args);
    }
    cutetube::cli::main(std::env::args_os(), std::env::vars_os())
}
