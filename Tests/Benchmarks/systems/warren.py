# SPDX-License-Identifier: Apache-2.0
"""Two `warrend`s as shipped, one per host, that capture client, server and the second server on the client's host."""
import json
import subprocess

import lab
from systems.base import System

# A host sees its own workloads' namespaces and no others: warrend puts in order what another daemon's capture left in them.
AS_HOST = """
mkdir "$1"; mount -t tmpfs tmpfs "$1"
for name in $2; do touch "$1/$name"; mount --bind "/run/netns/$name" "$1/$name"; done
mount --rbind "$1" /run/netns
shift 2; exec "$@"
"""


class Warren(System):
    name = "warren"

    def start(self):
        lab.configure("mesh.yaml", f"{lab.RUN}/mesh.yaml", SYSTEM=self.name)
        congestion = "" if self.settings.congestion == "host" else self.settings.congestion
        self._processes = []
        for host, workloads in (("host1", ("client", "near")), ("host2", ("server",))):
            place = lab.Place(f"{self.name}-{host}")
            file = lab.configure("warrend.yaml", f"{lab.RUN}/{host}.yaml", HOST=host, CONGESTION=congestion)
            with open(f"{lab.RUN}/access-{host}.log", "wb") as access, open(f"{lab.RUN}/warrend-{host}.log", "wb") as log:
                names = " ".join(f"{self.name}-{workload}" for workload in workloads)
                argv = ["unshare", "--mount", "--", "sh", "-eu", "-c", AS_HOST, host, f"{lab.RUN}/{host}-netns", names]
                argv += [f"{self.settings.programs}/warrend", "--config", file]
                self._processes.append(place.start(argv, host, stdout=access, stderr=log).pid)
        for host, count in (("host1", 2), ("host2", 1)):
            lab.wait_until(f"the workloads of {host} are captured", lambda: self._captured(host) == count, detail=lab.all_logs)

    def _captured(self, host):
        outcome = subprocess.run(
            [f"{self.settings.programs}/warren", "workloads", "--local", "-o", "json", "--socket", f"{lab.RUN}/{host}/warrend.sock"],
            capture_output=True, text=True)
        if outcome.returncode != 0:
            return 0
        return sum(workload.get("captureState") == "captured" for workload in json.loads(outcome.stdout))

    def proxies(self, near=False):
        # Within a host only the client's daemon has anything to do.
        return self._processes[:1] if near else self._processes

    def handshakes(self):
        return (lab.SERVER, 15008), self._processes[1:]
