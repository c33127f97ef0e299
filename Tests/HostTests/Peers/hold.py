# SPDX-License-Identifier: Apache-2.0
"""Stops one thread of a process for a while, by ptrace: `hold.py PID THREAD SECONDS`. The other threads go on, and the held one does afterwards."""
import ctypes
import os
import pathlib
import sys
import time

import tcp

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
ALL_THREADS = 0x40000000

process, name, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
threads = [int(task.name) for task in pathlib.Path(f"/proc/{process}/task").iterdir() if (task / "comm").read_text().strip() == name]
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        sys.exit(f"ptrace {request:#x} of {thread}: {os.strerror(ctypes.get_errno())}")


(thread,) = threads
ptrace(SEIZE, thread)
ptrace(INTERRUPT, thread)
os.waitpid(thread, ALL_THREADS)
tcp.tell(event="held", at=time.monotonic())
time.sleep(seconds)
released = time.monotonic()
ptrace(DETACH, thread)
tcp.tell(event="released", at=released)
