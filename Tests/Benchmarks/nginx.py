# SPDX-License-Identifier: Apache-2.0
"""The nginx `stream` pair in mutual TLS, and the nginx relay within one host."""
import glob

import lab
import papers


def modules():
    """Where the distribution keeps nginx's modules."""
    for folder in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"):
        if glob.glob(f"{folder}/ngx_stream_module.so"):
            return folder
    raise lab.Failed("no ngx_stream_module.so: run deploy/install-dependencies.sh bench")


def server(listen, to, tls=False):
    """One `server` of a stream block."""
    return f"    server {{ listen {listen}{' ssl' if tls else ''} backlog=4096; proxy_pass {to}; }}\n"


class NginxPair:
    """One nginx in each workload's namespace; the client calls its own loopback address."""

    name = "nginx"
    address = "127.0.0.1"

    def __init__(self, settings):
        self.lab = lab.Lab(self.name)
        papers.issue(settings, self.lab.folder)
        plain = "".join(server(f"127.0.0.1:{port}", f"{lab.SERVER}:{port + 10000}") for port in lab.PORTS)
        secure = "".join(server(f"{lab.SERVER}:{port + 10000}", f"127.0.0.1:{port}", tls=True) for port in lab.PORTS)
        self.lab.start_applications("server")
        self.masters = [self.start(self.lab, place, settings, servers) for place, servers in (("server", secure), ("client", plain))]

    @staticmethod
    def start(its_lab, place, settings, servers, name=None):
        name = name or f"nginx-{place}"
        path = lab.config(f"{name}.conf", f"{its_lab.folder}/{name}.conf", FOLDER=its_lab.folder, MODULES=modules(),
                          WORKERS=settings.workers, BUFFER=settings.buffer, SERVERS=servers)
        return its_lab.start(place, name, "nginx", "-e", "stderr", "-c", path)

    @property
    def proxies(self):
        return [master.pid for master in self.masters]


class NginxRelay:
    """A plain relay in the client's namespace to the other workload of its host."""

    name = "nginx-relay"
    near_address = "127.0.0.1"

    def __init__(self, settings):
        self.lab = lab.Lab("relay")
        servers = "".join(server(f"127.0.0.1:{port}", f"{lab.NEAR}:{port}") for port in lab.PORTS)
        self.lab.start_applications("near")
        self.master = NginxPair.start(self.lab, "client", settings, servers, "nginx-relay")

    @property
    def near_proxies(self):
        return [self.master.pid]
