# SPDX-License-Identifier: Apache-2.0
"""The loads: each runs one tool in the client's namespace and returns its figures, with the processor time that the proxies used meanwhile.

Bandwidth in Gbit/s, latencies in microseconds, GB is 10^9 bytes.
"""
import json
import re
import subprocess
import time

import account
import lab

SCALE = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}


def _costs(system, near, work):
    """What `work` returns, and how many seconds of processor time the proxies used for it."""
    roots = system.proxies(near)
    before = account.seconds(roots)
    result = work()
    return result, account.seconds(roots) - before


def bulk(system, seconds, streams=1, reverse=False, near=False):
    address, port = system.target("bulk", near)
    argv = ["iperf3", "--client", address, "--port", str(port), "--time", str(seconds), "--parallel", str(streams), "--json"]

    def work():
        return json.loads(system.client.run(argv + ["--reverse"] * reverse, timeout=seconds + 30, check=False) or "{}")

    for _ in range(3):
        report, cpu = _costs(system, near, work)
        if "error" not in report and "end" in report:
            break
        # The server takes one client at a time, and needs a moment after the one before.
        time.sleep(0.3)
    else:
        raise lab.Failure(f"{system.name}: iperf3: {report.get('error', 'no report')}{lab.all_logs()}")
    received = report["end"]["sum_received"]
    figures = {"Gbit/s": received["bits_per_second"] / 1e9}
    if system.proxies(near):
        figures["CPU s/GB"] = cpu / (received["bytes"] / 1e9)
    return figures


def _latency(text, percent):
    number, unit = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE).groups()
    return float(number) * SCALE[unit]


def requests(system, seconds, connections, near=False):
    address, port = system.target("http", near)
    argv = ["wrk", "--latency", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", f"http://{address}:{port}/"]
    text, cpu = _costs(system, near, lambda: system.client.run(argv, timeout=seconds + 30))
    if "Socket errors" in text or "Non-2xx" in text:
        raise lab.Failure(f"{system.name}: not every request was answered: {text}")
    count = int(re.search(r"(\d+) requests in", text).group(1))
    figures = {
        "requests/s": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), "p50 µs": _latency(text, 50), "p99 µs": _latency(text, 99),
    }
    if system.proxies(near):
        figures["CPU µs/request"] = cpu * 1e6 / count
    return figures


def connections(system, seconds, concurrent):
    address, port = system.target("http")
    argv = [f"{lab.RUN}/connect", address, str(port), str(concurrent), str(seconds)]
    report, cpu = _costs(system, False, lambda: json.loads(system.client.run(argv, timeout=seconds + 30)))
    if report["failed"] or not report["done"]:
        raise lab.Failure(f"{system.name}: {report['failed']} connections failed, {report['done']} didn't{lab.all_logs()}")
    figures = {"connections/s": report["done"] / report["seconds"], "p99 µs": report["p99"]}
    if report["stuck"]:
        # They would be missing from the latencies.
        figures["stuck"] = report["stuck"]
    if system.proxies():
        figures["CPU µs/connection"] = cpu * 1e6 / report["done"]
    return figures


def beside(system, seconds, streams, connections):
    """Small requests while bulk streams run beside them."""
    address, port = system.target("bulk")
    argv = ["iperf3", "--client", address, "--port", str(port), "--time", str(seconds + 1), "--parallel", str(streams), "--json"]
    with system.client.start(argv, "beside", stdout=subprocess.PIPE) as streaming:
        time.sleep(0.5)
        figures = requests(system, seconds, connections)
        report = json.loads(streaming.stdout.read())
    if "error" in report:
        raise lab.Failure(f"{system.name}: iperf3: {report['error']}")
    return {"p99 µs": figures["p99 µs"], "p50 µs": figures["p50 µs"], "requests/s": figures["requests/s"],
            "Gbit/s": report["end"]["sum_received"]["bits_per_second"] / 1e9}


def digest(system, megabytes, near=False):
    """The same bytes come out as went in, both ways."""
    address, port = system.target("digest", near)
    system.client.run(["python3", f"{lab.HERE}/digest.py", "check", address, str(port), str(megabytes * 1000000 + 12345)], timeout=90)


def memory(system, counts, settle):
    """Anonymous memory of the proxies: idle, with idle connections, and after they have closed. A peer that can't hold them has no figure."""
    if not system.proxies():
        return None
    # Both ends have met: the first request makes what every later one uses.
    requests(system, 1, 1)
    time.sleep(settle)
    idle = account.anonymous(system.proxies())
    figures = {"idle MB": idle / 1e6}
    address, port = system.target("http")
    for count in counts:
        if system.most_connections and count > system.most_connections:
            continue
        with system.client.start([f"{lab.RUN}/hold", address, str(port), str(count)], "hold", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as held:
            if held.stdout.readline():
                time.sleep(1)
                figures[f"bytes/connection at {count}"] = (account.anonymous(system.proxies()) - idle) / count
            elif system.name == "warren":
                raise lab.Failure(f"{count} connections can't be held{lab.all_logs()}")
            held.stdin.close()
        time.sleep(settle)
        figures[f"MB after {count}"] = account.anonymous(system.proxies()) / 1e6
    return figures
