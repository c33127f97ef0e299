# SPDX-License-Identifier: Apache-2.0
"""The HAProxy pair in mutual TLS."""
import lab
import papers

CLIENT = """listen to-{port}
    bind 127.0.0.1:{port} backlog 4096
    # The name is verified, the chain too; sessions are resumed, which is the default.
    server it {server}:{secure} ssl verify required verifyhost server.bench ca-file {folder}/roots.pem crt {folder}/client-both.pem
"""
SERVER = """listen from-{secure}
    bind {server}:{secure} backlog 4096 ssl crt {folder}/server-both.pem ca-file {folder}/roots.pem verify required
    server it 127.0.0.1:{port}
"""


class HAProxyPair:
    """One HAProxy in each workload's namespace; the client calls its own loopback address."""

    name = "haproxy"
    address = "127.0.0.1"

    def __init__(self, settings):
        self.lab = lab.Lab(self.name)
        papers.issue(settings, self.lab.folder)
        self.lab.start_applications("server")
        self.processes = [self.start(place, text, settings) for place, text in (("server", SERVER), ("client", CLIENT))]

    def start(self, place, text, settings):
        servers = "\n".join(text.format(port=port, secure=port + 10000, server=lab.SERVER, folder=self.lab.folder)
                            for port in lab.PORTS)
        path = lab.config(f"haproxy-{place}.cfg", f"{self.lab.folder}/haproxy-{place}.cfg", WORKERS=settings.workers,
                          BUFFER=settings.buffer, SERVERS=servers)
        return self.lab.start(place, f"haproxy-{place}", "haproxy", "-db", "-f", path)

    @property
    def proxies(self):
        return [process.pid for process in self.processes]
