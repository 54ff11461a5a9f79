//! A PostgreSQL server of a test's own, which it may kill, freeze and replace by its standby.

use std::net::SocketAddr;

use crate::{
    keeper::Keeper,
    ports,
    postgres::{as_ordinary_user, find_postgres},
};

/// A server as durable as one in production: what it has committed survives [`kill`](Self::kill), and a loss of power
/// as far as the disk keeps its word. It ends, and its folder goes, with this value or with the process.
#[derive(Debug)]
pub struct PgServer {
    port: u16,
    keeper: Keeper,
}

/// Runs the server and does what it is told, one word a line; each is answered with a line when it is done. When the
/// input ends, and it ends with the test process, so does the server.
const KEEPER: &str = r#"
set -u
trap '' INT HUP TERM
bin=$1 port=$2 of=$3 server=
# A folder for temporary files of root's own is closed to the account that PostgreSQL runs as.
folder=$(mktemp -d -t cutetube-postgres.XXXXXX 2>/dev/null || mktemp -d /tmp/cutetube-postgres.XXXXXX)
# The server's processes do not die together: each is told.
everybody() {
  [ -z "$server" ] || kill -s "$1" "$server" $(cat "/proc/$server/task/$server/children")
}
end() {
  everybody KILL
  [ -z "$server" ] || wait "$server"
  rm -rf "$folder"
} 2>/dev/null
trap end EXIT
cd "$folder"
answers() { "$bin/psql" -h 127.0.0.1 -p "$port" -U postgres -d postgres -AtXqc "$1"; }
fail() { tail -n 50 log >&2; echo failed; exit 1; }
start() {
  for attempt in 1 2 3 4 5; do
    "$bin/postgres" -D cluster -p "$port" -h 127.0.0.1 -k '' -c max_connections=200 -c shared_buffers=32MB \
      >>log 2>&1 </dev/null &
    server=$!
    while kill -0 "$server" 2>/dev/null; do
      [ "$(answers 'SELECT 1' 2>/dev/null)" = 1 ] && return
      sleep 0.05
    done
    # The processes of one that was killed keep its memory for a moment.
    wait "$server"
    sleep 0.2
  done
  fail
}
# Commits wait from now on until the standby has them too.
synchronous() {
  answers "ALTER SYSTEM SET synchronous_standby_names = '*'" && answers 'SELECT pg_reload_conf()' || fail
  until [ "$(answers "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")" = 1 ]; do
    kill -0 "$server" || fail
    sleep 0.05
  done
} >>log 2>&1
if [ "$of" = nobody ]; then
  "$bin/initdb" -D cluster -U postgres -A trust -E UTF8 --locale=C --no-sync >log 2>&1 || fail
else
  "$bin/pg_basebackup" -h 127.0.0.1 -p "$of" -U postgres -D cluster -R -X stream -c fast --no-sync >log 2>&1 || fail
fi
start
echo ready
while read -r order; do
  case $order in
    start) start ;;
    synchronous) synchronous ;;
    vacuum) "$bin/vacuumdb" -h 127.0.0.1 -p "$port" -U postgres --all --analyze >>log 2>&1 || fail ;;
    promote) "$bin/pg_ctl" -D cluster -w -t 60 promote >>log 2>&1 || fail ;;
    STOP | CONT) everybody "$order" ;;
    *) everybody "$order"; wait "$server"; server= ;;
  esac 2>/dev/null
  echo "done"
done
"#;

impl PgServer {
    /// Starts one with nothing in it but the database `postgres`.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, or it does not start.
    pub fn start() -> Self {
        Self::start_as("nobody")
    }

    /// Starts a standby that has everything this server has: from here on each commit waits for both.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_standby(&self) -> Self {
        let standby = Self::start_as(&self.port.to_string());
        self.keeper.order("synchronous");
        standby
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Makes a standby the primary; returns when it takes writes.
    ///
    /// # Panics
    /// When it was none.
    pub fn promote(&self) {
        self.keeper.order("promote");
    }

    /// Removes what is dead from all tables and counts what lives, as the server does by itself from minute to minute.
    pub fn vacuum(&self) {
        self.keeper.order("vacuum");
    }

    /// Ends it with SIGKILL, all of its processes at once. What it has committed stays.
    pub fn kill(&self) {
        self.keeper.order("KILL");
    }

    /// Starts it again after [`kill`](Self::kill), on the same port with the same data; returns when it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&self) {
        self.keeper.order("start");
    }

    /// Lets it answer nothing (SIGSTOP, all of its processes) until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.keeper.order("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.keeper.order("CONT");
    }

    fn start_as(standby_of: &str) -> Self {
        let bin = find_postgres().expect("tests need PostgreSQL: apt-get install postgresql");
        let port = ports::free();
        let keeper = Keeper::start(
            as_ordinary_user()
                .args(["bash", "-c", KEEPER, "postgres-keeper"])
                .arg(bin)
                .args([&port.to_string(), standby_of]),
        );
        Self { port, keeper: keeper.expect("PostgreSQL starts; its log is above") }
    }
}
