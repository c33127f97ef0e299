# SPDX-License-Identifier: Apache-2.0
"""The lab: for each system its own client, server and second server on the client's host, out of network namespaces.

    client 10.66.1.10 ════ veth ════ 10.66.2.10 server
                      ════ veth ════ 10.66.1.11 near (the same host's)
   caller 10.66.3.10 ════ veth ════ 10.66.2.10 server (no workload: nothing captures it; handshakes only)

The whole run stands in namespaces of its own (run.sh), so nothing here is taken down: it ends with the first process.
"""
import os
import resource
import shutil
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RUN = "/run/bench"
CA = f"{RUN}/ca"
CLIENT, SERVER, NEAR, CALLER = "10.66.1.10", "10.66.2.10", "10.66.1.11", "10.66.3.10"
# What the kernel allows without asking: enough for 10,000 connections at two descriptors each, less some.
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


class Failure(Exception):
    pass


def run(argv, timeout=60, check=True, **more):
    """Runs a command to its end; what it wrote."""
    try:
        outcome = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, **more)
    except subprocess.TimeoutExpired as late:
        raise Failure(f"{' '.join(argv)}: not done after {timeout} s") from late
    if check and outcome.returncode != 0:
        raise Failure(f"{' '.join(argv)}: ended with {outcome.returncode}: {(outcome.stderr or outcome.stdout)[-1500:]}")
    return outcome.stdout


def wait_until(what, condition, seconds=10, detail=lambda: ""):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"not within {seconds} s: {what} {detail()}")
        time.sleep(0.02)


class Place:
    """A network namespace with a name, as container runtimes make them."""

    environment = {}

    def __init__(self, name):
        self.name = name
        run(["ip", "netns", "add", name])
        run(["ip", "-n", name, "link", "set", "lo", "up"])

    def _command(self, argv):
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *argv]

    def run(self, argv, **more):
        return run(self._command(argv), env={**os.environ, **self.environment}, **more)

    def start(self, argv, log, **more):
        """Starts what goes on until the run ends; the process. Its output goes to a file."""
        out = open(f"{RUN}/{log}.log", "ab")
        options = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": subprocess.STDOUT, **more}
        return subprocess.Popen(self._command(argv), env={**os.environ, **self.environment}, **options)

    def listens(self, port):
        return str(port) in run(["ip", "netns", "exec", self.name, "ss", "-Hltn", f"sport = :{port}"])

    def wait_listening(self, *ports):
        for port in ports:
            wait_until(f"{self.name} listens on {port}", lambda: self.listens(port), detail=lambda: all_logs())


def all_logs(count=6):
    """The last lines of every log, for a failure's message."""
    text = ""
    for name in sorted(os.listdir(RUN)):
        if name.endswith(".log") and not name.startswith("access"):
            with open(f"{RUN}/{name}", errors="replace") as file:
                lines = file.read()[-20000:].splitlines()[-count:]
            if lines:
                text += f"\n{name}:\n  " + "\n  ".join(line[:300] for line in lines)
    return text


def configure(name, target, **values):
    """Copies a file of configs/ with its @WORDS@ filled in."""
    with open(f"{HERE}/configs/{name}") as file:
        text = file.read()
    for word, value in {"RUN": RUN, "CA": CA, **values}.items():
        text = text.replace(f"@{word}@", str(value))
    with open(target, "w") as file:
        file.write(text)
    return target


def wire(one, device, own, other, its_device, its):
    """A veth between two places that leads to nothing but these two addresses."""
    run(["ip", "-n", one.name, "link", "add", device, "type", "veth", "peer", "name", its_device, "netns", other.name])
    for place, link, address, there in ((one.name, device, own, its), (other.name, its_device, its, own)):
        run(["ip", "-n", place, "addr", "add", f"{address}/32", "dev", link])
        run(["ip", "-n", place, "link", "set", link, "up"])
        run(["ip", "-n", place, "route", "add", there, "dev", link, "src", address])
        # Ports in TIME_WAIT may be taken again after a second, as warrend sets it in the namespaces that it captures: thousands of
        # connections a second would use up all ports otherwise, whichever system carries them.
        run(["ip", "netns", "exec", place, "sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1"])


class Pair:
    """The namespaces of one system and the applications in them."""

    def __init__(self, system):
        self.client, self.server, self.near, self.caller = (Place(f"{system}-{role}") for role in ("client", "server", "near", "caller"))
        wire(self.client, "eth0", CLIENT, self.server, "eth0", SERVER)
        wire(self.client, "eth1", CLIENT, self.near, "eth0", NEAR)
        wire(self.caller, "eth0", CALLER, self.server, "eth1", SERVER)
        for place, address in ((self.server, SERVER), (self.near, NEAR)):
            self._applications(place, address)
        for place in (self.server, self.near):
            place.wait_listening(8080, 5201, 9000)

    def _applications(self, place, address):
        folder = f"{RUN}/{place.name}"
        os.makedirs(folder, exist_ok=True)
        file = configure("application.conf", f"{folder}/application.conf", ADDRESS=address, RUN=folder)
        place.start(["nginx", "-e", "stderr", "-c", file], f"{place.name}-nginx")
        place.start(["iperf3", "--server", "--bind", address], f"{place.name}-iperf3", stdout=subprocess.DEVNULL)
        place.start(["python3", f"{HERE}/digest.py", "serve", address, "9000"], f"{place.name}-digest")


def make_authority(warren):
    """The mesh's authority, and for the peers two certificates of the same kind as warrend makes for itself: P-256, by the intermediate."""
    run([warren, "ca", "init", "--directory", CA])
    for name in ("client", "server"):
        key, request, leaf = f"{CA}/{name}-key.pem", f"{RUN}/{name}.csr", f"{RUN}/{name}.crt"
        run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/O=bench", "-keyout", key,
             "-out", request])
        with open(f"{RUN}/{name}.ext", "w") as file:
            file.write(
                "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n"
                f"subjectAltName=URI:spiffe://cluster.local/ns/bench/sa/{name},DNS:{name}\n")
        run(["openssl", "x509", "-req", "-in", request, "-CA", f"{CA}/intermediate.pem", "-CAkey", f"{CA}/intermediate-key.pem", "-CAcreateserial",
             "-days", "2", "-sha256", "-extfile", f"{RUN}/{name}.ext", "-out", leaf])
        chain = "".join(open(path).read() for path in (leaf, f"{CA}/intermediate.pem"))
        for path, text in ((f"{CA}/{name}.pem", chain), (f"{CA}/{name}-all.pem", chain + open(key).read())):
            with open(path, "w") as file:
                file.write(text)


def make_tools():
    """Compiles tools/ with whatever C compiler is there; swift brings one."""
    compiler = next((found for found in map(shutil.which, (os.environ.get("CC", "cc"), "clang")) if found), None)
    if not compiler:
        raise Failure("no C compiler: put swift's usr/bin, which has clang, on PATH")
    for name in ("connect", "hold"):
        run([compiler, "-O2", "-o", f"{RUN}/{name}", f"{HERE}/tools/{name}.c"])
    run([compiler, "-O2", "-shared", "-fPIC", "-o", f"{RUN}/congestion.so", f"{HERE}/tools/congestion.c", "-ldl"])


def prepare(warren, congestion):
    """Makes this process' namespaces a place to work in."""
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
    os.makedirs(f"{RUN}")
    os.makedirs("/run/netns")
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    make_tools()
    make_authority(warren)
    if congestion != "host":
        Place.environment = {"LD_PRELOAD": f"{RUN}/congestion.so", "BENCH_CONGESTION": congestion}
