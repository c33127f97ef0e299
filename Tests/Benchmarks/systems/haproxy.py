# SPDX-License-Identifier: Apache-2.0
"""A HAProxy pair in TCP mode with mutual TLS between them, each beside its workload."""
import lab
from systems.base import PORTS, System


class HAProxy(System):
    name = "haproxy"
    has_near = False
    # One process holds both descriptors of each connection.
    most_connections = 9900

    def start(self):
        self._processes = []
        for role, place in (("client", self.pair.client), ("server", self.pair.server)):
            file = lab.configure(
                f"haproxy-{role}.cfg", f"{lab.RUN}/{self.name}-{role}.cfg", WORKERS=self.settings.workers, BUFFER=self.settings.buffer * 1024)
            self._processes.append(place.start(["haproxy", "-db", "-f", file], f"{self.name}-{role}").pid)
        self.pair.client.wait_listening(*PORTS.values())
        self.pair.server.wait_listening(*(10000 + port for port in PORTS.values()))

    def target(self, service, near=False):
        return "127.0.0.1", PORTS[service]

    def proxies(self, near=False):
        return self._processes
