#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Hostile peers against a real mesh: two hosts out of network namespaces with a release warrend each, a victim whose requests are measured,
# and an attacker at full speed against another workload on the victim's host. The yardstick: all of the victim's requests succeed, and their
# p99 stays below twice what it is while the same attacker does the same, at the same rate, to a plain sink in another namespace.
#
#   Tests/Floods/run.sh [--quick] [--seconds N] [--only NAME,NAME…] [--json FILE] [--markdown] [--attackers N] [--settle N] [--keep-logs DIR] [--list]
#
#   --quick        5 s for each attack and each sink instead of 60
#   --only         these attacks; `together` is all of them at once
#   --json         the table as JSON, besides
#   --markdown     the table as docs/benchmarks.md has it, besides
#   --settle       how long everything may take to be idle again afterwards: 100 s
#   --keep-logs    copies the daemons' logs there
#   WARREN_BIN=DIR takes the programs in DIR instead of building
#
# Needs root and the machine to itself. Everything lives in namespaces of one process tree, which ends with this script, however it ends.
# Exits with 1 if a row isn't met.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

fail() { printf 'floods: %s\n' "$*" >&2; exit 1; }

arguments=()
while (($# > 0)); do
    case $1 in
        --json | --keep-logs)
            [[ -n ${2:-} ]] || fail "$1 needs a path"
            arguments+=("$1" "$(realpath -m "$2")")
            shift 2
            ;;
        -h | --help) sed -n '3,21s/^# \{0,1\}//p' "Tests/Floods/run.sh"; exit ;;
        --list) exec /usr/bin/python3 -B Tests/Floods/floods.py --list ;;
        *) arguments+=("$1"); shift ;;
    esac
done

((EUID == 0)) || fail 'making network namespaces needs root: run this as root'
if [[ -n ${WARREN_BIN:-} ]]; then
    programs=$(cd "$WARREN_BIN" && pwd)
else
    deploy/install-dependencies.sh
    programs=$(deploy/build.sh)
fi
[[ -x $programs/warrend && -x $programs/warren ]] || fail "no warrend and warren in $programs"
export PATH=$programs:$PATH

# With the first process of the pid namespace everything in it ends; it ends with unshare, and unshare is what this script becomes.
exec unshare --mount --net --uts --pid --fork --kill-child --mount-proc Tests/Floods/lab.sh Tests/Floods/floods.py ${arguments[@]+"${arguments[@]}"}
