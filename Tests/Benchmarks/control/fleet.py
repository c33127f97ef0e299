# SPDX-License-Identifier: Apache-2.0
"""The simulated hosts: tools/hosts.c, and what it says."""
import subprocess
import threading
import time

import lab


class Fleet:
    def __init__(self, plane, certificates, count):
        self.begun = time.monotonic()
        self._log = open(f"{lab.RUN}/hosts.log", "ab")
        self._process = subprocess.Popen(
            [f"{lab.RUN}/hosts", "127.0.0.1", str(plane.port), certificates, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._log, text=True)
        self._news = threading.Condition()
        self.connected = self.synced = self.bytes = None
        self._reached, self._ended = (0, 0.0), False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            words = line.split()
            with self._news:
                if words[0] == "connected":
                    self.connected = float(words[1])
                elif words[0] == "synced":
                    self.synced, self.bytes = float(words[1]), int(words[2])
                elif words[0] == "reached":
                    self._reached = int(words[1]), float(words[2])
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _wait(self, what, condition, seconds):
        with self._news:
            if not self._news.wait_for(lambda: condition() or self._ended, seconds) or not condition():
                raise lab.Failure(f"the hosts: {what}: not within {seconds} s, or ended{lab.all_logs()}")

    def wait_synced(self, seconds=180):
        self._wait("all are synced", lambda: self.synced is not None, seconds)

    def wait_reached(self, revision, seconds=30):
        """When the last host had acknowledged a revision, or a newer one."""
        self._wait(f"revision {revision} is acknowledged", lambda: self._reached[0] >= revision, seconds)
        return self._reached[1]

    def cpu(self):
        import account
        return account.seconds([self._process.pid])

    def stop(self):
        self._process.stdin.close()
        self._process.wait(10)
        self._log.close()
