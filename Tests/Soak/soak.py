# SPDX-License-Identifier: Apache-2.0
"""Runs traffic and trouble in the lab that Tests/Floods/lab.sh made, and compares what the hosts hold before and after."""
import argparse
import collections
import difflib
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = ["/usr/bin/python3", "-B"]
HOSTS = {"host1": ["web", "cart"], "host2": ["stock", "orders"]}
MESH = "/run/lab/mesh/shop.yaml"

# Kind, from, to, port, how many at once. `sink` is outside of the mesh; 10.96.0.10 is the service of stock.
TRAFFIC = [
    ("short", "web", "10.66.2.10", 8080, 2), ("short", "web", "10.96.0.10", 80, 1), ("short", "web", "10.66.1.11", 8080, 1),
    ("short", "orders", "10.66.0.200", 8080, 1), ("kept", "web", "10.66.2.10", 8080, 3), ("kept", "orders", "10.66.1.10", 8080, 2),
    ("kept", "web", "10.66.1.11", 8080, 2), ("kept", "web", "10.66.0.200", 8080, 2), ("kept", "friend", "10.66.2.11", 8080, 2),
    ("long", "web", "10.66.2.10", 8080, 20),
    ("long", "web", "10.66.1.11", 8080, 10), ("long", "orders", "10.66.0.200", 8080, 10), ("bulk", "web", "10.66.2.10", 8080, 1),
    ("bulk", "orders", "10.66.1.10", 8080, 1), ("bulk", "web", "10.66.1.11", 8080, 1),
]
# Each for a moment, from the wire, against orders.
ATTACKS = ["slow-handshakes", "abandoned-handshakes", "mute", "rapid-reset", "ping", "connect-closed", "never-read", "idle-tunnels"]

GROWTH = 1.10


def place(name):
    return ["nsenter", "--net=/run/netns/" + name, "--"] if name in ("sink", "friend") else ["/run/lab/on", name]


def run(where, *command, check=True):
    done = subprocess.run(place(where) + list(command), capture_output=True, text=True, timeout=30)
    if check and done.returncode != 0:
        raise SystemExit("soak: %s on %s: %s" % (" ".join(command), where, done.stderr.strip()[-300:]))
    return done.stdout


class Daemon:
    """A warrend: the one that lab.sh started, and those that follow it."""

    def __init__(self, host):
        self.host, self.child = host, None
        with open("/run/lab/%s/warrend.pid" % host) as file:
            self.pid = int(file.read())

    def is_alive(self):
        if self.child is not None:
            return self.child.poll() is None
        return os.path.exists("/proc/%d/exe" % self.pid) and self.status("State") not in ("Z", "X")

    def status(self, key):
        try:
            with open("/proc/%d/status" % self.pid) as file:
                return next(line.split()[1] for line in file if line.startswith(key + ":"))
        except (FileNotFoundError, StopIteration):
            return "X"

    def end(self, number):
        os.kill(self.pid, number)
        wait_for("%s's warrend ends" % self.host, 60, lambda: not self.is_alive())

    def start(self):
        with open("/run/lab/%s/access.log" % self.host, "a") as access, open("/run/lab/%s/warrend.log" % self.host, "a") as log:
            self.child = subprocess.Popen(
                place(self.host) + ["warrend", "--config", "/run/lab/%s/warrend.yaml" % self.host], stdin=subprocess.DEVNULL, stdout=access,
                stderr=log)
        self.pid = self.child.pid
        wait_for("%s's warrend is ready" % self.host, 20, self.is_ready)

    def is_ready(self):
        return subprocess.run(
            place(self.host) + ["curl", "-sfo", "/dev/null", "-m", "2", "http://127.0.0.1:15021/healthz/ready"], timeout=10).returncode == 0

    def metrics(self):
        text = run(self.host, "curl", "-sS", "-m", "10", "http://127.0.0.1:15020/metrics")
        return dict((line.rsplit(" ", 1)[0], float(line.rsplit(" ", 1)[1])) for line in text.splitlines() if line and line[0] != "#")


def wait_for(what, seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("soak: in vain, %d s: %s" % (seconds, what))
        time.sleep(0.05)


# --- what is there

def state(daemon):
    """What a host holds, by name."""
    names = HOSTS[daemon.host]
    shown = "nft list ruleset; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all"
    rules = "".join(run(name, "sh", "-c", shown) for name in names)
    # Counters of packets, and how long the kernel keeps a route, are no rules; nor are the connections that were open before a label came back.
    rules = re.sub(r"counter packets \d+ bytes \d+|expires \d+sec|hoplimit \d+|\s*elements = \{[^}]*\}", "", rules)
    shown = "sysctl -a 2>/dev/null | grep -E 'fwmark|tw_reuse|rp_filter|route_localnet|tcp_early_demux'"
    settings = "".join(run(name, "sh", "-c", shown) for name in names)
    sockets = sum(value for key, value in daemon.metrics().items() if key.startswith("istio_tcp_sockets_open"))
    return {
        "anonymous memory, MiB": round(int(daemon.status("RssAnon")) / 1024, 2),
        "descriptors": len(os.listdir("/proc/%d/fd" % daemon.pid)),
        "threads": len(os.listdir("/proc/%d/task" % daemon.pid)),
        "children": len(open("/proc/%d/task/%d/children" % (daemon.pid, daemon.pid)).read().split()),
        "open connections": int(sockets),
        "lines of rules and routes": len(rules.splitlines()),
        "rules and routes": rules,
        "kernel settings": settings,
        "sockets of workloads": sum(
            not line.startswith("TIME-WAIT") for name in names for line in run(name, "ss", "-Htan", "state", "connected").splitlines()),
        "files in /run/warren": int(run(daemon.host, "sh", "-c", "find /run/warren -type f | wc -l")),
        "network namespaces": len(run(daemon.host, "ip", "netns", "list").splitlines()),
        "mounts": len(run(daemon.host, "cat", "/proc/self/mounts").splitlines()),
    }


def steady_state(daemon):
    """What a host holds once that is the same twice in a row: a child that checks rules has pipes for a moment."""
    last = state(daemon)
    for _ in range(20):
        time.sleep(1)
        now = state(daemon)
        if now["descriptors"] == last["descriptors"]:
            return now
        last = now
    raise SystemExit("soak: %s's warrend doesn't come to rest" % daemon.host)


def descriptors(daemon):
    """What a daemon has open, and how often: files by name, sockets by what the kernel tells of them."""
    sockets = {}
    for name in [daemon.host] + HOSTS[daemon.host]:
        for line in run(name, "ss", "-Haneo").splitlines():
            inode = re.search(r"\bino:(\d+)", line)
            words = line.split()
            if inode and len(words) > 5:
                sockets[inode[1]] = "%s: %s %s %s %s" % (name, words[0], words[1], words[4], words[5])
    found = collections.Counter()
    for number in os.listdir("/proc/%d/fd" % daemon.pid):
        try:
            link = os.readlink("/proc/%d/fd/%s" % (daemon.pid, number))
        except FileNotFoundError:
            continue
        kind, _, inode = link.rstrip("]").partition(":[")
        found[sockets.get(inode, "socket") if kind == "socket" else kind] += 1
    return found


def is_as_before(key, before, after):
    if key == "anonymous memory, MiB":
        return after <= before * GROWTH
    if key in ("descriptors", "open connections", "sockets of workloads"):
        return after <= before
    return after == before


def difference(key, before, after):
    if not isinstance(before, str):
        return "%s is %s, was %s" % (key, after, before)
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=1)
    return "%s:\n    %s" % (key, "\n    ".join(lines))


def settled(daemons, before, limit):
    """Waits until everything is as it was; what it came to."""
    end = time.monotonic() + limit
    while True:
        after = {daemon.host: state(daemon) for daemon in daemons}
        if all(is_as_before(key, before[host][key], after[host][key]) for host in before for key in before[host]):
            return after
        if time.monotonic() > end:
            return after
        time.sleep(2)


# --- traffic

class Traffic:
    def __init__(self):
        self.running = [
            (row, subprocess.Popen(
                place(row[1]) + PYTHON + [HERE + "/traffic.py", row[0], row[2], str(row[3]), str(row[4])], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True))
            for row in TRAFFIC]

    def stop(self):
        for _, process in self.running:
            process.stdin.close()
        result = []
        for row, process in self.running:
            out = process.stdout.read()
            process.wait(60)
            if not out.strip():
                raise SystemExit("soak: %s from %s told nothing" % (row[0], row[1]))
            result.append(dict(json.loads(out), kind=row[0], path="%s to %s:%d" % row[1:4]))
        return result


# --- trouble

class Trouble:
    """What happens to the mesh, one after the other."""

    def __init__(self, daemons, only):
        self.first, self.second = daemons
        self.counts = {}
        with open(MESH) as file:
            self.mesh = file.read()
        self.attacks = itertools.cycle(ATTACKS)
        self.steps = [self.attack, self.policy, self.kill, self.attack, self.flip, self.flush, self.attack, self.weights, self.restart, self.reload]
        names = {step.__name__ for step in self.steps}
        if only and not set(only) <= names:
            raise SystemExit("soak: --only takes %s" % ", ".join(sorted(names)))
        self.steps = [step for step in self.steps if not only or step.__name__ in only]

    def run(self, seconds):
        end = time.monotonic() + seconds
        # The first daemon isn't killed any more in the last third, so that what it then holds had time to grow; the second lives through all of it.
        calm = time.monotonic() + seconds * 2 / 3
        for step in itertools.cycle(self.steps):
            if time.monotonic() >= end:
                break
            if step in (self.kill, self.restart) and time.monotonic() > calm:
                continue
            step()
            self.counts[step.__name__] = self.counts.get(step.__name__, 0) + 1
            print("%5.0f s left  %-8s %5.2f MiB on host2" % (
                max(0, end - time.monotonic()), step.__name__, int(self.second.status("RssAnon")) / 1024), file=sys.stderr, flush=True)
            time.sleep(min(random.uniform(1, 4), max(0, end - time.monotonic())))

    def kill(self):
        self.first.end(signal.SIGKILL)
        time.sleep(1)
        self.first.start()

    def restart(self):
        self.first.end(signal.SIGTERM)
        self.first.start()

    def reload(self):
        for daemon in (self.first, self.second):
            os.kill(daemon.pid, signal.SIGHUP)

    def attack(self):
        name = next(self.attacks)
        subprocess.run(
            place("wire") + PYTHON + [HERE + "/../Floods/attack.py", name, "10.66.2.11", "3", "--cert", "/run/lab/attacker", "--hold", "500"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    def write(self, text):
        """As an editor does: a new file in the place of the old."""
        with open(MESH + ".new", "w") as file:
            file.write(text)
        os.replace(MESH + ".new", MESH)

    def policy(self):
        """A policy more, with an address more, and it is gone again."""
        self.write(self.mesh + POLICY)
        time.sleep(1.5)
        self.write(self.mesh)

    def weights(self):
        """The service loses its endpoint, and has it back."""
        self.write(self.mesh.replace("selector: {app: stock}", "selector: {app: nothing}", 1))
        time.sleep(1.5)
        self.write(self.mesh)

    def flip(self):
        """The other namespace's label goes and comes back: its workloads are released and captured again."""
        self.write(self.mesh.replace(ANNEX, ANNEX.replace("ambient", "none")))
        time.sleep(3)
        self.write(self.mesh)
        time.sleep(1)

    def flush(self):
        """Somebody takes all rules away."""
        for name in ("web", "stock"):
            run(name, "nft", "flush", "ruleset")


ANNEX = "  name: annex\n  labels: {istio.io/dataplane-mode: ambient}\n"
POLICY = """
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: for-a-moment, namespace: shop}
spec:
  selector: {matchLabels: {app: stock}}
  action: DENY
  rules: [{from: [{source: {ipBlocks: [192.0.2.0/24]}}]}]
"""


def split_mesh():
    """Cart and orders move into a namespace of their own, whose label can be flipped while the other's stays."""
    with open(MESH) as file:
        text = file.read()
    documents = text.split("\n---\n")
    moved = [
        document.replace("namespace: shop", "namespace: annex") if re.search(r"^  name: (cart|orders)$", document, re.M) else document
        for document in documents]
    if sum(a != b for a, b in zip(documents, moved)) != 2:
        raise SystemExit("soak: the quickstart's mesh has no cart and orders")
    text = "\n---\n".join(moved) + "\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n" + ANNEX
    # Plaintext from outside is refused in shop, as the quickstart has it.
    with open(MESH + ".new", "w") as file:
        file.write(text)
    os.replace(MESH + ".new", MESH)


def serve():
    """What lab.sh doesn't start: servers in web, cart and outside of the mesh."""
    for name in ("web", "cart", "sink"):
        with open(HERE + "/../Floods/nginx.conf") as file:
            text = file.read().replace("NAME", name)
        with open("/run/lab/%s.conf" % name, "w") as file:
            file.write(text)
        subprocess.Popen(place(name) + ["nginx", "-e", "stderr", "-c", "/run/lab/%s.conf" % name], stdin=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--minutes", type=float, default=30)
    arguments.add_argument("--only")
    arguments.add_argument("--settle", type=float, default=150)
    arguments.add_argument("--json")
    arguments.add_argument("--keep-logs")
    options = arguments.parse_args()
    random.seed(1)
    serve()
    split_mesh()
    daemons = [Daemon("host1"), Daemon("host2")]
    for daemon in daemons:
        captured = lambda: run(daemon.host, "warren", "workloads", "-o", "json").count('"captured"')
        wait_for("%s has all its workloads" % daemon.host, 20, lambda: daemon.is_alive() and captured() >= 2)
    second = daemons[1].pid

    # Whatever happens later happens once before: what is made at its first use is no growth.
    warm = Traffic()
    trouble = Trouble(daemons, options.only and options.only.split(","))
    # First what ends a daemon, so that the one that is looked at has carried the rest.
    for step in sorted(dict.fromkeys(trouble.steps), key=lambda step: step not in (trouble.kill, trouble.restart)):
        step()
    for _ in ATTACKS:
        trouble.attack()
    warm.stop()
    # Memory that was lent goes back after ten seconds, idle tunnels after five minutes: these are ended as a reload ends them, by their certificates.
    time.sleep(45)
    before = {daemon.host: steady_state(daemon) for daemon in daemons}
    opened = {daemon.host: descriptors(daemon) for daemon in daemons}

    traffic = Traffic()
    begin = time.monotonic()
    trouble.run(options.minutes * 60)
    lasted = time.monotonic() - begin
    result = traffic.stop()
    after = settled(daemons, before, options.settle)

    problems = ["%s: %s" % (host, difference(key, before[host][key], after[host][key]))
                for host in before for key in before[host] if not is_as_before(key, before[host][key], after[host][key])]
    problems += ["%s %s: %d wrong: %s" % (row["kind"], row["path"], row["wrong"], "; ".join(row["first"])) for row in result if row["wrong"]]
    problems += ["%s %s: nothing passed" % (row["kind"], row["path"]) for row in result if not row["ok"]]
    problems += [] if daemons[1].pid == second and daemons[1].is_alive() else ["host2: its warrend didn't live through it"]
    renewed = open("/run/lab/host2/warrend.log").read().count("renewed the certificate")
    problems += [] if renewed else ["host2: no certificate was renewed"]
    with open("/run/lab/host1/warrend.log") as one, open("/run/lab/host2/warrend.log") as two:
        crashes = [line.strip() for line in itertools.chain(one, two) if re.search(r"crashed|warren: bug|Fatal error", line)]
    problems += crashes[:3]

    print("%.1f minutes; %s; %d certificates renewed on host2" % (
        lasted / 60, ", ".join("%s %d" % pair for pair in sorted(trouble.counts.items())), renewed))
    print("\n| traffic | path | answered | refused or reset | wrong |\n| --- | --- | --: | --: | --: |")
    for row in result:
        print("| %s | %s | %d | %d | %d |" % (row["kind"], row["path"], row["ok"], row["lost"], row["wrong"]))
    print("\n| | host1 before | after | host2 before | after |\n| --- | --: | --: | --: | --: |")
    for key in before["host1"]:
        cell = lambda host: (before[host][key], after[host][key])
        if isinstance(before["host1"][key], str):
            cell = lambda host: ("", "same" if before[host][key] == after[host][key] else "**other**")
        print("| %s | %s | %s | %s | %s |" % (key, *cell("host1"), *cell("host2")))
    print("\n" + "\n".join(problems or ["everything is as it was"]), flush=True)
    if problems:
        for daemon in daemons:
            now = descriptors(daemon)
            for sign, more in (("+", now - opened[daemon.host]), ("-", opened[daemon.host] - now)):
                for kind, count in sorted(more.items()):
                    print("%s has %s%d %s" % (daemon.host, sign, count, kind))
        for host, names in HOSTS.items():
            print("\n%s:\n%s%s" % (host, run(host, "warren", "tunnels", check=False), run(host, "warren", "connections", check=False)))
            for name in names:
                lines = run(name, "ss", "-Htanpo", "state", "connected").splitlines()
                print("%s:\n%s" % (name, "\n".join(line for line in lines if not line.startswith("TIME-WAIT"))), flush=True)
    if options.json:
        with open(options.json, "w") as file:
            told = dict(minutes=lasted / 60, trouble=trouble.counts, traffic=result, before=before, after=after, problems=problems)
            json.dump(told, file, indent=1)
    if options.keep_logs:
        os.makedirs(options.keep_logs, exist_ok=True)
        for host in HOSTS:
            for log in ("warrend.log", "access.log"):
                shutil.copy("/run/lab/%s/%s" % (host, log), "%s/%s-%s" % (options.keep_logs, host, log))
    sys.exit(1 if problems else 0)


main()
