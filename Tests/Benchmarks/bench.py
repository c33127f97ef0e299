# SPDX-License-Identifier: Apache-2.0
"""The run: systems, rounds, and what becomes of the figures. Started by run.sh, as the first process of namespaces of its own."""
import argparse
import fnmatch
import os
import sys
import time

import account
import document
import lab
import load
import sweep
from perf import profiled
from results import Results
from rows import ROWS
from systems import ALL

BEGUN = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - BEGUN:4.0f} s] {text}", flush=True)


def options():
    parser = argparse.ArgumentParser(
        prog="Tests/Benchmarks/run.sh", description="Measures Warren beside an nginx pair, a HAProxy pair and nothing, in the same run.",
        epilog="rows: " + ", ".join(row.name for row in ROWS) + ". Words of --only may have * in them.")
    parser.add_argument("--quick", action="store_true", help="short, within 3 minutes: to see, not to quote")
    parser.add_argument("--only", metavar="ROW,…", help="only these rows")
    parser.add_argument("--systems", metavar="NAME,…", default=",".join(ALL), help="only these systems: " + ", ".join(ALL))
    parser.add_argument("--rounds", type=int, help="rounds after the warm-up (5; 2 with --quick)")
    parser.add_argument("--seconds", type=int, help="seconds per sample (4; 1 with --quick)")
    parser.add_argument("--congestion", default="cubic", help="on every socket of every system: cubic (default), bbr, …; host leaves it alone")
    parser.add_argument("--json", metavar="FILE", help="writes every figure, with its samples")
    parser.add_argument("--samples", metavar="FILE", help="keeps the samples in FILE and adds to those that are there: a long run in pieces")
    parser.add_argument("--settle", type=int, metavar="SECONDS", help="of idleness before memory is read (12; 1 with --quick)")
    parser.add_argument("--markdown", action="store_true", help="writes the table into docs/benchmarks.md")
    parser.add_argument("--profile", metavar="FOLDER", help="perf.data of the proxies into this folder, SYSTEM-ROW.data, last sample of each")
    parser.add_argument("--sweep", action="store_true", help="instead: the peers with other settings than the committed ones")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="the peers' workers per proxy (as warrend has loops: one per processor)")
    parser.add_argument("--buffer", type=int, default=64, metavar="KIB", help="the peers' buffers (64)")
    parser.add_argument("--reuseport", action="store_true", help="a listening socket per worker of nginx")
    words = parser.parse_args()
    words.rounds = words.rounds or (2 if words.quick else 5)
    words.seconds = words.seconds or (1 if words.quick else 4)
    # The digest check is warm-up enough to see.
    words.warm_up = 0 if words.quick else 1
    words.idle_connections = [2000] if words.quick else [2000, 10000]
    # warrend gives buffers back after ten idle seconds.
    words.settle = words.settle or (1 if words.quick else 12)
    words.programs = os.environ.get("WARREN_BIN", "")
    wanted = words.only.split(",") if words.only else ["*"]
    words.rows = [row for row in ROWS if any(fnmatch.fnmatch(row.name, pattern) for pattern in wanted)]
    words.systems = words.systems.split(",")
    if not words.rows or any(name not in ALL for name in words.systems):
        parser.error("there is no such row or system; --help names them")
    return words


def told(figures):
    return "  ".join(f"{value:,.4g} {metric}" if abs(value) < 1000 else f"{value:,.0f} {metric}" for metric, value in figures.items())


def measure(row, systems, run, results, label, counts=True):
    for system in systems:
        if row.near and not system.has_near:
            continue
        with profiled(system, row, run):
            figures = row.measure(system, run)
        if figures is None:
            continue
        if counts:
            results.add(row, system.name, figures)
        say(f"{label:12} {row.name:17} {system.name:8} {told(figures)}")


def main():
    run = options()
    lab.prepare(f"{run.programs}/warren", run.congestion)
    if run.sweep:
        sweep.run(run, say, told)
        return
    results = Results(ROWS, run.samples)
    systems = []
    for name in run.systems:
        system = ALL[name](run)
        system.start()
        systems.append(system)
        near = [False] * any(not row.near for row in run.rows) + [True] * (system.has_near and any(row.near for row in run.rows))
        for way in near:
            load.digest(system, 20 if run.quick else 100, way)
        say(f"{'start':12} {name} serves; what it carries is whole, both ways{', within the host too' if True in near else ''}")
    busy, stolen = account.machine()
    begun = time.monotonic()
    for row in run.rows:
        if row.once:
            measure(row, systems, run, results, "once")
    results.save()
    repeated = [row for row in run.rows if not row.once]
    if run.warm_up:
        seconds, run.seconds = run.seconds, run.warm_up
        for row in repeated:
            measure(row, systems, run, results, "warm-up", counts=False)
        run.seconds = seconds
    for number in range(run.rounds if repeated else 0):
        # Another one begins each time, so that nobody always follows the same.
        turned = systems[number % len(systems):] + systems[:number % len(systems)]
        for row in repeated:
            measure(row, turned, run, results, f"round {number + 1}/{run.rounds}")
        results.save()
    took = time.monotonic() - begun
    stolen = (account.machine()[1] - stolen) / took / os.cpu_count()

    print(f"\n{results.text()}\n\nmedians of {results.told_rounds()} rounds of {run.seconds} s, ± half the spread; {run.congestion} on every socket; "
          f"{stolen * 100:.1f} % of the processors stolen by the hypervisor\n{results.summary()}", flush=True)
    if run.json:
        with open(run.json, "w") as file:
            file.write(results.json())
    if run.markdown:
        document.write(results, run, stolen)


if __name__ == "__main__":
    try:
        main()
    except lab.Failure as failure:
        print(f"benchmark: {failure}", file=sys.stderr, flush=True)
        sys.exit(1)
