#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Cuts the power of a machine under warren-control's writes (I23): Tests/powercut.sh [--kills N] [--seed N] [--without-flush]
# Takes some 6 minutes for 20 cuts. Needs root for apt, or the packages: qemu-system-x86, busybox-static, cpio, and the kernel that it unpacks.
set -euo pipefail
cd "$(dirname "$0")/.."

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

deploy/build.sh
python3 Tests/PowerCut/powercut.py --programs .build/programs --kernel "$folder/kernel" "$@"
