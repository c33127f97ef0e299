# SPDX-License-Identifier: Apache-2.0
"""One real `warrend` that takes its mesh from a control plane, with two workloads of its own that talk to each other through it."""
import os
import re
import subprocess
import time

import account
import lab
import mesh

NODE, NAMESPACE = "bench", "bench"
CLIENT, SERVER, PORT = "10.66.1.10", "10.66.1.11", 7000


def register(plane):
    """The host's grant, namespace and two workloads."""
    plane.ask("POST", mesh.path("namespaces"), {"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": NAMESPACE, "labels": {"istio.io/dataplane-mode": "ambient"}}})
    plane.ask("POST", mesh.path("nodegrants"), {"apiVersion": "warren.dev/v1", "kind": "NodeGrant", "metadata": {"name": NODE}, "spec": {
        "nodes": [NODE], "namespaces": [NAMESPACE], "addresses": ["10.66.1.0/24"]}})
    for name, address in (("client", CLIENT), ("server", SERVER)):
        entry = mesh.workload(NAMESPACE, 0, NODE)
        entry["metadata"]["name"] = entry["metadata"]["annotations"]["warren.dev/network-namespace"] = name
        entry["spec"]["address"] = address
        plane.ask("POST", mesh.path("workloadentries", NAMESPACE), entry)


class Host:
    """Workloads are two network namespaces with a veth between."""

    def __init__(self, programs, planes):
        self._programs, self._folder = programs, f"{lab.RUN}/host"
        self.client, self.server = lab.Place("client"), lab.Place("server")
        lab.wire(self.client, "eth0", CLIENT, self.server, "eth0", SERVER)
        self.server.start([f"{lab.RUN}/pulse", "serve", str(PORT)], "pulse-server")
        os.makedirs(f"{self._folder}/node")
        addresses = ", ".join(f"localhost:{plane.port}" for plane in planes)
        with open(f"{self._folder}/warrend.yaml", "w") as file:
            file.write(
                f"node: {NODE}\nrunDirectory: {self._folder}/run\nadmin: {{socket: {self._folder}/warrend.sock}}\n"
                f"sameHost: tunnel\ncontrol: {{addresses: [{addresses}], directory: {self._folder}/node}}\nlog: {{level: \"info,mesh:debug\"}}\n")
        mesh.join(planes[0], self._folder, NODE, "joined")
        for name, file in (("joined.key", "key.pem"), ("joined.pem", "certificate.pem"), ("roots.pem", "roots.pem")):
            os.rename(f"{self._folder}/{name}", f"{self._folder}/node/{file}")
        self._pulse = self._process = None
        self._log, self._access = open(f"{lab.RUN}/warrend.log", "ab"), open(f"{lab.RUN}/access.log", "ab")
        self._seen = 0

    def start(self):
        self._process = subprocess.Popen(
            [f"{self._programs}/warrend", "--config", f"{self._folder}/warrend.yaml"], stdout=self._access, stderr=self._log)

    def stop(self):
        self._process.terminate()
        self._process.wait(60)

    @property
    def pid(self):
        return self._process.pid

    def cpu(self):
        return account.seconds([self.pid])

    def memory(self):
        with open(f"/proc/{self.pid}/status") as file:
            text = file.read()
        return tuple(int(re.search(rf"{name}:\s+(\d+)", text).group(1)) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))

    def meshes(self):
        """How many workloads each mesh had that was put to use since this was asked last."""
        with open(f"{lab.RUN}/warrend.log", errors="replace") as file:
            file.seek(self._seen)
            text = file.read()
        text = text[: text.rfind("\n") + 1]
        self._seen += len(text.encode())
        return [int(count) for count in re.findall(r"mesh revision \d+: (\d+) workloads", text)]

    def wait_mesh(self, count, seconds=60):
        """When a mesh of so many workloads is put to use next."""
        end = time.monotonic() + seconds
        while not any(found >= count for found in self.meshes()):
            if time.monotonic() > end or self._process.poll() is not None:
                raise lab.Failure(f"warrend has no mesh of {count} workloads after {seconds} s{lab.all_logs()}")
            time.sleep(0.005)
        return time.monotonic()

    def wait_captured(self):
        def is_captured():
            outcome = subprocess.run(
                [f"{self._programs}/warren", "workloads", "--local", "-o", "json", "--socket", f"{self._folder}/warrend.sock"],
                capture_output=True, text=True)
            return outcome.stdout.count('"captured"') >= 2
        lab.wait_until("both workloads are captured", is_captured, seconds=30, detail=lab.all_logs)

    def begin_pulse(self, microseconds=500):
        path = f"{lab.RUN}/pulse.txt"
        self._pulse = self.client.start(
            [f"{lab.RUN}/pulse", "ask", SERVER, str(PORT), str(microseconds)], "pulse", stdin=subprocess.PIPE, stdout=open(path, "wb"))

    def end_pulse(self):
        """(when, microseconds) of each answer."""
        self._pulse.stdin.close()
        self._pulse.wait(10)
        with open(f"{lab.RUN}/pulse.txt") as file:
            return [tuple(map(float, line.split())) for line in file]
