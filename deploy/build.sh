#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the release programs, for every use: tests, packages, the quickstart. Each carries a build-id; its debug information lies
# beside it as PROGRAM.debug. The Swift runtime is linked in, so no Swift library is needed where the programs run.
#
#   deploy/build.sh              prints the folder with the programs as its last line
#   WARREN_SCRATCH=DIR           builds there instead of .build
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mapfile -t programs < <(sed -n 's/^ *\.executable(name: "\([^"]*\)".*/\1/p' Package.swift)
scratch=${WARREN_SCRATCH:-.build}
place=$scratch/programs

fail() { printf 'build: %s\n' "$*" >&2; exit 1; }
command -v swift >/dev/null || fail "no swift on PATH: run deploy/install-dependencies.sh"

options=(
    -c release --static-swift-stdlib --scratch-path "$scratch"
    -Xswiftc -g -Xcc -g -Xlinker --build-id=sha1 -Xlinker --gc-sections
    # What the loader fills in is read-only before the first line runs.
    -Xlinker -z -Xlinker relro -Xlinker -z -Xlinker now
    # Where it was built doesn't show in what was built.
    -Xcc "-ffile-prefix-map=$PWD=." -Xswiftc -file-prefix-map -Xswiftc "$PWD=."
)
export WARREN_STRICT=1
for program in "${programs[@]}"; do
    swift build "${options[@]}" --product "$program" >&2
done
built=$(swift build "${options[@]}" --show-bin-path)

# Whole files are renamed into place: a program that runs keeps its old one.
mkdir -p "$place"
for program in "${programs[@]}"; do
    objcopy --only-keep-debug "$built/$program" "$place/$program.debug"
    objcopy --strip-debug --strip-unneeded "$built/$program" "$place/$program.new"
    (cd "$place" && objcopy --add-gnu-debuglink="$program.debug" "$program.new")
    mv "$place/$program.new" "$place/$program"
done

for program in "${programs[@]}"; do
    # ldd names what the loader would need; a Swift library among it means that the static link failed.
    if ldd "$place/$program" | grep -E 'libswift|libFoundation|libdispatch' >&2; then
        fail "$program needs a Swift library at run time: it must be linked statically"
    fi
    id=$(readelf -n "$place/$program" | sed -n 's/.*Build ID: //p')
    [[ -n $id ]] || fail "$program has no build-id"
    printf 'build: %s, %s KiB, build-id %s\n' "$program" "$(($(stat -c %s "$place/$program") / 1024))" "$id" >&2
done
(cd "$place" && pwd)
