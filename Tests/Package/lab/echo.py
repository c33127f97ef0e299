# SPDX-License-Identifier: Apache-2.0
"""The workload stock: answers each line with itself, and with whom it sees."""

import socketserver


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.rstrip(b"\n") + b" " + self.client_address[0].encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("", 8080), Echo).serve_forever()
