#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The first process of the floods' and the soak's own namespaces, started by run.sh and soak.sh: makes the quickstart's two hosts and mesh, besides
# on the wire a sink and a friend, and runs a program in the midst of it.
#
#   lab.sh PROGRAM [ARGUMENT…]      PROGRAM in Python
#
#     web (victim) 10.66.1.10 ┐                                ┌ stock (victim's server)  10.66.2.10
#     cart (greedy) 10.66.1.11 ┴ host1 ════ wire ════ host2 ┴ orders (attacked)        10.66.2.11
#                                            │
#              attacker 10.66.0.254 ─────┼───── sink 10.66.0.200 · friend 10.66.0.201
set -euo pipefail

floods=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
quickstart=$floods/../../deploy/quickstart
peers=$floods/../HostTests/Peers
# shellcheck source=../../deploy/quickstart/hosts.sh
source "$quickstart/hosts.sh"

fail() { printf 'floods: %s\n' "$*" >&2; exit 1; }
on() { timeout --kill-after=1 10 /run/lab/on "$@"; }
wait_for() {
    local what=$1 end=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS <= end)) || { tail -n 20 /run/lab/host?/warrend.log >&2 || true; fail "in vain: $what"; }
        sleep 0.1
    done
}

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lab /run/netns
ln -s "$quickstart/on" /run/lab/on
make_wire
make_host 1 web cart
make_host 2 stock orders
for place in sink:200 friend:201; do
    name=${place%:*}
    ip netns add "$name"
    ip link add "to-$name" master wire up type veth peer name eth0 netns "$name"
    ip -n "$name" link set lo up
    ip -n "$name" addr add "10.66.0.${place#*:}/24" dev eth0
    ip -n "$name" link set eth0 up
    for host in 1 2; do ip -n "$name" route add "10.66.$host.0/24" via "10.66.0.$host"; done
done

warren ca init --directory /run/lab/ca >/run/lab/ca.log
mkdir -p /run/lab/mesh
# Captured from the start, and without what only a control plane knows.
awk -v RS='---\n' '!/kind: NodeGrant/ { printf "%s%s", separator, $0; separator = "---\n" }' "$quickstart/mesh.yaml" |
    sed 's|^  name: shop$|&\n  labels: {istio.io/dataplane-mode: ambient}|' >/run/lab/mesh/shop.yaml
for name in attacker friend; do
    /usr/bin/python3 -B "$peers/certificates.py" leaf good --ca /run/lab/ca --out "/run/lab/$name" --id "spiffe://cluster.local/ns/shop/sa/$name"
done
truncate -s 1G /run/lab/big
for workload in stock orders; do
    sed "s/NAME/$workload/g" "$floods/nginx.conf" >"/run/lab/$workload.conf"
    start "$workload" "$workload.log" nginx -e stderr -c "/run/lab/$workload.conf"
    wait_for "the server of $workload listens" 10 on "$workload" sh -c 'ss -Hltn "sport = :8080" | grep -q .'
done
for host in host1 host2; do
    mkdir -p "/run/lab/$host"
    cat >"/run/lab/$host/warrend.yaml" <<END
node: $host
mesh: {path: /run/lab/mesh}
identity:
  ca: {certificate: /run/lab/ca/intermediate.pem, key: /run/lab/ca/intermediate-key.pem, roots: /run/lab/ca/root.pem}
  lifetime: ${WARREN_LIFETIME:-24h}
capture: {drainLimit: 1s}
END
    start_daemon "$host"
    printf '%s\n' "$daemon" >"/run/lab/$host/warrend.pid"
done
wait_for 'web reaches stock' 15 on web curl -sf -m 2 http://10.66.2.10:8080/

outcome=0
/usr/bin/python3 -B "$@" </dev/null || outcome=$?
exit "$outcome"
