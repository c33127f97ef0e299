# SPDX-License-Identifier: Apache-2.0
"""Applications that call for as long as their standard input stays open, whatever happens to the mesh beneath them.

  traffic.py KIND HOST PORT COUNT

short    a connection, a request and its answer, again and again
kept     requests on a connection that stays
long     a connection on which a little passes now and then
bulk     answers of 32 MiB

Being refused or reset is what daemons do that are killed. An answer of other bytes, or one that ends too soon as if it were whole, is not:
`wrong` counts those. Tells one line of JSON.
"""
import json
import socket
import sys
import threading
import time

PATIENCE = 15
BULK = 32 << 20
ZEROS = bytes(1 << 20)


class Wrong(Exception):
    pass


def request(connection, path, last):
    connection.sendall(b"GET %s HTTP/1.1\r\nHost: soak\r\n%s\r\n" % (path, last))
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(4096)
        if not part:
            if data:
                raise Wrong("an end within a head")
            raise ConnectionResetError("ended before an answer")
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 206")):
        raise Wrong(head[:60].decode("latin1"))
    return int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]), body


def rest(connection, length, body, expected):
    """Reads an answer to its end, and what it holds."""
    count = len(body)
    if expected is None and body != ZEROS[: len(body)]:
        raise Wrong("other bytes")
    while count < length:
        part = connection.recv(1 << 20)
        if not part:
            raise Wrong("an end after %d of %d bytes" % (count, length))
        count += len(part)
        if expected is None:
            if part != ZEROS[: len(part)]:
                raise Wrong("other bytes")
        else:
            body += part
    if expected is not None and body != expected:
        raise Wrong("another answer: %r" % body[:60])


def dialled(address):
    connection = socket.create_connection(address, PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Worker(threading.Thread):
    def __init__(self, kind, address, stop):
        super().__init__(daemon=True)
        self.kind, self.address, self.stop = getattr(self, kind), address, stop
        self.ok, self.lost, self.wrong = 0, 0, []

    def run(self):
        while not self.stop.is_set():
            try:
                with dialled(self.address) as connection:
                    self.kind(connection)
            except Wrong as error:
                self.wrong.append("%.3f %s" % (time.time(), error))
            except OSError:
                self.lost += 1
                self.stop.wait(0.2)

    def exchange(self, connection, last=b""):
        length, body = request(connection, b"/", last)
        if not 2 <= length <= 64:
            raise Wrong("an answer of %d bytes" % length)
        rest(connection, length, body, body if len(body) == length else body + connection.recv(length - len(body)))
        self.ok += 1

    def short(self, connection):
        self.exchange(connection, b"Connection: close\r\n")
        if connection.recv(1):
            raise Wrong("bytes behind the answer")
        self.stop.wait(0.01)

    def kept(self, connection):
        while not self.stop.wait(0.01):
            self.exchange(connection)

    def long(self, connection):
        while not self.stop.wait(1):
            self.exchange(connection)

    def bulk(self, connection):
        while not self.stop.wait(0.3):
            length, body = request(connection, b"/big", b"Range: bytes=0-%d\r\n" % (BULK - 1))
            if length != BULK:
                raise Wrong("an answer of %d bytes" % length)
            rest(connection, length, body, None)
            self.ok += 1


def main():
    kind, host, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    stop = threading.Event()
    workers = [Worker(kind, (host, port), stop) for _ in range(count)]
    for worker in workers:
        worker.start()
    sys.stdin.read()
    stop.set()
    for worker in workers:
        worker.join(PATIENCE + 5)
    wrong = [line for worker in workers for line in worker.wrong]
    print(json.dumps(dict(
        ok=sum(worker.ok for worker in workers), lost=sum(worker.lost for worker in workers), wrong=len(wrong), first=wrong[:3])), flush=True)


main()
