# SPDX-License-Identifier: Apache-2.0
"""Plays systemd's end of sd_notify: `notified.py SOCKET` tells each message as it comes, with the time on the machine's monotonic clock."""
import socket
import sys
import time

import tcp

listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
tcp.tell(event="listening")
while True:
    text = listener.recv(4096).decode()
    tcp.tell(event="told", text=text, at=time.monotonic())
