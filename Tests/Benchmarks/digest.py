# SPDX-License-Identifier: Apache-2.0
"""Shows that what is timed is also right: bytes through a system, both ways at once, compared by SHA-256.

  digest.py serve ADDRESS PORT           answers every connection
  digest.py check ADDRESS PORT BYTES     sends and receives BYTES each; ends with 0 if both digests fit

A connection is: 8 bytes of length, that many bytes, answered by their digest and as many bytes of the server's own with their digest behind.
No end is half-closed, because not every peer passes that on.
"""
import hashlib
import os
import random
import socket
import sys
import threading

BLOCK = 1 << 20


def blocks(seed, count):
    source = random.Random(seed)
    while count > 0:
        yield source.randbytes(min(BLOCK, count))
        count -= BLOCK


def send(connection, seed, count):
    digest = hashlib.sha256()
    for block in blocks(seed, count):
        digest.update(block)
        connection.sendall(block)
    return digest.digest()


def receive(connection, count):
    digest, buffer = hashlib.sha256(), memoryview(bytearray(BLOCK))
    while count > 0:
        got = connection.recv_into(buffer, min(BLOCK, count))
        if got == 0:
            raise ConnectionError(f"ended with {count} bytes to come")
        digest.update(buffer[:got])
        count -= got
    return digest.digest()


def exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError("ended early")
        data += more
    return data


def both(connection, seed, count):
    """Sends and receives at the same time; the two digests."""
    sent = []
    sender = threading.Thread(target=lambda: sent.append(send(connection, seed, count)), daemon=True)
    sender.start()
    received = receive(connection, count)
    sender.join()
    return sent[0], received


def serve(address, port):
    def answer(connection):
        with connection:
            count = int.from_bytes(exactly(connection, 8), "big")
            sent, received = both(connection, "server", count)
            connection.sendall(received + sent)
            connection.recv(1)

    listener = socket.create_server((address, port))
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def check(address, port, count):
    with socket.create_connection((address, port), timeout=60) as connection:
        connection.sendall(count.to_bytes(8, "big"))
        sent, received = both(connection, os.urandom(8), count)
        answer = exactly(connection, 64)
        if answer != sent + received:
            sys.exit("the digests differ")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        check(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
