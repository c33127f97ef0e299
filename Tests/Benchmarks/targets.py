# SPDX-License-Identifier: Apache-2.0
"""What Warren has to reach, as ratios in the same run. `best` is the better of nginx and HAProxy in that figure; no peer: an absolute bound."""
import dataclasses
import re
from typing import Optional


@dataclasses.dataclass(frozen=True)
class Target:
    sign: str
    bound: float
    peer: Optional[str]

    def met(self, value):
        return value >= self.bound if self.sign == "≥" else value <= self.bound

    def __str__(self):
        return f"{self.sign} {self.bound:g} {self.peer}" if self.peer else f"{self.sign} {self.bound:g}"


TARGETS = {
    ("memory", "idle MB"): Target("≤", 16, None),
    ("memory", "bytes/connection at 2000"): Target("≤", 4096, None),
    ("memory", "bytes/connection at 10000"): Target("≤", 4096, None),
    ("stream", "Gbit/s"): Target("≥", 1.15, "best"),
    ("stream", "CPU s/GB"): Target("≤", 0.85, "best"),
    ("stream-reverse", "Gbit/s"): Target("≥", 1.15, "best"),
    ("stream-reverse", "CPU s/GB"): Target("≤", 0.85, "best"),
    ("four", "Gbit/s"): Target("≥", 1.25, "best"),
    ("four-reverse", "Gbit/s"): Target("≥", 1.25, "best"),
    ("requests-1", "p50 µs"): Target("≤", 0.9, "best"),
    ("requests-32", "requests/s"): Target("≥", 1.5, "best"),
    ("requests-32", "p99 µs"): Target("≤", 0.45, "nginx"),
    ("requests-32", "CPU µs/request"): Target("≤", 0.5, "best"),
    ("connections", "connections/s"): Target("≥", 8, "nginx"),
    ("connections", "CPU µs/connection"): Target("≤", 0.08, "nginx"),
    ("beside", "p99 µs"): Target("≤", 0.5, "nginx"),
    ("near-stream", "Gbit/s"): Target("≥", 1.2, "nginx"),
    ("near-four", "Gbit/s"): Target("≥", 1.0, "nginx"),
    ("near-requests-32", "requests/s"): Target("≥", 1.0, "nginx"),
}


def unit(metric):
    """Of `p99 µs`, `CPU s/GB` or `bytes/connection at 2000` the unit alone."""
    return re.sub(r"^(p50|p99|CPU|idle) | (at|after) \d+$", "", metric)


def higher_is_better(metric):
    return metric == "Gbit/s" or metric.endswith("s/s")
