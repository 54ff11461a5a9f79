//! The `cutetube` program. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    cutetube::cli::main(std::env::args_os(), std::env::vars_os())
}
