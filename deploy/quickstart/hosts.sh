#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the demonstration's two hosts, each a network and a mount namespace of its own, with two workloads each, and starts the
# workloads' servers. Read by tour.sh.
#
#     web   10.66.1.10 ┐                                              ┌ stock   10.66.2.10
#     cart  10.66.1.11 ┴ host1 10.66.0.1 ════ wire ════ 10.66.0.2 host2 ┴ orders  10.66.2.11
#
# The same over IPv6: fd66:0:0:1::10 and so on.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# make_wire: the switch between the hosts.
make_wire() {
    sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.default.accept_dad=0
    ip -batch - <<END
link set lo up
link add wire type bridge forward_delay 0 mcast_snooping 0
addr add 10.66.0.254/24 dev wire
link set wire up
END
    for host in 1 2; do ip route add "10.66.$host.0/24" via "10.66.0.$host"; done
}

# make_host NUMBER WORKLOAD…
make_host() {
    local number=$1 other=$((3 - $1)) index=10 workload
    shift
    unshare --mount --net --uts sleep infinity </dev/null >/dev/null 2>&1 &
    printf '%s\n' $! >"/run/lab/host$number.pid"
    until [[ $(readlink "/proc/$!/ns/net") != "$(readlink /proc/self/ns/net)" ]]; do sleep 0.01; done
    ip link add "wire$number" master wire up type veth peer name eth0 netns $!
    on "host$number" sh -eu <<END
hostname host$number
mount -t tmpfs -o mode=755 tmpfs /run/netns
mkdir -p /run/warren
mount -t tmpfs -o mode=755 tmpfs /run/warren
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0
sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0
ip -batch - <<IP
link set lo up
addr add 10.66.0.$number/24 dev eth0
addr add fd66::$number/64 dev eth0 nodad
link set eth0 up
link add pods type bridge forward_delay 0 mcast_snooping 0
addr add 10.66.$number.1/24 dev pods
addr add fd66:0:0:$number::1/64 dev pods nodad
link set pods up
route add 10.66.$other.0/24 via 10.66.0.$other
route add fd66:0:0:$other::/64 via fd66::$other
route add default via 10.66.0.254
IP
END
    for workload in "$@"; do
        make_workload "$number" "$workload" "$index"
        index=$((index + 1))
    done
}

# make_workload HOST NAME INDEX: a named network namespace, as container runtimes make them.
make_workload() {
    on "host$1" sh -eu <<END
ip netns add $2
nsenter --net=/run/netns/$2 sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0
nsenter --net=/run/netns/$2 sysctl -qw net.ipv6.conf.default.accept_dad=0
ip link add pod$3 master pods up type veth peer name eth0 netns $2
ip -n $2 -batch - <<IP
link set lo up
addr add 10.66.$1.$3/24 dev eth0
addr add fd66:0:0:$1::$3/64 dev eth0 nodad
link set eth0 up
route add default via 10.66.$1.1
route add default via fd66:0:0:$1::1
IP
END
}

# start PLACE LOG COMMAND…: something that goes on until the demonstration ends.
start() {
    local place=$1 log=$2
    shift 2
    /run/lab/on "$place" "$@" </dev/null >>"/run/lab/$log" 2>&1 &
}

start_servers() {
    local workload
    for workload in web stock; do
        sed "s/NAME/$workload/g" "$here/nginx.conf" >"/run/lab/$workload.conf"
        start "$workload" "$workload.log" nginx -e stderr -c "/run/lab/$workload.conf"
    done
    for workload in cart orders; do start "$workload" "$workload.log" python3 "$here/server.py" "$workload"; done
    for workload in web cart stock orders; do
        wait_for "the server of $workload listens" 10 on "$workload" sh -c 'ss -Hltn "sport = :8080" | grep -q .'
    done
}

# start_control: the control plane, between the hosts. It needs no configuration; here it gets one, since /var/lib is the machine's.
start_control() {
    mkdir -p /run/lab/control
    printf 'directory: /run/lab/control\nnames: [10.66.0.254]\n' >/run/lab/control.yaml
    /run/lab/on wire warren-control --config /run/lab/control.yaml </dev/null >>/run/lab/control.log 2>&1 &
    control=$!
    is_up() { ! kill -0 "$control" || on wire curl -sfo /dev/null http://127.0.0.1:15014/healthz/ready; }
    wait_for 'warren-control is ready' 10 is_up
    kill -0 "$control" 2>/dev/null || fail 'warren-control ended at its start'
}

# join HOST: as one would by hand, but for paths that are the demonstration's own.
join() {
    local line
    mkdir -p "/run/lab/$1"
    cp "$here/warrend.yaml" "/run/lab/$1/warrend.yaml"
    say "wire\$ warren token create --node $1"
    line=$(on wire warren token create --node "$1" --address 10.66.0.254:15012) || fail "no token for $1: $line"
    line=$(grep -o 'warren join .*' <<<"$line" | head -n 1)
    indented <<<"${line/%.*/.…}"
    say "$1\$ ${line%% --token*} --token …"
    shown=$(on "$1" $line --no-start --config "/run/lab/$1/warrend.yaml" --directory "/run/lab/$1/node" 2>&1) ||
        fail "$1 couldn't join: $shown"
    indented <<<"$shown"
}

# start_daemon HOST: its access log is its standard output, its own log its standard error.
start_daemon() {
    /run/lab/on "$1" warrend --config "/run/lab/$1/warrend.yaml" \
        </dev/null >"/run/lab/$1/access.log" 2>"/run/lab/$1/warrend.log" &
    daemon=$!
    is_up() { ! kill -0 "$daemon" || on "$1" curl -sfo /dev/null http://127.0.0.1:15021/healthz/ready; }
    wait_for "warrend of $1 is ready" 10 is_up "$1"
    kill -0 "$daemon" 2>/dev/null || fail "warrend of $1 ended at its start"
}
