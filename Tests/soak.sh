#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A soak: two hosts out of network namespaces with a release warrend each carry mixed traffic while their daemons are killed, certificates renewed,
# labels flipped, the mesh changed, rules flushed and attacks made. Afterwards descriptors, memory, rules, threads and namespaces must be what they
# were before, and no application may have been told an end that nobody made.
#
#   Tests/soak.sh [--minutes N] [--only STEP,STEP…] [--settle N] [--json FILE] [--keep-logs DIR]
#
#   --minutes      how long traffic and trouble last: 30
#   --only         these of attack, policy, kill, flip, flush, weights, restart, reload
#   --settle       how many seconds everything may take to be as it was: 150
#   --json         the table as JSON, besides
#   --keep-logs    copies the daemons' logs there
#   WARREN_BIN=DIR takes the programs in DIR instead of building
#
# Needs root, and the machine to itself. Everything lives in namespaces of one process tree, which ends with this script, however it ends.
# Exits with 1 if something isn't as it was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'soak: %s\n' "$*" >&2; exit 1; }

arguments=()
while (($# > 0)); do
    case $1 in
        --json | --keep-logs)
            [[ -n ${2:-} ]] || fail "$1 needs a path"
            arguments+=("$1" "$(realpath -m "$2")")
            shift 2
            ;;
        -h | --help) sed -n '3,20s/^# \{0,1\}//p' Tests/soak.sh; exit ;;
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
# Certificates are renewed at half their life.
export WARREN_LIFETIME=40s

# With the first process of the pid namespace everything in it ends; it ends with unshare, and unshare is what this script becomes.
exec unshare --mount --net --uts --pid --fork --kill-child --mount-proc \
    Tests/Floods/lab.sh Tests/Soak/soak.py ${arguments[@]+"${arguments[@]}"}
