#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fuzzes the readers of what others write: libFuzzer with AddressSanitizer, one worker. An input that breaks something is kept as
# Corpus/crash-… of its target and stays there once the reader is mended: the ordinary tests replay every Corpus. What else is found lies
# in the scratch folder and is where the next run goes on.
#
#   Tests/Fuzz/run.sh                        every target for 60 seconds
#   Tests/Fuzz/run.sh --seconds 600 TLS      one target, or several, for longer
#   Tests/Fuzz/run.sh --replay JSON FILE…    these inputs once each, with the sanitizer's report
#   Tests/Fuzz/run.sh --built …              with the harnesses as they were built last
#   WARREN_SCRATCH=DIR                       builds and collects there instead of .build
#
# Seconds are of the processor, not of the clock: beside other work, as under `chrt --idle 0`, a run only takes longer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

fuzz=Tests/Fuzz
scratch=${WARREN_SCRATCH:-.build}/fuzz
seconds=60
replay=false
built=false
targets=()

fail() { printf 'fuzz: %s\n' "$*" >&2; exit 2; }

while (($# > 0)); do
    case $1 in
        --seconds) [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || fail "--seconds needs a number"; seconds=$2; shift ;;
        --replay) replay=true ;;
        --built) built=true ;;
        -*) fail "unknown option '$1': --seconds N, --built or --replay" ;;
        *) targets+=("$1") ;;
    esac
    shift
done
if $replay; then
    ((${#targets[@]} > 1)) || fail "--replay needs a target and the files to replay"
    files=("${targets[@]:1}")
    targets=("${targets[0]}")
fi
if ((${#targets[@]} == 0)); then
    for corpus in "$fuzz"/*/Corpus; do targets+=("$(basename "$(dirname "$corpus")")"); done
fi
for target in "${targets[@]}"; do
    [[ -d $fuzz/$target/Corpus ]] || fail "no target '$target': there are $(cd "$fuzz" && echo */Corpus | sed 's|/Corpus||g')"
done

# Builds the harnesses with all modules below them as one archive, which libFuzzer's main then calls into: SwiftPM can't link the two.
build() {
    local options=(-c release --scratch-path "$scratch" --product FuzzHarnesses -Xswiftc -sanitize=fuzzer,address -Xswiftc -g)
    local log=$scratch/build.log
    export WARREN_STRICT=1
    mkdir -p "$scratch"
    printf 'building …\n'
    swift build "${options[@]}" >"$log" 2>&1 || { tail -n 60 "$log" >&2; fail "the build failed; the whole log is $log"; }
    local archive
    archive=$(swift build "${options[@]}" --show-bin-path)/libFuzzHarnesses.a
    local libraries
    libraries=$(pkg-config --libs openssl libnghttp2 yaml-0.1 libnftables)
    # shellcheck disable=SC2086
    swiftc -use-ld=lld -sanitize=fuzzer,address -o "$scratch/fuzz" \
        -Xlinker --whole-archive "$archive" -Xlinker --no-whole-archive $libraries >>"$log" 2>&1 ||
        { tail -n 60 "$log" >&2; fail "the link failed; the whole log is $log"; }
}

# processor_seconds PID: what it has used of the processor; nothing if it has ended.
processor_seconds() { awk -v ticks="$(getconf CLK_TCK)" '{ print int(($14 + $15) / ticks) }' "/proc/$1/stat" 2>/dev/null || true; }

# fuzz_target NAME: runs it, tells how it went in one line; false if something broke.
fuzz_target() {
    local name=$1 corpus=$fuzz/$1/Corpus found=$scratch/found/$1 crashes=$scratch/crashes/$1 log=$scratch/$1.log
    mkdir -p "$found" "$crashes"
    ln -f "$scratch/fuzz" "$scratch/fuzz-$name"
    local options=(
        -timeout="$patience" -rss_limit_mb=1024 -max_len=8192 -len_control=20 -print_final_stats=1 -reload=0
        -report_slow_units=600
        -artifact_prefix="$crashes/"
    )
    if [[ -f $fuzz/Dictionaries/$name.dict ]]; then options+=(-dict="$fuzz/Dictionaries/$name.dict"); fi
    local status=0 used=0 now
    "$scratch/fuzz-$name" "${options[@]}" "$found" "$corpus" >"$log" 2>&1 &
    fuzzer=$!
    while now=$(processor_seconds "$fuzzer") && [[ -n $now ]] && kill -0 "$fuzzer" 2>/dev/null; do
        used=$now
        # It ends after the input that it is at, with its statistics.
        ((used < seconds)) || kill -USR1 "$fuzzer" 2>/dev/null || true
        sleep 0.5
    done
    wait "$fuzzer" || status=$?
    fuzzer=
    tell "$name" "$log" "$used"
    local crash kept=0
    for crash in "$crashes"/*; do
        [[ -f $crash ]] || continue
        mv "$crash" "$corpus/$(basename "$crash" | cut -c1-18)"
        kept=$((kept + 1))
    done
    ((status != 0 || kept > 0)) || return 0
    printf '  broken: the input is kept in %s; the report:\n' "$corpus"
    grep -aE 'warren: bug|Fatal error|SUMMARY|ERROR: |ALARM' "$log" | head -n 6 | sed 's/^/    /'
    printf '  the whole log is %s\n' "$log"
    return 1
}

# tell NAME LOG SECONDS: seconds of the processor, executions, edges of our code covered at the start and at the end, size of what was collected.
tell() {
    local runs before after features inputs
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$2" | tail -n 1)
    before=$(sed -n 's/.*INITED *cov: \([0-9]*\).*/\1/p' "$2" | head -n 1)
    after=$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$2" | tail -n 1)
    features=$(sed -n 's/.* ft: \([0-9]*\).*/\1/p' "$2" | tail -n 1)
    inputs=$(sed -n 's/.* corp: \([0-9]*\).*/\1/p' "$2" | tail -n 1)
    printf '%-14s %5d s %10s executions   %6s → %6s edges   %6s features   %5s inputs\n' \
        "$1" "$3" "${runs:-?}" "${before:-?}" "${after:-?}" "${features:-?}" "${inputs:-?}"
}

# The runtime's own backtracer would hang for minutes on a sanitized program.
export SWIFT_BACKTRACE=enable=no
# A handshake allocates thousands of times: short traces and a quarantine that fits the cache make the sanitizer half as dear.
export ASAN_OPTIONS=detect_leaks=${WARREN_FUZZ_LEAKS:-1}:allocator_may_return_null=1:malloc_context_size=8:quarantine_size_mb=16
export LSAN_OPTIONS=suppressions=$PWD/Tests/Sanitizers/leak.supp:print_suppressions=0
# An input may take ten seconds. Who only gets the processor when nobody else wants it can't tell that by the clock.
patience=10
if chrt --pid $$ 2>/dev/null | grep -q SCHED_IDLE; then patience=300; fi
fuzzer=
trap '[[ -z $fuzzer ]] || kill -KILL "$fuzzer" 2>/dev/null || true' EXIT
if $built; then
    [[ -x $scratch/fuzz ]] || fail "nothing was built yet: run it without --built"
else
    build
fi
if $replay; then
    ln -f "$scratch/fuzz" "$scratch/fuzz-${targets[0]}"
    exec "$scratch/fuzz-${targets[0]}" "${files[@]}"
fi
broken=0
for target in "${targets[@]}"; do fuzz_target "$target" || broken=$((broken + 1)); done
printf '%d targets, %d broken\n' "${#targets[@]}" "$broken"
((broken == 0))
