# SPDX-License-Identifier: Apache-2.0
"""An nginx `stream` pair with mutual TLS between them, each beside its workload; within a host a plain relay."""
import lab
from systems.base import PORTS, System


class Nginx(System):
    name = "nginx"

    def start(self):
        self._processes = {}
        for role, place in (("client", self.pair.client), ("server", self.pair.server), ("relay", self.pair.client)):
            file = lab.configure(
                f"nginx-{role}.conf", f"{lab.RUN}/{self.name}-{role}.conf", PID=f"{lab.RUN}/{self.name}-{role}.pid",
                WORKERS=self.settings.workers, BUFFER=f"{self.settings.buffer}k",
                REUSEPORT=" reuseport" if self.settings.reuseport else "")
            self._processes[role] = place.start(["nginx", "-e", "stderr", "-c", file], f"{self.name}-{role}").pid
        self.pair.client.wait_listening(*PORTS.values(), *(20000 + port for port in PORTS.values()))
        self.pair.server.wait_listening(*(10000 + port for port in PORTS.values()))

    def target(self, service, near=False):
        return "127.0.0.1", PORTS[service] + (20000 if near else 0)

    def proxies(self, near=False):
        return [self._processes["relay"]] if near else [self._processes["client"], self._processes["server"]]

    def handshakes(self):
        return (lab.SERVER, 15008), [self._processes["server"]]
