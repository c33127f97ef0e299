# SPDX-License-Identifier: Apache-2.0
"""Runs the attacks in the lab that lab.sh made, each against the mesh and then, at the same rate, against a sink, and judges them."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = ["/usr/bin/python3", "-B"]
VICTIM, ATTACKED, SINK = "10.66.2.10", "10.66.2.11", "10.66.0.200"

# Name: where the attacker is. `wire` has a certificate of the mesh; cart and orders are captured workloads.
ATTACKS = {
    "slow-handshakes": "wire", "abandoned-handshakes": "wire", "no-certificate": "wire", "mute": "wire", "half-open": "wire",
    "tls-then-silence": "wire", "idle-tunnels": "wire", "connect-and-leave": "wire", "settings": "wire", "ping": "wire",
    "ping-unread": "wire", "empty-data": "wire", "continuation": "wire", "endless-headers": "wire", "header-bomb": "wire",
    "rapid-reset": "wire", "made-you-reset": "wire", "window-update": "wire", "tiny-windows": "wire", "zero-windows": "wire",
    "never-read": "wire", "never-taken": "wire", "connect-closed": "wire", "connect-elsewhere": "wire",
    "application": "cart", "application-closed": "cart", "application-unknown": "orders",
}

# What warrend may hold at most, in MiB: the reasons stand in docs/security.md, "What a peer can cost".
BOUND = 700
GROWTH = 1.10
RATIO = 2.0


def place(name):
    if name in ("sink", "friend"):
        return ["nsenter", "--net=/run/netns/" + name, "--"]
    return [] if name == "wire" else ["/run/lab/on", name]


def start(where, *command):
    return subprocess.Popen(place(where) + list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, seconds):
    """The last line of JSON that it told; an empty one if it told none."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    lines = out.strip().splitlines()
    if not lines:
        print("  no result: %s" % err.strip()[-400:], file=sys.stderr)
        return {}
    return json.loads(lines[-1])


def program(name):
    return PYTHON + ["%s/%s.py" % (HERE, name)]


class Daemon:
    """A warrend as the system sees it."""

    def __init__(self, host):
        self.host = host
        with open("/run/lab/%s/warrend.pid" % host) as file:
            # `on` became nsenter, and that became warrend.
            self.pid = int(file.read())

    def anonymous(self):
        with open("/proc/%d/status" % self.pid) as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("RssAnon"))

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def processor_seconds(self):
        with open("/proc/%d/stat" % self.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def metrics(self):
        text = subprocess.run(
            place(self.host) + ["curl", "-sS", "-m", "10", "http://127.0.0.1:15020/metrics"], capture_output=True, text=True).stdout
        values = {}
        for line in text.splitlines():
            if line and line[0] != "#":
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def open_connections(self):
        return sum(value for name, value in self.metrics().items() if name.startswith("istio_tcp_sockets_open"))


class Watch(threading.Thread):
    """The most that the daemons held while it ran."""

    def __init__(self, daemons):
        super().__init__(daemon=True)
        self.daemons, self.peak, self.files, self.on = daemons, 0, 0, True

    def run(self):
        while self.on:
            for daemon in self.daemons:
                self.peak = max(self.peak, daemon.anonymous())
                self.files = max(self.files, daemon.descriptors())
            time.sleep(0.1)

    def stop(self):
        self.on = False
        self.join()


def measure(seconds):
    """The victim's requests, and a friend's tunnels, for so long."""
    running = [
        start("web", *program("victim"), "requests", VICTIM, "8080", str(seconds)),
        start("friend", *program("victim"), "tunnels", VICTIM, "8080", str(seconds), "/run/lab/friend")]
    result = {}
    for process in running:
        result.update(finish(process, seconds + 40))
    return result


def attackers(names, count, seconds):
    started = []
    for name in names:
        where = ATTACKS[name]
        for _ in range(count):
            started.append((name, start(where, *program("attack"), name, ATTACKED, str(seconds), "--cert", "/run/lab/attacker")))
    return started


def attack(names, options, daemons):
    """One row: the names at once against the mesh, then their rates against the sink."""
    seconds, count = options.seconds, options.attackers if len(names) == 1 else 1
    watch = Watch(daemons)
    before = daemons[1].metrics()
    used = daemons[1].processor_seconds()
    watch.start()
    running = attackers(names, count, seconds + 1.5)
    time.sleep(1)
    attacked = measure(seconds)
    did = {}
    for name, process in running:
        told = finish(process, seconds + 30)
        for key, value in told.items():
            did.setdefault(key, 0)
            did[key] = max(did[key], value) if key == "seconds" else did[key] + value
    watch.stop()
    used = daemons[1].processor_seconds() - used
    after = daemons[1].metrics()
    time.sleep(1)
    rate = lambda key: did.get(key, 0) / max(1, did.get("seconds", 1)) / count
    hold = did.get("held", 0) // count if did.get("held") else 100
    # A certificate, too, for what is encrypted.
    copies = [
        start(
            "wire", *program("attack"), "replay", SINK, str(seconds + 1.5), "--cert", "/run/lab/attacker", "--hold", str(hold),
            *[word for key in ("connects", "handshakes", "bytes", "packets") for word in ("--" + key, str(rate(key)))])
        for _ in range(count)]
    time.sleep(1)
    sink = measure(seconds)
    replayed = {}
    for process in copies:
        for key, value in finish(process, seconds + 30).items():
            replayed[key] = replayed.get(key, 0) + value
    refused = {
        name.split('"')[1]: int(value - before.get(name, 0)) for name, value in after.items()
        if name.startswith("warren_refused_total") and value > before.get(name, 0)}
    return dict(
        attacked=attacked, sink=sink, did=did, replayed=replayed, peak=round(watch.peak, 1), descriptors=watch.files,
        cpu=round(used / (seconds + 1.5), 2), refused=refused)


def judge(name, row):
    problems = []
    for kind, seen in row["attacked"].items():
        if seen["ok"] < seen["sent"]:
            problems.append("%s: %d of %d failed (%s)" % (kind, seen["sent"] - seen["ok"], seen["sent"], "; ".join(seen["failures"])))
        sink = row["sink"].get(kind, {}).get("p99")
        ratio = round(seen["p99"] / sink, 2) if seen["p99"] and sink else None
        seen["ratio"] = ratio
        # A tunnel is a few hundred at most in a run: its p99 is told, not judged.
        if kind != "tunnel" and (ratio is None or ratio >= RATIO):
            problems.append("%s: p99 %s ms is %s times the sink's %s ms" % (kind, seen["p99"], ratio, sink))
    if len(row["attacked"]) < 3:
        problems.append("a measurement is missing")
    if row["peak"] > BOUND:
        problems.append("%.0f MiB" % row["peak"])
    row.update(name=name, met=not problems, problems=problems)


HEAD = "%-21s %9s %9s %8s %6s  %-17s %-17s %-17s %5s %6s %s"


def tell(row):
    def cell(kind):
        seen = row["attacked"].get(kind)
        if not seen:
            return "-"
        lost = seen["sent"] - seen["ok"]
        return "%s/%s x%s%s" % (seen["p99"], row["sink"].get(kind, {}).get("p99"), seen["ratio"], " -%d" % lost if lost else "")

    did, seconds = row["did"], max(1, row["did"].get("seconds", 1))
    per = lambda key: "%.0f" % (did.get(key, 0) / seconds)
    print(HEAD % (
        row["name"], per("packets") if "packets" in did else per("connects"), per("handshakes"), "%.2f" % (did.get("bytes", 0) / seconds / 1e6),
        row["cpu"], cell("keepalive"), cell("fresh"), cell("tunnel"), "%.0f" % row["peak"], row["descriptors"],
        "met" if row["met"] else "NOT MET"), flush=True)
    for problem in row["problems"]:
        print("    %s" % problem, flush=True)
    if row["refused"]:
        print("    refused: %s" % ", ".join("%s %d" % pair for pair in row["refused"].items()), flush=True)


def markdown(rows, seconds):
    """The table of docs/benchmarks.md."""
    def cell(row, kind):
        seen, sink = row["attacked"].get(kind), row["sink"].get(kind, {})
        if not seen:
            return "–"
        lost = seen["sent"] - seen["ok"]
        return "%s / %s (%s)%s" % (seen["p99"], sink.get("p99"), seen["ratio"], ", %d of %d failed" % (lost, seen["sent"]) if lost else "")

    lines = ["| attack, %d s | each second | keep-alive p99, ms | new connections' p99 | new tunnels' p99 | MiB | met |" % seconds,
             "| --- | --: | --: | --: | --: | --: | --- |"]
    for row in rows:
        did, lasted = row["did"], max(1, row["did"].get("seconds", 1))
        units = [("packets", "SYNs"), ("streams", "CONNECTs"), ("connects", "connections"), ("bytes", "bytes")]
        most = next(("%.0f %s" % (did[key] / lasted, name) for key, name in units if did.get(key)), "–")
        lines.append("| %s | %s | %s | %s | %s | %.0f | %s |" % (
            row["name"], most, cell(row, "keepalive"), cell(row, "fresh"), cell(row, "tunnel"), row["peak"], "yes" if row["met"] else "**no**"))
    return "\n".join(lines)


def settle(daemons, idle, limit):
    """Waits until everything is as it was; what it came to, per daemon."""
    begin, state = time.monotonic(), {}
    while time.monotonic() - begin < limit:
        state = {
            daemon.host: dict(
                anonymous=round(daemon.anonymous(), 1), descriptors=daemon.descriptors(), connections=int(daemon.open_connections()))
            for daemon in daemons}
        if all(is_idle(state[daemon.host], idle[daemon.host]) for daemon in daemons):
            break
        time.sleep(1)
    for daemon in daemons:
        now, then = state[daemon.host], idle[daemon.host]
        now["met"] = is_idle(now, then)
        print("%s %s after %.0f s: %.1f MiB anonymous (idle %.1f), %d descriptors (%d), %d connections (%d)" % (
            daemon.host, "is idle again" if now["met"] else "IS NOT AS IT WAS", time.monotonic() - begin, now["anonymous"],
            then["anonymous"], now["descriptors"], then["descriptors"], now["connections"], then["connections"]), flush=True)
    return state


def is_idle(now, then):
    return (
        now["anonymous"] <= then["anonymous"] * GROWTH and now["descriptors"] <= then["descriptors"]
        and now["connections"] <= then["connections"])


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--seconds", type=float)
    arguments.add_argument("--only")
    arguments.add_argument("--json")
    arguments.add_argument("--markdown", action="store_true")
    arguments.add_argument("--attackers", type=int, default=2)
    arguments.add_argument("--keep-logs")
    arguments.add_argument("--settle", type=float, default=100)
    arguments.add_argument("--list", action="store_true")
    options = arguments.parse_args()
    options.seconds = options.seconds or (5 if options.quick else 60)
    if options.list:
        return print("\n".join([*ATTACKS, "together"]))
    names = options.only.split(",") if options.only else [*ATTACKS, "together"]
    unknown = [name for name in names if name not in ATTACKS and name != "together"]
    if unknown:
        sys.exit("floods: no attack %s; --list tells them" % ", ".join(unknown))
    daemons = [Daemon("host1"), Daemon("host2")]
    sinks = [start("sink", *program("sink"), "15008")]
    sinks[0].stdout.readline()
    warm = measure(3)
    print("victim alone: %s" % json.dumps({kind: {key: seen[key] for key in ("sent", "ok", "p50", "p99")} for kind, seen in warm.items()}))
    time.sleep(2)
    idle = {
        daemon.host: dict(anonymous=round(daemon.anonymous(), 1), descriptors=daemon.descriptors(), connections=int(daemon.open_connections()))
        for daemon in daemons}
    print("p99 in ms: under attack / the sink attacked instead; cpu: of host2's warrend; MiB and descriptors: the most of either warrend")
    print(HEAD % ("attack", "connect/s", "TLS/s", "MB/s", "cpu", "keep-alive p99", "new conn. p99", "new tunnel p99", "MiB", "fds", ""), flush=True)
    rows = []
    for name in names:
        row = attack([*ATTACKS] if name == "together" else [name], options, daemons)
        judge(name, row)
        tell(row)
        rows.append(row)
    state = settle(daemons, idle, options.settle)
    met = all(row["met"] for row in rows) and all(one["met"] for one in state.values())
    if options.json:
        with open(options.json, "w") as file:
            json.dump(dict(seconds=options.seconds, bound=BOUND, alone=warm, idle=idle, after=state, rows=rows, met=met), file, indent=1)
    if options.markdown:
        print(markdown(rows, options.seconds))
    if options.keep_logs:
        os.makedirs(options.keep_logs, exist_ok=True)
        for host in ("host1", "host2"):
            for log in ("warrend.log", "access.log"):
                shutil.copy("/run/lab/%s/%s" % (host, log), "%s/%s-%s" % (options.keep_logs, host, log))
    print("%d of %d rows met" % (sum(row["met"] for row in rows), len(rows)))
    sys.exit(0 if met else 1)


main()
