# SPDX-License-Identifier: Apache-2.0
"""The control plane at scale, part by part. Started by control.sh, as the first process of namespaces of its own."""
import argparse
import dataclasses
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time

import account
import burst
import document
import fleet
import host
import lab
import mesh
from plane import Plane
from report import Report

BEGUN = time.monotonic()
PARTS = ("start", "change", "flat", "burst", "host", "resync")
MERGE = "application/merge-patch+json"


def say(text):
    print(f"[{time.monotonic() - BEGUN:4.0f} s] {text}", flush=True)


@dataclasses.dataclass(frozen=True)
class Size:
    workloads: int
    services: int
    policies: int
    hosts: int

    @property
    def is_full(self):
        return self.workloads >= 50_000 and self.hosts >= 500

    def tenth(self):
        return Size(self.workloads // 10, self.services // 10, self.policies // 10, self.hosts)


def options():
    parser = argparse.ArgumentParser(
        prog="Tests/Benchmarks/control.sh", description="Measures the control plane, and a host, with a large mesh.",
        epilog="parts: " + ", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a tenth of the mesh and of the hosts, within 2 minutes: to see, not to quote")
    parser.add_argument("--only", metavar="PART,…", help="only these parts")
    parser.add_argument("--rounds", type=int, help="starts and resyncs (3; 2 with --quick)")
    parser.add_argument("--changes", type=int, help="single changes (200; 50 with --quick)")
    parser.add_argument("--json", metavar="FILE", help="writes every figure, with its samples")
    parser.add_argument("--markdown", action="store_true", help="writes the table into docs/benchmarks.md")
    parser.add_argument("--state", metavar="FOLDER", help="keeps the filled store here and takes it from here: repeats begin at once")
    parser.add_argument("--perf", metavar="FOLDER", help="perf.data of the programs into this folder, one for each part")
    words = parser.parse_args()
    words.size = Size(5_000, 200, 100, 50) if words.quick else Size(50_000, 2_000, 1_000, 500)
    words.rounds = words.rounds or (2 if words.quick else 3)
    words.changes = words.changes or (50 if words.quick else 200)
    words.parts = words.only.split(",") if words.only else PARTS
    words.programs = os.environ.get("WARREN_BIN", "")
    if any(part not in PARTS for part in words.parts):
        parser.error("there is no such part; --help names them")
    return words


def prepare():
    lab.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
    for folder in (lab.RUN, "/run/netns"):
        os.makedirs(folder)
    lab.run(["ip", "link", "set", "lo", "up"])
    compiler = next((found for found in map(shutil.which, (os.environ.get("CC", "cc"), "clang")) if found), None)
    if not compiler:
        raise lab.Failure("no C compiler: put swift's usr/bin, which has clang, on PATH")
    here = os.path.dirname(os.path.abspath(__file__))
    lab.run([compiler, "-O2", "-o", f"{lab.RUN}/hosts", f"{here}/tools/hosts.c", "-lnghttp2", "-lssl", "-lcrypto"])
    lab.run([compiler, "-O2", "-o", f"{lab.RUN}/pulse", f"{here}/tools/pulse.c"])


class Bench:
    def __init__(self, words, work):
        self.words, self.size, self.work = words, words.size, work
        self.report = Report(words.size)
        # Of a store that is kept nothing may stand already as it is asked for: that would be no change.
        self._weight = int(time.time()) % 1_000_000 * 1000

    def _next_weight(self):
        self._weight += 1
        return self._weight

    def _filled(self, name, size, port):
        """A stopped control plane with a whole mesh, and its hosts' certificates."""
        folder = f"{self.work}/{name}-{size.workloads}"
        plane = Plane(self.words.programs, folder, port)
        if not os.path.exists(f"{folder}/filled"):
            mesh.fill(plane, size, f"{folder}/certificates", say)
            plane.start()
            host.register(plane)
            plane.stop(signal.SIGTERM)
            open(f"{folder}/filled", "w").close()
        return plane, f"{folder}/certificates"

    def _profile(self, pid, name):
        """Ends by itself with the process, or when it is interrupted."""
        if not self.words.perf:
            return None
        os.makedirs(self.words.perf, exist_ok=True)
        import subprocess
        return subprocess.Popen(["perf", "record", "-q", "-g", "-F", "999", "-o", f"{self.words.perf}/{name}.data", "-p", str(pid)])

    def _end(self, profile):
        if profile:
            profile.send_signal(signal.SIGINT)
            profile.wait()

    # --- the control plane

    def run(self):
        plane, certificates = self._filled("plane", self.size, 25012)
        if any(part in self.words.parts for part in ("start", "change", "burst")):
            for _ in range(self.words.rounds if "start" in self.words.parts else 1):
                plane.stop()
                # Every start reads what is on the disk; the page cache is warm, as after a restart of the program.
                self._start(plane, certificates)
            if "change" in self.words.parts:
                self._changes(plane)
            if "burst" in self.words.parts:
                self._burst(plane)
            self.fleet.stop()
            plane.stop()
        if "flat" in self.words.parts:
            self._flat()
        if "host" in self.words.parts or "resync" in self.words.parts:
            self._host(plane)

    def _start(self, plane, certificates):
        if getattr(self, "fleet", None):
            self.fleet.stop()
        took = plane.start()
        profile = self._profile(plane.pid, "sync")
        self.report.add("start", took)
        self.report.add("start CPU", plane.cpu())
        self.fleet = fleet.Fleet(plane, certificates, self.size.hosts)
        self.fleet.wait_synced()
        self._end(profile)
        self.report.add("synced", self.fleet.synced - self.fleet.begun)
        self.report.add("synced MB/host", self.fleet.bytes / self.size.hosts / 1e6)
        time.sleep(1)
        now, peak = plane.memory()
        self.report.add("memory", now)
        self.report.add("memory peak", peak)
        say(f"start {took:.2f} s, {plane.cpu():.2f} s of CPU with syncing; synced {self.fleet.synced - self.fleet.begun:.2f} s, "
            f"{self.fleet.bytes / self.size.hosts / 1e6:.1f} MB each; {now:.0f} MB, {peak:.0f} at the peak")

    def _patch(self, plane, size, number):
        namespaces = mesh.namespaces(size)
        # Spread over the mesh, each another.
        place = number * 7919 % size.workloads
        entry = mesh.workload(namespaces[place % len(namespaces)], place // len(namespaces), "")["metadata"]
        return mesh.path("workloadentries", entry["namespace"], entry["name"])

    def _single(self, plane, size, count):
        """Milliseconds of each change, and of CPU per change."""
        times, cpu = [], plane.cpu()
        for number in range(count):
            target = self._patch(plane, size, number)
            begun = time.monotonic()
            answer = plane.ask("PATCH", target, {"spec": {"weight": self._next_weight()}}, MERGE)
            reached = self.fleet.wait_reached(int(answer["metadata"]["resourceVersion"]))
            times.append((reached - begun) * 1e3)
            # Nobody changes without a pause; a round of its own each.
            time.sleep(0.03)
        return times, (plane.cpu() - cpu) / count * 1e3

    def _changes(self, plane):
        self._single(plane, self.size, 10)
        profile = self._profile(plane.pid, "change")
        times, cpu = self._single(plane, self.size, self.words.changes)
        self._end(profile)
        self._tell("change", times)
        self.report.add("change CPU", cpu)
        say(f"changes: p50 {self.report.value('change p50'):.1f} ms, p99 {self.report.value('change p99'):.1f} ms, {cpu:.2f} ms of CPU each")

    def _tell(self, name, times):
        times = sorted(times)
        self.report.add(f"{name} p50", statistics.median(times))
        self.report.add(f"{name} p99", times[min(len(times) - 1, int(len(times) * 0.99))])

    def _flat(self):
        size = self.size.tenth()
        plane, certificates = self._filled("tenth", size, 26012)
        plane.start()
        self.fleet = fleet.Fleet(plane, certificates, size.hosts)
        self.fleet.wait_synced()
        self._single(plane, size, 10)
        profile = self._profile(plane.pid, "flat")
        _, cpu = self._single(plane, size, self.words.changes)
        self._end(profile)
        self.fleet.stop()
        plane.stop()
        self.report.add("change CPU at a tenth", cpu)
        if self.report.value("change CPU"):
            self.report.add("change CPU growth", self.report.value("change CPU") / cpu)
        say(f"at a tenth of the workloads: {cpu:.2f} ms of CPU per change")

    def _burst(self, plane):
        for number in range(self.words.rounds):
            weight = self._next_weight()
            requests = [("PATCH", self._patch(plane, self.size, place), MERGE, f'{{"spec":{{"weight":{weight}}}}}') for place in range(1000)]
            pushes = plane.metric("warren_control_pushes_total")
            profile = self._profile(plane.pid, "burst") if number == 0 else None
            begun, answered, revisions, times = burst.run(plane.socket, requests, 1)
            reached = self.fleet.wait_reached(max(revisions), 60)
            self._end(profile)
            pushes = (plane.metric("warren_control_pushes_total") - pushes) / self.size.hosts
            self.report.add("burst answered", answered - begun)
            self.report.add("burst acknowledged", reached - begun)
            self.report.add("burst pushes/host", pushes)
            times.sort()
            self.report.add("burst answer p99", times[989] * 1e3)
            say(f"1,000 changes in a second: answered after {answered - begun:.2f} s, acknowledged after {reached - begun:.2f} s, "
                f"{pushes:.0f} pushes to each host, p99 of an answer {times[989] * 1e3:.0f} ms")
            time.sleep(1)

    # --- a host

    def _host(self, first):
        """Two control planes with one store's identity, every workload of one different from the other's: whoever moves over gets all anew."""
        planes = [first]
        first.start()
        node = None
        other = f"{self.work}/other"
        shutil.rmtree(other, ignore_errors=True)
        node = host.Host(self.words.programs, [first, Plane(self.words.programs, other, 27012)])
        first.stop(signal.SIGTERM)
        shutil.rmtree(other, ignore_errors=True)
        planes.append(mesh.copy(first, other, self.words.programs, 27012, zone="place"))
        total = self.size.workloads + 2
        for _ in range(self.words.rounds if "host" in self.words.parts else 1):
            self._load(node, first, total)
        node.wait_captured()
        if "host" in self.words.parts:
            self._host_changes(node, first)
        if "resync" in self.words.parts:
            self._resyncs(node, planes, total)
        node.stop()
        for plane in planes:
            plane.stop()

    def _load(self, node, plane, total):
        if node._process:
            node.stop()
            shutil.rmtree(f"{node._folder}/node/last-mesh", ignore_errors=True)
            if os.path.exists(f"{node._folder}/node/last-mesh"):
                os.remove(f"{node._folder}/node/last-mesh")
        if not plane._process:
            plane.start()
        node.meshes()
        begun = time.monotonic()
        node.start()
        profile = self._profile(node.pid, "load")
        reached = node.wait_mesh(total)
        cpu = node.cpu()
        self._end(profile)
        self.report.add("host load", reached - begun)
        self.report.add("host load CPU", cpu)
        time.sleep(15)
        self.report.add("host save CPU", node.cpu() - cpu)
        now, peak = node.memory()
        self.report.add("host memory", now)
        self.report.add("host memory peak", peak)
        say(f"warrend: mesh in use after {reached - begun:.2f} s and {cpu:.2f} s of CPU, {node.cpu() - cpu:.2f} s in the time after; "
            f"{now:.0f} MB, {peak:.0f} at the peak")

    def _host_changes(self, node, plane):
        count, cpu = 50, node.cpu()
        profile = self._profile(node.pid, "host-change")
        for number in range(count):
            plane.ask("PATCH", self._patch(plane, self.size, number), {"spec": {"weight": self._next_weight()}}, MERGE)
            time.sleep(0.1)
        self._end(profile)
        cost = (node.cpu() - cpu) / count * 1e3
        self.report.add("host change CPU", cost)
        say(f"warrend: {cost:.2f} ms of CPU per change, one each 100 ms")

    def _resyncs(self, node, planes, total):
        here, there = planes
        here.make_way()
        node.begin_pulse()
        windows, quiet = [], []
        for number in range(2 * self.words.rounds):
            # Its revision must not be older than what the host has seen.
            with there.database() as store:
                store.execute("UPDATE store SET revision = revision + ?", (1000 * (number + 1),))
            there.start()
            # A host has its processors for itself, and its control plane has others.
            there.make_way()
            time.sleep(3)
            begun = time.monotonic()
            time.sleep(2)
            quiet.append((begun, time.monotonic()))
            node.meshes()
            cpu, begun = node.cpu(), time.monotonic()
            profile = self._profile(node.pid, "resync") if number == 0 else None
            here.stop()
            ended = node.wait_mesh(total)
            self._end(profile)
            self.report.add("host resync CPU", node.cpu() - cpu)
            windows.append((begun, ended))
            say(f"full resync: {ended - begun:.2f} s, {node.cpu() - cpu:.2f} s of CPU")
            here, there = there, here
        samples = node.end_pulse()
        for name, times in (("quiet", quiet), ("resync", windows)):
            self._tell(name, [late for when, late in samples if any(begin <= when <= end for begin, end in times)])
        self.report.add("resync growth", self.report.value("resync p99") / self.report.value("quiet p99"))
        time.sleep(15)
        self.report.add("host memory resync", node.memory()[0])
        say(f"requests: p99 {self.report.value('quiet p99'):.0f} µs in quiet, {self.report.value('resync p99'):.0f} µs during full resyncs; "
            f"warrend has {node.memory()[0]:.0f} MB")


def main():
    words = options()
    prepare()
    stolen, begun = account.machine()[1], time.monotonic()
    work = words.state or tempfile.mkdtemp(prefix="warren-bench-", dir="/var/tmp")
    os.makedirs(work, exist_ok=True)
    try:
        bench = Bench(words, work)
        bench.run()
    finally:
        if not words.state:
            shutil.rmtree(work, ignore_errors=True)
    stolen = (account.machine()[1] - stolen) / (time.monotonic() - begun) / os.cpu_count()
    report = bench.report
    print(f"\n{report.text()}\n\nmedians of {words.rounds} rounds; {stolen * 100:.1f} % of the processors stolen by the hypervisor\n"
          f"{report.summary()}", flush=True)
    if words.json:
        with open(words.json, "w") as file:
            file.write(report.json())
    if words.markdown:
        document.put("control", f"{document.machine()}. Medians of {words.rounds} rounds; {stolen * 100:.1f} % of the processors were stolen by "
                     f"the hypervisor.\n\n{report.markdown()}\n\n{report.summary()}.", by="control.sh")


if __name__ == "__main__":
    try:
        main()
    except lab.Failure as failure:
        print(f"benchmark: {failure}", file=sys.stderr, flush=True)
        sys.exit(1)
