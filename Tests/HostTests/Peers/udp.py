# SPDX-License-Identifier: Apache-2.0
"""UDP that answers, and one that asks: `udp.py serve PORT`, `udp.py ask HOST PORT` (status 0 if an answer came within a second)."""
import socket
import sys

import tcp

if sys.argv[1] == "serve":
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.bind(("::", int(sys.argv[2])))
    tcp.tell(event="listening")
    while True:
        data, peer = server.recvfrom(2048)
        server.sendto(data, peer)

family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
client = socket.socket(family, socket.SOCK_DGRAM)
client.settimeout(1)
client.sendto(b"cleartext udp", (sys.argv[2], int(sys.argv[3])))
try:
    sys.exit(0 if client.recv(2048) == b"cleartext udp" else 1)
except OSError:
    sys.exit(1)
