#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures the control plane at scale: 50,000 workloads, 2,000 services, 1,000 policies, 500 connected hosts, and one `warrend`;
# docs/benchmarks.md says what and how. Needs root. Everything lives in namespaces of one process tree, which ends with this script.
#
#   Tests/Benchmarks/control.sh                all of it, about 5 minutes
#   Tests/Benchmarks/control.sh --quick        a tenth of the mesh, within 2 minutes: to see, not to quote
#   Tests/Benchmarks/control.sh --only host    one part again and again while tuning
#   Tests/Benchmarks/control.sh --help         the rest
#   WARREN_BIN=DIR                             takes built programs instead of building
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
fail() { printf 'benchmark: %s\n' "$*" >&2; exit 1; }
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here

for word in "$@"; do
    [[ $word != -h && $word != --help ]] || exec python3 "$here/control/main.py" --help
done
((EUID == 0)) || fail 'making network namespaces needs root: run this as root'
"$root/deploy/install-dependencies.sh" bench >&2
if [[ -n ${WARREN_BIN:-} ]]; then
    programs=$(cd "$WARREN_BIN" && pwd)
else
    printf 'benchmark: building the release programs: some minutes the first time\n' >&2
    programs=$("$root/deploy/build.sh")
fi
[[ -x $programs/warrend && -x $programs/warren-control ]] || fail "there is no warrend and warren-control in $programs"

# The first process of the namespaces dies with this one, and all others with it.
setpriv --pdeathsig KILL unshare --mount --net --uts --pid --fork --kill-child --mount-proc \
    env "WARREN_BIN=$programs" python3 "$here/control/main.py" "$@" </dev/null &
lab=$!
trap 'kill -KILL "$lab" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM HUP
wait "$lab"
