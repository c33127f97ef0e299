#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
#
# The first process of the guest of Tests/powercut.sh: begins warren-control on the disk, tells on the console which services it holds, and then makes
# services for ever, each told when it was acknowledged. The host ends the machine while it does.

/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mkdir -p /tmp
for module in /modules/virtio_ring.ko /modules/virtio.ko /modules/virtio_pci_legacy_dev.ko /modules/virtio_pci_modern_dev.ko \
    /modules/virtio_pci.ko /modules/virtio_blk.ko; do
    [ -e "$module" ] && insmod "$module"
done
ifconfig lo 127.0.0.1 up
tries=0
until [ -e /dev/vda ] || [ $tries -gt 50 ]; do tries=$((tries + 1)); usleep 100000; done
mount -t ext4 /dev/vda /state || { echo "powercut: the disk cannot be mounted: $( (ls /modules; cat /proc/modules; dmesg | tail -n 12) 2>&1 | tr "\n" ";")"; poweroff -f; }
dmesg -n 1

read -r boot < /boot-number
[ -e /shim.so ] && export LD_PRELOAD=/shim.so
warren-control --config /control.yaml > /run/log 2>&1 &
unset LD_PRELOAD

ready() { curl -s http://127.0.0.1:15014/healthz/ready | grep -q '^ready'; }
tries=0
until ready; do
    tries=$((tries + 1))
    if [ $tries -gt 300 ]; then
        echo "powercut: warren-control isn't ready: $(tail -n 3 /run/log)"
        poweroff -f
    fi
    usleep 100000
done

services=http://localhost/api/v1/namespaces/default/services
echo "powercut: holding"
curl -s --unix-socket /run/warren/control.sock "$services" | grep -o '"name":"s-[0-9]*-[0-9]*"\|"clusterIP":"[0-9.]*"' | sed 's/.*:"\(.*\)"/\1/' \
    | while read -r name; do read -r address; echo "powercut: held $name $address"; done
echo "powercut: held all"

# Requests one after the other on one connection, by one process: a new one for each would take longer than the writes.
number=0
while [ $number -lt 500 ]; do
    number=$((number + 1))
    [ $number = 1 ] || echo next
    printf 'url = "%s"\nsilent\nunix-socket = "/run/warren/control.sock"\nheader = "Content-Type: application/json"\noutput = "/dev/null"\n' "$services"
    printf 'write-out = "powercut: answered %s %%{http_code}\\n"\n' "s-$boot-$number"
    printf 'data = "{\\"apiVersion\\":\\"v1\\",\\"kind\\":\\"Service\\",\\"metadata\\":{\\"name\\":\\"%s\\"},\\"spec\\":{\\"ports\\":[{\\"port\\":80}]}}"\n' \
        "s-$boot-$number"
done > /run/requests
curl -K /run/requests
echo "powercut: written all"
sleep 1000
