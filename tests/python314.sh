#!/usr/bin/env bash
# A CPython 3.14 where the machine has none: Debian's sid in a folder, made once by debootstrap.
# Usage: tests/python314.sh [FOLDER [COMMAND...]] (as root; FOLDER is /srv/py314 unless given)
# Without a command it prints how to enter the folder. With one, it runs it there in a copy of the
# checkout, what is not committed included; the copy goes with the command.
set -euo pipefail
cd "$(dirname "$0")/.."
root=${1:-/srv/py314}
shift $(($# > 0))
unset PIP_FIND_LINKS  # a folder of the machine
packages=(python3.14 python3.14-dev python3.14-venv gcc libc6-dev git ca-certificates openssl procps)

stop() {
    echo "${0##*/}: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || stop "debootstrap and chroot need root"
[ "${root#/}" != "$root" ] || stop "$root: use an absolute path"
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work" "${copy:-$work}"' EXIT

if [ ! -x "$root/usr/bin/apt-get" ]; then
    command -v debootstrap >/dev/null || stop "no debootstrap: apt-get install debootstrap"
    rm -rf --one-file-system "$root.part"
    debootstrap --variant=minbase sid "$root.part" >"$work/log" 2>&1 ||
        { tail -n 20 "$work/log"; stop "debootstrap failed"; }
    mv "$root.part" "$root"
fi

# The way to the registries is the machine's: names, certificates, settings of apt and pip.
cp -L /etc/resolv.conf "$root/etc/"
apt-config dump Acquire >"$root/etc/apt/apt.conf.d/90machine" 2>/dev/null || true
if ! dpkg-query --root="$root" --show "${packages[@]}" >/dev/null 2>&1; then
    env DEBIAN_FRONTEND=noninteractive chroot "$root" sh -ec '
        apt-get update -qq
        apt-get install -qq --no-install-recommends "$@"
        apt-get clean' sh "${packages[@]}" >"$work/log" 2>&1 ||
        { tail -n 20 "$work/log"; stop "apt-get failed in $root"; }
fi
for name in pip.conf xdg/pip ssl/certs/ca-certificates.crt; do
    [ ! -e "/etc/$name" ] || { mkdir -p "$root/etc/xdg" && cp -rLT "/etc/$name" "$root/etc/$name"; }
done

if [ $# = 0 ]; then
    echo "chroot $root python3.14"
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
# The mounts are in a namespace of the command's own: they go with it, and `rm` never meets them.
env --unset=OCPPJ_REAL_FRAMES HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    TMPDIR="${copy#"$root"}/tmp" unshare --mount bash -euc '
        mount -t proc proc "$1/proc"
        mount -t devpts -o newinstance,ptmxmode=666 devpts "$1/dev/pts"
        mount -t tmpfs tmpfs "$1/dev/shm"
        exec chroot "$@"' bash "$root" bash -euc '
            cd "$TMPDIR/../ocppj"
            git init -q
            git add --all
            exec "$@"' bash "$@"
