#!/usr/bin/env bash
# Tries what takes longer than a test may, on a machine that is Debian 12, as root, with 4 GB of disk:
#
#   deploy/try.sh image PROGRAM     builds the last stage of deploy/Dockerfile with Podman, around a program that is built
#                                   already, and runs it as the compose file does: read-only, without capabilities
#   deploy/try.sh systemd PROGRAM   boots a clean Debian 12 in a container, installs deploy/systemd/ in it as
#                                   docs/operations.md says, and has a video encoded under the units' restrictions
#
# Both need debootstrap; `image` needs podman, `systemd` needs systemd-container (Debian's packages, of those names).
# MIRROR names another Debian mirror, DEBIAN a folder with what debootstrap would make, if there is one already. What is made lies in a folder of /var/tmp, which goes at the end, and in Podman's
# store under names that begin with `cutetube-try`.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly mirror=${MIRROR:-http://deb.debian.org/debian}
folder=$(mktemp -d /var/tmp/cutetube-try.XXXXXX)
readonly folder

main() {
  [ $# = 2 ] && [ -x "$2" ] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
  program=$(realpath "$2")
  # Without what only debuggers read, as the image has it.
  strip --strip-debug -o "$folder/cutetube" "$program"
  clip
  case $1 in
    image)   trap clean_image EXIT; image ;;
    systemd) trap clean_systemd EXIT; systemd ;;
    *)       exit 2 ;;
  esac
  say "all good"
}

say() { echo "try: $*"; }
fail() { echo "try: $*" >&2; exit 1; }

# A small file to encode, made here: the clean root has nothing but Debian in it.
clip() {
  ffmpeg -v error -f lavfi -i testsrc2=size=640x360:rate=24:duration=6 -f lavfi -i sine=frequency=440:duration=6 \
    -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 48 -c:a aac -ac 2 "$folder/clip.mp4"
}

bare_debian() {
  say "a clean Debian 12"
  if [ -n "${DEBIAN-}" ]; then cp -a "$DEBIAN" "$folder/root"; return; fi
  debootstrap --variant=minbase "$@" bookworm "$folder/root" "$mirror" >"$folder/debootstrap.log" ||
    { tail -n 20 "$folder/debootstrap.log" >&2; fail "debootstrap failed"; }
}

# --- image -----------------------------------------------------------------------------------------------------------

readonly container=cutetube-try

image() {
  # The same packages as the official image has, which may be there already.
  if ! podman image exists docker.io/library/debian:12-slim; then
    bare_debian
    tar -C "$folder/root" -c . | podman import --quiet - docker.io/library/debian:12-slim >/dev/null
    rm -rf "$folder/root"
  fi
  mkdir "$folder/context"
  mv "$folder/cutetube" "$folder/context/cutetube"
  # From the last FROM on; the program comes from outside instead of the stage before.
  awk '/^FROM /{ stage = "" } { stage = stage $0 "\n" } END { printf "%s", stage }' deploy/Dockerfile |
    sed 's#^COPY --from=program /cutetube#COPY cutetube#' >"$folder/context/Dockerfile"
  say "building the last stage of deploy/Dockerfile"
  # Health checks are not a part of OCI's format. Whatever this machine needs to reach a mirror, it may need in there too.
  podman build --quiet --format docker --pull=never --network=host ${PODMAN_BUILD_OPTIONS-} \
    --tag localhost/$container "$folder/context" >/dev/null
  podman image inspect --format 'try: the image has {{.Size}} bytes; it runs as {{.User}}' localhost/$container
  podman volume create $container-data >/dev/null
  podman run --detach --name $container --read-only --tmpfs /tmp --cap-drop=all --security-opt=no-new-privileges \
    --network=none --env CUTETUBE_WORKERS__SANDBOX=require --volume $container-data:/data localhost/$container >/dev/null
  until podman healthcheck run $container >/dev/null 2>&1; do
    [ "$(podman inspect --format '{{.State.Running}}' $container)" = true ] || { podman logs $container; fail "it ended"; }
    sleep 0.2
  done
  say "it is healthy"
  podman exec $container cutetube doctor
  ! podman exec $container touch /usr/local/bin/nothing 2>/dev/null || fail "the root file system can be written to"
  podman cp "$folder/clip.mp4" $container:/data/clip.mp4 2>/dev/null ||
    podman exec --interactive $container sh -c 'cat >/data/clip.mp4' <"$folder/clip.mp4"
  podman exec --env CUTETUBE_CREDENTIAL=ada --env CUTETUBE_PASSWORD='correct horse battery' $container \
    cutetube publish /data/clip.mp4 --sign-up ada@example.org --wait
  say "a video was encoded in the sandbox (required)"
  podman stop --time 30 $container >/dev/null
  [ "$(podman inspect --format '{{.State.ExitCode}}' $container)" = 0 ] || { podman logs $container | tail; fail "it did not end in order"; }
  podman start $container >/dev/null
  until podman healthcheck run $container >/dev/null 2>&1; do sleep 0.2; done
  say "it was stopped, and is there again with what it kept"
}

clean_image() {
  podman rm --force --time 5 $container >/dev/null 2>&1 || true
  podman volume rm --force $container-data >/dev/null 2>&1 || true
  podman rmi --force localhost/$container >/dev/null 2>&1 || true
  rm -rf "$folder"
}

# --- systemd ---------------------------------------------------------------------------------------------------------

systemd() {
  bare_debian --include=systemd,systemd-sysv,dbus,ca-certificates,ffmpeg,curl
  local root=$folder/root
  install -m 0755 "$folder/cutetube" "$root/usr/local/bin/cutetube"
  install -m 0644 deploy/systemd/cutetube*.service "$root/etc/systemd/system/"
  install -m 0644 "$folder/clip.mp4" "$root/srv/clip.mp4"
  chroot "$root" useradd --system --home-dir /var/lib/cutetube --shell /usr/sbin/nologin cutetube
  install -d -m 0750 "$root/etc/cutetube"
  printf 'CUTETUBE_WORKERS__SANDBOX=require\nCUTETUBE_METRICS__TOKEN=%s\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' ')" \
    >"$root/etc/cutetube/cutetube.env"
  printf 'CUTETUBE_ROLE=web\n' >"$root/etc/cutetube/cutetube-role.env"
  echo 'CUTETUBE_METRICS__LISTEN=127.0.0.1:9464' >"$root/etc/cutetube/worker-1.env"
  install -m 0755 /dev/stdin "$root/usr/local/bin/try" <<'TRY'
#!/bin/bash
# What happens inside, started by try.service; its last line says how it went.
exec >/dev/console 2>&1
set -euxo pipefail
trap 'code=$?; systemctl --no-pager --full status cutetube cutetube-worker@1 || true; journalctl --no-pager -u cutetube -u cutetube-worker@1 | tail -n 40; echo "try ended with $code"; systemctl poweroff --force' EXIT
systemctl start cutetube
curl --silent --show-error --retry 60 --retry-delay 1 --retry-all-errors --fail http://127.0.0.1:8080/readyz
# The same restrictions for a worker of its own.
systemctl start cutetube-worker@1
systemctl is-active cutetube cutetube-worker@1
grep -E '^(NoNewPrivs|Seccomp):' /proc/$(systemctl show --value --property MainPID cutetube-worker@1)/status
# Only the worker encodes from here on.
systemctl stop cutetube
sed -i 's#^ExecStart=.*#& --role web#' /etc/systemd/system/cutetube.service
systemctl daemon-reload
systemctl start cutetube
curl --silent --show-error --retry 60 --retry-delay 1 --retry-all-errors --fail http://127.0.0.1:8080/readyz
CUTETUBE_CREDENTIAL=ada CUTETUBE_PASSWORD='correct horse battery' \
  cutetube publish /srv/clip.mp4 --sign-up ada@example.org --wait
systemctl stop cutetube-worker@1 cutetube
[ "$(systemctl show --value --property Result cutetube-worker@1)" = success ]
[ "$(systemctl show --value --property Result cutetube)" = success ]
TRY
  cat >"$root/etc/systemd/system/try.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/usr/local/bin/try
TimeoutStartSec=600
UNIT
  mkdir -p "$root/etc/systemd/system/default.target.wants"
  ln -s ../try.service "$root/etc/systemd/system/default.target.wants/try.service"
  say "booting it"
  # In a place of its own: nspawn leaves things in /run, which is not everywhere a file system in memory.
  unshare --mount sh -c 'mount -t tmpfs tmpfs /run && exec systemd-nspawn --quiet --directory="$1" --boot --register=no \
    --keep-unit --private-network --console=pipe' nspawn "$root" >"$folder/console.log" 2>&1 </dev/null || true
  sed -n '/listening\|sandbox\|landlock/p' "$folder/console.log" | head -n 5
  grep -q '^try ended with 0' "$folder/console.log" || { tail -n 120 "$folder/console.log" >&2; fail "see above"; }
  grep -E '^(watch|dash|NoNewPrivs|Seccomp)' "$folder/console.log"
  say "a video was encoded by a worker under its unit's restrictions (sandbox required)"
}

clean_systemd() { rm -rf "$folder"; }

main "$@"
