# SPDX-License-Identifier: Apache-2.0
"""A client of very many connections, on one thread with epoll: each sends a request for a page and reads the answer; then it closes first,
or stays open until all have their answer (--hold).

  many.py 10.66.2.10 8080 --count 60000 --parallel 200
"""
import argparse
import errno
import select
import socket
import time

import tcp

REQUEST = b"GET / HTTP/1.1\r\nHost: many\r\n\r\n"


class Many:
    def __init__(self, options):
        self.options = options
        self.poll = select.epoll()
        self.open = {}
        self.begun = self.answered = 0
        self.failed = {}
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        self.make = lambda: socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    def begin(self):
        self.begun += 1
        connection = self.make()
        code = connection.connect_ex((self.options.host, self.options.port))
        if code not in (0, errno.EINPROGRESS):
            return self.fail(connection, code)
        self.open[connection.fileno()] = connection
        self.poll.register(connection.fileno(), select.EPOLLOUT | select.EPOLLIN | select.EPOLLONESHOT)

    def fail(self, connection, code):
        word = errno.errorcode.get(code, str(code))
        self.failed[word] = self.failed.get(word, 0) + 1
        connection.close()

    def turn(self, number, events):
        connection = self.open[number]
        code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        try:
            if code:
                raise OSError(code, "")
            if events & select.EPOLLOUT:
                connection.send(REQUEST)
                return self.poll.modify(number, select.EPOLLIN | select.EPOLLONESHOT)
            if not connection.recv(4096):
                raise OSError(errno.ESHUTDOWN, "")
        except OSError as error:
            del self.open[number]
            return self.fail(connection, error.errno)
        self.answered += 1
        if not self.options.hold:
            del self.open[number]
            connection.close()

    def run(self):
        started = time.monotonic()
        last = started
        while self.answered + sum(self.failed.values()) < self.options.count:
            while self.begun < self.options.count and self.begun - self.answered - sum(self.failed.values()) < self.options.parallel:
                self.begin()
            for number, events in self.poll.poll(1):
                self.turn(number, events)
                last = time.monotonic()
            if time.monotonic() - last > self.options.seconds:
                break
        tcp.tell(event="result", answered=self.answered, failed=self.failed, open=len(self.open), seconds=time.monotonic() - started,
                 missing=self.begun - self.answered - sum(self.failed.values()))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("host")
    arguments.add_argument("port", type=int)
    arguments.add_argument("--count", type=int, required=True)
    arguments.add_argument("--parallel", type=int, default=200)
    arguments.add_argument("--hold", action="store_true")
    arguments.add_argument("--seconds", type=float, default=15, help="give up after so long without any answer")
    Many(arguments.parse_args()).run()


main()
