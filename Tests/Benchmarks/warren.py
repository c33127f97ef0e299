# SPDX-License-Identifier: Apache-2.0
"""Two warrends as shipped, one per host, and their mesh with ten policies."""
import os
import subprocess
import time

import lab

NAME = "warren"

# Written nine times with another number: looked at for each connection, and never fitting.
DENIAL = """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: never-NUMBER, namespace: bench}
spec:
  selector: {matchLabels: {app: server}}
  action: DENY
  rules:
    - from: [{source: {principals: [cluster.local/ns/bench/sa/stranger-NUMBER]}}]
      to: [{operation: {ports: ["900NUMBER"]}}]
    - from: [{source: {ipBlocks: ["192.0.2.NUMBER/32"]}}]
"""


class Warren:
    """The client's and the server's daemon; applications are called at their own address, as nothing were there."""

    address = lab.SERVER
    near_address = lab.NEAR

    def __init__(self, settings):
        self.name = NAME
        self.lab = lab.Lab(NAME)
        lab.run(f"{settings.programs}/warren", "ca", "init", "--directory", f"{self.lab.folder}/ca")
        denials = "".join(DENIAL.replace("NUMBER", str(number)) for number in range(1, 10))
        lab.config("mesh.yaml", f"{self.lab.folder}/mesh.yaml", LAB=NAME, CLIENT=lab.CLIENT, NEAR=lab.NEAR, SERVER=lab.SERVER,
                   DENIALS=denials)
        self.daemons = [self.start(host, settings) for host in ("host1", "host2")]
        self.lab.start_applications("server", "near")

    def start(self, host, settings):
        folder = self.lab.folder
        os.makedirs(f"{folder}/{host}")
        path = lab.config("warrend.yaml", f"{folder}/{host}.yaml", NODE=host, FOLDER=folder, CONGESTION=settings.congestion)
        daemon = self.lab.start(host, host, f"{settings.programs}/warrend", "--config", path)
        for _ in range(100):
            self.lab.check_alive()
            ready = subprocess.run(self.lab.command(host, "curl", "-fsm1", "-o", "/dev/null", "http://127.0.0.1:15021/healthz/ready"),
                                   check=False)
            if ready.returncode == 0:
                return daemon
            time.sleep(0.1)
        raise lab.Failed(f"warrend of {host} isn't ready: {self.lab.said(host)}")

    @property
    def proxies(self):
        return [daemon.pid for daemon in self.daemons]

    @property
    def near_proxies(self):
        return self.proxies[:1]
