//! One PostgreSQL server for the test process.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{keeper::Keeper, ports};

/// Starts the server, says `ready`, and stops it when its input ends, which is when the test process ends.
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

struct Server {
    bin: PathBuf,
    port: u16,
    _keeper: Keeper,
}

static SERVER: OnceLock<Server> = OnceLock::new();
static CREATED: AtomicU32 = AtomicU32::new(0);

/// The folder with the programs of the newest PostgreSQL on this machine, where Debian puts them.
pub fn find_postgres() -> Option<PathBuf> {
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path());
    let newest = installed.filter(|path| version(path).is_some()).max_by_key(|path| version(path))?;
    Some(newest.join("bin")).filter(|bin| bin.join("initdb").exists())
}

/// Makes an empty database on the server of this process and answers its address.
pub(crate) fn create_database() -> String {
    let server = SERVER.get_or_init(Server::start);
    create_database_at(&server.bin, server.port)
}

/// Makes an empty database on a server and answers its address.
pub(crate) fn create_database_at(bin: &Path, port: u16) -> String {
    let name = format!("test_{}", CREATED.fetch_add(1, Ordering::Relaxed));
    let made = command(&bin.join("createdb"))
        .args(["-h", "127.0.0.1", "-U", "postgres", "-p", &port.to_string(), &name])
        .status()
        .expect("createdb comes with the server");
    assert!(made.success(), "createdb failed: {made}");
    format!("postgres://postgres@127.0.0.1:{port}/{name}")
}

impl Server {
    fn start() -> Self {
        let bin = find_postgres().expect("tests need PostgreSQL: apt-get install postgresql");
        // Between finding a free port and using it another process may take it: then the next one is tried.
        (0..5).find_map(|_| Self::try_start(&bin)).expect("PostgreSQL starts; its log is above")
    }

    fn try_start(bin: &Path) -> Option<Self> {
        let port = ports::free();
        let keeper = Keeper::start(
            as_ordinary_user().args(["sh", "-c", KEEPER, "postgres-keeper"]).arg(bin).arg(port.to_string()),
        )?;
        Some(Self { bin: bin.to_owned(), port, _keeper: keeper })
    }
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
