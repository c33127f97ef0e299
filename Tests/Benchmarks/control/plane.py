# SPDX-License-Identifier: Apache-2.0
"""A `warren-control` as shipped: started, asked, looked at. Its store is SQLite in a folder of its own, on the disk."""
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request

import account
import lab


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Plane:
    def __init__(self, programs, folder, port):
        self.folder, self.port, self._programs = folder, port, programs
        self.socket, self.store = f"{folder}/control.sock", f"{folder}/state/control.db"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/control.yaml", "w") as file:
            file.write(
                f"directory: {folder}/state\nsocket: {self.socket}\nport: {port}\nmetrics: {{port: {port + 1}}}\nnames: [localhost]\n")
        self._process = self._connection = None

    def start(self):
        """Seconds until it is ready."""
        with open(f"{self.folder}/control.log", "ab") as log:
            begun = time.monotonic()
            self._process = subprocess.Popen(
                [f"{self._programs}/warren-control", "--config", f"{self.folder}/control.yaml"], stdout=log, stderr=log)
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() - begun > 120:
                with open(f"{self.folder}/control.log") as log:
                    raise lab.Failure(f"warren-control isn't ready: {log.read()[-2000:]}")
            time.sleep(0.01)
        return time.monotonic() - begun

    def _is_ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port + 1}/healthz/ready", timeout=10) as answer:
                return answer.status == 200
        except OSError:
            return False

    def make_way(self):
        """From now on it has what others leave of the processors."""
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            os.setpriority(os.PRIO_PROCESS, int(thread), 19)

    def stop(self, how=signal.SIGKILL):
        if self._process:
            self._process.send_signal(how)
            self._process.wait(20)
        self._process = self._connection = None

    @property
    def pid(self):
        return self._process.pid

    def cpu(self):
        return account.seconds([self.pid])

    def memory(self):
        """MB resident now, and at most since the start."""
        with open(f"/proc/{self.pid}/status") as file:
            text = file.read()
        return tuple(int(re.search(rf"{name}:\s+(\d+)", text).group(1)) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))

    def metric(self, name):
        """The sum of a metric over its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port + 1}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? ([-+.\deE]+)$", text, re.MULTILINE))

    def ask(self, method, path, body=None, kind="application/json", wanted=(200, 201)):
        """The answer's document. As root over the Unix socket, on one kept connection."""
        self._connection = self._connection or UnixConnection(self.socket)
        self._connection.request(method, path, body=None if body is None else json.dumps(body), headers={"content-type": kind})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status not in wanted:
            raise lab.Failure(f"{method} {path}: {answer.status}: {text[:1000].decode(errors='replace')}")
        return json.loads(text)

    def database(self):
        """Its store, while it is stopped."""
        return sqlite3.connect(self.store)
