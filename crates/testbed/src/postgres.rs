//! One PostgreSQL server for the tests of a run.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::unix::{
        fs::MetadataExt as _,
        process::{CommandExt as _, parent_id},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{keeper::Keeper, ports};

/// Starts the server, says `ready`, and stops it when its input ends.
const KEEPER: &str = r#"
set -eu
trap '' INT HUP TERM
bin=$1 port=$2
# A folder for temporary files of root's own is closed to the account that PostgreSQL runs as.
folder=$(mktemp -d -t cutetube-postgres.XXXXXX 2>/dev/null || mktemp -d /tmp/cutetube-postgres.XXXXXX)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$bin/initdb" -D cluster -U postgres -A trust -E UTF8 --locale=C --no-sync >log 2>&1 || { cat log >&2; exit 1; }
"$bin/pg_ctl" -D cluster -l server.log -w -t 60 start -o "-p $port -h 127.0.0.1 -k '' -F -c full_page_writes=off \
  -c max_connections=300 -c shared_buffers=32MB" >log 2>&1 </dev/null || { cat log server.log >&2; exit 1; }
echo ready
cat >/dev/null
"$bin/pg_ctl" -D cluster -m immediate -w stop >/dev/null 2>&1
"#;

/// Keeps a server until a process ends, whoever started it: its process id, a file to remove, and the keeper with its
/// arguments.
const UNTIL_RUNNER_ENDS: &str = r#"
runner=$1 note=$2
shift 2
tail --pid="$runner" -f /dev/null | "$@"
rm -f "$note" "$note.log"
"#;

struct Server {
    bin: PathBuf,
    port: u16,
    /// Of what this process has started. Where the server is that of a run, it listens to the runner and not to us.
    _keeper: Option<Keeper>,
}

/// A database on the server of this run, which goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Temporary {
    name: String,
}

static CREATED: AtomicU32 = AtomicU32::new(0);

/// The folder with the programs of the newest PostgreSQL on this machine, where Debian puts them.
pub fn find_postgres() -> Option<PathBuf> {
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path());
    let newest = installed.filter(|path| version(path).is_some()).max_by_key(|path| version(path))?;
    Some(newest.join("bin")).filter(|bin| bin.join("initdb").exists())
}

/// Makes an empty database on a server and answers its name.
fn create_database(bin: &Path, port: u16) -> String {
    let name = format!("test_{}_{}", std::process::id(), CREATED.fetch_add(1, Ordering::Relaxed));
    let made = at(bin, port, "createdb").arg(&name).status().expect("createdb comes with the server");
    assert!(made.success(), "createdb failed: {made}");
    name
}

/// Makes an empty database on a server and answers its address. It goes with the server.
pub(crate) fn create_database_at(bin: &Path, port: u16) -> String {
    address(port, &create_database(bin, port))
}

fn address(port: u16, name: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{name}")
}

fn at(bin: &Path, port: u16, program: &str) -> Command {
    let mut command = command(&bin.join(program));
    command.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &port.to_string()]);
    command
}

impl Temporary {
    /// An empty one.
    pub(crate) fn create() -> Self {
        let Server { bin, port, .. } = Server::of_tests();
        Self { name: create_database(bin, *port) }
    }

    pub(crate) fn url(&self) -> String {
        address(Server::of_tests().port, &self.name)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let Server { bin, port, .. } = Server::of_tests();
        // What is left goes with the server.
        let _ = at(bin, *port, "dropdb")
            .args(["--force", "--if-exists", &self.name])
            .stderr(Stdio::null())
            .status();
    }
}

impl Server {
    /// The one that tests share; the first call starts it.
    fn of_tests() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    fn start() -> Self {
        let bin = find_postgres().expect("tests need PostgreSQL: apt-get install postgresql");
        match run() {
            Some(run) => Self::of_run(bin, &run),
            None => {
                let (port, keeper) = start(&bin, Keeper::start);
                Self { bin, port, _keeper: Some(keeper) }
            }
        }
    }

    /// The server of a run. The first process that asks starts it, and it ends with the runner.
    fn of_run(bin: PathBuf, run: &str) -> Self {
        let note = std::env::temp_dir().join(format!("cutetube-postgres-{run}"));
        let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&note);
        let file = file.as_mut().expect("the temporary folder is writable");
        file.lock().expect("a file in the temporary folder can be locked");
        let mut known = String::new();
        file.read_to_string(&mut known).expect("it holds a number");
        if let Ok(port) = known.parse() {
            return Self { bin, port, _keeper: None };
        }
        let (port, keeper) = start(&bin, |keeper| {
            let log =
                File::create(note.with_added_extension("log")).expect("the temporary folder is writable");
            let mut until_runner_ends = command(Path::new("sh"));
            until_runner_ends
                .args(["-c", UNTIL_RUNNER_ENDS, "until-runner-ends", &parent_id().to_string()])
                .arg(&note)
                .arg(keeper.get_program())
                .args(keeper.get_args())
                // Not ended with the test that happens to be the first, and nothing that its output would be waited for.
                .process_group(0)
                .stderr(log);
            Keeper::start(&mut until_runner_ends)
        });
        write!(file, "{port}").expect("the temporary folder is writable");
        Self { bin, port, _keeper: Some(keeper) }
    }
}

/// The id of the run that this process is one of. nextest gives each test a process, and a server for each of them would
/// take longer than most tests.
#[expect(clippy::disallowed_methods, reason = "it is what nextest tells tests by")]
fn run() -> Option<String> {
    std::env::var("NEXTEST_RUN_ID").ok()
}

/// Starts a server, as `keep` starts its keeper.
fn start(bin: &Path, keep: impl Fn(&mut Command) -> Option<Keeper>) -> (u16, Keeper) {
    // Between finding a free port and using it another process may take it: then the next one is tried.
    let started = (0..5).find_map(|_| {
        let port = ports::free();
        let mut keeper = as_ordinary_user();
        keeper.args(["sh", "-c", KEEPER, "postgres-keeper"]).arg(bin).arg(port.to_string());
        Some((port, keep(&mut keeper)?))
    });
    started
        .expect("PostgreSQL starts; its log is above, or in the temporary folder beside the note of its port")
}

/// PostgreSQL refuses to run as root: root runs it as the account that its package made.
pub(crate) fn as_ordinary_user() -> Command {
    let mut command = command(Path::new("/usr/bin/env"));
    let own_files = std::fs::metadata("/proc/self").expect("/proc is mounted");
    if own_files.uid() == 0 {
        command.args(["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command
}

#[expect(clippy::disallowed_methods, reason = "tests start real servers; no program depends on this crate")]
pub(crate) fn command(program: &Path) -> Command {
    Command::new(program)
}
