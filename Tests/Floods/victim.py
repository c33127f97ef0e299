# SPDX-License-Identifier: Apache-2.0
"""A victim's load, steady and measured: each request has its time by a plan, and what it is late counts.

  victim.py requests HOST PORT SECONDS      captured: keep-alive requests and requests on connections of their own
  victim.py tunnels HOST PORT SECONDS PREFIX   a peer that makes a tunnel for each request, with the certificate PREFIX.pem

Tells one line of JSON: per kind how many were sent and answered, the first failures, and latencies in milliseconds.
"""
import json
import socket
import ssl
import sys
import threading
import time

import frames

PATIENCE = 10


def answer(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(4096)
        if not part:
            raise OSError("ended")
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        part = connection.recv(4096)
        if not part:
            raise OSError("ended")
        body += part
    if not head.startswith(b"HTTP/1.1 200"):
        raise OSError(head.split(b"\r\n")[0].decode())


REQUEST = b"GET / HTTP/1.1\r\nHost: victim\r\n\r\n"


class KeepAlive:
    def __init__(self, address):
        self.address, self.connection = address, None

    def __call__(self):
        try:
            if self.connection is None:
                self.connection = connected(self.address)
            self.connection.sendall(REQUEST)
            answer(self.connection)
        except OSError:
            self.connection = None
            raise


def connected(address):
    connection = socket.create_connection(address, PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def fresh(address):
    def call():
        with connected(address) as connection:
            connection.sendall(REQUEST)
            answer(connection)

    return call


def tunnel(address, prefix):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations("/run/lab/ca/root.pem")
    context.load_cert_chain(prefix + ".pem", prefix + ".key")
    context.set_alpn_protocols(["h2"])
    authority = "%s:%d" % address
    opening = frames.HELLO + frames.request(1, authority) + frames.frame(frames.DATA, frames.END_STREAM, 1, REQUEST)

    def call():
        with context.wrap_socket(connected((address[0], 15008))) as connection:
            connection.sendall(opening)
            data = b""
            while b"HTTP/1.1 200" not in data:
                part = connection.recv(4096)
                if not part:
                    raise OSError("ended")
                data += part

    return call


class Series(threading.Thread):
    def __init__(self, call, interval, offset, begin, end):
        super().__init__()
        self.call, self.interval, self.begin, self.end = call, interval, begin + offset, end
        self.times, self.failures, self.sent = [], [], 0

    def run(self):
        due = self.begin
        while due < self.end:
            time.sleep(max(0, due - time.monotonic()))
            self.sent += 1
            try:
                self.call()
                self.times.append(time.monotonic() - due)
            except (OSError, ValueError, IndexError) as error:
                self.failures.append(str(error) or type(error).__name__)
            # Requests that a stall of seconds swallowed are not made up for at once: that would be another flood.
            due = max(due + self.interval, time.monotonic() - 1)


def run(kinds, seconds):
    begin = time.monotonic() + 0.05
    series = {}
    for name, (calls, interval) in kinds.items():
        series[name] = [
            Series(call, interval * len(calls), interval * index, begin, begin + seconds) for index, call in enumerate(calls)]
    everyone = [one for group in series.values() for one in group]
    for one in everyone:
        one.start()
    for one in everyone:
        one.join()
    result = {}
    for name, group in series.items():
        times = sorted(1000 * time for one in group for time in one.times)
        failures = [failure for one in group for failure in one.failures]
        at = lambda share: round(times[min(len(times) - 1, int(share * len(times)))], 2) if times else None
        result[name] = dict(
            sent=sum(one.sent for one in group), ok=len(times), p50=at(0.5), p99=at(0.99), max=at(1), failures=failures[:3])
    print(json.dumps(result), flush=True)


def main():
    what, host, port, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    address = (host, port)
    if what == "requests":
        run(dict(keepalive=([KeepAlive(address) for _ in range(4)], 0.005), fresh=([fresh(address) for _ in range(3)], 0.02)), seconds)
    else:
        run(dict(tunnel=([tunnel(address, sys.argv[5])] * 3, 0.1)), seconds)


main()
