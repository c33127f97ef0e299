# SPDX-License-Identifier: Apache-2.0
"""An application that calls over TCP, in one of several manners; its result as one line of JSON at the end.

  client.py echo 10.66.1.10 8080 --bytes 1000

echo     sends --bytes and compares what comes back, both at once
receive  says nothing and reads to the end (banner, source, send, drip)
send     sends --bytes, ends its direction, reads to the end (sink, digest)
greet    waits for the banner before it says anything, then echoes one line
hold     --count connections that each echo a line now and then, until standard input ends
steady   a new connection and an echoed line again and again, until standard input ends
stall    connects, sends --bytes without reading, and tells how far that went within --seconds
"""
import argparse
import errno
import socket
import sys
import threading
import time

import tcp


def finished():
    """Set once our standard input has ended, which tells `hold` and `steady` to stop."""
    event = threading.Event()

    def wait():
        sys.stdin.read()
        event.set()

    threading.Thread(target=wait, daemon=True).start()
    return event


def failure(error):
    """An error as one word that a test can compare."""
    if isinstance(error, TimeoutError):
        return "timeout"
    return {errno.ECONNREFUSED: "refused", errno.ECONNRESET: "reset", errno.EPIPE: "reset", errno.ENETUNREACH: "unreachable",
            errno.EHOSTUNREACH: "unreachable", errno.EADDRNOTAVAIL: "no port"}.get(error.errno, str(error))


def dial(options):
    started = time.monotonic()
    source = (options.source, 0) if options.source else None
    connection = tcp.connect(options.host, options.port, options.seconds, source)
    return connection, time.monotonic() - started


def echo(options):
    connection, took = dial(options)
    box = {}

    def send():
        try:
            box["sha256"] = tcp.send_pattern(connection, options.bytes)
            connection.shutdown(socket.SHUT_WR)
        except OSError as error:
            box["send_error"] = failure(error)

    sender = threading.Thread(target=send)
    sender.start()
    count, sha256, end, kept = tcp.receive_all(connection, 100)
    sender.join()
    return dict(connected=took, received=count, end=end, equal=box.get("sha256") == sha256, **box)


def receive(options):
    connection, took = dial(options)
    count, sha256, end, kept = tcp.receive_all(connection, 1000)
    return dict(connected=took, received=count, sha256=sha256, end=end, text=kept.decode("latin1"))


def send(options):
    connection, took = dial(options)
    sha256, error = None, None
    try:
        sha256 = tcp.send_pattern(connection, options.bytes)
        connection.shutdown(socket.SHUT_WR)
    except OSError as problem:
        error = failure(problem)
    count, received, end, kept = tcp.receive_all(connection, 1000)
    return dict(connected=took, sent_sha256=sha256, send_error=error, received=count, sha256=received, end=end, text=kept.decode("latin1"))


def greet(options):
    connection, took = dial(options)
    banner = connection.recv(1000)
    connection.sendall(b"HELO\r\n")
    answer = connection.recv(1000)
    return dict(connected=took, banner=banner.decode(), answer=answer.decode(), end="")


def line(connection, text):
    """Sends a line and reads it back; None, or how it failed."""
    try:
        connection.sendall(text)
        got = b""
        while len(got) < len(text):
            piece = connection.recv(len(text) - len(got))
            if not piece:
                return "fin"
            got += piece
        return None if got == text else "other bytes"
    except OSError as error:
        return failure(error)


def hold(options):
    stop, held, failed, ended = finished(), [], {}, {}

    def note(how):
        ended[how] = ended.get(how, 0) + 1

    for _ in range(options.count):
        try:
            held.append(dial(options)[0])
        except OSError as error:
            failed[failure(error)] = failed.get(failure(error), 0) + 1
    turn = 0
    while True:
        for connection in list(held):
            how = line(connection, b"turn %d\n" % turn)
            if how:
                note(how)
                held.remove(connection)
        if turn == 0:
            tcp.tell(event="holding", opened=len(held))
        turn += 1
        if stop.wait(options.pause):
            break
    alive = 0
    for connection in held:
        how = line(connection, b"last\n")
        if not how:
            connection.shutdown(socket.SHUT_WR)
            how = tcp.receive_all(connection)[2]
            if how == "fin":
                alive += 1
                continue
        note(how)
    return dict(alive=alive, failed=failed, ended=ended, turns=turn)


def steady(options):
    stop, done, failed, wrong = finished(), 0, [], 0
    lock = threading.Lock()

    def work(worker):
        nonlocal done, wrong
        count = 0
        while not stop.is_set():
            how = None
            try:
                connection = dial(options)[0]
                how = line(connection, b"worker %d request %d\n" % (worker, count))
                if not how:
                    connection.shutdown(socket.SHUT_WR)
                    _, _, end, _ = tcp.receive_all(connection)
                    how = None if end == "fin" else "end: " + end
                connection.close()
            except OSError as error:
                how = "connect: " + failure(error)
            with lock:
                count += 1
                done += 1
                if done == 1:
                    tcp.tell(event="began")
                if how:
                    failed.append("%.3f %s" % (time.time(), how))
                # An end that nobody made, or what nobody sent.
                wrong += how in ("fin", "other bytes")
            time.sleep(options.pause)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(options.count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return dict(requests=done, failed=len(failed), wrong=wrong, errors=failed[:10])


def stall(options):
    connection, took = dial(options)
    connection.settimeout(0.5)
    sent, until, chunk = 0, time.monotonic() + options.seconds, b"x" * tcp.CHUNK
    while sent < options.bytes and time.monotonic() < until:
        try:
            sent += connection.send(chunk)
        except TimeoutError:
            break
    return dict(connected=took, sent=sent)


MODES = {f.__name__: f for f in (echo, receive, send, greet, hold, steady, stall)}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("mode", choices=MODES)
    arguments.add_argument("host")
    arguments.add_argument("port", type=int)
    arguments.add_argument("--bytes", type=int, default=1000)
    arguments.add_argument("--count", type=int, default=1)
    arguments.add_argument("--pause", type=float, default=0.1)
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--source")
    options = arguments.parse_args()
    try:
        result = MODES[options.mode](options)
    except OSError as error:
        result = dict(end=failure(error), error=str(error), received=0, text="")
    tcp.tell(event="result", **result)


main()
