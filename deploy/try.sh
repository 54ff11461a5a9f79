#!/usr/bin/env bash
# Tries what takes longer than a test may, on a machine that is Debian 12, as root, with 4 GB of disk:
#
#   deploy/try.sh image PROGRAM     does in a clean Debian 12 what the last stage of deploy/Dockerfile says, with a program
#                                   that is built already, and runs it as its user: read-only, without capabilities
#   deploy/try.sh systemd PROGRAM   boots a clean Debian 12 in a container, installs deploy/systemd/ in it as
#                                   docs/operations.md says, and has a video encoded under the units' restrictions
#
# Both need debootstrap and systemd-container (Debian's packages, of those names).
# MIRROR names another Debian mirror, DEBIAN a folder with what debootstrap would make, if there is one already. What is
# made lies in a folder of /var/tmp, which goes at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly mirror=${MIRROR:-http://deb.debian.org/debian}
folder=$(mktemp -d /var/tmp/cutetube-try.XXXXXX)
readonly folder
trap 'rm -rf "$folder"' EXIT
# The nspawn of Debian 12 has a filter of system calls that does not know these.
readonly landlock="landlock_create_ruleset landlock_add_rule landlock_restrict_self"

main() {
  [ $# = 2 ] && [ -x "$2" ] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
  program=$(realpath "$2")
  # Without what only debuggers read, as the image has it.
  strip --strip-debug -o "$folder/cutetube" "$program"
  clip
  case $1 in
    image)   image ;;
    systemd) systemd ;;
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

last_stage() { awk '/^FROM /{ stage = "" } { stage = stage $0 "\n" } END { printf "%s", stage }' deploy/Dockerfile; }

# One instruction of the last stage, with the lines that it goes on in, without its name.
instruction() { last_stage | sed -n "/^$1 /,/[^\\\\]\$/p" | sed "s/^$1 //"; }

image() {
  bare_debian
  local root=$folder/root variable variables=()
  say "the RUN steps of the last stage of deploy/Dockerfile"
  chroot "$root" sh -ec "$(instruction RUN)" >"$folder/run.log" 2>&1 || { tail -n 20 "$folder/run.log" >&2; fail "RUN failed"; }
  install -m 0755 "$folder/cutetube" "$root/usr/local/bin/cutetube"
  say "$(du --summarize --block-size=M --one-file-system "$root" | cut -f1) in the image, the program $(du --block-size=M "$folder/cutetube" | cut -f1)"
  for variable in $(instruction ENV | tr -d '\\\n'); do variables+=("--setenv=$variable"); done
  install -m 0755 /dev/stdin "$root/usr/local/bin/try" <<'TRY'
#!/bin/bash
set -euxo pipefail
cd /data
id
cutetube serve &
server=$!
until cutetube healthcheck; do kill -0 "$server"; sleep 0.2; done
cutetube doctor
! touch /usr/local/bin/nothing
CUTETUBE_CREDENTIAL=ada CUTETUBE_PASSWORD='correct horse battery' \
  cutetube publish /srv/clip.mp4 --sign-up ada@example.org --wait
kill -TERM "$server"
wait "$server"
TRY
  install -m 0644 "$folder/clip.mp4" "$root/srv/clip.mp4"
  install -d -o 10001 -g 10001 -m 0700 "$folder/data"
  unshare --mount sh -c 'mount -t tmpfs tmpfs /run && exec systemd-nspawn "$@"' nspawn --quiet --directory="$root" \
    --register=no --keep-unit --private-network --pipe --as-pid2 --read-only --bind="$folder/data:/data" --user=cutetube \
    --no-new-privileges=yes --drop-capability=all --setenv=CUTETUBE_WORKERS__SANDBOX=require "${variables[@]}" \
    --system-call-filter="$landlock" /usr/local/bin/try >"$folder/try.log" 2>&1 </dev/null ||
    { tail -n 60 "$folder/try.log" >&2; fail "see above"; }
  grep -E '^(uid=|ok |watch|dash)' "$folder/try.log"
  say "healthy, and a video was encoded, read-only, without privileges (sandbox required)"
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
  echo 'CUTETUBE_METRICS__LISTEN=127.0.0.1:9464' >"$root/etc/cutetube/worker-1.env"
  install -m 0755 /dev/stdin "$root/usr/local/bin/try" <<'TRY'
#!/bin/bash
# What happens inside, started by try.service; its last line says how it went.
exec >/var/log/try.log 2>&1
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
  unshare --mount sh -c 'mount -t tmpfs tmpfs /run && exec systemd-nspawn "$@"' nspawn --quiet --directory="$root" --boot \
    --register=no --keep-unit --private-network --console=read-only --system-call-filter="$landlock" \
    >"$folder/console.log" 2>&1 </dev/null || true
  local said=$root/var/log/try.log
  [ -e "$said" ] || { tail -n 40 "$folder/console.log" >&2; fail "it did not boot"; }
  grep -q '^try ended with 0' "$said" || { tail -n 120 "$said" >&2; fail "see above"; }
  grep -E '^(watch|dash|NoNewPrivs|Seccomp)|is confined' "$said"
  say "a video was encoded by a worker under its unit's restrictions (sandbox required)"
}

main "$@"
