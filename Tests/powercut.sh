#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Cuts the power of a machine under warren-control's writes (I23): Tests/powercut.sh [--kills N] [--seed N] [--without-flush]
#
#   --kills          how often the power is cut: 20
#   --seed           of the moments, to have them again
#   --without-flush  flushes do nothing: passes if lost writes are found
#   WARREN_BIN=DIR   takes the programs in DIR instead of building
#
# Takes some 6 minutes for 20 cuts. Needs root for apt, or the packages: qemu-system-x86, busybox-static, cpio, and the kernel that it unpacks.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ${1:-} =~ ^(-h|--help)$ ]]; then
    sed -n '3,12s/^# \{0,1\}//p' Tests/powercut.sh
    exit
fi
programs=${WARREN_BIN:-$(deploy/build.sh | tail -n 1)}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

missing=()
for pair in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio curl:curl mkfs.ext4:e2fsprogs; do
    command -v "${pair%%:*}" > /dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "powercut: installing ${missing[*]}"
    apt-get -qq install -y --no-install-recommends "${missing[@]}" > /dev/null
fi

# Debian's kernel for virtual machines, unpacked and not installed.
package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2 }')
(cd "$folder" && apt-get -qq download "$package" 2> /dev/null && dpkg -x "$package"*.deb kernel)

python3 Tests/PowerCut/powercut.py --programs "$programs" --kernel "$folder/kernel" "$@"
