#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what building, testing and showing Warren needs: Debian and Ubuntu packages, nothing else.
# Safe to repeat; without work to do it needs neither network nor root.
#
#   deploy/install-dependencies.sh          everything
#   deploy/install-dependencies.sh build    only what building needs
#   deploy/install-dependencies.sh package  what building and deploy/package.sh need
#   deploy/install-dependencies.sh bench    everything, and the peers of Tests/Benchmarks
set -euo pipefail

# Each with its reason in docs/dependencies.md.
build_packages=(libssl-dev libnghttp2-dev libnftables-dev libyaml-dev libsqlite3-dev pkg-config binutils)
lab_packages=(
    iproute2 util-linux procps nftables conntrack tcpdump
    curl nginx-light iperf3 nghttp2-client nghttp2-proxy openssl python3 python3-h2 python3-cryptography
    python3-grpcio python3-kubernetes etcd-server etcd-client
)
package_packages=(dpkg-dev)
bench_packages=(wrk haproxy libnginx-mod-stream)
swift_at_least="6.3"

say() { printf '%s\n' "$*"; }
fail() { printf 'install-dependencies: %s\n' "$*" >&2; exit 1; }

check_swift() {
    local version
    command -v swift >/dev/null ||
        fail "no swift on PATH. Install Swift $swift_at_least or newer: https://www.swift.org/install/linux/ and put its usr/bin on PATH"
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' | head -n 1)
    [[ $(printf '%s\n' "$swift_at_least" "$version" | sort -V | head -n 1) == "$swift_at_least" ]] ||
        fail "swift is ${version:-of unknown version}, needed is $swift_at_least or newer: https://www.swift.org/install/linux/"
}

installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Packages may bring a service (nginx does): it must neither start now nor at boot, on a machine that didn't have it before.
forbid_services() {
    policy=/usr/sbin/policy-rc.d
    [[ -e $policy ]] && { policy=; return; }
    printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
    $root chmod 0755 "$policy"
    trap allow_services EXIT
}

# disable_services PACKAGE…: what was just installed doesn't start at the next boot either.
disable_services() {
    local unit
    command -v systemctl >/dev/null || return 0
    dpkg -L "$@" | sed -n 's|.*/systemd/system/\([^/]*\.service\)$|\1|p' | while read -r unit; do
        $root systemctl disable "$unit" >/dev/null 2>&1 || true
    done
}

allow_services() {
    if [[ -n ${policy:-} ]]; then $root rm -f "$policy"; policy=; fi
}

main() {
    local wanted=("${build_packages[@]}") missing=() package root='' policy='' log
    [[ ${1:-all} =~ ^(build|package)$ ]] || wanted+=("${lab_packages[@]}")
    [[ ${1:-all} == build ]] || wanted+=("${package_packages[@]}")
    # Debian's package and others that bring kubectl exclude each other: any kubectl will do.
    [[ ${1:-all} =~ ^(build|package)$ ]] || command -v kubectl >/dev/null || wanted+=(kubernetes-client)
    [[ ${1:-all} != bench ]] || wanted+=("${bench_packages[@]}")
    [[ ${1:-all} =~ ^(all|build|package|bench)$ ]] || fail "unknown argument '$1': all (default), build, package or bench"

    check_swift
    command -v dpkg-query >/dev/null ||
        fail "no dpkg here: this script knows Debian and Ubuntu. Elsewhere install the equivalents of: ${wanted[*]}"
    for package in "${wanted[@]}"; do
        installed "$package" || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        say "install-dependencies: all ${#wanted[@]} packages are there"
        return
    fi

    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "missing: ${missing[*]}. Run as root: $0"
        root="sudo"
    fi
    say "install-dependencies: installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    forbid_services
    log=$(mktemp)
    $root apt-get -o Dpkg::Use-Pty=0 -qq update >"$log" 2>&1 ||
        say "install-dependencies: apt-get update failed; trying with the lists that are there"
    if ! $root apt-get -o Dpkg::Use-Pty=0 -qq -y --no-install-recommends install "${missing[@]}" >>"$log" 2>&1; then
        cat "$log" >&2
        fail "apt-get couldn't install ${missing[*]}: the lines above say why"
    fi
    rm -f "$log"
    allow_services
    disable_services "${missing[@]}"
    say "install-dependencies: done"
}

main "$@"
