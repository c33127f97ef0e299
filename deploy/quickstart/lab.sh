#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The first process of the demonstration's own pid, mount and network namespaces; deploy/quickstart.sh starts it there, with
# PATH leading to the programs. Everything else is started by it and ends with it: when its standard input ends, for whatever
# reason, it ends too, and the kernel ends the rest and takes the namespaces and mounts away. Nothing is written outside of /run,
# which is its own.
#
# Its output is that of the tour; a line that begins with @ is for the one who started it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
limit=150

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lab /run/netns
ln -s "$here/on" /run/lab/on
printf '@namespace %s\n' "$(readlink /proc/self/ns/pid)"

{
    outcome=0
    timeout --kill-after=5 "$limit" "$here/tour.sh" "$@" </dev/null 2>&1 || outcome=$?
    if ((outcome == 124 || outcome == 137)); then printf 'the tour took longer than %s s\n' "$limit"; fi
    printf '@outcome %s\n' "$outcome"
} &

# The other end is held by quickstart.sh alone: however that ends, this ends.
read -r word || exit 1
[[ $word == keep ]] || exit 0
# Ignored, children end without anybody waiting for them.
trap '' CHLD
exec sleep infinity >/dev/null 2>&1
