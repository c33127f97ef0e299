# SPDX-License-Identifier: Apache-2.0
"""The values that rounds gave: by row and system. May be kept in a file, so that a long run is made in pieces."""
import json
import os
import statistics


class Samples:
    """Values of rows by system, in the order they were measured."""

    def __init__(self, path=None):
        self.path = path
        self.values = {}
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.values = json.load(file)

    def add(self, row, system, value):
        self.values.setdefault(row, {}).setdefault(system, []).append(value)

    def save(self):
        if self.path:
            with open(f"{self.path}.new", "w", encoding="utf-8") as file:
                json.dump(self.values, file, indent=1)
            os.replace(f"{self.path}.new", self.path)

    def median(self, row, system):
        values = self.values.get(row, {}).get(system)
        return statistics.median(values) if values else None

    def spread(self, row, system):
        """From the lowest to the highest, as a part of the median."""
        values = self.values.get(row, {}).get(system, [])
        middle = statistics.median(values) if values else 0
        return (max(values) - min(values)) / middle if middle else 0
