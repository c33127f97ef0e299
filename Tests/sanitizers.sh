#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The host tests' programs under sanitizers: one scenario or two of each family, against programs that are built for it in folders of their own.
#
#   Tests/sanitizers.sh              both
#   Tests/sanitizers.sh thread       ThreadSanitizer: data races, and locks that can't be taken in one order
#   Tests/sanitizers.sh address      AddressSanitizer with leaks, and UndefinedBehaviorSanitizer in the C shims
#   WARREN_SCRATCH=DIR               builds there instead of .build
#
# Needs root. A report of a program is a failure even where the scenario passes. What isn't our fault stands with its reason in
# Tests/Sanitizers/SANITIZER.supp. Ends with `N scenarios passed, N failed, N reports` for each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'sanitizers: %s\n' "$*" >&2; exit 1; }

scratch=$(realpath -m "${WARREN_SCRATCH:-.build}")
wanted=("$@")
((${#wanted[@]} > 0)) || wanted=(thread address)
for sanitizer in "${wanted[@]}"; do
    [[ $sanitizer =~ ^(thread|address)$ ]] || fail "no sanitizer '$sanitizer': thread or address"
done
((EUID == 0)) || fail 'host tests make network namespaces and need root: run this as root'

# Of each family what most threads, errands or C code take part in.
scenarios=(
    'a connection to 15008 that says nothing'
    'a healthy host has no failed finding'
    'tables and documents tell who talks to whom'
    'malformed, huge and deep bodies'
    'I23 what was acknowledged before a kill -9'
    'a workload and a namespace that are added are captured within a second'
    'SIGTERM lets open connections finish'
    'I09 I10 certificates are renewed under traffic'
    'I03 rules that somebody flushes'
    'a flood costs its tunnel, then its address is shut out'
    'I19 I20 grpcio subscribes'
    'it asks as a ztunnel does'
    'one tunnel carries many connections'
    'every odd CONNECT costs itself'
    '1,000 rapid resets close the connection'
    'I06 a named user of the host may probe'
    'a client library lists and watches'
    'same host, asked to tunnel, makes a tunnel'
    'nghttpx as client'
    'I04 a deleted namespace is closed within a second'
    'I17 a policy that flips while connections begin'
    '2,000 concurrent connections each echo'
    'a service is balanced over its endpoints'
    'what the daemon does is counted'
    'I24 the watchdog is fed'
)

# build SANITIZER OPTION…: the programs; the folder that they are in.
build() {
    local place=$scratch/sanitizers/$1 program
    shift
    mkdir -p "$place"
    for program in warrend warren warren-control; do
        swift build -c release --scratch-path "$place" -Xswiftc -g "$@" --product "$program" >"$place/build.log" 2>&1 ||
            { tail -n 40 "$place/build.log" >&2; fail "the build failed; the whole log is $place/build.log"; }
    done
    (cd "$(swift build -c release --scratch-path "$place" "$@" --show-bin-path)" && pwd)
}

# check SANITIZER PROGRAMS: runs the scenarios; false if one fails or a program reports something.
check() {
    local sanitizer=$1 programs=$2 reports=$scratch/sanitizers/$1/reports supp=Tests/Sanitizers passed=0 failed=0 scenario
    local common="log_path=$reports/report:exitcode=66"
    rm -rf "$reports"
    mkdir -p "$reports"
    for scenario in "${scenarios[@]}"; do
        # Programs are children of the tests and take these from them. Swift's own backtraces would get in the sanitizer's way.
        if WARREN_BIN=$programs SWIFT_BACKTRACE=enable=no \
            TSAN_OPTIONS="$common:suppressions=$PWD/$supp/thread.supp:history_size=4:second_deadlock_stack=1" \
            ASAN_OPTIONS="$common:detect_leaks=1:detect_stack_use_after_return=0:allocator_may_return_null=1" \
            LSAN_OPTIONS="suppressions=$PWD/$supp/leak.supp:print_suppressions=0" \
            UBSAN_OPTIONS="$common:print_stacktrace=1:halt_on_error=1" \
            "$bundle" --testing-library swift-testing --filter "^HostTests\..*$scenario" >"$reports/test.log" 2>&1 &&
            grep -q 'Test run with [1-9]' "$reports/test.log"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            printf '  failed: %s\n' "$scenario"
            grep -aE '✘|recorded an issue|^  ' "$reports/test.log" | head -n 6 | cut -c1-300 | sed 's/^/    /'
        fi
        mv "$reports/test.log" "$reports/$scenario.log"
    done
    local found
    found=$(find "$reports" -type f -name 'report.*' -size +0 | wc -l)
    find "$reports" -type f -name 'report.*' -size +0 -exec grep -ahE 'SUMMARY|runtime error' {} + | sort | uniq -c | sort -rn | head -n 20 | sed 's/^/  /'
    printf '%s: %d scenarios passed, %d failed, %d reports%s\n' "$sanitizer" "$passed" "$failed" "$found" \
        "$( ((found == 0)) || printf ' in %s' "$reports")"
    ((failed == 0 && found == 0))
}

export WARREN_STRICT=1
deploy/install-dependencies.sh >&2
printf 'building the tests …\n'
swift build --scratch-path "$scratch" --build-tests >"$scratch/tests-build.log" 2>&1 ||
    { tail -n 40 "$scratch/tests-build.log" >&2; fail 'the tests could not be built'; }
bundle=$(echo "$(swift build --scratch-path "$scratch" --show-bin-path)"/*PackageTests.xctest)
outcome=0
for sanitizer in "${wanted[@]}"; do
    printf 'building for %s …\n' "$sanitizer"
    options=(--sanitize="$sanitizer")
    [[ $sanitizer != address ]] || options+=(--sanitize=undefined)
    programs=$(build "$sanitizer" "${options[@]}")
    check "$sanitizer" "$programs" || outcome=1
done
exit "$outcome"
