"""Runs the commands of docs/operations.md as they are written, from an empty machine to a site behind TLS.

    scripts/operations.py PROGRAM [FOLDER]

Every block that begins with ```sh run is a part of one shell script, in the order of the document. What the commands do
is real: PostgreSQL, SeaweedFS, nginx, the program and ffmpeg run, on free ports of loopback. What they would change of
the machine, they change in a scratch folder: absolute paths lead there, and a few programs are stood in for.

    apt-get, useradd, chown    do nothing
    install                    gives files to nobody else
    runuser                    runs the command; for `postgres`, on the server of this test
    systemctl                  starts and stops what the unit's file says, with its variables, without its restrictions
    certbot                    makes a certificate itself, which `curl` then believes

The log of each process is in FOLDER, which is kept when it is given. Everything that was started is ended by its id.
"""

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANUAL = ROOT / "docs/operations.md"
SITE = "videos.example.org"
# Where Debian puts it; in the script, `nginx` is one of ours.
NGINX = "/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "nginx"


def main(program, folder):
    folder.chmod(0o755)
    ports = dict(zip(["web", "metrics", "postgres", "http", "https", *WEED], free_ports(5 + len(WEED))))
    machine(program, folder, ports)
    script = "PS4='+ ${SECONDS}s '; set -euxo pipefail\n" + "\n".join(moved(block, folder, ports) for block in blocks())
    (folder / "script.sh").write_text(script)
    environment = {
        "PATH": f"{folder}/shims:{folder}/usr/local/bin:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": f"{folder}/tmp",
        "VIDEO": str(folder / "clip.mp4"),
        "SCRATCH": str(folder),
        "PORT_POSTGRES": str(ports["postgres"]),
        "PORT_HTTP": str(ports["http"]),
        "PORT_HTTPS": str(ports["https"]),
    }
    try:
        start_postgres(folder, ports["postgres"])
        with open(folder / "log/~commands.log", "w") as said:
            words = ["bash", folder / "script.sh"]
            done = subprocess.run(words, cwd=folder / "cutetube", env=environment, stdout=said, stderr=said, check=False)
        if done.returncode == 0:
            print("operations: every command of docs/operations.md did what it should")
            edge(folder, environment)
            print("operations: the edge keeps what it may, and nothing else")
        else:
            for log in sorted((folder / "log").glob("*.log")):
                print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-40:], sep="\n")
        return done.returncode
    finally:
        for pid in sorted((folder / "run").glob("*.pid")):
            # What these would still write down, nobody reads.
            end(int(pid.read_text()), {"postgresql": signal.SIGQUIT, "seaweedfs": signal.SIGKILL}.get(pid.stem))


def blocks():
    found = re.findall(r"^```sh run\n(.*?)^```$", MANUAL.read_text(), re.MULTILINE | re.DOTALL)
    if len(found) < 10:
        sys.exit(f"operations: {MANUAL} has hardly any commands")
    return found


# Every port that SeaweedFS opens, by the option that moves it.
WEED = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"]


def moved(text, folder, ports):
    """With paths below the folder, and the ports of this test."""
    text = below(folder, text)
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{ports['web']}").replace("127.0.0.1:9464", f"127.0.0.1:{ports['metrics']}")
    text = text.replace("127.0.0.1/cutetube", f"127.0.0.1:{ports['postgres']}/cutetube")
    return text.replace("127.0.0.1:8333", f"127.0.0.1:{ports['s3.port']}")


def below(folder, text):
    """With folders of the system below this one, those left alone that are there already."""
    return re.sub(rf"(?<![\w./])(?!{re.escape(str(folder))})/(etc|usr/local|var)(?=/)", rf"{folder}/\1", text)


def free_ports(count):
    """Below the ports that the kernel gives to connections, so that they stay free while a server is down."""
    found, candidate = [], 12000 + os.getpid() * 16 % 19000
    while len(found) < count:
        candidate += 1
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
                found.append(candidate)
            except OSError:
                pass
    return found


def machine(program, folder, ports):
    """An empty Debian as far as the commands look at it, and a checkout with a built program in it."""
    for name in ("etc/systemd/system", "etc/nginx/conf.d", "etc/nginx/sites-enabled", "usr/local/bin", "usr/share/doc", "var/lib", "var/cache/nginx", "var/log/nginx", "var/www", "run", "log", "tmp", "shims", "cutetube/target/release"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    for name in ("deploy", "docs", "scripts"):
        (folder / "cutetube" / name).symlink_to(ROOT / name)
    (folder / "cutetube/target/release/cutetube").symlink_to(program)
    (folder / "cutetube/weed").symlink_to(ROOT / ".setup/weed")
    (folder / "ports.json").write_text(json.dumps(ports))
    for name, text in SHIMS.items():
        shim = folder / "shims" / name
        shim.write_text(text)
        shim.chmod(0o755)
    systemctl = folder / "shims/systemctl"
    systemctl.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" --systemctl "$@"\n')
    systemctl.chmod(0o755)
    user = "user root;\n" if os.getuid() == 0 else ""
    (folder / "etc/nginx/nginx.conf").write_text(NGINX_CONFIGURATION.format(user=user, folder=folder))
    source = "testsrc2=size=854x480:rate=24:duration=8"
    words = ["-f", "lavfi", "-i", source, "-f", "lavfi", "-i", "sine=frequency=440:duration=8"]
    subprocess.run(["ffmpeg", "-v", "error", *words, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "48", "-c:a", "aac", "-ac", "2", folder / "clip.mp4"], check=True)


NGINX_CONFIGURATION = """{user}daemon off;
pid {folder}/run/nginx.own;
error_log {folder}/log/nginx.log;
events {{}}
http {{
    access_log {folder}/log/nginx-access.log;
    client_body_temp_path {folder}/tmp/nginx-body;
    proxy_temp_path {folder}/tmp/nginx-proxy;
    fastcgi_temp_path {folder}/tmp/nginx-fastcgi;
    uwsgi_temp_path {folder}/tmp/nginx-uwsgi;
    scgi_temp_path {folder}/tmp/nginx-scgi;
    include {folder}/etc/nginx/conf.d/*.conf;
    include {folder}/etc/nginx/sites-enabled/*;
}}
"""

NOTHING = "#!/bin/sh\nexit 0\n"
SHIMS = {
    "apt-get": NOTHING,
    "useradd": NOTHING,
    "chown": NOTHING,
    "install": """#!/bin/bash
words=()
while [ $# -gt 0 ]; do
  case $1 in -o | -g) shift ;; *) words+=("$1") ;; esac
  shift
done
exec /usr/bin/install "${words[@]}"
""",
    "runuser": """#!/bin/bash
[ "$1 $3" = "-u --" ] || exit 2
[ "$2" != postgres ] || export PGHOST=$SCRATCH/run PGPORT=$PORT_POSTGRES PGUSER=postgres
shift 3
exec "$@"
""",
    "certbot": f"""#!/bin/bash
mkdir -p "$SCRATCH/etc/letsencrypt/live/{SITE}"
cd "$SCRATCH/etc/letsencrypt/live/{SITE}"
exec openssl req -quiet -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={SITE} \\
  -addext subjectAltName=DNS:{SITE} -keyout privkey.pem -out fullchain.pem
""".replace(" -quiet", ""),
    "curl": f"""#!/bin/bash
words=(--connect-to "{SITE}:80:127.0.0.1:$PORT_HTTP" --connect-to "{SITE}:443:127.0.0.1:$PORT_HTTPS")
[ ! -e "$SCRATCH/etc/letsencrypt" ] || words+=(--cacert "$SCRATCH/etc/letsencrypt/live/{SITE}/fullchain.pem")
exec /usr/bin/curl "${{words[@]}}" "$@"
""",
    "nginx": f"""#!/bin/bash
exec "{sys.executable}" "{Path(__file__).resolve()}" --nginx "$@"
""",
    "journalctl": """#!/bin/bash
for word; do unit=$word; done
cat "$SCRATCH/log/${unit%.service}.log"
""",
}


def start_postgres(folder, port):
    [*_, bin_folder] = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    cluster = folder / "postgres"
    cluster.mkdir()
    as_other = []
    if os.getuid() == 0:
        as_other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        for path in (cluster, folder / "run"):
            shutil.chown(path, "postgres", "postgres")
    with open(folder / "log/postgresql.log", "w") as log:
        words = ["-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([*as_other, bin_folder / "initdb", "-D", cluster, *words], check=True, stdout=log, stderr=log, cwd="/")
        words = ["-D", cluster, "-p", str(port), "-h", "127.0.0.1", "-k", folder / "run", "-F"]
        server = subprocess.Popen([*as_other, bin_folder / "postgres", *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True)
    (folder / "run/postgresql.pid").write_text(str(server.pid))
    ready = [bin_folder / "pg_isready", "-q", "-h", folder / "run", "-p", str(port), "-t", "1"]
    while subprocess.run(ready, check=False).returncode != 0:
        if server.poll() is not None:
            sys.exit("operations: PostgreSQL does not start:\n" + (folder / "log/postgresql.log").read_text())


# What nginx keeps


def edge(folder, environment):
    """Asks the site that the commands have made, for what may be kept and what may not."""

    def curl(path, *words):
        """Status, headers in lower case, and how long the body is."""
        url = path if path.startswith("https://") else f"https://{SITE}{path}"
        words = ["curl", "--silent", "--show-error", "--output", f"{folder}/tmp/body", "--dump-header", "-", url, *words]
        said = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout
        status, *lines = said.strip().split("\r\n\r\n")[-1].splitlines()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(status.split()[1]), headers, (folder / "tmp/body").stat().st_size

    def check(path, expected, *words):
        status, headers, length = curl(path, *words)
        got = (status, headers.get("x-cache"))
        if got != expected:
            sys.exit(f"operations: `{path}` is answered with {got} and not with {expected}: {headers}")
        return headers, length

    published = (folder / "cutetube/published").read_text()
    manifest = re.search(r"^dash *https://[^/]+(\S+)$", published, re.MULTILINE)[1]
    segments = manifest.replace("/mp4/manifest.mpd", "/360p")
    _, whole = check(f"{segments}/2.m4s", (200, "MISS"))
    check(f"{segments}/2.m4s?again", (200, "HIT"))
    _, part = check(f"{segments}/2.m4s", (206, "HIT"), "--range", "0-99")
    assert part == 100 < whole, (part, whole)
    # Another spelling of a name is refused by the program, and what it refuses is not kept under the right one.
    check(f"{segments}/..%2f480p/2.m4s", (404, "MISS"), "--path-as-is")
    check(f"{segments.replace('360p', '480p')}/2.m4s", (200, "MISS"))
    headers, _ = check(manifest, (200, "MISS"))
    assert headers["cache-control"] == "public, max-age=5, must-revalidate", headers
    check(manifest, (200, "HIT"))
    check(manifest, (304, "HIT"), "--header", f"If-None-Match: {headers['etag']}")
    check(f"{manifest}?token=x", (200, "BYPASS"))
    check(f"{manifest}?token=x", (200, "BYPASS"))
    for path, status in (("/", 200), ("/healthz", 200), ("/api/v5/videos", 200), ("/metrics", 404), ("/readyz", 404)):
        check(path, (status, None))

    # Of many who ask for the same at once, the program hears one.
    words = [word for _ in range(12) for word in ("--output", "/dev/null", f"https://{SITE}{segments}/1.m4s?{_}")]
    for kept in (folder / "var/cache/nginx/cutetube").iterdir():
        shutil.rmtree(kept)
    subprocess.run(["curl", "--silent", "--no-progress-meter", "--parallel", "--parallel-immediate", "--http1.1", *words], env=environment, check=True)
    log = (folder / "var/log/nginx/cutetube.log").read_text().splitlines()
    kept = [line.split()[-2] for line in log if f'"{segments}/1.m4s"' in line][-12:]
    assert sorted(kept) == ["HIT"] * 11 + ["MISS"], kept

    # What is not public is told by an address that ends, and is asked for each time.
    login = {"credential": "edith", "password": (folder / "cutetube/password").read_text().strip()}
    curl("/api/v3/auth/login/", "--json", json.dumps(login))
    bearer = f"Authorization: Bearer {json.loads((folder / 'tmp/body').read_text())['user']['token']['access']}"
    video = manifest.split("/")[2]
    change = ["--request", "PATCH", "--header", bearer, "--json", '{"visibility": "private"}']
    check(f"/api/v5/videos/{video}", (200, None), *change)
    check(f"/api/v5/videos/{video}", (200, None), "--header", bearer)
    private = json.loads((folder / "tmp/body").read_text())["playback"]["dash"]
    assert "/p/" in private, private
    segment = private.replace("/mp4/manifest.mpd", "/360p/3.m4s")
    headers, _ = check(segment, (206, None), "--range", "0-99")
    assert headers["cache-control"].startswith("private"), headers
    check(f"{segments}/4.m4s", (404, "MISS"))
    check(f"{segments}/4.m4s", (404, "MISS"))
    check(f"{segments}/4.m4s", (200, "MISS"), "--header", bearer)
    check(f"{segments}/4.m4s", (404, "MISS"))
    token = private.split("/p/")[1].split("/")[0]
    log = (folder / "var/log/nginx/cutetube.log").read_text()
    assert token not in log and "/p/-/vod-media/" in log and "token=x" not in log


def end(pid, first=None):
    """The leader of a session: it is asked to end, and all of its session is made to when it does not."""
    for what in (first or signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pid, what) if what == signal.SIGKILL else os.kill(pid, what)
        except ProcessLookupError:
            return
        try:
            waiting = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        ended, _, _ = select.select([waiting], [], [], 30)
        os.close(waiting)
        if ended:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
            return


# What `systemctl` is here


def systemctl(words):
    folder = Path(os.environ["SCRATCH"])
    verb, *units = [word for word in words if not word.startswith("-")]
    if verb == "daemon-reload":
        return
    if verb == "enable":
        verb = "start" if "--now" in words else "nothing"
    for unit in units:
        unit = unit.removesuffix(".service")
        pid = folder / f"run/{unit}.pid"
        running = pid.exists() and Path(f"/proc/{pid.read_text()}").exists()
        if unit == "postgresql":
            continue
        if verb in ("stop", "restart") and running:
            end(int(pid.read_text()))
            pid.unlink()
            running = False
        if verb in ("start", "restart") and not running:
            pid.write_text(str(start(folder, unit)))
        if verb in ("reload", "reload-or-restart") and unit == "nginx":
            rewrite_nginx(folder)
            os.kill(int(pid.read_text()), signal.SIGHUP)
        if verb in ("is-active", "status"):
            print("active" if running else "inactive")
            if not running:
                sys.exit(3)


def start(folder, unit):
    name, _, instance = unit.partition("@")
    environment = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    log = open(folder / f"log/{unit}.log", "a")
    if unit == "nginx":
        rewrite_nginx(folder)
        command, state = [NGINX, "-p", str(folder), "-c", f"{folder}/etc/nginx/nginx.conf"], folder
    else:
        file = folder / f"etc/systemd/system/{name}{'@' if instance else ''}.service"
        text = file.read_text().replace("\\\n", " ").replace("%i", instance)
        text = below(folder, text)
        for key, value in re.findall(r"^(Environment|EnvironmentFile)=(.*)$", text, re.MULTILINE):
            if key == "Environment":
                environment.update([value.split("=", 1)])
            elif Path(value.removeprefix("-")).exists() or not value.startswith("-"):
                lines = Path(value.removeprefix("-")).read_text().splitlines()
                environment.update(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        state = folder / "var/lib" / re.search(r"^StateDirectory=(\S+)$", text, re.MULTILINE)[1]
        state.mkdir(mode=0o700, exist_ok=True)
        command = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)[1].split()
        if name == "seaweedfs":
            ports = json.loads((folder / "ports.json").read_text())
            command += [f"-{option}={ports[option]}" for option in WEED]
    return subprocess.Popen(command, cwd=state, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True).pid


def rewrite_nginx(folder):
    """Leads what was installed since the last time to this folder and these ports."""
    free = json.loads((folder / "ports.json").read_text())
    ports = {"80": free["http"], "443": free["https"], "8080": free["web"]}
    files = [*folder.glob("etc/nginx/conf.d/*.conf"), *folder.glob("etc/nginx/sites-enabled/*"), *folder.glob("etc/nginx/*.inc")]
    for path in files:
        text = path.resolve().read_text()
        text = below(folder, text)
        text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"listen (80|443)\b", lambda match: f"listen 127.0.0.1:{ports[match[1]]}", text)
        text = text.replace("server 127.0.0.1:8080;", f"server 127.0.0.1:{ports['8080']};")
        path.resolve().write_text(text)


def nginx(words):
    folder = Path(os.environ["SCRATCH"])
    rewrite_nginx(folder)
    os.execv(NGINX, [NGINX, "-p", str(folder), "-c", f"{folder}/etc/nginx/nginx.conf", *words])


if sys.argv[1:2] == ["--systemctl"]:
    systemctl(sys.argv[2:])
elif sys.argv[1:2] == ["--nginx"]:
    nginx(sys.argv[2:])
elif len(sys.argv) == 3:
    Path(sys.argv[2]).mkdir(parents=True)
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
elif len(sys.argv) == 2:
    with tempfile.TemporaryDirectory(prefix="cutetube-operations-") as scratch:
        sys.exit(main(Path(sys.argv[1]).resolve(), Path(scratch).resolve()))
else:
    sys.exit(__doc__)
