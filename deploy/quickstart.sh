#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows Warren at work on this machine: two hosts out of network namespaces, each with its own warrend and two workloads with real
# servers; the label, the traffic, the tunnels, a refusal with its policy, the wire between the hosts, and the release. Installs what is
# missing, builds, and leaves the machine as it found it.
#
#   deploy/quickstart.sh             everything, then clean up
#   deploy/quickstart.sh --keep      leaves the lab up and says how to play with it
#   deploy/quickstart.sh --down      ends a lab that was kept
#
# The lab lives in namespaces of its own, below one process. When that ends, however, the kernel takes everything with it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)

keep=
case ${1:-} in
    '') ;;
    --keep) keep=yes ;;
    --down) ;;
    *) printf 'usage: %s [--keep | --down]\n' "$0" >&2; exit 2 ;;
esac

state=/run/warren-quickstart
step_number=${QUICKSTART_STEP:-0}
started=$SECONDS
elapsed=${QUICKSTART_SECONDS:-0}
bold=$(tput bold 2>/dev/null || true)
dim=$(tput dim 2>/dev/null || true)
plain=$(tput sgr0 2>/dev/null || true)
[[ -t 1 ]] || { bold=; dim=; plain=; }

step() { step_number=$((step_number + 1)); printf '\n%s%2d  %s%s\n' "$bold" "$step_number" "$*" "$plain"; }
say() { printf '    %s\n' "$*"; }
show() { sed 's/^/    │ /'; }
fail() { printf '\nquickstart: %s\n' "$*" >&2; explain; exit 1; }

# What a failure leaves to look at.
explain() {
    local host
    [[ -n ${lab:-} && -d /proc/$lab ]] || return 0
    for host in host1 host2; do
        [[ -s /proc/$lab/root/run/$host.log ]] || continue
        printf '\nthe last lines of warrend on %s:\n' "$host" >&2
        tail -n 8 "/proc/$lab/root/run/$host.log" | cut -c 1-300 >&2
    done
}

# ------------------------------------------------------------------------------------------------ the lab

lab=
down() {
    local first=${lab:-$(cat "$state/first" 2>/dev/null || true)}
    if [[ -n $first && $(tr '\0' ' ' 2>/dev/null <"/proc/$first/cmdline" || true) == warren-lab* ]]; then
        kill -KILL "$first" 2>/dev/null || true
        while [[ -d /proc/$first ]]; do sleep 0.05; done
    fi
    rm -rf "$state"
}

# on HOST COMMAND…, inside WORKLOAD COMMAND…: where things run.
on() { local host=$1; shift; nsenter --target "$(cat "$state/$host")" --mount --net --pid --uts -- "$@"; }
inside() {
    local host=host1
    case $1 in db | guest) host=host2 ;; esac
    local name=$1
    shift
    on "$host" nsenter "--net=/run/netns/$name" -- "$@"
}
warren() { local host=$1; shift; on "$host" "$bin/warren" "$@"; }

# Own mounts over everything that programs write, so that the machine's files stay as they are.
private_mounts='
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/netns /run/lock
    for place in /etc /var/lib /var/log; do
        mkdir -p /run/layers$place/up /run/layers$place/work
        mount -t overlay -o lowerdir=$place,upperdir=/run/layers$place/up,workdir=/run/layers$place/work overlay $place
    done'

# The process that everything hangs on, in a pid namespace of its own. It ends with our end of a pipe, so also if we are killed;
# a lab that is kept sleeps instead.
make_lab() {
    local life='exec -a warren-lab cat' script
    [[ -z $keep ]] || life='exec -a warren-lab sleep infinity'
    rm -rf "$state"
    mkdir -m 0700 "$state"
    script="
        $private_mounts
        sysctl -qw net.ipv6.conf.default.accept_dad=0
        ip link set lo up
        ip link add wire type bridge forward_delay 0 mcast_snooping 0
        ip link set wire up
        : >/run/ready
        trap '' CHLD
        $life"
    mkfifo "$state/life"
    setsid unshare --mount --net --pid --uts --fork --kill-child --mount-proc bash -euc "$script" \
        >"$state/lab.log" 2>&1 <"$state/life" &
    local wrapper=$!
    disown "$wrapper"
    exec {lifeline}>"$state/life"
    for _ in $(seq 100); do
        lab=$(cat "/proc/$wrapper/task/$wrapper/children" 2>/dev/null | tr -d ' ' || true)
        [[ -n $lab && -e /proc/$lab/root/run/ready ]] && break
        [[ -d /proc/$wrapper ]] || fail "no namespaces can be made here: $(cat "$state/lab.log")"
        sleep 0.05
    done
    [[ -n $lab && -e /proc/$lab/root/run/ready ]] || fail "the lab didn't come up: $(cat "$state/lab.log")"
    printf '%s' "$lab" >"$state/first"
}

# make_host NUMBER: a host with its end of the wire and a bridge for its workloads.
make_host() {
    local number=$1 other=$((3 - $1)) holder
    nsenter --target "$lab" --mount --net --pid --uts -- unshare --mount --net --uts bash -euc "
        hostname host$number
        $private_mounts
        sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0
        ip link set lo up
        trap '' CHLD
        : >/run/ready-host$number
        exec sleep infinity
    " >"$state/host$number.log" 2>&1 </dev/null {lifeline}>&- &
    local wrapper=$!
    disown "$wrapper"
    for _ in $(seq 100); do
        holder=$(cat "/proc/$wrapper/task/$wrapper/children" 2>/dev/null | tr -d ' ' || true)
        [[ -n $holder && -e /proc/$holder/root/run/ready-host$number ]] && break
        sleep 0.05
    done
    [[ -n $holder && -e /proc/$holder/root/run/ready-host$number ]] || fail "host$number didn't come up: $(cat "$state/host$number.log")"
    printf '%s' "$holder" >"$state/host$number"
    nsenter --target "$lab" --net -- ip link add "wire$number" master wire up type veth peer name eth0 netns "$holder"
    on "host$number" ip -batch - <<END
addr add 10.66.0.$number/24 dev eth0
addr add fd66::$number/64 dev eth0 nodad
link set eth0 up
link add pods type bridge forward_delay 0 mcast_snooping 0
addr add 10.66.$number.1/24 dev pods
addr add fd66:0:0:$number::1/64 dev pods nodad
link set pods up
route add 10.66.$other.0/24 via 10.66.0.$other
route add fd66:0:0:$other::/64 via fd66::$other
END
}

# make_workload HOST-NUMBER NAME INDEX
make_workload() {
    local number=$1 name=$2 index=$3
    on "host$number" ip netns add "$name"
    on "host$number" ip link add "pod$index" master pods up type veth peer name eth0 netns "$name"
    on "host$number" ip -n "$name" -batch - <<END
link set lo up
addr add 10.66.$number.$index/24 dev eth0
addr add fd66:0:0:$number::$index/64 dev eth0 nodad
link set eth0 up
route add default via 10.66.$number.1
route add default via fd66:0:0:$number::1
END
}

# background HOST LOG COMMAND…: a program that goes on, its output in the host's /run.
background() {
    local host=$1 log=$2
    shift 2
    on "$host" "$@" >"/proc/$lab/root/run/$log" 2>&1 </dev/null {lifeline}>&- &
    disown $!
}

# until_true SECONDS WHAT COMMAND…
until_true() {
    local limit=$1 what=$2 end
    shift 2
    end=$((SECONDS + limit))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || fail "not within $limit s: $what"
        sleep 0.1
    done
}

# ------------------------------------------------------------------------------------------------ the mesh

workload_entry() { # NAME NAMESPACE HOST-NUMBER INDEX
    cat <<END
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: $1
  namespace: $2
  labels: {app: $1}
  annotations:
    warren.dev/node: host$3
    warren.dev/network-namespace: $1
    warren.dev/additional-addresses: "fd66:0:0:$3::$4"
spec:
  address: 10.66.$3.$4
  labels: {app: $1}
  serviceAccount: $1
---
END
}

# mesh LABELS [POLICY]: what both hosts are told.
mesh() {
    cat <<END
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {$1}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec:
  clusterIPs: ["10.96.0.10", "fd96::10"]
  selector: {app: db}
  ports: [{port: 80, targetPort: 8080}]
---
END
    workload_entry web shop 1 10
    workload_entry cache shop 1 11
    workload_entry db shop 2 10
    workload_entry guest shop 2 11
    printf '%s\n' "${2:-}"
}

tell_hosts() { # TEXT
    local host
    for host in host1 host2; do
        printf '%s' "$1" | on "$host" sh -c 'cat >/etc/warren/mesh.yaml.new && mv /etc/warren/mesh.yaml.new /etc/warren/mesh.yaml'
    done
}

captured() { [[ $(warren host1 workloads -o json | grep -c '"captured"') == 2 && $(warren host2 workloads -o json | grep -c '"captured"') == 2 ]]; }

get() { inside "$1" curl -sS -m 5 "$2"; }

# ------------------------------------------------------------------------------------------------ the story

if [[ ${1:-} == --down ]]; then
    ((EUID == 0)) || exec sudo "$0" --down
    down
    say "the lab is gone"
    exit 0
fi

# Installing and building need no root, or ask for it themselves; the rest runs as root.
if [[ -z ${QUICKSTART_BIN:-} ]]; then
    step "Installing what is missing"
    "$here/install-dependencies.sh" | sed 's/^/    /'

    step "Building warrend and warren (a few minutes the first time)"
    bin=${WARREN_BIN:-}
    if [[ -z $bin ]]; then
        log=$(mktemp)
        "$here/build.sh" >"$log" 2>&1 || { tail -n 30 "$log" >&2; rm -f "$log"; fail "the build failed: the lines above say why"; }
        bin=$(tail -n 1 "$log")
        rm -f "$log"
    fi
    say "$("$bin/warrend" --version), $(($(stat -c %s "$bin/warrend") / 1024)) KiB"
    as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "network namespaces need root: run this as root"
        as_root=(sudo)
    fi
    exec "${as_root[@]}" env "PATH=$PATH" "QUICKSTART_BIN=$bin" "QUICKSTART_STEP=$step_number" "QUICKSTART_SECONDS=$SECONDS" "$0" "$@"
fi
bin=$QUICKSTART_BIN

trap 'status=$?; [[ -n $keep && $status == 0 ]] || down; exit $status' EXIT
set -E
trap 'printf "\nquickstart: line %s failed: %s\n" "$LINENO" "$BASH_COMMAND" >&2; explain' ERR
trap 'exit 130' INT TERM
down
machine() { ip netns list; nft --stateless list ruleset 2>/dev/null || true; ip rule; ip -6 rule; }
before=$(machine)

step "Making two hosts with two workloads each"
make_lab
make_host 1
make_host 2
make_workload 1 web 10
make_workload 1 cache 11
make_workload 2 db 10
make_workload 2 guest 11
say "host1  web 10.66.1.10, cache 10.66.1.11      host2  db 10.66.2.10, guest 10.66.2.11      (and IPv6)"
payload="secret-order-4711"
on host1 sh -c 'mkdir -p /run/www && echo "from the cache" >/run/www/page'
on host2 sh -c 'cat >/run/nginx.conf' <<END
daemon off; master_process off; pid /run/nginx.pid; error_log stderr warn;
events {}
http { access_log /run/nginx.log; client_body_temp_path /run/b; proxy_temp_path /run/p; fastcgi_temp_path /run/f; uwsgi_temp_path /run/u; scgi_temp_path /run/s;
  server { listen 8080; listen [::]:8080; location / { return 200 "$payload for \$remote_addr\n"; } } }
END
background host2 nginx.log nsenter --net=/run/netns/db -- nginx -e stderr -c /run/nginx.conf
background host1 python.log nsenter --net=/run/netns/cache -- /usr/bin/python3 -m http.server --bind :: --directory /run/www 8080
until_true 10 "nginx in db and Python in cache answer" eval 'get guest http://10.66.2.10:8080/ && get web http://10.66.1.11:8080/'
say "db runs nginx, cache runs Python's web server. Without a mesh the wire shows everything:"
on host1 tcpdump -l -i eth0 -A -c 40 'tcp port 8080' >"/proc/$lab/root/run/clear.txt" 2>/dev/null &
sleep 0.5
get web http://10.66.2.10:8080/ | show
sleep 0.5
kill %% 2>/dev/null || true
on host1 pkill tcpdump 2>/dev/null || true
if ! grep -q "$payload" "/proc/$lab/root/run/clear.txt"; then fail "the wire was not seen, so what follows would prove nothing"; fi
say "${dim}tcpdump on host1's eth0 reads: $(grep -a -o "$payload.*" "/proc/$lab/root/run/clear.txt" | head -n 1)$plain"

step "Making a certificate authority and starting a warrend on each host"
warren host1 ca init --directory /etc/warren/ca >/dev/null
for host in host1 host2; do
    [[ $host == host1 ]] || on host1 tar -C /etc/warren -cf - ca | on "$host" sh -c 'mkdir -p /etc/warren && tar -C /etc/warren -xf -'
    printf 'node: %s\nmesh: {path: /etc/warren/mesh.yaml, allowEmpty: true}\ncapture: {drainLimit: 2s}\n' "$host" | on "$host" sh -c 'cat >/etc/warren/warrend.yaml'
done
tell_hosts "$(mesh '')"
for host in host1 host2; do background "$host" "$host.log" "$bin/warrend" --config /etc/warren/warrend.yaml; done
for host in host1 host2; do until_true 10 "warrend on $host is ready" on "$host" curl -fsS -m 2 http://127.0.0.1:15021/healthz/ready; done
warren host1 check | tail -n 1 | show

step "Labelling the namespace: istio.io/dataplane-mode: ambient"
tell_hosts "$(mesh 'istio.io/dataplane-mode: ambient')"
until_true 10 "all four workloads are captured" captured
warren host1 workloads | sed '/^$/,$d' | show

step "Sending requests across hosts and within one, by address and by service"
on host1 tcpdump -i eth0 -s 0 -U -Z root -w /run/wire.pcap >/dev/null 2>&1 &
sleep 1
for url in http://10.66.2.10:8080/ "http://[fd66:0:0:2::10]:8080/" http://10.96.0.10/ "http://[fd96::10]/"; do
    answer=$(get web "$url") || fail "web got no answer from $url"
    [[ $answer == *"$payload"* ]] || fail "web got '$answer' from $url"
    say "web → $url: $answer"
done
get web http://10.66.1.11:8080/page >/dev/null || fail "web got no answer from cache on its own host"
say "web → http://10.66.1.11:8080/ (same host, relayed in the kernel): ok"
background host1 held.log nsenter --net=/run/netns/web -- sh -c 'sleep 30 | curl -sS -m 30 telnet://10.66.2.10:8080'
sleep 0.5
say "warren tunnels, on host1:"
warren host1 tunnels | show
say "warren connections, on host1:"
warren host1 connections | show

step "Refusing guest: one AuthorizationPolicy, no restart"
policy='apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-guests, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  action: DENY
  rules:
    - from: [{source: {principals: ["cluster.local/ns/shop/sa/guest"]}}]'
tell_hosts "$(mesh 'istio.io/dataplane-mode: ambient' "$policy")"
until_true 10 "the policy is in force" eval '! get guest http://10.66.2.10:8080/'
say "guest → http://10.66.2.10:8080/: $(get guest http://10.66.2.10:8080/ 2>&1 || true)"
say "host2 says why:"
grep -a 'no-guests' "/proc/$lab/root/run/host2.log" | tail -n 1 |
    grep -a -o -E '(src\.identity|dst\.workload|policy|rule|error)="?[^"]*"?' | show
get web http://10.66.2.10:8080/ >/dev/null || fail "web was refused too"
say "web still passes"

step "Looking at the wire between the hosts"
on host1 pkill tcpdump || true
sleep 0.5
packets=$(on host1 tcpdump -r /run/wire.pcap -n 'tcp port 15008' 2>/dev/null | wc -l)
clear=$(on host1 tcpdump -r /run/wire.pcap -n 'tcp port 8080 or tcp port 80' 2>/dev/null | wc -l)
found=$(grep -a -c "$payload" "/proc/$(cat "$state/host1")/root/run/wire.pcap" || true)
say "$packets packets of tunnels (15008), $clear of plain HTTP, \"$payload\" found $found times"
((packets > 0 && clear == 0 && found == 0)) || fail "payload in clear on the wire"

if [[ -n $keep ]]; then
    step "The lab stays up"
    {
        printf '#!/usr/bin/env bash\n# on HOST COMMAND…, inside WORKLOAD COMMAND…\nset -euo pipefail\nstate=%s\nbin=%s\n' "$state" "$bin"
        declare -f on inside
        # shellcheck disable=SC2016
        printf '%s\n' 'export PATH="$bin:$PATH"' '"$@"'
    } >"$state/lab"
    chmod +x "$state/lab"
    say "sudo $state/lab on host1 warren connections --watch"
    say "sudo $state/lab inside web curl http://10.96.0.10/"
    say "sudo $state/lab on host2 vi /etc/warren/mesh.yaml     (host1 has a copy of its own)"
    say "sudo $0 --down     ends it"
    exit 0
fi

step "Releasing: the label goes, open connections finish, nothing is left"
tell_hosts "$(mesh '')"
on host1 pkill -f telnet://10.66.2.10 || true
released() { [[ -z $(inside web nft list ruleset) && -z $(inside db nft list ruleset) && -z $(inside web ip rule | grep -v -e local -e main -e default) ]]; }
until_true 30 "no rule is left in any workload" released
get web http://10.66.2.10:8080/ | show
say "no rule, route or socket of Warren is left in the workloads"

step "Leaving the machine as it was"
down
lab=
after=$(machine)
[[ $before == "$after" ]] || fail "namespaces or rules of this machine changed: $(diff <(printf '%s' "$before") <(printf '%s' "$after"))"
say "ip netns, nft list ruleset and ip rule are as before"
printf '\n%sdone in %s s%s\n' "$bold" "$((SECONDS - started + elapsed))" "$plain"
