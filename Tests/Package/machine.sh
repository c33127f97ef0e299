# SPDX-License-Identifier: Apache-2.0
#
# Sourced by Tests/package.sh: one Debian machine out of systemd-nspawn, with a network of its own that leads nowhere. It ends with the script.
set -euo pipefail

machine=''
leader=''
group=warren-package.$$
hierarchies=()

# make_image PACKAGE: a Debian of this host's release with systemd and what the package depends on, as a tar file; its path in $image.
make_image() {
    local codename depends
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    [[ $(. /etc/os-release && printf '%s' "$ID") == debian ]] || skip 'the programs were built for another distribution than Debian'
    depends=$(dpkg-deb -f "$1" Depends | sed 's/([^)]*)//g; s/|[^,]*//g; s/ //g')
    image=$root/.build/package/image-$codename-$(printf '%s' "$depends" | md5sum | cut -c 1-8).tar
    [[ -e $image ]] && return
    mkdir -p "$(dirname "$image")"
    timeout 400 mmdebstrap --quiet --mode=root --format=tar --variant=minbase \
        --include="systemd,systemd-sysv,dbus,iproute2,nftables,procps,python3,curl,$depends" "$codename" "$image.new" >"$work/image.log" 2>&1 ||
        skip "mmdebstrap can't make a Debian: $(tail -n 1 "$work/image.log")"
    mv "$image.new" "$image"
}

# Processes of the machine lie below a control group of our own, so that nothing is left of them in the host's.
make_group() {
    local place
    for place in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
        [[ ! -e $place/cgroup.procs || -e $place/$group ]] || { mkdir "$place/$group" && hierarchies+=("$place/$group"); }
    done
    return 0
}

boot() {
    local place
    make_group
    (
        for place in "${hierarchies[@]}"; do printf '%s' "$BASHPID" >"$place/cgroup.procs"; done
        # It ends with us: nspawn is the first process of a namespace, without which what it started can't go on. It leaves folders below
        # /run/systemd: it has one of its own.
        exec setpriv --pdeathsig KILL unshare --pid --fork --kill-child --mount-proc --mount --propagation private -- sh -c '
            mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd &&
            exec systemd-nspawn --quiet --directory="$1" --machine=warren-package --boot --private-network --register=no --keep-unit \
                --kill-signal=SIGRTMIN+3 --console=pipe --resolv-conf=off --timezone=off' boot "$work/machine" </dev/null >"$work/console.log" 2>&1
    ) &
    machine=$!
    await_boot
}

# reboot: as an operator does it; nspawn ends with 133 and leaves starting again to its caller.
reboot() {
    local outcome=0
    on systemctl reboot 2>/dev/null || true
    timeout 60 tail --pid="$machine" -f /dev/null || return 1
    wait "$machine" || outcome=$?
    machine=''
    [[ $outcome == 133 ]] || return 1
    boot
}

# Waits until the machine has started everything.
await_boot() {
    local deadline=$((SECONDS + 60)) state=''
    while ((SECONDS < deadline)); do
        leader=$(pgrep -P "$(pgrep -P "$machine" || echo none)" 2>/dev/null | head -n 1) || true
        if [[ -n $leader ]]; then
            state=$(on systemctl is-system-running 2>/dev/null) || true
            [[ $state =~ ^(running|degraded)$ ]] && return 0
        fi
        kill -0 "$machine" 2>/dev/null || return 1
        sleep 0.2
    done
    return 1
}

# on COMMAND…: runs it in the machine.
on() {
    timeout 150 nsenter --target "$leader" --mount --uts --ipc --net --pid --root --wd -- \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb DEBIAN_FRONTEND=noninteractive "$@"
}

stop_machine() {
    local place
    if [[ -n $machine ]]; then
        kill -KILL "$machine" 2>/dev/null || true
        wait "$machine" 2>/dev/null || true
        machine=''
    fi
    for place in "${hierarchies[@]}"; do
        for _ in {1..50}; do
            find "$place" -depth -type d -exec rmdir {} \; 2>/dev/null || true
            [[ -e $place ]] || break
            sleep 0.1
        done
    done
    hierarchies=()
}

# until_true SECONDS WHAT COMMAND…: polls the machine.
until_true() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until on "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || { machine_log; fail "$what: not within its time"; }
        sleep 0.1
    done
}

machine_log() {
    { on journalctl --no-pager -o short-precise -u 'warren*' -u 'lab*' -n 40 | cut -c -300 || true; on warren workloads --local || true; } >&2
}
