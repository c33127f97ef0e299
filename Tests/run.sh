#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every test that a commit must pass: house rules and units in a debug build, then the release programs in real network namespaces.
# Installs what is missing first. Within 20 minutes on two cores. The last line is `N passed, N failed`.
#
#   Tests/run.sh                     everything
#   Tests/run.sh unit                house rules and units only: no root needed
#   Tests/run.sh host [REGEX]        host tests only, those that fit
#   Tests/run.sh budgets             instead: what the release programs allocate and call, against Tests/Budgets/budgets.json; the machine to itself
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

what=${1:-all}
only=${2:-}
scratch=${WARREN_SCRATCH:-.build}
results=$scratch/test-results
started=$SECONDS
phases=()
export WARREN_STRICT=1

fail() { printf 'run: %s\n' "$*" >&2; exit 1; }
[[ $what =~ ^(all|unit|host|budgets)$ ]] || fail "unknown argument '$what': all (default), unit, host or budgets"

# phase NAME COMMAND…: runs it, with its whole output in a log; stops the run if it fails.
phase() {
    local name=$1 begin=$SECONDS
    shift
    printf '%s …\n' "$name"
    if ! "$@" >"$results/$name.log" 2>&1; then
        tail -n 60 "$results/$name.log" >&2
        fail "$name failed; the whole log is $results/$name.log"
    fi
    phases+=("$(printf '%5d s  %s' $((SECONDS - begin)) "$name")")
}

# tests NAME OPTIONS…: runs tests; a failing one is told at once and counted at the end.
tests() {
    local name=$1 begin=$SECONDS
    shift
    printf '%s …\n' "$name"
    "${runner[@]}" "$bundle" --testing-library swift-testing --xunit-output "$results/$name.xml" "$@" \
        2>&1 | tee "$results/$name.log" |
        sed -nu 's/^✘ Test \("[^"]*"\).* recorded an issue.*at \([A-Za-z0-9+]*\.swift:[0-9]*\).*/  failed: \1 (\2)/p' || true
    summary+=("$results/$name.xml")
    phases+=("$(printf '%5d s  %s' $((SECONDS - begin)) "$name")")
}

# repeat NAME: suites with a failure run once more, alone. The machines that run this are shared and small, and these tests wait for real kernels and
# peers; what fails twice is broken, and what failed once is told at the end by name.
repeat() {
    local name=$1 suites
    suites=$(python3 Tests/report.py --filter "$results/$name.xml")
    [[ -z $suites ]] || tests "$name-again" --filter "$suites"
}

# budgets: what the release programs allocate and call; a broken budget is told at once and counted at the end.
budgets() {
    local begin=$SECONDS
    printf 'budgets …\n'
    "${runner[@]}" "$built/Budgets" --xunit "$results/budgets.xml" 2>&1 | tee "$results/budgets.log" |
        sed -nu 's/^  \(.*\)  FAILED: .*/  failed: \1/p' || true
    summary+=("$results/budgets.xml")
    phases+=("$(printf '%5d s  budgets' $((SECONDS - begin)))")
}

mkdir -p "$results"
rm -f "$results"/*.xml "$results"/*.log
summary=()
runner=(env)

phase dependencies deploy/install-dependencies.sh
phase debug-build swift build --scratch-path "$scratch" --build-tests
built=$(swift build --scratch-path "$scratch" --show-bin-path)
bundle=$(echo "$built"/*PackageTests.xctest)
[[ -x $bundle ]] || fail "no test program at $bundle"
if [[ $what == all || $what == unit ]]; then
    tests unit --skip '^HostTests\.'
    repeat unit
fi
if [[ $what != unit ]]; then
    phase release-build deploy/build.sh
    WARREN_BIN=$(tail -n 1 "$results/release-build.log")
    runner=(env "WARREN_BIN=$WARREN_BIN")
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "host tests make network namespaces and need root: run as root, or only 'Tests/run.sh unit'"
        runner=(sudo env "PATH=$PATH" "WARREN_BIN=$WARREN_BIN")
    fi
    # How many requests share a turn depends on what else the machine does, so budgets are not part of every run.
    if [[ $what == budgets ]]; then
        budgets
    else
        tests host --filter "${only:-^HostTests\\.}"
        repeat host
    fi
fi

printf '\nphases:\n'
printf '  %s\n' "${phases[@]}" "$(printf '%5d s  together' $((SECONDS - started)))"
exec python3 Tests/report.py "${summary[@]}"
