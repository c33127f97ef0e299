# SPDX-License-Identifier: Apache-2.0
"""All samples of a run, and what follows from them: medians, spread, ratios, targets. Printed, as Markdown, as JSON."""
import json
import os
import statistics

from targets import TARGETS, higher_is_better, unit

PEERS = ("nginx", "haproxy")
US, OTHERS = "warren", ("nginx", "haproxy", "direct")


class Results:
    def __init__(self, rows, path=None):
        """With a path the samples are kept there after each round, and those that are there already count too."""
        self._rows, self._path = rows, path
        # (row, metric) to system to samples, in the order in which they came.
        self._samples = {}
        if path and os.path.exists(path):
            with open(path) as file:
                self._samples = {tuple(key.split("|")): by for key, by in json.load(file).items()}

    def save(self):
        if self._path:
            with open(f"{self._path}.new", "w") as file:
                json.dump({"|".join(key): by for key, by in self._samples.items()}, file, indent=1, ensure_ascii=False)
            os.replace(f"{self._path}.new", self._path)

    def told_rounds(self):
        """How many samples the figures of repeated rows have, as words."""
        once = {row.name for row in self._rows if row.once}
        counts = [len(samples) for key, by in self._samples.items() if key[0] not in once and key[1] != "stuck" for samples in by.values()]
        if not counts or min(counts) == max(counts):
            return str(max(counts, default=0))
        return f"{min(counts)} to {max(counts)}"

    def add(self, row, system, figures):
        for metric, value in figures.items():
            self._samples.setdefault((row.name, metric), {}).setdefault(system, []).append(value)

    def median(self, key, system):
        samples = self._samples.get(key, {}).get(system)
        return statistics.median(samples) if samples else None

    def _spread(self, key, system):
        """Half the distance between the least and the greatest sample, as a share of the median."""
        samples = self._samples[key][system]
        middle = statistics.median(samples)
        return (max(samples) - min(samples)) / 2 / middle if middle else 0

    def _best(self, key):
        found = [(self.median(key, peer), peer) for peer in PEERS if self.median(key, peer) is not None]
        if not found:
            return None
        return (max if higher_is_better(key[1]) else min)(found)[1]

    def _verdict(self, key):
        """Target, the peer that it means here, the figure that is held against it, and whether it is met."""
        target, ours = TARGETS.get(key), self.median(key, US)
        peer = self._best(key) if not target or target.peer == "best" else target.peer
        if target and not target.peer:
            return target, None, None, None if ours is None else target.met(ours)
        theirs = self.median(key, peer) if peer else None
        if ours is None or not theirs:
            return target, peer, None, None
        ratio = ours / theirs
        return target, peer, ratio, target.met(ratio) if target else None

    def _keys(self):
        """In the order of the rows; within one, in the order of its figures."""
        return [key for row in self._rows for key in self._samples if key[0] == row.name]

    def table(self):
        """Header and lines, as texts."""
        systems = [name for name in (US, *OTHERS) if any(name in by for by in self._samples.values())]
        header = ["row", "figure", *systems, "ratio", "target", "met"]
        lines, before = [], None
        for key in self._keys():
            target, peer, ratio, met = self._verdict(key)
            title = next(row.what for row in self._rows if row.name == key[0])
            lines.append([
                title if key[0] != before else "", key[1], *(self._cell(key, system) for system in systems),
                f"{ratio:.2f} {peer}" if ratio is not None else "", str(target or ""), "" if met is None else "yes" if met else "**no**",
            ])
            before = key[0]
        return header, lines

    def _cell(self, key, system):
        value = self.median(key, system)
        if value is None:
            return "–"
        text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
        return f"{text} ±{self._spread(key, system) * 100:.0f} %" if len(self._samples[key][system]) > 1 else text

    def text(self):
        header, lines = self.table()
        lines = [[cell.replace("**", "") for cell in line] for line in lines]
        widths = [max(len(line[column]) for line in [header, *lines]) for column in range(len(header))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in [header, *lines])

    def markdown(self):
        header, lines = self.table()
        aligned = ["---", "---", *(["--:"] * (len(header) - 4)), "---", "---"]
        return "\n".join("| " + " | ".join(line) + " |" for line in [header, aligned, *lines])

    def summary(self):
        verdicts = [self._verdict(key)[3] for key in self._keys() if key in TARGETS]
        return f"{verdicts.count(True)} targets met, {verdicts.count(False)} not met" + (
            f", {verdicts.count(None)} can't be told" if None in verdicts else "")

    def json(self):
        """A row per figure and peer; the target stands in the row of the peer that it means."""
        document = []
        for key in self._keys():
            ours = self.median(key, US)
            target, meant, _, met = self._verdict(key)
            peers = [peer for peer in OTHERS if self.median(key, peer) is not None]
            if target and not target.peer:
                peers = [None, *peers]
            for peer in peers or [None]:
                theirs = self.median(key, peer) if peer else None
                document.append({
                    "metric": f"{key[0]} {key[1]}", "unit": unit(key[1]), "warren": ours, "peer": peer, "peer_value": theirs,
                    "ratio": ours / theirs if ours is not None and theirs else None,
                    "target": str(target) if target and peer == meant else None, "met": met if peer == meant else None,
                    "warren_samples": self._samples[key].get(US, []), "peer_samples": self._samples[key].get(peer, []),
                })
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
