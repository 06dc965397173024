#!/usr/bin/env bash
# Provides CPython 3.14 where the machine lacks it: Debian sid in a folder, made once by debootstrap.
# Usage, as root: tests/python314.sh [FOLDER [COMMAND...]] (FOLDER is /srv/py314 unless given)
# Without a command, prints how to enter the folder. With one, runs it there in a copy of the checkout,
# including uncommitted changes. The copy is removed when the command ends.
set -euo pipefail
cd "$(dirname "$0")/.."
root=${1:-/srv/py314}
shift $(($# > 0))
packages=(python3.14 python3.14-dev python3.14-venv gcc libc6-dev git ca-certificates openssl procps nats-server)

stop() {
    echo "tests/python314.sh: $*" >&2
    exit 1
}

quietly() {
    "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; stop "failed: $*"; }
}

[ "$(id -u)" = 0 ] || stop "run this as root: debootstrap and chroot need it"
[[ $root = /* ]] || stop "$root: use an absolute path"
# All mounts are made in namespaces that end with their command, so that `rm` never meets a mount.
unshare --mount true || stop "no namespaces for mounts: root lacks CAP_SYS_ADMIN, as in a container"
work=$(mktemp -d)
copy=
trap 'rm -rf --one-file-system "$work" ${copy:+"$copy"}' EXIT

if [ ! -d "$root" ]; then
    command -v debootstrap >/dev/null || stop "no debootstrap here: apt-get install debootstrap"
    rm -rf --one-file-system "$root.part"
    quietly unshare --mount debootstrap --variant=minbase sid "$root.part"
    mv "$root.part" "$root"
fi
[ -x "$root/usr/bin/apt-get" ] || stop "$root is not a Debian: use another folder, or remove it"

# Use the machine's DNS, certificates and settings to get packages of Debian and Python.
cp -L /etc/resolv.conf "$root/etc/"
apt-config dump Acquire >"$root/etc/apt/apt.conf.d/90machine"
if ! dpkg-query --root="$root" --show "${packages[@]}" >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    quietly chroot "$root" apt-get -qq update
    quietly chroot "$root" apt-get -qq install --no-install-recommends "${packages[@]}"
    quietly chroot "$root" apt-get clean
fi
mkdir -p "$root/etc/xdg"
for name in pip.conf xdg/pip ssl/certs/ca-certificates.crt; do
    [ ! -e "/etc/$name" ] || cp -rLT "/etc/$name" "$root/etc/$name"
done
[ ! -d "${PIP_FIND_LINKS:-}" ] || unset PIP_FIND_LINKS

if [ $# = 0 ]; then
    echo "$(chroot "$root" python3.14 --version): chroot $root python3.14"
    exit
fi

copy=$(mktemp -d "$root/tmp/ocppj.XXXXXX")
mkdir "$copy/ocppj" "$copy/shared" "$copy/tmp"
export GIT_INDEX_FILE=$work/index
git add --all
git archive "$(git write-tree)" | tar -x -C "$copy/ocppj"
unset GIT_INDEX_FILE
frames=${OCPPJ_REAL_FRAMES:-../shared/frames-real.jsonl}
[ ! -f "$frames" ] || cp "$frames" "$copy/shared/frames-real.jsonl"
env --unset=OCPPJ_REAL_FRAMES HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    TMPDIR="${copy#"$root"}/tmp" unshare --mount bash -euc '
        mount -t proc proc "$1/proc"
        mount -t devpts -o newinstance,ptmxmode=666 devpts "$1/dev/pts"
        mount -t tmpfs tmpfs "$1/dev/shm"
        exec chroot "$@"' bash "$root" bash -euc '
            cd "$TMPDIR/../ocppj"
            git init --quiet
            git add --all
            exec "$@"' bash "$@"
