# SPDX-License-Identifier: Apache-2.0
"""Where the proxies' time goes while a row is measured: `perf record`, for those who asked by --profile. perf must be installed."""
import contextlib
import os
import signal
import subprocess

import account


@contextlib.contextmanager
def profiled(system, row, run):
    processes = account.family(system.proxies(row.near)) if run.profile else []
    if not processes:
        yield
        return
    os.makedirs(run.profile, exist_ok=True)
    argv = ["perf", "record", "--quiet", "-F", "999", "-g", "-o", f"{run.profile}/{system.name}-{row.name}.data", "-p", ",".join(map(str, processes))]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as recording:
        try:
            yield
        finally:
            recording.send_signal(signal.SIGINT)
