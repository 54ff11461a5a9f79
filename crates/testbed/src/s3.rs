//! SeaweedFS as an S3 server: one for the test process, or one of a test's own that it may kill.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{keeper::Keeper, ports, postgres::command};

/// An S3 server of a test's own. It ends, and its folder goes, with this value or with the process.
///
/// What it has acknowledged survives [`kill`](Self::kill), for it is with the kernel by then. A loss of power it would
/// not survive.
#[derive(Debug)]
pub struct S3Server {
    port: u16,
    prefixes: AtomicU32,
    keeper: Keeper,
}

/// A place for the objects of one test, empty at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Bucket {
    /// `s3://{bucket}/{prefix}`
    pub url: String,
    /// Where the server listens: `http://127.0.0.1:{port}`.
    pub endpoint: String,
    /// What requests are signed for; the server takes any.
    pub region: &'static str,
    /// May do everything.
    pub access_key_id: &'static str,
    /// Of `access_key_id`.
    pub secret_access_key: &'static str,
    listing: String,
}

/// Credentials of [`S3Server`]s that may read and list, and nothing else: key id and secret.
pub const READ_ONLY: (&str, &str) = ("reader", "reads-and-lists");

const ADMIN: (&str, &str) = ("tester", "does-everything");

/// Runs the server and does what it is told, one word a line: `start`, or a signal to send to the server. Each is
/// answered with a line when it is done. When the input ends, and it ends with the test process, so does the server.
const KEEPER: &str = r#"
set -u
trap '' INT HUP TERM
weed=$1 port=$2 identities=$3 server=
folder=$(mktemp -d -t cutetube-s3.XXXXXX)
end() {
  [ -z "$server" ] || { kill -KILL "$server"; wait "$server"; } 2>/dev/null
  rm -rf "$folder"
}
trap end EXIT
cd "$folder"
echo "$identities" >identities.json
# One request to the filer behind the gateway: a write that it takes shows that everything is up.
filer() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$((port + 4))" || exit 1
    printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' \
      "$1" "$2" "${#3}" "$3" >&3
    read -r -t 10 answer <&3 && [[ $answer == *" 20"* ]]
  ) 2>/dev/null
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
start() {
  "$weed" -logtostderr=true server -dir="$folder" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
    -master.port="$port" -master.port.grpc=$((port + 1)) -master.telemetry=false -master.electionTimeout=500ms -master.volumeSizeLimitMB=64 \
    -volume.port=$((port + 2)) -volume.port.grpc=$((port + 3)) -volume.max=100 -volume.minFreeSpace=100MiB \
    -volume.preStopSeconds=0 \
    -filer -filer.port=$((port + 4)) -filer.port.grpc=$((port + 5)) -filer.localSocket="$folder/filer.sock" \
    -s3 -s3.port=$((port + 6)) -s3.port.grpc=$((port + 7)) -s3.localSocket="$folder/s3.sock" \
    -s3.port.iceberg=0 -s3.port.lance=0 -s3.iam=false -s3.autoCreateBucket=false \
    -s3.config="$folder/identities.json" >>log 2>&1 </dev/null &
  server=$!
  until filer PUT /ready x && listens $((port + 6)); do
    kill -0 "$server" 2>/dev/null || { tail -n 50 log >&2; echo failed; exit 1; }
    sleep 0.05
  done
}
start
filer POST /buckets/test/ "" || { tail -n 50 log >&2; echo failed; exit 1; }
echo ready
while read -r order; do
  case $order in
    start) start ;;
    STOP | CONT) kill -s "$order" "$server" ;;
    *) kill -s "$order" "$server"; kill -s CONT "$server"; wait "$server"; server= ;;
  esac 2>/dev/null
  echo "done"
done
"#;

impl S3Bucket {
    /// A fresh prefix on this process's server, which the first call starts.
    ///
    /// # Panics
    /// When SeaweedFS is not installed, or it does not start.
    pub fn shared() -> Self {
        static SERVER: OnceLock<S3Server> = OnceLock::new();
        SERVER.get_or_init(S3Server::start).bucket()
    }

    /// The same bucket, reached at the address of a [`Forwarder`](crate::Forwarder) before its server.
    pub fn behind(&self, address: SocketAddr) -> Self {
        Self { endpoint: format!("http://{address}"), ..self.clone() }
    }

    /// The variables that point the program at this bucket.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("CUTETUBE_STORAGE__URL", self.url.clone()),
            ("CUTETUBE_STORAGE__S3__ENDPOINT", self.endpoint.clone()),
            ("CUTETUBE_STORAGE__S3__REGION", self.region.to_owned()),
            ("CUTETUBE_STORAGE__S3__ACCESS_KEY_ID", self.access_key_id.to_owned()),
            ("CUTETUBE_STORAGE__S3__SECRET_ACCESS_KEY", self.secret_access_key.to_owned()),
        ]
    }

    /// Where the server lists its unfinished multipart uploads, those of all prefixes: a folder of its own, as JSON.
    pub fn unfinished_uploads_url(&self) -> &str {
        &self.listing
    }
}

impl S3Server {
    /// Starts one with nothing in it.
    ///
    /// # Panics
    /// When SeaweedFS is not installed, or it does not start.
    pub fn start() -> Self {
        let weed = find_weed().expect("tests need SeaweedFS: scripts/setup test");
        (0..5).find_map(|_| Self::try_start(&weed)).expect("SeaweedFS starts; its log is above")
    }

    /// A fresh prefix on it.
    pub fn bucket(&self) -> S3Bucket {
        let prefix = self.prefixes.fetch_add(1, Ordering::Relaxed);
        S3Bucket {
            url: format!("s3://test/{prefix}"),
            endpoint: format!("http://{}", self.address()),
            region: "us-east-1",
            access_key_id: ADMIN.0,
            secret_access_key: ADMIN.1,
            listing: format!("http://127.0.0.1:{}/buckets/test/.uploads/", self.port + 4),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port + 6))
    }

    /// Ends it with SIGKILL. What it keeps stays.
    pub fn kill(&self) {
        self.keeper.order("KILL");
    }

    /// Ends it in order.
    pub fn stop(&self) {
        self.keeper.order("TERM");
    }

    /// Starts it again after [`kill`](Self::kill) or [`stop`](Self::stop), on the same port with what it kept;
    /// returns when it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&self) {
        self.keeper.order("start");
    }

    /// Lets it answer nothing (SIGSTOP) until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.keeper.order("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.keeper.order("CONT");
    }

    fn try_start(weed: &Path) -> Option<Self> {
        let port = ports::free();
        let keeper = Keeper::start(
            command(Path::new("/bin/bash"))
                .args(["-c", KEEPER, "s3-keeper"])
                .arg(weed)
                .arg(port.to_string())
                .arg(identities()),
        )?;
        Some(Self { port, prefixes: AtomicU32::new(1), keeper })
    }
}

/// The program, where `scripts/setup test` puts it, or in a folder of `PATH`.
fn find_weed() -> Option<PathBuf> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.setup/weed");
    if fetched.exists() {
        return Some(fetched);
    }
    #[expect(clippy::disallowed_methods, reason = "where programs are; no program depends on this crate")]
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("weed")).find(|weed| weed.exists())
}

fn identities() -> String {
    let identity = |(key, secret): (&str, &str), actions: &str| {
        format!(
            r#"{{"name": "{key}", "credentials": [{{"accessKey": "{key}", "secretKey": "{secret}"}}], "actions": [{actions}]}}"#
        )
    };
    let all = identity(ADMIN, r#""Admin", "Read", "Write", "List", "Tagging""#);
    let some = identity(READ_ONLY, r#""Read", "List""#);
    // A bucket that a CDN fetches from: whoever knows a name may read, and nobody may list.
    let everybody = r#"{"name": "anonymous", "actions": ["Read"]}"#;
    format!(r#"{{"identities": [{all}, {some}, {everybody}]}}"#)
}
