# SPDX-License-Identifier: Apache-2.0
"""An application that reads to the client's end, is silent for --delay seconds, and then sends back as many bytes as came."""
import argparse
import socket
import threading
import time

import tcp


def serve(connection, delay):
    count = tcp.receive_all(connection)[0]
    time.sleep(delay)
    try:
        tcp.send_pattern(connection, count)
        connection.shutdown(socket.SHUT_WR)
        tcp.tell(event="ended", end="fin", sent=count)
    except OSError as error:
        tcp.tell(event="ended", end=str(error))
    connection.close()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--delay", type=float, required=True)
    options = arguments.parse_args()
    listener = tcp.listen(options.port)
    tcp.tell(event="listening", port=options.port)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, options.delay), daemon=True).start()


main()
