# SPDX-License-Identifier: Apache-2.0
"""Nothing between: what the wire, the applications and the load can do at most."""
import lab


class Direct:
    """The client calls the server itself, and the other workload of its host."""

    name = "direct"
    address = lab.SERVER
    near_address = lab.NEAR
    proxies = ()
    near_proxies = ()

    def __init__(self, settings):
        del settings
        self.lab = lab.Lab(self.name)
        self.lab.start_applications("server", "near")
