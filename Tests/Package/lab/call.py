# SPDX-License-Identifier: Apache-2.0
"""The workload web: calls stock again and again, and keeps one connection open. Each second it writes how it went, as one JSON line:
calls that were answered and that failed, and how often the open connection was lost."""

import json
import socket
import sys
import time

ADDRESS = ("10.66.2.10", 8080)


def ask(connection, text):
    connection.sendall(text + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError("an end that nobody asked for")
        answer += piece
    if not answer.startswith(text):
        raise ConnectionError("another answer")


def connect():
    connection = socket.create_connection(ADDRESS, timeout=1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def main():
    kept, lost = None, 0
    while True:
        good = bad = 0
        end = time.monotonic() + 1
        while time.monotonic() < end:
            try:
                with connect() as connection:
                    ask(connection, b"short")
                good += 1
            except OSError:
                bad += 1
            try:
                kept = kept or connect()
                ask(kept, b"kept")
            except OSError:
                lost += kept is not None
                kept = None
            time.sleep(0.01)
        print(json.dumps({"at": round(time.time(), 1), "good": good, "bad": bad, "lost": lost, "kept": kept is not None}), flush=True)


sys.exit(main())
