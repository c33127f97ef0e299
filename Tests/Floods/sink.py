# SPDX-License-Identifier: Apache-2.0
"""A sink: takes every connection and every byte at 15008 and says nothing. `sink.py PORT`"""
import resource
import select
import socket
import sys

resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
listener = socket.create_server(("", int(sys.argv[1])), backlog=4096, reuse_port=False)
listener.setblocking(False)
poll = select.epoll()
poll.register(listener, select.EPOLLIN)
open_ones = {}
buffer = bytearray(1 << 16)
print("listening", flush=True)
while True:
    for number, event in poll.poll():
        if number == listener.fileno():
            for _ in range(16):
                try:
                    connection, _ = listener.accept()
                except OSError:
                    break
                connection.setblocking(False)
                open_ones[connection.fileno()] = connection
                poll.register(connection, select.EPOLLIN)
            continue
        connection = open_ones[number]
        try:
            if connection.recv_into(buffer):
                continue
        except BlockingIOError:
            continue
        except OSError:
            pass
        poll.unregister(connection)
        del open_ones[number]
        connection.close()
