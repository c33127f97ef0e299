#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What deploy/quickstart.sh shows, step by step; each step checks what it claims, and the first that fails ends the tour. Runs
# inside the namespaces that lab.sh made. With `--keep` it stops before the release.
set -euo pipefail

keep=${1:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=hosts.sh
source "$here/hosts.sh"
workloads=(web cart stock orders)
marker=marker-$(od -An -N6 -tx1 /dev/urandom | tr -d ' ')
doing='begin'

# --- saying and failing

step() { doing=$*; printf '\n%s\n' "$*"; }
say() { printf '   %s\n' "$*"; }
indented() { sed 's/^/   /'; }

fail() {
    local host
    trap - ERR
    printf '\nquickstart: FAILED: %s\n  %s\n' "$doing" "$*"
    for host in host1 host2; do
        [[ -s /run/lab/$host/warrend.log ]] || continue
        printf '\nthe last lines of warrend on %s:\n' "$host"
        { tail -n 15 "/run/lab/$host/warrend.log"; tail -n 3 "/run/lab/$host/access.log"; } | cut -c 1-300 | indented
    done
    for log in /run/lab/*.log; do
        [[ ! -s $log ]] || { printf '\n%s:\n' "$log"; tail -n 5 "$log" | cut -c 1-300 | indented; }
    done
    exit 1
}
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
set -E

# on PLACE COMMAND…, bounded.
on() { timeout --kill-after=1 10 /run/lab/on "$@"; }

# wait_for WHAT SECONDS COMMAND…: until the command succeeds.
wait_for() {
    local what=$1 end=$((SECONDS + $2)) limit=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS <= end)) || fail "not within $limit s: $what"
        sleep 0.1
    done
}

# show PLACE COMMAND…: the command as one would type it there, and what it says. What it said stays in $shown.
show() {
    local place=$1
    shift
    say "$place\$ $*"
    shown=$(on "$place" "$@" 2>&1) || fail "$place: $*: ended with $?: $shown"
    indented <<<"$shown"
}

# expect TEXT: in what was shown last.
expect() { grep -qF -- "$1" <<<"$shown" || fail "expected was: $1"; }

curl_options=(-sS --max-time 5)
get() { show "$1" curl "${curl_options[@]}" "$2"; }

# refuse PLACE URL: a request that must not be answered.
refuse() {
    say "$1\$ curl ${curl_options[*]} $2"
    if shown=$(on "$1" curl "${curl_options[@]}" "$2" 2>&1); then fail "$1 got an answer from $2: $shown"; fi
    indented <<<"$shown"
}

# --- the wire

# request_on_the_wire FROM URL: makes a request while everything between the hosts is written to /run/lab/wire.pcap. A datagram
# after the request is the end mark: when it is in the file, all before it is too.
request_on_the_wire() {
    local file=/run/lab/wire.pcap tcpdump
    rm -f "$file" /run/lab/tcpdump.log
    tcpdump -Z root --immediate-mode -U -s 0 -i wire -w "$file" 2>/run/lab/tcpdump.log &
    tcpdump=$!
    wait_for 'tcpdump listens' 10 grep -q 'listening on' /run/lab/tcpdump.log
    get "$1" "$2"
    on host1 bash -c 'printf "%s" end-of-the-capture >/dev/udp/10.66.0.2/9'
    wait_for 'the capture is complete' 10 grep -qa end-of-the-capture "$file"
    kill "$tcpdump"
    wait "$tcpdump" || true
    in_clear=$(grep -ac "$marker" "$file" || true)
    in_tunnels=$(packets 'tcp port 15008')
    # Hosts talk to the control plane over the same wire, over TLS.
    beside_tunnels=$(packets 'tcp and not port 15008 and not port 15012')
}

packets() { tcpdump -n -r /run/lab/wire.pcap "$1" 2>/dev/null | wc -l; }

# in_the_clear FROM URL: it can be read on the wire. The contrast: a capture that sees nothing would prove nothing.
in_the_clear() {
    request_on_the_wire "$1" "$2"
    say "on the wire: $beside_tunnels TCP packets outside of tunnels, and whoever listens reads"
    tcpdump -n -A -r /run/lab/wire.pcap 'tcp dst port 8080' 2>/dev/null | grep -ao "GET [^ ]*$marker" | head -n 1 | indented
    ((in_clear > 0)) || fail "the request wasn't seen on the wire: the capture proves nothing"
    ((in_tunnels == 0)) || fail "there were $in_tunnels packets of a tunnel"
}

# --- enrolment


captured_on() { [[ $(on "$1" warren workloads --local -o json | grep -c '"captureState": *"captured"') == 2 ]]; }
free_on() { ! on "$1" warren workloads --local -o json | grep -qE '"captureState": *"(captured|draining|pending)"'; }

# What capture could leave in a workload's namespace.
traces_in() {
    on "$1" sh -c 'nft --stateless list ruleset; ip rule; ip -6 rule; ip route show table 100; ip -6 route show table 100
        ss -Hltn; cd /proc/sys/net/ipv4
        head tcp_fwmark_accept fwmark_reflect ../ipv6/fwmark_reflect conf/all/src_valid_mark tcp_tw_reuse' 2>/dev/null |
        sed 's/ *$//'
}

all_traces() {
    local workload
    for workload in "${workloads[@]}"; do printf '%s:\n%s\n' "$workload" "$(traces_in "$workload")"; done
}

# --- the tour

step '1. Two hosts out of namespaces, two workloads with real servers on each'
make_wire
make_host 1 web cart
make_host 2 stock orders
start_servers
say 'web   10.66.1.10 nginx   ┐                        ┌ stock   10.66.2.10 nginx'
say 'cart  10.66.1.11 python3 ┴ host1 ══ wire ══ host2 ┴ orders  10.66.2.11 python3'

step '2. A control plane, two hosts that join it, and the mesh'
say 'wire$ warren-control'
start_control
for host in host1 host2; do join "$host"; done
for host in host1 host2; do start_daemon "$host"; done
show wire warren apply -f "$here/mesh.yaml"
both_know() { local host; for host in host1 host2; do on "$host" warren workloads -o json | grep -q '"orders"' || return 1; done; }
wait_for 'both hosts know the mesh' 5 both_know
both_connected() { [[ $(on wire warren nodes | grep -c ' connected') == 2 ]]; }
wait_for 'the control plane knows of both' 10 both_connected
show wire warren nodes
before=$(all_traces)

step '3. Not labelled yet: web calls stock, and the wire can be read'
in_the_clear web "http://10.66.2.10:8080/$marker"
expect 'stock answers 10.66.1.10'

step '4. The namespace gets the label; nothing is restarted'
show wire warren namespace enrol shop
for host in host1 host2; do wait_for "the workloads of $host are captured" 10 captured_on "$host"; done
show host1 warren workloads

step '5. The same request: answered as before, from the same client address, and nothing of it on the wire'
request_on_the_wire web "http://10.66.2.10:8080/$marker"
expect 'stock answers 10.66.1.10'
say "on the wire: $in_tunnels packets of the tunnel to port 15008, $beside_tunnels other TCP packets, the marker $in_clear times"
((in_tunnels > 0)) || fail 'no packet of a tunnel was seen: the capture proves nothing'
((beside_tunnels == 0)) || fail 'TCP passed outside of the tunnel'
((in_clear == 0)) || fail "the marker can be read on the wire"

step '6. By the service, over IPv6, and within a host'
get web http://10.96.0.10/
expect 'stock answers 10.66.1.10'
get web 'http://[fd96::10]/'
expect 'stock answers fd66:0:0:1::10'
get web http://10.66.1.11:8080/
expect 'cart answers 10.66.1.10'

step '7. What the two warrends know of it: three slow answers are under way'
slow=()
for call in 'web 10.66.2.11' 'web 10.66.1.11' 'cart 10.66.2.11'; do
    start "${call% *}" "slow-${call/ /-}.log" curl -sSN --max-time 60 "http://${call#* }:8080/slow"
    slow+=($!)
done
three_open() { [[ $(on host1 warren connections --direction outbound -o json | grep -c '"state": *"open"') == 3 ]]; }
wait_for 'three connections are open' 10 three_open
show host1 warren tunnels
show host1 warren connections --direction outbound
show host2 warren connections

step '8. A policy says that cart may not call stock; whoever has no certificate may not either'
refuse cart http://10.66.2.10:8080/
refuse wire http://10.66.2.10:8080/
wait_for 'the access log has both' 5 sh -c '[ "$(grep -c DENY /run/lab/host2/access.log)" -ge 2 ]'
say 'the access log of host2 says why:'
grep DENY /run/lab/host2/access.log | grep -oE '(src.addr|src.identity|dst.workload|policy|rule|error)="[^"]*"' | indented
grep 'src.identity="spiffe://cluster.local/ns/shop/sa/cart"' /run/lab/host2/access.log |
    grep -q 'policy="shop/stock-without-cart" rule="1"' ||
    fail 'the refusal of cart names neither policy nor rule'
show host2 warren policies

step '9. The policy is deleted: both hosts hear of it, and cart is let in'
show wire warren delete authorizationpolicy stock-without-cart -n shop
let_in() { on cart curl "${curl_options[@]}" -fo /dev/null http://10.66.2.10:8080/; }
wait_for 'cart is let in' 5 let_in
get cart http://10.66.2.10:8080/
show wire warren nodes

if [[ $keep == --keep ]]; then exit 0; fi

step '10. The label is taken away: open connections finish, then nothing is left'
show wire warren namespace release shop
wait_for 'host1 drains' 5 sh -c '/run/lab/on host1 warren workloads --local | grep -q draining'
show host1 warren workloads --local
for pid in "${slow[@]}"; do wait "$pid" || fail "a slow answer was cut: curl ended with $?"; done
for log in /run/lab/slow-*.log; do [[ $(tail -n 1 "$log") == 'that was all' ]] || fail "a slow answer is not whole: $log"; done
say 'the three slow answers arrived whole'
for host in host1 host2; do wait_for "the workloads of $host are free" 20 free_on "$host"; done
after=$(all_traces)
[[ $after == "$before" ]] || fail "rules, routes, settings or sockets are left:
$(diff <(printf '%s' "$before") <(printf '%s' "$after"))"
say 'no rule, no route, no setting and no socket of warrend is left in web, cart, stock and orders'

step '11. And the wire can be read again'
in_the_clear web "http://10.66.2.10:8080/$marker"

step '12. Both warrends and the control plane end'
for host in host1 host2; do
    pid=$(on "$host" warren status -o json | sed -n 's/.*"process": *\([0-9]*\).*/\1/p')
    [[ $pid =~ ^[0-9]+$ ]] || fail "warren status names no process: $pid"
    kill -TERM "$pid"
    wait_for "warrend of $host ends" 10 sh -c "! kill -0 $pid"
    show wire tail -n 1 "/run/lab/$host/warrend.log"
done
kill -TERM "$control"
wait_for 'warren-control ends' 10 sh -c "! kill -0 $control"
show wire tail -n 1 /run/lab/control.log
