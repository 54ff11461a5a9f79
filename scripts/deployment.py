"""Whether what lies in deploy/ is what other programs take it for, and names only settings and metrics that there are.

    scripts/deployment.py PROGRAM

`scripts/setup test` fetches what it needs. It starts PROGRAM once, to see its metrics, and nothing else that stays. What
it does not do: start containers (deploy/try.sh does), or run the commands of docs/operations.md (scripts/operations.py
does).
"""

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETUP = ROOT / ".setup"
sys.path.insert(0, str(SETUP / "deployment"))

import jsonschema  # noqa: E402
import kubernetes_validate  # noqa: E402
import yaml  # noqa: E402

DEPLOY = ROOT / "deploy"
# Where Debian puts it; not everybody has that folder in PATH.
NGINX = "/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "nginx"
KUBERNETES = "1.31"
PROFILES = {"default", "scale", "observe"}
found = []


def wrong(path, sentence):
    found.append(f"{path.relative_to(ROOT)}: {sentence}")


def documents(path):
    try:
        return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]
    except yaml.YAMLError as error:
        wrong(path, f"is not YAML: {error}")
        return []


def run(*command, **options):
    """Status and what was said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    return done.returncode, done.stdout + done.stderr


# Settings


def config_check(path, variables, program):
    """Whether the program takes these variables. What is to come from a file comes from one that holds `sample`."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"PATH": "/nowhere"}
        for name, value in variables.items():
            if name.endswith("_FILE"):
                sample = Path(folder) / name
                sample.write_text(SAMPLES.get(name, "sample-of-a-secret-with-enough-bytes-in-it"))
                value = str(sample)
            settings[name] = str(value)
        status, said = run(program, "config", "check", env=settings, cwd=folder)
        if status != 0:
            wrong(path, f"`cutetube config check` refuses it: {said.strip()}")


SAMPLES = {
    "CUTETUBE_DATABASE__URL_FILE": "postgres://u:p@h/d\n",
    "CUTETUBE_AMQP__URL_FILE": "amqp://u:p@h/%2f\n",
    "CUTETUBE_DRM__MASTER_KEY_FILE": "00" * 32,
}


def of_program(variables):
    return {name: value for name, value in variables.items() if name.startswith("CUTETUBE_")}


def env_file(path):
    """`NAME=value` lines; a name that is not explained by a comment above it is wrong."""
    variables, explained = {}, False
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            explained = True
        elif line == "":
            explained = False
        elif match := re.fullmatch(r"([A-Z_]+)=(.*)", line):
            variables[match[1]] = match[2]
            if not explained:
                wrong(path, f"`{match[1]}` is not explained")
        else:
            wrong(path, f"`{line}` is no assignment")
    return variables


# Compose


def interpolated(value, variables):
    """As Compose does it with `${NAME:-otherwise}`; these values hold no braces of their own."""
    return re.sub(
        r"\$\{([A-Z_0-9]+)(?::-([^}]*))?\}", lambda match: variables.get(match[1]) or match[2] or "", str(value)
    )


def compose(program):
    path = DEPLOY / "compose.yaml"
    [file] = documents(path)
    [schema] = SETUP.glob("deployment/check_jsonschema/builtin_schemas/vendor/compose-spec.json")
    for error in jsonschema.Draft202012Validator(json.loads(schema.read_text())).iter_errors(file):
        wrong(path, f"{'.'.join(map(str, error.path))}: {error.message}")
    example = env_file(DEPLOY / ".env.example")
    config_check(DEPLOY / ".env.example", of_program(example), program)
    used = set(re.findall(r"\$\{([A-Z_0-9]+)", path.read_text()))
    for name in sorted(set(example) - used - {"COMPOSE_PROFILES"}):
        wrong(DEPLOY / ".env.example", f"`{name}` is used nowhere")
    for name in sorted(used - set(example) - {"CUTETUBE_IMAGE"}):
        wrong(path, f"`{name}` is not in deploy/.env.example")
    made = set(re.findall(r"^ +secret (\S+)", (ROOT / "scripts/docker").read_text(), re.MULTILINE))
    for name, secret in file["secrets"].items():
        if Path(secret["file"]).name not in made:
            wrong(path, f"scripts/docker does not make the secret `{name}`")
    for name, service in file["services"].items():
        of = f"service `{name}`"
        if not set(service.get("profiles", [])) or not set(service["profiles"]) <= PROFILES:
            wrong(path, f"{of} is in no profile that there is")
        image = interpolated(service["image"], {})
        if not re.search(r":[^/]*\d", image) and "build" not in service:
            wrong(path, f"{of} pins no version: `{image}`")
        if "healthcheck" not in service and "build" not in service:
            wrong(path, f"{of} has no health check")
        if service.get("restart") != "unless-stopped":
            wrong(path, f"{of} is not started again")
        for published in service.get("ports", []):
            if not interpolated(published, {}).startswith("127.0.0.1:"):
                wrong(path, f"{of} is published to everybody: {published}")
        for secret in service.get("secrets", []):
            source = secret if isinstance(secret, str) else secret["source"]
            if source not in file["secrets"]:
                wrong(path, f"{of} wants the secret `{source}`, which there is not")
        given = {f"/run/secrets/{secret}" for secret in service.get("secrets", []) if isinstance(secret, str)}
        for key, value in service.get("environment", {}).items():
            if key.endswith("_FILE") and value not in given:
                wrong(path, f"{of} is not given `{value}`")
            if re.search("PASSWORD|SECRET|TOKEN", key) and not key.endswith(("_FILE", "__FILE")):
                wrong(path, f"{of} has a secret in `{key}`")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                if not (DEPLOY / source).exists():
                    wrong(path, f"{of} mounts `{source}`, which there is not")
            elif source not in file["volumes"]:
                wrong(path, f"{of} wants the volume `{source}`, which there is not")
        if "build" in service:
            values = {key: interpolated(value, example) for key, value in service["environment"].items()}
            config_check(path, values, program)
            if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
                wrong(path, f"{of} may do more than it needs")


# Kubernetes


def kubernetes(program):
    files = sorted((DEPLOY / "kubernetes").rglob("*.yaml"))
    seen = {}
    for path in files:
        for document in documents(path):
            kind, name = document["kind"], document.get("metadata", {}).get("name")
            seen[(kind, name)] = (path, document)
            if kind == "Kustomization":
                listed = document["resources"] + [f for s in document.get("secretGenerator", []) for f in s["files"]]
                for resource in listed:
                    if not (path.parent / resource).exists() and not resource.startswith("secrets/"):
                        wrong(path, f"`{resource}` does not exist")
            elif kind == "ScaledObject":
                scaled_object(path, document)
            else:
                try:
                    kubernetes_validate.validate(document, KUBERNETES, strict=True)
                except kubernetes_validate.ValidationError as error:
                    wrong(path, f"{kind} `{name}`: {error}")
    settings = seen[("ConfigMap", "cutetube-settings")][1]["data"]
    for (kind, name), (path, document) in seen.items():
        if kind == "Deployment":
            deployment(path, document, settings, program)
        if kind == "ScaledObject" and ("Deployment", document["spec"]["scaleTargetRef"]["name"]) not in seen:
            wrong(path, "scales what there is not")
        if kind == "PodDisruptionBudget":
            labels = document["spec"]["selector"]["matchLabels"].items()
            pods = [d["spec"]["template"]["metadata"]["labels"].items() for (k, _), (_, d) in seen.items() if k == "Deployment"]
            if not any(labels <= pod for pod in pods):
                wrong(path, f"`{name}` is about no pod")


def scaled_object(path, document):
    spec = document["spec"]
    for trigger in spec["triggers"]:
        if trigger["type"] != "prometheus" or not {"serverAddress", "query", "threshold"} <= set(trigger["metadata"]):
            wrong(path, "has a trigger that is not understood")
        if not all(isinstance(value, str) for value in trigger["metadata"].values()):
            wrong(path, "metadata of triggers is text")
    if not 0 < spec["minReplicaCount"] <= spec["maxReplicaCount"]:
        wrong(path, "scales to nothing")


def deployment(path, document, settings, program):
    name, pod = document["metadata"]["name"], document["spec"]["template"]["spec"]
    [container] = pod["containers"]
    variables = dict(settings) | {variable["name"]: variable["value"] for variable in container["env"]}
    config_check(path, variables, program)
    security = pod["securityContext"] | container["securityContext"]
    wanted = {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for key, value in wanted.items():
        if security.get(key) != value:
            wrong(path, f"`{name}`: {key} is not {value}")
    user = re.search(r"^USER (\d+):(\d+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    if [str(security[key]) for key in ("runAsUser", "runAsGroup")] != list(user.groups()):
        wrong(path, f"`{name}` runs as another user than the image")
    if any("persistentVolumeClaim" in volume for volume in pod["volumes"]):
        wrong(path, f"`{name}` wants a volume of its own")
    for probe in ("startupProbe", "livenessProbe"):
        if probe not in container:
            wrong(path, f"`{name}` has no {probe}")


# What is measured


def metrics(program):
    """Names of samples, each with the labels it can have: as docs/metrics.md has them, where the source agrees.

    A family without samples is not told by a running program, so that asking one is only half of it; and the tests of the
    API hold what a busy one tells against docs/metrics.md.
    """
    path = ROOT / "docs/metrics.md"
    source = "".join(file.read_text() for file in (ROOT / "crates/cutetube/src/metrics").glob("*.rs"))
    samples = {"up": set()}
    for line in path.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 4 or not cells[0].startswith("`"):
            continue
        for name in re.findall(r"`([a-z_]+)`", cells[0]):
            base = name.removesuffix("_total")
            if f'"{base}"' not in source and f'"{base.rsplit("_", 1)[0]}"' not in source:
                wrong(path, f"`{name}` is in no source")
            labels = set(re.findall(r"`([a-z]+)`", cells[2].split("(")[0]))
            ends = ["_bucket", "_sum", "_count"] if cells[1] == "histogram" else [""]
            samples |= {name + end: labels | ({"le"} if end == "_bucket" else set()) for end in ends}
    for name, labels in told(program):
        if name not in samples or set(labels) - samples[name]:
            wrong(path, f"says nothing of `{name}`, or not with the labels {labels}")
    return samples


def told(program):
    """Names and labels of the samples that an idle server tells."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "serve", "--listen", "127.0.0.1:0", "--data", f"{folder}/data"]
        environment = {"PATH": os.environ["PATH"], "NO_COLOR": "1"}
        server = subprocess.Popen(command, env=environment, cwd=folder, stderr=subprocess.PIPE, text=True)
        try:
            lines = iter(server.stderr.readline, "")
            address = next(match[1] for line in lines if (match := re.search(r"listening on (http://\S+)", line)))
            with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
                text = answer.read().decode()
        finally:
            server.terminate()
            server.wait()
            server.stderr.close()
    for name, labels in re.findall(r"^([a-z_]+)(?:\{(.*)\})? \S+$", text, re.MULTILINE):
        yield name, re.findall(r'([a-z]+)="', labels)


FROM_PROMETHEUS = {"job", "instance"}


def expression(path, text, known):
    """Whether every metric of a PromQL expression is known, with the labels that are asked for."""
    names = re.findall(r"\b((?:cutetube|process)_[a-z_]+|up)\b(?:\{([^}]*)\})?", text)
    if not names:
        wrong(path, f"asks for no metric of ours: `{text}`")
    allowed = set(FROM_PROMETHEUS)
    for name, selector in names:
        if name not in known:
            wrong(path, f"there is no metric `{name}`")
            continue
        allowed |= known[name]
        for label in re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", selector):
            if label not in known[name] | FROM_PROMETHEUS:
                wrong(path, f"`{name}` has no label `{label}`")
    for grouping in re.findall(r"\bby \(([^)]*)\)", text):
        for label in re.split(r",\s*", grouping):
            if label not in allowed:
                wrong(path, f"nothing in `{text}` has the label `{label}`")


def observability(program):
    known = metrics(program)
    alerts = DEPLOY / "prometheus/alerts.yml"
    manual = (ROOT / "docs/operations.md").read_text()
    for group in documents(alerts)[0]["groups"]:
        for rule in group["rules"]:
            expression(alerts, rule["expr"], known)
            if rule["labels"].get("severity") not in ("page", "ticket"):
                wrong(alerts, f"`{rule['alert']}` says not whether to wake somebody")
            if f"`{rule['alert']}`" not in manual:
                wrong(alerts, f"docs/operations.md does not say what to do about `{rule['alert']}`")
    for path in (DEPLOY / "grafana/dashboards").glob("*.json"):
        dashboard(path, json.loads(path.read_text()), known)
    for path in (DEPLOY / "kubernetes").rglob("*.yaml"):
        for document in documents(path):
            if document["kind"] == "ScaledObject":
                for trigger in document["spec"]["triggers"]:
                    expression(path, trigger["metadata"]["query"], known)
    promtool = SETUP / "promtool"
    for words in (
        ["check", "config", "--syntax-only", "prometheus/prometheus.yml"],
        ["check", "rules", "prometheus/alerts.yml"],
        ["test", "rules", "prometheus/alerts.test.yml"],
    ):
        status, said = run(promtool, *words, cwd=DEPLOY)
        if status != 0:
            wrong(DEPLOY / words[-1], f"promtool {' '.join(words[:2])}: {said.strip()}")


def dashboard(path, file, known):
    ids, taken = set(), set()
    variables = {variable["name"] for variable in file["templating"]["list"]}
    for panel in file["panels"]:
        title = panel["title"]
        if panel["id"] in ids:
            wrong(path, f"two panels have the id {panel['id']}")
        ids.add(panel["id"])
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        if cells & taken or at["x"] + at["w"] > 24:
            wrong(path, f"`{title}` lies over another panel, or beside the page")
        taken |= cells
        if panel["type"] == "row":
            continue
        if not panel["targets"]:
            wrong(path, f"`{title}` shows nothing")
        for target in panel["targets"]:
            if target["datasource"]["uid"].strip("${}") not in variables:
                wrong(path, f"`{title}` asks a source that there is not")
            expression(path, target["expr"], known)
            legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            grouped = {label for by in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for label in re.split(r",\s*", by)}
            if legend - grouped - FROM_PROMETHEUS:
                wrong(path, f"`{title}` names curves after labels that are gone: {legend - grouped}")


# nginx, systemd, Dockerfile


def nginx():
    """Each site with what it includes, in a folder of its own; nothing listens."""
    for site in sorted((DEPLOY / "nginx").glob("site-*.conf")):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("etc/nginx", "var/cache/nginx", "var/log/nginx", "etc/letsencrypt/live/videos.example.org", "tmp"):
                (Path(folder) / name).mkdir(parents=True)
            certificate(Path(folder) / "etc/letsencrypt/live/videos.example.org")
            kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            temporary = [f"{kind}_temp_path {folder}/tmp/{kind};" for kind in kinds]
            parts = [path.read_text() for path in sorted((DEPLOY / "nginx").glob("cutetube-*.conf"))]
            main = "\n".join(["error_log stderr;", f"pid {folder}/pid;", "events {}", "http {", "access_log off;", *temporary, *parts, site.read_text(), "}"])
            (Path(folder) / "nginx.conf").write_text(moved(main, folder))
            (Path(folder) / "etc/nginx/cutetube-locations.inc").write_text(
                (DEPLOY / "nginx/cutetube-locations.inc").read_text()
            )
            status, said = run(NGINX, "-t", "-p", folder, "-c", f"{folder}/nginx.conf")
            if status != 0 or "[warn]" in said:
                wrong(site, f"nginx -t: {said.strip()}")


def moved(text, folder):
    """With folders of the system below another one. `nginx -t` opens what it would listen on: here, sockets of files."""
    text = re.sub(r"(?<![\w./])/(etc|var)/", rf"{folder}/\1/", text)
    sockets = itertools.count()
    return re.sub(r"\blisten (\[::\]:)?\d+", lambda _: f"listen unix:{folder}/tmp/{next(sockets)}", text)


def certificate(folder):
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=videos.example.org", "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"]
    subprocess.run([*words, *names], check=True, capture_output=True)


def systemd():
    units = sorted((DEPLOY / "systemd").glob("*.service"))
    for path in units:
        text = path.read_text()
        for setting in ("NoNewPrivileges=yes", "ProtectSystem=strict", "KillMode=mixed", "OOMPolicy=continue"):
            if "cutetube" in path.name and setting not in text.splitlines():
                wrong(path, f"lacks `{setting}`")
    if subprocess.run(["sh", "-c", "command -v systemd-analyze"], capture_output=True, check=False).returncode != 0:
        print("deployment: no systemd-analyze here, so units are only read")
        return
    status, said = run("systemd-analyze", "verify", *units)
    # The program is not installed on the machine of a test.
    lines = [line for line in said.splitlines() if line and "is not executable: No such file" not in line]
    if lines:
        wrong(DEPLOY / "systemd", "systemd-analyze verify: " + "\n".join(lines))


def dockerfile():
    path = DEPLOY / "Dockerfile"
    text = path.read_text()
    for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
        if not re.search(r":\d", image):
            wrong(path, f"`{image}` pins no version")
    rust = re.search(r"^FROM rust:([\d.]+)", text, re.MULTILINE)[1]
    if f'rust-version = "{rust}"' not in (ROOT / "Cargo.toml").read_text():
        wrong(path, f"builds with Rust {rust}, and Cargo.toml wants another")
    for variable, value in re.findall(r"(CUTETUBE_[A-Z_]+)=(\S+)", text):
        config_check(path, {variable: value}, program_of_this_run)
    # Versions of Debian's packages come with the release of Debian.
    status, said = run(SETUP / "deployment/bin/hadolint", "--ignore", "DL3008", path)
    if status != 0:
        wrong(path, f"hadolint: {said.strip()}")


program_of_this_run = str(Path(sys.argv[1]).resolve()) if len(sys.argv) == 2 else sys.exit(__doc__)
compose(program_of_this_run)
kubernetes(program_of_this_run)
observability(program_of_this_run)
nginx()
systemd()
dockerfile()
print("\n".join(found) or "deployment: all good")
sys.exit(1 if found else 0)
