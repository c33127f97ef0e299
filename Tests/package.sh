#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests the Debian package.
#
#   Tests/package.sh            makes it twice, and looks whether it is the same, complete, and good in lintian's eyes: a minute
#   Tests/package.sh boot       also boots a Debian with systemd as a container (systemd-nspawn) and installs, enrols, restarts, upgrades, reboots,
#                               removes and purges there, under traffic: some four minutes
#   WARREN_BIN=DIR              takes the programs in DIR instead of building them
#   WARREN_KEEP=1               leaves the machine's folder, to look into its journal
#
# What only this needs it installs itself: lintian, and for booting mmdebstrap and systemd-container. It leaves nothing else behind, kill -9
# included, but the image in .build/package, which the next run takes again; delete it to have a new one. Exit code 77: it can't run here, and
# the last line says why.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

fail() { printf 'package test: %s\n' "$*" >&2; exit 1; }
skip() { printf 'package test: not run: %s\n' "$*" >&2; exit 77; }
say() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }

mode=${1:-static}
[[ $mode =~ ^(static|boot)$ ]] || fail "unknown argument '$mode': boot, or nothing"
command -v dpkg-deb >/dev/null || skip 'no dpkg here'

# need COMMAND PACKAGE
need() {
    command -v "$1" >/dev/null && return
    ((EUID == 0)) || skip "no $1 here, and installing it needs root"
    apt-get -qq update >/dev/null 2>&1 || true
    apt-get -qq -y --no-install-recommends install "$2" >/dev/null 2>&1 || skip "apt-get can't install $2"
}

deploy/install-dependencies.sh package >/dev/null
need lintian lintian
work=$(mktemp -d -t warren-package.XXXXXX)
source Tests/Package/machine.sh
trap 'stop_machine; [[ -n ${WARREN_KEEP:-} ]] || rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

programs=${WARREN_BIN:-$(deploy/build.sh)}
export WARREN_BIN=$programs

# --- what is in it

package=$(deploy/package.sh --output "$work/one")
again=$(deploy/package.sh --output "$work/two")
cmp "$package" "$again" || fail 'made twice, the package differs'
say "$(basename "$package"): made twice, the same bytes"

lintian --allow-root --fail-on error,warning,info,pedantic --pedantic -I "$package" || fail 'lintian found something'
say 'lintian --pedantic: nothing'

tree=$work/tree
dpkg-deb --extract "$package" "$tree"
while read -r program; do
    [[ -x $tree/usr/bin/$program || -x $tree/usr/sbin/$program ]] || fail "$program isn't in the package"
    [[ -e $(echo "$tree"/usr/share/man/man[18]/"$program".[18].gz) ]] || fail "$program has no man page"
    [[ $(stat -c %a "$(echo "$tree"/usr/*bin/"$program")") == 755 ]] || fail "$program isn't 0755"
done < <(sed -n 's/^ *\.executable(name: "\([^"]*\)".*/\1/p' Package.swift)
for unit in "$tree"/usr/lib/systemd/system/*.service; do
    command=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
    [[ -x $tree$command ]] || fail "$(basename "$unit") starts $command, which isn't in the package"
done
bash -n "$tree/usr/share/bash-completion/completions/warren" || fail "bash doesn't read the completion"
for page in "$tree"/usr/share/man/man*/*; do
    if command -v groff >/dev/null; then
        warnings=$(gzip -dc "$page" | groff -man -Tutf8 -ww -z 2>&1) && [[ -z $warnings ]] || fail "$(basename "$page"): $warnings"
    fi
done
[[ -z $(dpkg-deb --contents "$package" | awk '$2 != "root/root"') ]] || fail 'somebody but root owns a file'
say 'programs, units, man pages and completion are there and can be read'

# --- booted

if [[ $mode == boot ]]; then
    ((EUID == 0)) || skip 'booting a container needs root'
    need mmdebstrap mmdebstrap
    need systemd-nspawn systemd-container
    source Tests/Package/boot.sh
fi
say 'passed'
