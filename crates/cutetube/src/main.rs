//! The `cutetube` program. Everything is in the library.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;
use transcode::sandbox;

/// glibc keeps what many uploads at once leave behind: eight times the memory for twenty of them (`bench/RESULTS.md`).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    // ffmpeg is started through this same program, which locks itself up first.
    if args.by_ref().nth(1).is_some_and(|command| command == sandbox::HELPER_COMMAND) {
        return sandbox::exec_main(args);
    }
    cutetube::cli::main(std::env::args_os(), std::env::vars_os())
}
