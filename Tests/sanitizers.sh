#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests under sanitizers: the units of the modules that have threads or C beneath them, and a scenario or two of each family of host tests, against
# programs that are built for it in folders of their own.
#
#   Tests/sanitizers.sh                         both
#   Tests/sanitizers.sh thread                  ThreadSanitizer: data races, and locks that can't be taken in one order
#   Tests/sanitizers.sh address                 AddressSanitizer with leaks, and UndefinedBehaviorSanitizer in the C shims
#   Tests/sanitizers.sh --only REGEX thread     the rows that fit: `unit Store`, `host Relay` …
#   Tests/sanitizers.sh --built thread          with what was built last
#   WARREN_SCRATCH=DIR                          builds there instead of .build
#
# Needs root. A report of a program is a failure even where the scenario passes. What isn't our fault stands with its reason in
# Tests/Sanitizers/SANITIZER.supp. Ends with a table and `N rows, N failed, N reports` for each. Reports and logs stay in the scratch folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'sanitizers: %s\n' "$*" >&2; exit 1; }

scratch=$(realpath -m "${WARREN_SCRATCH:-.build}")
wanted=()
only=.
built=false
while (($# > 0)); do
    case $1 in
        --only) only=${2:?--only needs a regular expression}; shift ;;
        --built) built=true ;;
        thread | address) wanted+=("$1") ;;
        *) fail "unknown argument '$1': thread, address, --only REGEX or --built" ;;
    esac
    shift
done
((${#wanted[@]} > 0)) || wanted=(thread address)
((EUID == 0)) || fail 'host tests make network namespaces and need root: run this as root'

# KIND, what it is called, and for host tests which scenario: of each family what most threads, errands or C code take part in.
rows=(
    'unit Kernel' 'unit Loop' 'unit TLS' 'unit HTTP' 'unit Transport' 'unit Tunnel' 'unit Telemetry' 'unit Daemon' 'unit Store' 'unit Discovery'
    'unit ControlPlane' 'unit NodeProxy' 'unit Operator'
    'host Relay|2,000 concurrent connections each echo'
    'host HBONEClient|one tunnel carries many connections'
    'host HBONEServer|every odd CONNECT costs itself'
    'host HBONEServer|1,000 rapid resets close the connection'
    'host Matrix|same host, asked to tunnel, makes a tunnel'
    'host Policy|I17 a policy that flips while connections begin'
    'host Enrolment|a workload and a namespace that are added are captured within a second'
    'host Failures|SIGTERM lets open connections finish'
    'host Failures|I03 rules that somebody flushes'
    'host Failures|I09 I10 certificates are renewed under traffic'
    'host Rotation|an intermediate and then the root change under traffic'
    'host Eviction|I22 an evicted host is refused'
    'host Handover|I24 two upgrades of both hosts under traffic'
    'host ControlCrash|I23 what was acknowledged before a kill -9'
    'host ControlEtcd|I22 I23 of two replicas over three members any one may go'
    'host ControlBadInput|a hundred watches that nobody reads'
    'host Kubectl|apply, diff, patch, edit, watch, explain and delete'
    'host Kubectl|a client library lists and watches'
    'host ForeignClient|I19 I20 grpcio subscribes'
    'host ForeignControlPlane|it asks as a ztunnel does'
    'host Absence|I21 what a host registered itself goes after its grace'
    'host Backup|I22 a mesh is restored with its keys'
    'host BadInput|a connection to 15008 that says nothing'
    'host Check|a healthy host has no failed finding'
    'host CommandLine|tables and documents tell who talks to whom'
    'host Floods|a flood costs its tunnel, then its address is shut out'
    'host Invariants|I06 a named user of the host may probe'
    'host Invariants|without descriptors accepting slows'
    'host Namespaces|I04 a deleted namespace is closed within a second'
    'host NGHTTP2|nghttpx as client'
    'host Services|a service is balanced over its endpoints'
    'host Telemetry|what the daemon does is counted'
    'host Watchdog|I24 the watchdog is fed'
)

# build SANITIZER OPTION…: programs and tests.
build() {
    local place=$scratch/sanitizers/$1 what
    shift
    # Tests look into modules, which an optimised build lets them only when told so. Swift 6.3.1 stops at its own check of a pass over
    # instrumented code ("Found ownership error?!").
    local options=(-c release --scratch-path "$place" -Xswiftc -g -Xswiftc -enable-testing
        -Xswiftc -Xllvm -Xswiftc -sil-disable-pass=copy-propagation "$@")
    mkdir -p "$place"
    if [[ $place == */thread ]]; then
        clang -O2 -c -o "$place/mutex.o" Tests/Sanitizers/mutex.c || fail 'clang, which comes with Swift, refused Tests/Sanitizers/mutex.c'
        options+=(-Xlinker "$place/mutex.o")
    fi
    for what in '--product warrend' '--product warren' '--product warren-control' --build-tests; do
        # shellcheck disable=SC2086
        swift build "${options[@]}" $what >"$place/build.log" 2>&1 ||
            { tail -n 40 "$place/build.log" | cut -c1-300 >&2; fail "the build failed; the whole log is $place/build.log"; }
    done
}

# one PROGRAMS BUNDLE FILTER LOG: runs the tests that fit; false if one fails or none fits. Faults on purpose are left out: sanitizers take them
# for their own.
one() {
    WARREN_BIN=$1 timeout --kill-after=5 900 "$2" --testing-library swift-testing --filter "$3" --skip '^KernelTests\.CrashReportTests' >"$4" 2>&1 &&
        grep -q 'Test run with [1-9]' "$4"
}

# check SANITIZER PROGRAMS: runs the rows, tells each as it ends, and the table; false if one fails or something is reported.
check() {
    local sanitizer=$1 programs=$2 reports=$scratch/sanitizers/$1/reports supp=$PWD/Tests/Sanitizers
    local row number=0 broken=0 total=0 kind name filter bundle begin outcome found watched place table=()
    rm -rf "$reports"
    # What a program without privileges reports must find its place too.
    for row in "${rows[@]}"; do
        [[ $row =~ $only ]] || continue
        number=$((number + 1))
        kind=${row%% *} name=${row#* } name=${name%%|*}
        place=$reports/$number-$kind-$name
        mkdir -p -m 1777 "$place"
        if [[ $kind == unit ]]; then
            filter="^${name}Tests\\." bundle=$(echo "$programs"/*PackageTests.xctest)
        else
            filter="^HostTests\\..*/$name/.*${row##*|}" bundle=$tests
        fi
        # Each program that runs begins a report, by which we know that it was watched.
        local common="log_path=$place/report:verbosity=1"
        # Programs are children of the tests and take these from them. Swift's own backtraces would get in the sanitizer's way.
        export SWIFT_BACKTRACE=enable=no
        # A race is told and the program goes on, so that the scenario tells of itself alone.
        export TSAN_OPTIONS="$common:exitcode=0:history_size=4:second_deadlock_stack=1:suppressions=$supp/thread.supp"
        export ASAN_OPTIONS="$common:exitcode=66:detect_leaks=1:detect_stack_use_after_return=0:allocator_may_return_null=1"
        export LSAN_OPTIONS="suppressions=$supp/leak.supp:print_suppressions=0"
        export UBSAN_OPTIONS="$common:print_stacktrace=1:halt_on_error=1"
        begin=$SECONDS outcome=passed
        # A sanitized program is ten times as slow, and what must be ready within a second may not be: what fails twice is broken.
        if ! one "$programs" "$bundle" "$filter" "$place/test.log"; then
            outcome='passed, the second time'
            mv "$place/test.log" "$place/first.log"
            one "$programs" "$bundle" "$filter" "$place/test.log" || outcome=failed
        fi
        found=$(cat "$place"/report.* 2>/dev/null | grep -acE '^SUMMARY|runtime error' || true)
        watched=$(find "$place" -name 'report.*' | wc -l)
        ((watched > 0)) || outcome='failed: nothing was watched'
        total=$((total + found))
        [[ $outcome != failed* ]] || broken=$((broken + 1))
        extent=${row##*|}
        [[ $kind != unit ]] || extent=$(sed -n 's/.*Test run with \([0-9]* tests*\).*/\1/p' "$place/test.log")
        table+=("| $kind | $name | $extent |" \
            " $outcome | $watched | $found | $((SECONDS - begin)) s |"$'\n')
        printf '  %4d s  %s: %s, %d programs, %d reports\n' $((SECONDS - begin)) "${row/|/: }" "$outcome" "$watched" "$found"
        if [[ $outcome == failed ]]; then
            grep -aE '✘|recorded an issue' "$place/test.log" | head -n 6 | cut -c1-300 | sed 's/^/    /' || true
        fi
    done
    printf '\n| kind | of | what | outcome | programs | reports | time |\n|---|---|---|---|--:|--:|--:|\n'
    printf '%s' "${table[@]}"
    printf '\n'
    find "$reports" -name 'report.*' -exec grep -ahE '^SUMMARY|runtime error' {} + | sort | uniq -c | sort -rn | head -n 30 | sed 's/^/  /'
    printf '%s: %d rows, %d failed, %d reports%s\n' "$sanitizer" "$number" "$broken" "$total" "$( ((total == 0)) || printf ' in %s' "$reports")"
    ((broken == 0 && total == 0))
}

export WARREN_STRICT=1
if ! $built; then
    deploy/install-dependencies.sh >&2
    printf 'building the tests …\n'
    swift build --scratch-path "$scratch" --build-tests >"$scratch/tests-build.log" 2>&1 ||
        { tail -n 40 "$scratch/tests-build.log" >&2; fail 'the tests could not be built'; }
fi
tests=$(echo "$scratch"/debug/*PackageTests.xctest)
outcome=0
for sanitizer in "${wanted[@]}"; do
    printf '%s\n' "$($built || printf 'building for ')$sanitizer …"
    options=(--sanitize="$sanitizer")
    # Swift has no such sanitizer; the shims in C do. Its runtime is part of the other one.
    [[ $sanitizer != address ]] || options+=(-Xcc -fsanitize=undefined)
    $built || build "$sanitizer" "${options[@]}"
    check "$sanitizer" "$scratch/sanitizers/$sanitizer/release" || outcome=1
done
exit "$outcome"
