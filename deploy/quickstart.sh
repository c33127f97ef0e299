#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows Warren on one machine: two hosts out of network namespaces, each with its own warrend and two workloads, and a
# control plane between them. Leaves the
# machine as it was: everything lives in namespaces of one process tree, which ends with this script however it ends, kill -9 too.
set -euo pipefail

usage() {
    cat <<'END'
Shows Warren on one machine: two hosts out of network namespaces, each with its own warrend and two workloads with real servers,
and a control plane that they join.

Usage: deploy/quickstart.sh [--keep]

  --keep   leave the two hosts up afterwards, enrolled, and say how to play with them and how to end them
  --help   show this

Installs what is missing (deploy/install-dependencies.sh), builds (deploy/build.sh, some minutes the first time), then takes
about half a minute. Needs root, for network namespaces, and asks for it by sudo. WARREN_BIN=DIR takes the programs in DIR instead of building.
END
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
keep=''
started=$SECONDS
namespace=''
lab=''

fail() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }

case ${1:-} in
    '') ;;
    --keep) keep=--keep ;;
    -h | --help) usage; exit ;;
    *) usage >&2; exit 64 ;;
esac
(($# <= 1)) || { usage >&2; exit 64; }
((EUID == 0)) || command -v sudo >/dev/null || fail 'making network namespaces needs root: run this as root'

[[ -e /proc/net/if_inet6 ]] || fail 'this kernel has no IPv6, or it was switched off at boot: the demonstration uses it'

# --- the machine, before and after

# Everything of the machine that a demonstration of this kind could leave changed.
machine() {
    printf 'namespaces:\n%s\n' "$(ip netns list | sort)"
    printf 'rules:\n%s\n' "$(nft --stateless list ruleset)"
    printf 'policy routing:\n%s\n%s\n' "$(ip rule)" "$(ip -6 rule 2>/dev/null)"
    printf 'links:\n%s\n' "$(ip -br link | awk '{print $1}')"
    printf 'mounts:\n%s\n' "$(awk '{print $3, $5}' /proc/self/mountinfo | sort)"
}

# Processes in the demonstration's pid namespace: their numbers and names.
processes() {
    local process
    [[ -n $namespace ]] || return 0
    for process in /proc/[0-9]*; do
        [[ $(readlink "$process/ns/pid" 2>/dev/null) == "$namespace" ]] || continue
        printf '%s %s\n' "${process#/proc/}" "$(<"$process/comm")"
    done
    return 0
}

compare() {
    local after left
    after=$(machine)
    left=$(processes)
    if [[ $after != "$before" || -n $left ]]; then
        diff <(printf '%s\n' "$before") <(printf '%s\n' "$after") >&2 || true
        [[ -z $left ]] || printf 'processes are left:\n%s\n' "$left" >&2
        fail 'the machine is not as it was: the lines above differ. Unless something else changed them meanwhile, this is a fault'
    fi
    printf '\nThe machine is as it was: ip netns, nft list ruleset, ip rule, links and mounts are the same, no process is left.\n'
}

# --- the lab

# Ends the lab by letting go of its first process; after five seconds by force.
end_lab() {
    [[ -n $lab ]] || return 0
    { exec {LAB[1]}>&-; } 2>/dev/null || true
    timeout 5 tail --pid="$lab" -f /dev/null || kill -KILL "$lab" 2>/dev/null || true
    wait "$lab" 2>/dev/null || true
    lab=''
}

# Starts the lab in namespaces of its own and tells what it tells. Returns the tour's exit code.
run_lab() {
    local line outcome='' held
    coproc LAB {
        exec setsid unshare --mount --net --uts --pid --fork --kill-child --mount-proc \
            "$root/deploy/quickstart/lab.sh" $keep 2>&1
    }
    lab=$LAB_PID
    while IFS= read -r line <&"${LAB[0]}"; do
        case $line in
            '@namespace '*)
                namespace=${line#* }
                # Held open, so that the kernel gives its number to no other namespace before processes are counted.
                exec {held}<"/proc/$(pgrep -P "$lab")/ns/pid"
                ;;
            '@outcome '*) outcome=${line#* }; break ;;
            *) printf '%s\n' "$line" ;;
        esac
    done
    if [[ -z $outcome ]]; then
        outcome=0
        wait "$lab" || outcome=$?
        lab=''
        fail "the demonstration's first process ended before the tour did, with status $outcome: was it killed?"
    fi
    return "$outcome"
}

# Leaves the lab up, with two small programs to get in and to end it.
leave_lab_up() {
    local first folder
    first=$(pgrep -P "$lab")
    printf 'keep\n' >&"${LAB[1]}"
    folder=$(mktemp -d -t warren-quickstart.XXXXXX)
    printf '#!/bin/sh\nPATH=%q:$PATH exec nsenter --target %s --mount --net --uts --pid -- /run/lab/on "$@"\n' \
        "$programs" "$first" >"$folder/on"
    printf '#!/bin/sh\nkill -KILL %s && rm -r %q && echo "both hosts are gone"\n' "$lab" "$folder" >"$folder/end"
    chmod +x "$folder/on" "$folder/end"
    lab=''
    cat <<END

The two hosts stay up, enrolled. host1 has web and cart, host2 stock and orders.

A request from a workload:                $folder/on web curl http://10.96.0.10/
Any command on a host:                    $folder/on host1 warren connections
                                          $folder/on host1 warren check --config /run/lab/host1/warrend.yaml
Who talked to whom:                       $folder/on host2 tail -f /run/lab/host2/access.log
What passes between the hosts:            $folder/on wire tcpdump -n -A -i wire
The mesh:                                 $folder/on wire warren get workloadentries -n shop
The hosts:                                $folder/on wire warren nodes
Take the label away:                      $folder/on wire warren namespace release shop
Set it again:                             $folder/on wire warren namespace enrol shop
End everything:                           $folder/end
END
}

# --- what happens

"$root/deploy/install-dependencies.sh"
if [[ -n ${WARREN_BIN:-} ]]; then
    programs=$(cd "$WARREN_BIN" && pwd)
else
    printf 'quickstart: building the release programs: some minutes the first time\n'
    programs=$("$root/deploy/build.sh")
fi
for program in warrend warren-control warren; do
    [[ -x $programs/$program ]] || fail "there is no $program in $programs"
done
"$programs/warrend" --version
# What was built belongs to whoever built it; only the rest needs root.
((EUID == 0)) || exec sudo env "PATH=$PATH" "WARREN_BIN=$programs" "$root/deploy/quickstart.sh" $keep
export PATH=$programs:$PATH

before=$(machine)
trap end_lab EXIT
trap 'exit 130' INT TERM HUP
started=$SECONDS
outcome=0
run_lab || outcome=$?
if [[ $outcome == 0 && -n $keep ]]; then
    leave_lab_up
    exit 0
fi
end_lab
((outcome == 0)) || { compare || true; fail "the tour failed; why stands above"; }
compare
printf 'Done in %s s.\n' $((SECONDS - started))
