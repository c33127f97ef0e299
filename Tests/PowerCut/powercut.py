# SPDX-License-Identifier: Apache-2.0
"""Cuts the power of a machine while warren-control writes, again and again, and looks whether everything that was acknowledged is there (I23).

A process that is killed loses nothing that it wrote: the page cache stays. So the machine is a guest of qemu, without acceleration, whose disk has no
cache of its own, and what is killed is the guest.
"""

import argparse
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = ["virtio.ko", "virtio_ring.ko", "virtio_pci_legacy_dev.ko", "virtio_pci_modern_dev.ko", "virtio_pci.ko", "virtio_blk.ko"]
CONFIGURATION = "directory: /state/control\nsocket: /run/warren/control.sock\n"


def libraries(program):
    """What the loader opens for a program, the loader too."""
    found = set()
    for line in subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout.splitlines():
        for word in line.split():
            if word.startswith("/"):
                found.add(word)
                break
    return found


class Guest:
    """The files of the guest, and its disk."""

    def __init__(self, folder, programs, kernel, shim):
        self.folder = folder
        self.kernel = kernel
        self.disk = f"{folder}/disk.img"
        root = f"{folder}/root"
        for name in ["bin", "dev", "proc", "sys", "run", "state", "tmp", "modules", "etc"]:
            os.makedirs(f"{root}/{name}")
        shutil.copy("/bin/busybox", f"{root}/bin/busybox")
        os.symlink("busybox", f"{root}/bin/sh")
        shutil.copy(f"{HERE}/init", f"{root}/init")
        os.chmod(f"{root}/init", 0o755)
        for program in [f"{programs}/warren-control", shutil.which("curl")]:
            shutil.copy(program, f"{root}/bin/{os.path.basename(program)}")
            for library in libraries(program):
                os.makedirs(root + os.path.dirname(library), exist_ok=True)
                shutil.copy(os.path.realpath(library), root + library)
        for folder_name, _, files in os.walk(f"{kernel}/lib/modules"):
            for name in files:
                if name in MODULES:
                    shutil.copy(f"{folder_name}/{name}", f"{root}/modules/{name}")
        with open(f"{root}/control.yaml", "w") as file:
            file.write(CONFIGURATION)
        if shim:
            subprocess.run(["cc", "-shared", "-fPIC", "-o", f"{root}/shim.so", f"{HERE}/unflushed.c"], check=True)
        self.root = root
        with open(self.disk, "wb") as file:
            file.truncate(256 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.disk], check=True)

    def start(self, boot):
        with open(f"{self.root}/boot-number", "w") as file:
            file.write(f"{boot}\n")
        initrd = f"{self.folder}/initrd"
        subprocess.run(f"cd {self.root} && find . | cpio -o -H newc --quiet > {initrd}", shell=True, check=True)
        image = [f"{self.kernel}/boot/{name}" for name in os.listdir(f"{self.kernel}/boot") if name.startswith("vmlinuz")][0]
        return subprocess.Popen(
            [
                "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "512", "-nographic", "-no-reboot", "-nodefaults",
                "-serial", "stdio", "-kernel", image, "-initrd", initrd, "-append",
                "console=ttyS0 quiet panic=-1 random.trust_cpu=on",
                "-drive", f"file={self.disk},format=raw,if=virtio,cache=writethrough",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class Console:
    """The lines of a guest that are meant for us."""

    def __init__(self, process):
        self.process = process
        self.rest = b""

    def lines(self, until):
        """Lines until a moment of time.monotonic(), asked anew each time; ends when the guest does."""
        while (left := until() - time.monotonic()) > 0:
            if not select.select([self.process.stdout], [], [], left)[0]:
                return
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return
            *whole, self.rest = (self.rest + data).split(b"\n")
            for line in whole:
                text = line.decode(errors="replace").strip()
                if "powercut: " in text:
                    yield text.split("powercut: ", 1)[1]


class Failed(Exception):
    pass


def cycle(guest, boot, acknowledged, chance):
    """One life of the machine. Returns what was newly acknowledged, after a check of what was before, and how long it lived after that."""
    process = guest.start(boot)
    held = {}
    try:
        console = Console(process)
        is_whole = False
        patience = time.monotonic() + 180
        for line in console.lines(lambda: patience):
            words = line.split()
            if line == "held all":
                is_whole = True
                break
            if words[0] == "held":
                held[words[1]] = words[2] if len(words) > 2 else ""
            elif line != "holding":
                raise Failed(f"life {boot}: {line}")
        if not is_whole:
            raise Failed(f"life {boot}: the machine said nothing for 180 s")
        lost = acknowledged - held.keys()
        if lost:
            raise Failed(f"life {boot}: {len(lost)} acknowledged services are lost, {sorted(lost)[0]} first")
        if "" in held.values():
            raise Failed(f"life {boot}: a service has no address: half a write")
        if len(set(held.values())) < len(held):
            raise Failed(f"life {boot}: an address belongs to two services")
        fresh = set()
        life = chance.uniform(0.1, 4)
        end = time.monotonic() + 60
        for line in console.lines(lambda: end):
            words = line.split()
            if not fresh:
                end = time.monotonic() + life
            if words[0] == "answered" and words[-1] == "201":
                fresh.add(words[1])
            elif line != "written all":
                raise Failed(f"life {boot}: {line}")
        if not fresh:
            raise Failed(f"life {boot}: nothing was written in 60 s")
        return fresh, life
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="how often the power is cut")
    parser.add_argument("--programs", required=True, help="the folder of warren-control")
    parser.add_argument("--kernel", required=True, help="a folder with boot/vmlinuz-* and lib/modules")
    parser.add_argument("--seed", type=int, default=None, help="of the moments; random without")
    parser.add_argument("--without-flush", action="store_true", help="flushes do nothing: the test must find lost writes")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    chance = random.Random(seed)
    print(f"powercut: {options.kills} cuts, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="warren-powercut-") as folder:
        guest = Guest(folder, options.programs, options.kernel, options.without_flush)
        acknowledged = set()
        try:
            for boot in range(1, options.kills + 2):
                fresh, life = cycle(guest, boot, acknowledged, chance)
                held = len(acknowledged)
                acknowledged |= fresh
                print(f"powercut: life {boot}: all {held} are there; {len(fresh)} more in {life:.1f} s, then the power was cut", flush=True)
        except Failed as failure:
            print(f"powercut: {failure}", flush=True)
            if options.without_flush:
                print("powercut: without flushes writes are lost, as they must be", flush=True)
                return 0
            return 1
        if options.without_flush:
            print("powercut: nothing was lost without flushes: this test can't find what it looks for", flush=True)
            return 1
        print(f"powercut: passed: {len(acknowledged)} acknowledged writes, {options.kills} cuts, none lost, none half", flush=True)
        return 0


if __name__ == "__main__":
    sys.exit(main())
