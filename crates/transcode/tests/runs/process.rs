//! Pipes, ends and deaths of a program.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tokio_util::sync::CancellationToken;
use transcode::process::{Child, Fed, Invocation, OutputPipes, Patience, ProcessError, Stdin, spawn};
use transcode::sandbox::{Priority, SandboxMode};
use transcode::toolchain::{Program, Toolchain};

use crate::support::{Input, PATIENCE, confinement, instead_of_ffmpeg, run, toolchain, trial, words};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("process::bytes_go_through", bytes_go_through),
        trial("process::many_pipes_work", many_pipes_work),
        trial("process::a_closed_input_is_no_error", a_closed_input_is_no_error),
        trial("process::failure_shows_the_end_of_stderr", failure_shows_the_end_of_stderr),
        trial("process::a_stopped_program_is_stalled", a_stopped_program_is_stalled),
        trial("process::a_busy_program_is_not_stalled", a_busy_program_is_not_stalled),
        trial(
            "process::a_program_that_waits_for_us_is_not_stalled",
            a_program_that_waits_for_us_is_not_stalled,
        ),
        trial("process::processor_time_is_limited", processor_time_is_limited),
        trial("process::cancelling_kills", cancelling_kills),
        trial("process::dropping_kills", dropping_kills),
        trial("process::background_is_nice", background_is_nice),
        trial("process::the_helper_must_exist", the_helper_must_exist),
        trial("process::children_die_with_the_server", children_die_with_the_server),
    ]
}

/// A program that copies standard input to standard output.
async fn cat(arguments: &[&str], outputs: OutputPipes) -> Child {
    let toolchain = instead_of_ffmpeg("/bin/cat", SandboxMode::Require);
    let invocation = Invocation {
        toolchain: &toolchain,
        program: Program::Ffmpeg,
        arguments: words(arguments),
        confinement: confinement(SandboxMode::Require),
        stdin: Stdin::Feed,
        outputs,
    };
    spawn(invocation).await.expect("it starts")
}

/// Whether a process exists, be it as a zombie.
fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

async fn bytes_go_through() {
    let bytes: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let toolchain = instead_of_ffmpeg("/bin/cat", SandboxMode::Require);
    let (written, ended) = run(&toolchain, &[], Input::Bytes(&bytes)).await.expect("it runs");
    assert!(written == bytes);
    ended.success().expect("cat succeeds");
}

async fn many_pipes_work() {
    const COUNT: usize = 24;
    // A server has many descriptors: the numbers of the pipes are beyond what the program may open itself.
    let _crowd: Vec<File> = (0..300).map(|_| File::open("/dev/null").expect("a descriptor")).collect();
    let outputs = OutputPipes::open(COUNT).expect("pipes");
    let numbers = outputs.numbers();
    assert!(numbers.iter().all(|&number| number > 256));
    let toolchain = toolchain(SandboxMode::Require);
    let mut arguments = words(&["-v", "error", "-f", "lavfi", "-i", "sine=duration=1:sample_rate=8000"]);
    for number in &numbers {
        arguments.extend(words(&["-f", "s16le", &format!("pipe:{number}")]));
    }
    let invocation = Invocation {
        toolchain: &toolchain,
        program: Program::Ffmpeg,
        arguments,
        confinement: confinement(SandboxMode::Require),
        stdin: Stdin::Feed,
        outputs,
    };
    let mut child = spawn(invocation).await.expect("it starts");
    drop(child.take_input());
    let outputs = child.take_outputs();
    let reads = futures_util::future::join_all(outputs.into_iter().map(|mut output| async move {
        let mut count = 0;
        while let Some(bytes) = output.read().await.expect("readable") {
            count += bytes.len();
        }
        count
    }));
    let cancel = CancellationToken::new();
    let (counts, ended) = tokio::join!(reads, child.wait(PATIENCE, &cancel));
    ended.expect("it ends").success().expect("it succeeds");
    assert_eq!(counts, vec![16_000; COUNT]);
}

async fn a_closed_input_is_no_error() {
    let outputs = OutputPipes::standard_output().expect("a pipe");
    let toolchain = instead_of_ffmpeg("/bin/true", SandboxMode::Require);
    let invocation = Invocation {
        toolchain: &toolchain,
        program: Program::Ffmpeg,
        arguments: vec![],
        confinement: confinement(SandboxMode::Require),
        stdin: Stdin::Feed,
        outputs,
    };
    let mut child = spawn(invocation).await.expect("it starts");
    let mut input = child.take_input().expect("a pipe");
    let feed = async { while input.write(&[0; 1 << 16]).await.expect("no error") == Fed::Taken {} };
    let cancel = CancellationToken::new();
    let ((), ended) = tokio::join!(feed, child.wait(PATIENCE, &cancel));
    ended.expect("it ends").success().expect("it succeeds");
}

async fn failure_shows_the_end_of_stderr() {
    let arguments = ["-nostdin", "-v", "error", "-f", "mov", "-i", "pipe:0", "-f", "null", "pipe:1"];
    let toolchain = toolchain(SandboxMode::Require);
    let (_, ended) = run(&toolchain, &arguments, Input::Bytes(&[0; 64])).await.expect("it runs");
    let error = ended.success().expect_err("no media");
    assert!(matches!(error, ProcessError::Failed { .. }), "{error:?}");
    assert!(error.to_string().contains("pipe:0: Invalid data found when processing input"), "{error}");
    assert!(error.stderr().expect("a tail").contains("moov atom not found"));
}

async fn a_stopped_program_is_stalled() {
    let child = cat(&[], OutputPipes::standard_output().expect("a pipe")).await;
    let pid = child.id();
    kill_process(Pid::from_raw(pid.cast_signed()).expect("a pid"), Signal::STOP).expect("it exists");
    let patience = Patience { stall: Duration::from_millis(300), silence: Duration::from_secs(60) };
    let error = child.wait(patience, &CancellationToken::new()).await.expect_err("it is stopped");
    assert!(matches!(error, ProcessError::Stalled { .. }), "{error:?}");
    assert!(!exists(pid));
}

async fn a_busy_program_is_not_stalled() {
    let shell = instead_of_ffmpeg("/bin/bash", SandboxMode::Require);
    let invocation = Invocation {
        toolchain: &shell,
        program: Program::Ffmpeg,
        arguments: words(&["-c", "for ((i = 0; ; i++)); do :; done"]),
        confinement: confinement(SandboxMode::Require),
        stdin: Stdin::Feed,
        outputs: OutputPipes::open(0).expect("no pipes"),
    };
    let child = spawn(invocation).await.expect("it starts");
    // Other tests share the processors: a loop that gets none of them for this long is not what is tested.
    let patience = Patience { stall: Duration::from_millis(1500), silence: Duration::from_secs(4) };
    let error = child.wait(patience, &CancellationToken::new()).await.expect_err("it never ends");
    let ProcessError::Stalled { idle, .. } = error else { panic!("{error:?}") };
    assert!(idle >= patience.silence, "{idle:?}");
}

async fn processor_time_is_limited() {
    let shell = instead_of_ffmpeg("/bin/bash", SandboxMode::Require);
    let mut confinement = confinement(SandboxMode::Require);
    confinement.limits.cpu_seconds = 1;
    let invocation = Invocation {
        toolchain: &shell,
        program: Program::Ffmpeg,
        arguments: words(&["-c", "for ((i = 0; ; i++)); do :; done"]),
        confinement,
        stdin: Stdin::Feed,
        outputs: OutputPipes::open(0).expect("no pipes"),
    };
    let child = spawn(invocation).await.expect("it starts");
    let ended = child.wait(PATIENCE, &CancellationToken::new()).await.expect("it ends by itself");
    let error = ended.success().expect_err("it was stopped");
    assert_eq!(error.to_string(), "`/bin/bash` went over its limit of processor time");
}

async fn a_program_that_waits_for_us_is_not_stalled() {
    let mut child = cat(&[], OutputPipes::standard_output().expect("a pipe")).await;
    let input = child.take_input().expect("a pipe");
    let hold = child.hold();
    let cancel = CancellationToken::new();
    let patience = Patience { stall: Duration::from_millis(100), silence: Duration::from_secs(60) };
    // The slow consumer: longer than a stall, then the input ends and with it the program.
    let slow = async move {
        hold.during(tokio::time::sleep(Duration::from_millis(400))).await;
        drop(input);
    };
    let ((), ended) = tokio::join!(slow, child.wait(patience, &cancel));
    ended.expect("it ends").success().expect("it succeeds");
}

async fn cancelling_kills() {
    let child = cat(&[], OutputPipes::standard_output().expect("a pipe")).await;
    let pid = child.id();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = child.wait(PATIENCE, &cancel).await.expect_err("cancelled");
    assert!(matches!(error, ProcessError::Cancelled { .. }), "{error:?}");
    assert!(!exists(pid));
}

async fn dropping_kills() {
    let child = cat(&[], OutputPipes::standard_output().expect("a pipe")).await;
    let watch = pidfd(child.id());
    let pid = child.id();
    drop(child);
    wait_for_end(&watch);
    // The reaper's thread needs a moment after the death.
    while exists(pid) {
        tokio::task::yield_now().await;
    }
}

async fn background_is_nice() {
    let shell = instead_of_ffmpeg("/bin/bash", SandboxMode::Off);
    let mut confinement = confinement(SandboxMode::Off);
    confinement.priority = Priority::Background;
    let invocation = Invocation {
        toolchain: &shell,
        program: Program::Ffmpeg,
        arguments: words(&["-c", "read -r line < /proc/self/stat; echo $line"]),
        confinement,
        stdin: Stdin::Feed,
        outputs: OutputPipes::standard_output().expect("a pipe"),
    };
    let mut child = spawn(invocation).await.expect("it starts");
    let mut output = child.take_outputs().remove(0);
    let line =
        String::from_utf8(output.read().await.expect("readable").expect("a line").to_vec()).expect("text");
    // proc_pid_stat(5): field 19 is the niceness. Those that run these tests may be nice themselves.
    let niceness =
        line.rsplit_once(')').expect("a name").1.split_ascii_whitespace().nth(16).expect("a field");
    assert!(niceness.parse::<i32>().expect("a number") >= 10, "{line}");
    child.wait(PATIENCE, &CancellationToken::new()).await.expect("it ends");
}

async fn the_helper_must_exist() {
    let mut toolchain = toolchain(SandboxMode::Require);
    toolchain.helper = "/nonexistent/helper".into();
    let error = run(&toolchain, &["-version"], Input::NONE).await.expect_err("no helper");
    assert!(matches!(error, ProcessError::Spawn { .. }), "{error:?}");
}

/// First argument that makes this binary a server with one child.
pub(crate) const HOST_COMMAND: &str = "__host";

/// Starts a child that would wait for its input for ever, tells its process id, and waits with it.
pub(crate) fn host() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut child = cat(&[], OutputPipes::standard_output().expect("a pipe")).await;
        let _input = child.take_input();
        let _outputs = child.take_outputs();
        #[expect(clippy::print_stdout, reason = "the test reads it")]
        {
            println!("{}", child.id());
        }
        let _ = child.wait(PATIENCE, &CancellationToken::new()).await;
    });
    ExitCode::SUCCESS
}

async fn children_die_with_the_server() {
    #[expect(clippy::disallowed_methods, reason = "the server of this test")]
    let mut server = std::process::Command::new(Toolchain::THIS_BINARY)
        .arg(HOST_COMMAND)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("a line");
    let watch = pidfd(line.trim().parse().expect("a process id"));
    server.kill().expect("it runs");
    server.wait().expect("it ends");
    wait_for_end(&watch);
}

fn pidfd(pid: u32) -> std::os::fd::OwnedFd {
    pidfd_open(Pid::from_raw(pid.cast_signed()).expect("a pid"), PidfdFlags::empty()).expect("it exists")
}

/// A pidfd becomes readable when its process ends.
fn wait_for_end(watch: &std::os::fd::OwnedFd) {
    let patience = rustix::event::Timespec { tv_sec: 30, tv_nsec: 0 };
    let ended = poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&patience)).expect("poll works");
    assert_eq!(ended, 1, "it still runs");
}
