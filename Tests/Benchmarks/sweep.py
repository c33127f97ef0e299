# SPDX-License-Identifier: Apache-2.0
"""The peers with other settings than the committed ones: whoever says that they were detuned finds here what else they can do."""
import argparse
import statistics

import document
import lab
import load
from rows import ROWS
from systems import ALL

COMMITTED = {"buffer": 64, "workers": 2, "reuseport": False}
VARIANTS = [
    ("nginx", "as committed", {}),
    ("nginx", "16 KiB buffers", {"buffer": 16}),
    ("nginx", "256 KiB buffers", {"buffer": 256}),
    ("nginx", "1 worker", {"workers": 1}),
    ("nginx", "4 workers", {"workers": 4}),
    ("nginx", "reuseport", {"reuseport": True}),
    ("haproxy", "as committed", {}),
    ("haproxy", "16 KiB buffers", {"buffer": 16}),
    ("haproxy", "256 KiB buffers", {"buffer": 256}),
    ("haproxy", "1 thread", {"workers": 1}),
    ("haproxy", "4 threads", {"workers": 4}),
]
FIGURES = [
    ("stream", "Gbit/s"), ("stream", "CPU s/GB"), ("four", "Gbit/s"), ("requests-32", "requests/s"), ("requests-32", "p99 µs"),
    ("requests-32", "CPU µs/request"), ("connections", "connections/s"), ("connections", "CPU µs/connection"),
]


def run(options, say, told):
    systems = []
    for number, (kind, what, changes) in enumerate(VARIANTS):
        settings = argparse.Namespace(**{**vars(options), **COMMITTED, **changes})
        system = ALL[kind](settings, f"{kind}{number}")
        system.start()
        load.digest(system, 20)
        say(f"{'start':12} {kind}, {what}: serves, and what it carries is whole")
        systems.append((system, f"{kind}, {what}"))
    samples = {}
    rows = [row for row in ROWS if row.name in {name for name, _ in FIGURES}]
    for number in range(options.rounds):
        for row in rows:
            for system, what in systems:
                figures = row.measure(system, options)
                say(f"round {number + 1}/{options.rounds}    {row.name:12} {what:24} {told(figures)}")
                for metric, value in figures.items():
                    samples.setdefault((what, row.name, metric), []).append(value)
    lines = [["peer", *(f"{name} {metric}" for name, metric in FIGURES)]]
    for _, what in systems:
        medians = (statistics.median(samples[(what, *figure)]) for figure in FIGURES)
        lines.append([what, *(f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in medians)])
    table = "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], ["---", *["--:"] * len(FIGURES)], *lines[1:]])
    print(f"\n{table}", flush=True)
    if options.markdown:
        document.put("sweep", f"Medians of {options.rounds} rounds of {options.seconds} s, {options.congestion} on every socket.\n\n{table}")
