# SPDX-License-Identifier: Apache-2.0
"""Puts a run's table into docs/benchmarks.md, between its markers; the prose around them stays."""
import os
import platform
import re
import time

import lab

PAGE = f"{lab.HERE}/../../docs/benchmarks.md"


def _version(argv, pattern):
    found = re.search(pattern, lab.run(argv, check=False) or "")
    return found.group(1) if found else "?"


def _processor():
    with open("/proc/cpuinfo") as file:
        return re.search(r"model name\s*:\s*(.*)", file.read()).group(1)


def machine():
    """The day, and what it was measured on."""
    return f"{time.strftime('%Y-%m-%d', time.gmtime())}, {os.cpu_count()} processors ({_processor()}), Linux {platform.release().split('-')[0]}"


def about(results, run, stolen):
    """One paragraph: what was measured, on what."""
    return (
        f"{machine()}, nginx {_version(['sh', '-c', 'nginx -v 2>&1'], r'nginx/([0-9.]+)')}, "
        f"HAProxy {_version(['haproxy', '-v'], r'version ([0-9.]+)')}, {_version(['openssl', 'version'], r'(OpenSSL [0-9.]+)')}; "
        f"{run.congestion} on every socket. Medians of {results.told_rounds()} rounds of {run.seconds} s, "
        f"± half the distance between the least and the greatest; {stolen * 100:.1f} % of the processors were stolen by the hypervisor. "
        "A ratio is Warren's figure by the peer's.")


def put(name, content, by="run.sh"):
    """Replaces what stands between the markers of this name."""
    with open(PAGE) as file:
        text = file.read()
    begin, end = f"<!-- {name}: Tests/Benchmarks/{by} --markdown writes this -->", f"<!-- end of {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise lab.Failure(f"docs/benchmarks.md has no place for {name}: it must hold the lines\n{begin}\n{end}")
    before, rest = text.split(begin)
    with open(PAGE, "w") as file:
        file.write(f"{before}{begin}\n\n{content}\n\n{end}{rest.split(end)[1]}")


def write(results, run, stolen):
    put(run.congestion, f"{about(results, run, stolen)}\n\n{results.markdown()}\n\n{results.summary()}.")
