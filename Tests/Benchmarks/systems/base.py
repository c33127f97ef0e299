# SPDX-License-Identifier: Apache-2.0
"""What every system has: its namespaces, where the client calls, and the processes that are the proxies."""
import lab

PORTS = {"http": 8080, "bulk": 5201, "digest": 9000}


class System:
    name = ""
    # Whether it has a way within a host too.
    has_near = True
    # The most idle connections it can hold here; None without a bound of its own.
    most_connections = None

    def __init__(self, settings, name=None):
        """`settings` are the run's: congestion, workers, buffer, reuseport, programs. Several of a kind need names of their own."""
        self.settings = settings
        self.name = name or self.name
        self.pair = lab.Pair(self.name)
        self.client = self.pair.client

    def start(self):
        """Starts the proxies and returns when they serve."""

    def target(self, service, near=False):
        """Where the client calls: address and port. The servers' own addresses, unless the proxies must be called by name."""
        return (lab.NEAR if near else lab.SERVER), PORTS[service]

    def proxies(self, near=False):
        """The process ids of the proxies; their children count too."""
        return []

    def handshakes(self):
        """Where a TLS client may only shake hands, or None; and the process ids of those who answer."""
        return None, []
