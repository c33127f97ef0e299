# SPDX-License-Identifier: Apache-2.0
"""An HTTP/1.1 proxy that knows CONNECT only: what nghttpx hands its tunnels to. `connect_proxy.py PORT`"""
import socket
import sys
import threading

import tcp


def pump(source, target):
    try:
        while data := source.recv(tcp.CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client):
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(4096)
        if not data:
            return
        head += data
    method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
    host, port = target.rsplit(":", 1)
    tcp.tell(event="connect", method=method, target=target)
    try:
        upstream = tcp.connect(host.strip("[]"), int(port), 5)
    except OSError:
        client.sendall(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
        return
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    threading.Thread(target=pump, args=(upstream, client), daemon=True).start()
    pump(client, upstream)


listener = tcp.listen(int(sys.argv[1]))
tcp.tell(event="listening")
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
