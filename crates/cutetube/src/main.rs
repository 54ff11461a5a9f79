//! The `cutetube` program. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    if args.nth(1).is_some_and(|command| command == transcode::sandbox::HELPER_COMMAND) {
        return transcode::sandbox::exec_main(args);
    }
    cutetube::cli::main(std::env::args_os(), std::env::vars_os())
}
