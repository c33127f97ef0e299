#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Names the functions in the crash report of warrend or warren: copies a log, and adds function, file and line to each of the program's frames.
# Debug information is what deploy/build.sh put beside the program as PROGRAM.debug; it must be of the build that crashed.
#
#   deploy/symbolize.sh PROGRAM < LOG
#   journalctl -u warrend | deploy/symbolize.sh .build/programs/warrend
set -euo pipefail

fail() { printf 'symbolize: %s\n' "$*" >&2; exit 1; }
[[ $# == 1 && $1 != -* ]] || fail "usage: $0 PROGRAM < LOG"
program=$1
name=$(basename "$program" .debug)
debug=${program%.debug}.debug
[[ -r $debug ]] || fail "no $debug: build the version that crashed with deploy/build.sh"
command -v addr2line >/dev/null || fail "no addr2line: install binutils"

mapfile -t lines
frame="crash: #[0-9]+ $name\+(0x[0-9a-f]+)"
offsets=() builds=()
for line in "${lines[@]}"; do
    if [[ $line =~ $frame ]]; then offsets+=("${BASH_REMATCH[1]}"); fi
    if [[ $line =~ crash:\ $name\ .*build-id\ ([0-9a-f]+) ]]; then builds+=("${BASH_REMATCH[1]}"); fi
done
((${#offsets[@]} > 0)) || fail "no crash report of $name in this log"

id=$(readelf -n "$debug" 2>/dev/null | sed -n 's/.*Build ID: //p')
for build in "${builds[@]}"; do
    [[ $build == "$id" ]] || fail "the report is of build $build, $debug is of $id: take the debug file of the build that crashed"
done

# addr2line answers each address with itself and then function and place in turn, the inlined ones first.
declare -A answers
offset=
while IFS= read -r line; do
    if [[ $line =~ ^0x0*([0-9a-f]+)$ ]]; then
        offset=0x${BASH_REMATCH[1]}
        answers[$offset]=
    else
        IFS= read -r place || true
        # Paths as in the repository; those of the toolchain's own sources stay.
        [[ $place =~ ^.*/(Sources/.*)$ ]] && place=${BASH_REMATCH[1]}
        answers[$offset]+="      $line at ${place% (discriminator*}"$'\n'
    fi
done < <(addr2line -e "$debug" -a -f -i "${offsets[@]}" | { if command -v swift-demangle >/dev/null; then swift-demangle -simplified; else cat; fi; })

for line in "${lines[@]}"; do
    printf '%s\n' "$line"
    if [[ $line =~ $frame ]]; then printf '%s' "${answers[${BASH_REMATCH[1]}]:-}"; fi
done
