# SPDX-License-Identifier: Apache-2.0
"""What processes used, from /proc: processor time with the kernel's on their behalf, and anonymous memory.

A process' time holds system calls and what the kernel does in interrupts and softirqs on its time, which is most of a veth's work; what
`ksoftirqd` does on its own is in nobody's account but the machine's.
"""
import os

TICK = os.sysconf("SC_CLK_TCK")


def family(roots):
    """The processes and all their descendants."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parent = int(file.read().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(name))
            except (FileNotFoundError, ProcessLookupError):
                pass
    found, rest = [], list(roots)
    while rest:
        process = rest.pop()
        found.append(process)
        rest += children.get(process, [])
    return found


def seconds(roots):
    """User and system time of the processes, all threads, ended ones too."""
    total = 0
    for process in family(roots):
        with open(f"/proc/{process}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def anonymous(roots):
    """Bytes of anonymous memory; the kernel's, of sockets, isn't among them."""
    total = 0
    for process in family(roots):
        with open(f"/proc/{process}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Anonymous:"))
    return total


def machine():
    """Busy and stolen seconds of all processors since the start."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = (int(field) for field in file.readline().split()[1:9])
    return (user + nice + system + irq + softirq) / TICK, steal / TICK
