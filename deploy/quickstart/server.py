# SPDX-License-Identifier: Apache-2.0
"""A workload of the demonstration: says who it is, whom it sees as its client, and what it was asked for.

Usage: server.py NAME; /slow takes its time, so that a connection can be looked at.
"""
import http.server
import socket
import socketserver
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        client = self.client_address[0].removeprefix("::ffff:")
        self.wfile.write(f"{sys.argv[1]} answers {client}: {self.path}\n".encode())
        if self.path == "/slow":
            for _ in range(40):
                time.sleep(0.2)
                self.wfile.write(b"still here\n")
            self.wfile.write(b"that was all\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # Not HTTPServer's own, which asks the name service for this host's name, and here nobody answers.
        socketserver.TCPServer.server_bind(self)


Server(("::", 8080), Handler).serve_forever()
