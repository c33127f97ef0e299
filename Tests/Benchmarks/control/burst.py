# SPDX-License-Identifier: Apache-2.0
"""Many changes at once over many connections, at a pace: cheap enough to share a processor with what it measures."""
import re
import selectors
import socket
import time

import lab


def run(path, requests, seconds, connections=64):
    """Sends each (method, path, type, body) when its time has come. When it ended, the revisions, and seconds of each answer."""
    texts = [
        f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        for method, target, kind, body in requests]
    selector = selectors.DefaultSelector()
    free = []
    for _ in range(connections):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        free.append(connection)
    begun, sent, times, revisions, parts = time.monotonic(), 0, [], [], {}
    while len(times) < len(texts):
        due = int((time.monotonic() - begun) / seconds * len(texts)) + 1
        while free and sent < min(due, len(texts)):
            connection = free.pop()
            parts[connection] = (b"", time.monotonic())
            connection.sendall(texts[sent])
            selector.register(connection, selectors.EVENT_READ)
            sent += 1
        for key, _ in selector.select(0.001):
            connection = key.fileobj
            text, asked = parts[connection]
            more = connection.recv(1 << 16)
            text += more
            head, end, body = text.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            if not more or not end or not length or len(body) < int(length.group(1)):
                if not more:
                    raise lab.Failure(f"a connection of the burst ended: {text[:500]}")
                parts[connection] = (text, asked)
                continue
            if b" 200 " not in head.split(b"\r\n")[0]:
                raise lab.Failure(f"a change of the burst was refused: {text[:800]}")
            times.append(time.monotonic() - asked)
            revisions.append(int(re.search(rb'"resourceVersion":"(\d+)"', body).group(1)))
            selector.unregister(connection)
            free.append(connection)
        if time.monotonic() - begun > 120:
            raise lab.Failure(f"{len(times)} of {len(texts)} changes were answered within 120 s")
    ended = time.monotonic()
    for connection in free:
        connection.close()
    return begun, ended, revisions, times
