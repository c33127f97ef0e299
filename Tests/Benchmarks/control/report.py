# SPDX-License-Identifier: Apache-2.0
"""Figures, what they are to be, and what others need for it: printed, as Markdown, as JSON."""
import dataclasses
import json
import statistics
from typing import Optional

from targets import Target

# As measured elsewhere, on another machine, with 50,000 workloads, 2,000 services and 500 clients in one process; istiod without policies and with
# its debounce of 100 ms, its CPU per change with the clients'.
ISTIOD, ZTUNNEL = "istiod", "ztunnel"


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    what: str
    unit: str
    target: Optional[Target] = None
    peer: Optional[str] = None
    peer_value: Optional[float] = None
    # The target and the peer's figure are of the whole mesh.
    at_full_size: bool = True


def at_most(bound):
    return Target("≤", bound, None)


ROWS = [
    Row("start", "From exec to ready, everything translated", "s", at_most(3), ISTIOD, 7),
    Row("start CPU", "Its CPU", "s"),
    Row("synced", "From dialling until the last of 500 hosts has acknowledged all", "s", at_most(20), ISTIOD, 52),
    Row("synced MB/host", "What each host was sent", "MB", None, ISTIOD, 16),
    Row("memory", "Resident with all hosts synced", "MB", at_most(300), ISTIOD, 1000),
    Row("memory peak", "At most since the start", "MB"),
    Row("change p50", "From asking for a change of a workload to the last host's acknowledgement", "ms", at_most(40), ISTIOD, 130),
    Row("change p99", "", "ms", at_most(80), ISTIOD, 140),
    Row("change CPU", "CPU of the control plane per change", "ms", at_most(20), ISTIOD, 61),
    Row("change CPU at a tenth", "The same with a tenth of the workloads and as many hosts", "ms"),
    Row("change CPU growth", "The one by the other: flat is 1", "×", at_most(1.25)),
    Row("burst answered", "1,000 changes asked for within a second: the last is stored and answered", "s"),
    Row("burst acknowledged", "… and acknowledged by the last host", "s", at_most(1.5)),
    Row("burst pushes/host", "Responses that each host got for the 1,000 changes", "", at_most(200), at_full_size=False),
    Row("burst answer p99", "From asking for one of the 1,000 to its answer", "ms"),
    Row("host load CPU", "warrend: CPU from exec until the mesh is in use", "s", at_most(0.25), ZTUNNEL, 0.24),
    Row("host load", "warrend: from exec until the mesh is in use", "s"),
    Row("host memory", "warrend: resident, settled", "MB", at_most(70), ZTUNNEL, 101),
    Row("host memory peak", "warrend: at most since the start", "MB", None, ZTUNNEL, 120),
    Row("host memory resync", "warrend: resident, settled, after the full resyncs", "MB"),
    Row("host save CPU", "warrend: CPU of the quarter minute after, in which the mesh goes to the disk", "s"),
    Row("host change CPU", "warrend: CPU per change of a workload", "ms"),
    Row("host resync CPU", "warrend: CPU of a full resync, every workload another", "s"),
    Row("quiet p50", "Requests between two workloads of the host, nothing else happening", "µs"),
    Row("quiet p99", "", "µs"),
    Row("resync p50", "The same during full resyncs", "µs"),
    Row("resync p99", "", "µs"),
    Row("resync growth", "p99 during full resyncs by p99 in quiet: undisturbed is 1", "×", at_most(1.5)),
]


class Report:
    def __init__(self, size):
        self._size, self._samples = size, {}

    def add(self, name, *values):
        if not any(row.name == name for row in ROWS):
            raise KeyError(name)
        self._samples.setdefault(name, []).extend(values)

    def value(self, name):
        return statistics.median(self._samples[name]) if self._samples.get(name) else None

    def _target(self, row):
        return row.target if self._size.is_full or not row.at_full_size else None

    def _peer(self, row):
        return row.peer if self._size.is_full else None

    def _rows(self):
        return [(row, self.value(row.name)) for row in ROWS if self._samples.get(row.name)]

    def table(self):
        header, lines = ["figure", "what", "unit", "warren", "elsewhere", "target", "met"], []
        for row, value in self._rows():
            target, peer = self._target(row), self._peer(row)
            lines.append([
                row.name, row.what, row.unit, self._number(value), f"{row.peer_value:g} {peer}" if peer else "", str(target or ""),
                ("yes" if target.met(value) else "**no**") if target else ""])
        return header, lines

    @staticmethod
    def _number(value):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

    def text(self):
        header, lines = self.table()
        lines = [[cell.replace("**", "") for cell in line] for line in [header, *lines]]
        widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)

    def markdown(self):
        header, lines = self.table()
        return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---", "---", "---", "--:", "--:", "---", "---"], *lines])

    def summary(self):
        verdicts = [self._target(row).met(value) for row, value in self._rows() if self._target(row)]
        return f"{verdicts.count(True)} targets met, {verdicts.count(False)} not met"

    def json(self):
        document = []
        for row, value in self._rows():
            target, peer = self._target(row), self._peer(row)
            document.append({
                "metric": row.name, "unit": row.unit, "warren": value, "peer": peer, "peer_value": row.peer_value if peer else None,
                "ratio": value / row.peer_value if peer else None, "target": str(target) if target else None,
                "met": target.met(value) if target else None, "samples": self._samples[row.name]})
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
