# SPDX-License-Identifier: Apache-2.0
"""An application that serves TCP, in one of several manners; an event per connection as a line of JSON.

  server.py --port 8080 --mode echo

echo     what comes goes back, to the end of both
greet    a banner first, as a mail server says it, then echo
source   tells the client's address as it sees it, and ends
digest   reads to the client's end, then answers with count and SHA-256, then ends (half-close by the client)
announce sends --bytes and ends its direction, then reads to the client's end (half-close by the server)
send     sends --bytes of the pattern and ends
sink     reads to the end and says nothing
slow     reads --bytes per second, through a small buffer
silent   accepts and does nothing
reset    reads one piece and resets
drip     sends a line each 50 ms until the client ends
"""
import argparse
import socket
import threading
import time

import tcp


def echo(connection, options):
    received, sent = 0, 0
    while True:
        try:
            piece = connection.recv(tcp.CHUNK)
            if not piece:
                connection.shutdown(socket.SHUT_WR)
                return dict(end="fin", received=received, sent=sent)
            received += len(piece)
            connection.sendall(piece)
            sent += len(piece)
        except ConnectionResetError:
            return dict(end="reset", received=received, sent=sent)
        except OSError as error:
            return dict(end=str(error), received=received, sent=sent)


def greet(connection, options):
    connection.sendall(b"220 ready\r\n")
    return echo(connection, options)


def source(connection, options):
    connection.sendall(("%s %d\n" % (tcp.plain(connection.getpeername()[0]), connection.getpeername()[1])).encode())
    connection.shutdown(socket.SHUT_WR)
    return dict(end=tcp.receive_all(connection)[2])


def digest(connection, options):
    count, sha256, end, _ = tcp.receive_all(connection)
    if end == "fin":
        connection.sendall(("%d %s\n" % (count, sha256)).encode())
    return dict(received=count, sha256=sha256, end=end)


def announce(connection, options):
    sent = tcp.send_pattern(connection, options.bytes)
    connection.shutdown(socket.SHUT_WR)
    count, sha256, end, _ = tcp.receive_all(connection)
    return dict(received=count, sha256=sha256, end=end, sent_sha256=sent)


def send(connection, options):
    sha256 = tcp.send_pattern(connection, options.bytes)
    connection.shutdown(socket.SHUT_WR)
    return dict(sent=options.bytes, sha256=sha256, end=tcp.receive_all(connection)[2])


def sink(connection, options):
    count, sha256, end, _ = tcp.receive_all(connection)
    return dict(received=count, sha256=sha256, end=end)


def slow(connection, options):
    count = 0
    while True:
        try:
            piece = connection.recv(max(1, options.bytes // 10))
        except OSError as error:
            return dict(received=count, end="reset" if isinstance(error, ConnectionResetError) else str(error))
        if not piece:
            return dict(received=count, end="fin")
        count += len(piece)
        time.sleep(0.1)


def silent(connection, options):
    while True:
        time.sleep(3600)


def reset(connection, options):
    connection.recv(tcp.CHUNK)
    tcp.abort(connection)
    return dict(end="ours")


def drip(connection, options):
    sent = 0
    while True:
        try:
            connection.sendall(b"drip %d\n" % sent)
        except OSError as error:
            return dict(sent=sent, end="reset" if isinstance(error, (ConnectionResetError, BrokenPipeError)) else str(error))
        sent += 1
        time.sleep(0.05)


MODES = {f.__name__: f for f in (echo, greet, source, digest, announce, send, sink, slow, silent, reset, drip)}


def serve(connection, peer, options):
    address, port = tcp.plain(peer[0]), peer[1]
    tcp.tell(event="accepted", peer=address, port=port, local=tcp.plain(connection.getsockname()[0]))
    try:
        result = MODES[options.mode](connection, options)
    except OSError as error:
        result = dict(end=str(error))
    connection.close()
    tcp.tell(event="ended", peer=address, port=port, **result)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--address")
    arguments.add_argument("--mode", choices=MODES, default="echo")
    arguments.add_argument("--bytes", type=int, default=1 << 20)
    options = arguments.parse_args()
    threading.stack_size(256 << 10)
    listener = tcp.listen(options.port, options.address)
    if options.mode == "slow":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    tcp.tell(event="listening", port=options.port)
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=serve, args=(connection, peer, options), daemon=True).start()


main()
