//! nginx, as operators put it in front.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{keeper::Keeper, ports, postgres::command};

/// Starts nginx with the configuration in the folder that it is given, says `ready` when the port answers, and stops
/// it when its input ends, which is when the test process ends.
const KEEPER: &str = r#"
set -u
trap '' INT HUP TERM
folder=$1 port=$2
PATH=$PATH:/usr/sbin
nginx -p "$folder" -c "$folder/nginx.conf" -e "$folder/error.log" -g 'daemon off;' </dev/null >/dev/null 2>&1 &
server=$!
trap 'kill -TERM "$server" 2>/dev/null; wait "$server" 2>/dev/null' EXIT
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
  kill -0 "$server" 2>/dev/null || { cat "$folder/error.log" >&2; exit 1; }
  sleep 0.05
done
echo ready
cat >/dev/null
"#;

/// A running nginx. It ends with this value.
#[derive(Debug)]
pub struct Nginx {
    port: u16,
    // Fields are dropped in their order: nginx ends before its folder is removed.
    _keeper: Keeper,
    folder: TempDir,
}

impl Nginx {
    /// Starts nginx with this in its `http` block. `{port}` in it is where it has to listen on 127.0.0.1, `{folder}` one
    /// that it may write to, and `{access_log}` a log of which [`Self::requests`] tells.
    ///
    /// # Panics
    /// When nginx is not installed, or does not start.
    pub fn start(http: &str) -> Self {
        assert!(is_installed(), "tests need nginx: apt-get install nginx");
        // Between finding a free port and using it another process may take it: then the next one is tried.
        (0..5).find_map(|_| Self::try_start(http)).expect("nginx starts; its log is above")
    }

    fn try_start(http: &str) -> Option<Self> {
        let folder = TempDir::with_prefix("cutetube-nginx-").expect("a folder for nginx");
        let port = ports::free();
        std::fs::write(folder.path().join("nginx.conf"), configuration(http, port, folder.path()))
            .expect("the folder can be written to");
        let keeper = Keeper::start(
            command(Path::new("/bin/bash"))
                .args(["-c", KEEPER, "nginx-keeper"])
                .arg(folder.path())
                .arg(port.to_string()),
        )?;
        Some(Self { port, _keeper: keeper, folder })
    }

    /// Where it listens, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The folder that the configuration knows as `{folder}`.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The lines of `{access_log}`: status, what its cache had (`-`, `MISS`, `HIT`, …), and the path that was asked for.
    pub fn requests(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

fn is_installed() -> bool {
    #[expect(clippy::disallowed_methods, reason = "where programs are; no program depends on this crate")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .any(|folder| folder.join("nginx").is_file())
}

/// Everything it writes is below its folder, and it runs as whoever runs the tests.
fn configuration(http: &str, port: u16, folder: &Path) -> String {
    let folder = folder.display().to_string();
    let http = http
        .replace("{port}", &port.to_string())
        .replace("{access_log}", &format!("{folder}/access.log told"))
        .replace("{folder}", &folder);
    // As root, nginx would give up its rights, and could not read the test's own files.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "{user}
worker_processes 2;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  log_format told '$status $upstream_cache_status $request_uri';
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  types {{
    video/mp4 m4s mp4;
    application/dash+xml mpd;
    application/vnd.apple.mpegurl m3u8;
    image/jpeg jpg;
    text/vtt vtt;
  }}
{http}
}}
"
    )
}
