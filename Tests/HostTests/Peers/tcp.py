# SPDX-License-Identifier: Apache-2.0
"""What the TCP peers share: sockets of both families, how a stream ended, and lines of JSON on standard output."""
import hashlib
import json
import socket
import struct
import sys
import threading

CHUNK = 65536
_output = threading.Lock()


def tell(**fields):
    """One event as a line of JSON."""
    with _output:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


def listen(port, address=None, backlog=4096):
    """A listening socket: of both families unless an address names one."""
    family = socket.AF_INET if address and ":" not in address else socket.AF_INET6
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if address else 0)
    listener.bind((address or "::", port))
    listener.listen(backlog)
    return listener


def plain(address):
    """An address without the mapping of IPv4 into IPv6."""
    return address[7:] if address.startswith("::ffff:") else address


def connect(host, port, timeout, source=None):
    """A connected socket. `source` is an (address, port) to call from."""
    connection = socket.create_connection((host, port), timeout, source)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def abort(connection):
    """Ends with a reset instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Pattern:
    """Bytes that everybody can make again: the block number in each 16 bytes, so that any packet of them can be told from noise."""

    MARK = b"cleartext"

    def __init__(self, size):
        self.left = size
        self.number = 0
        self.digest = hashlib.sha256()

    def __iter__(self):
        while self.left > 0:
            base = self.number
            piece = b"".join(b"%s%07d" % (self.MARK, (base + i) % 10_000_000) for i in range(CHUNK // 16))[: self.left]
            self.number += CHUNK // 16
            self.left -= len(piece)
            self.digest.update(piece)
            yield piece


_cached = {}


def send_pattern(connection, size):
    """Sends `size` bytes of the pattern; its SHA-256. The same 4 MiB repeat, so that making them doesn't slow the sending."""
    if "block" not in _cached:
        _cached["block"] = b"".join(Pattern(4 << 20))
    block = memoryview(_cached["block"])
    digest, left = hashlib.sha256(), size
    while left > 0:
        piece = block[: min(left, len(block))]
        connection.sendall(piece)
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()


def receive_all(connection, keep=0):
    """Reads to the end. (bytes read, their SHA-256, `fin` | `reset` | `timeout` | other error, the first `keep` bytes)."""
    digest, count, kept = hashlib.sha256(), 0, b""
    buffer = bytearray(1 << 20)
    while True:
        try:
            got = connection.recv_into(buffer)
        except ConnectionResetError:
            return count, digest.hexdigest(), "reset", kept
        except TimeoutError:
            return count, digest.hexdigest(), "timeout", kept
        except OSError as error:
            return count, digest.hexdigest(), error.strerror or str(error), kept
        if got == 0:
            return count, digest.hexdigest(), "fin", kept
        if len(kept) < keep:
            kept += bytes(buffer[: min(got, keep - len(kept))])
        digest.update(memoryview(buffer)[:got])
        count += got
