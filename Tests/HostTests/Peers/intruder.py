# SPDX-License-Identifier: Apache-2.0
"""Root on one host of the mesh, with that host's key and certificate and a client of its own, tries to become another (I19).

  intruder.py HOST:PORT DIRECTORY --me NODE --other NODE --free IP --used IP --theirs IP --ghost UID --token USED --bound UNUSED --foreign PREFIX
              --expired PREFIX --forged PREFIX

DIRECTORY is the host's own: key.pem, certificate.pem, roots.pem. --free is an address that the host was granted and nobody has, --used one that a
workload of its own has, --theirs that of the other host's workload `db`. Tells each attempt as a line of JSON: what, the code of the answer (of
HTTP, or of gRPC by its name, `issued`, or `tls` where there was none), and what was said.
"""
import argparse
import http.client
import json
import queue
import socket
import ssl
import threading
import time

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from xds import ADDRESS, AUTHORIZATION, EVICTION, LOCAL, field, parse, tell, text, values

NETWORKING = "/apis/networking.istio.io/v1"
ENTRIES = NETWORKING + "/namespaces/default/workloadentries"
SECURITY = "/apis/security.istio.io/v1/namespaces/default"
WARREN = "/apis/warren.dev/v1"
same = lambda value: value  # noqa: E731


def attempt(what, code, said="", **more):
    tell("attempt", what=what, code=str(code), said=str(said)[:400], **more)


def entry(name, address, node, namespace="default", account="web"):
    return {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry",
            "metadata": {"name": name, "namespace": namespace,
                         "annotations": {"warren.dev/node": node, "warren.dev/network-namespace": name}},
            "spec": {"address": address, "serviceAccount": account}}


def node_of(name):
    return {"metadata": {"annotations": {"warren.dev/node": name}}}


class Intruder:
    def __init__(self, options):
        self.options = options
        self.host, port = options.target.rsplit(":", 1)
        self.port = int(port)
        self.own = (f"{options.directory}/certificate.pem", f"{options.directory}/key.pem")

    # The resource API

    def ask(self, method, path, body=None, kind="application/json", shown=None, token=None):
        """The status and what was said; `tls` if there was no answer."""
        context = ssl.create_default_context(cafile=f"{self.options.directory}/roots.pem")
        context.check_hostname = False
        if shown:
            context.load_cert_chain(*shown)
        connection = http.client.HTTPSConnection(self.host, self.port, context=context, timeout=10)
        headers = {"content-type": kind}
        if token:
            headers["authorization"] = "Bearer " + token
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            said = answer.read().decode()
        except (ssl.SSLError, ConnectionError) as error:
            return "tls", error
        finally:
            connection.close()
        try:
            return answer.status, json.loads(said).get("message", said)
        except ValueError:
            return answer.status, said

    def api(self, what, *arguments, **more):
        attempt(what, *self.ask(*arguments, shown=self.own, **more))

    def patch(self, what, path, body):
        self.api(what, "PATCH", path, body, kind="application/merge-patch+json")

    def registrations(self):
        me, other, free, used, theirs = (self.options.me, self.options.other, self.options.free, self.options.used, self.options.theirs)
        self.api("register for the other host", "POST", ENTRIES, entry("x", free, other))
        self.api("register the other host's address", "POST", ENTRIES, entry("x", theirs, me))
        self.api("register an address in use", "POST", ENTRIES, entry("x", used, me))
        self.api("register an account that isn't granted", "POST", ENTRIES, entry("x", free, me, account="db"))
        self.api("register in a namespace that isn't granted", "POST", ENTRIES.replace("default", "vault"), entry("x", free, me, "vault"))
        self.api("register a name instead of an address", "POST", ENTRIES, entry("x", "db.example.org", me))
        self.api("register on no host", "POST", ENTRIES, {**entry("x", free, me), "metadata": {"name": "x"}})
        self.patch("take the other host's workload", f"{ENTRIES}/db", node_of(me))
        self.patch("change the other host's workload", f"{ENTRIES}/db", {"spec": {"serviceAccount": "web"}})
        self.api("apply the other host's workload", "PATCH", f"{ENTRIES}/db?fieldManager=x&force=true", entry("db", free, me),
                 kind="application/apply-patch+yaml")
        self.patch("give an own workload to the other host", f"{ENTRIES}/web", node_of(other))
        self.patch("give an own workload another account", f"{ENTRIES}/web", {"spec": {"serviceAccount": "db"}})
        self.patch("give an own workload the other's address", f"{ENTRIES}/web", {"spec": {"address": theirs}})
        self.api("delete the other host's workload", "DELETE", f"{ENTRIES}/db")
        self.api("delete all workloads", "DELETE", ENTRIES)
        self.patch("write the status of the other's workload", f"{ENTRIES}/db/status", {"status": {"conditions": []}})

    def changes(self):
        me, other = self.options.me, self.options.other
        grant = {"apiVersion": "warren.dev/v1", "kind": "NodeGrant", "metadata": {"name": "all"},
                 "spec": {"nodes": ["*"], "namespaces": ["*"], "addresses": ["0.0.0.0/0"]}}
        rule = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "x"}, "spec": {"rules": [{}]}}
        peer = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "x"},
                "spec": {"mtls": {"mode": "PERMISSIVE"}}}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": {"ports": [{"port": 80}]}}
        self.api("make a grant", "POST", f"{WARREN}/nodegrants", grant)
        self.patch("widen its own grant", f"{WARREN}/nodegrants/{me}", {"spec": {"addresses": ["0.0.0.0/0"]}})
        self.api("write a policy", "POST", f"{SECURITY}/authorizationpolicies", rule)
        self.api("write what plaintext may do", "POST", f"{SECURITY}/peerauthentications", peer)
        self.patch("change a namespace", "/api/v1/namespaces/default", {"metadata": {"labels": {"istio.io/dataplane-mode": "none"}}})
        self.api("make a service", "POST", "/api/v1/namespaces/default/services", service)
        self.api("delete the other host", "DELETE", f"{WARREN}/nodes/{other}")
        self.patch("write the other host's status", f"{WARREN}/nodes/{other}/status", {"status": {"conditions": []}})
        self.patch("write its own status", f"{WARREN}/nodes/{me}/status", {"status": {"version": "9"}})
        # What a host reports counts for its own workloads alone.
        report = {"version": "1", "workloads": [{"uid": self.options.ghost, "state": "captured", "reason": ""}],
                  "mesh": {"revision": "", "synced": True}}
        self.api("report the other host's workload as captured", "POST", "/warren/v1/report", report)

    def reads(self):
        for what, path in [
                ("list workloads", ENTRIES), ("read the other host's workload", f"{ENTRIES}/db"), ("list hosts", f"{WARREN}/nodes"),
                ("read the other host", f"{WARREN}/nodes/{self.options.other}"), ("read grants", f"{WARREN}/nodegrants"),
                ("watch policies", f"{SECURITY}/authorizationpolicies?watch=1"), ("read accounts", "/api/v1/namespaces/default/serviceaccounts"),
                ("list tokens", "/warren/v1/tokens"), ("read the authority", "/warren/v1/authority")]:
            self.api(what, "GET", path)
        self.api("make a token", "POST", "/warren/v1/tokens", {"kind": "bearer", "role": "admin", "ttl": "1h"})
        self.api("rotate the authority", "POST", "/warren/v1/authority/rotate", {"step": "intermediate"})
        self.api("take a backup", "POST", "/warren/v1/backup", {})
        # What no API shows isn't there.
        self.api("read what the control plane keeps for itself", "GET", f"{WARREN}/_captures")
        self.api("read secrets", "GET", "/api/v1/namespaces/default/secrets")

    # Certificates

    @staticmethod
    def csr(*names):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name) for name in names]), critical=True)
        return key, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def renewals(self):
        other = self.options.other
        for what, name in [("renew as the other host", f"spiffe://cluster.local/node/{other}"),
                           ("renew as a workload", "spiffe://cluster.local/ns/default/sa/db"),
                           ("renew as the control plane", "spiffe://cluster.local/ns/warren-system/sa/warren-control")]:
            self.api(what, "POST", "/warren/v1/renew", {"csr": self.csr(name)[1].decode(), "version": "1"})

    def channel(self):
        files = []
        for name in ("roots", "key", "certificate"):
            with open(f"{self.options.directory}/{name}.pem", "rb") as file:
                files.append(file.read())
        return grpc.secure_channel(self.options.target, grpc.ssl_channel_credentials(*files),
                                   [("grpc.ssl_target_name_override", "localhost")])

    def certificate(self, what, names, impersonated=None):
        key, csr = self.csr(*names)
        named = field(1, "ImpersonatedIdentity") + field(2, field(3, impersonated or names[0]))
        message = field(1, csr) + field(3, 3600) + field(4, field(1, named))
        create = self.channel().unary_unary("/istio.v1.auth.IstioCertificateService/CreateCertificate", same, same)
        try:
            chain = values(parse(create(message, timeout=20)), 1)
        except grpc.RpcError as error:
            attempt(what, error.code().name, error.details())
            return
        attempt(what, "issued")
        with open("/run/workload.pem", "wb") as file:
            file.write(b"".join(chain[:-1]))
        with open("/run/workload.key", "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    def certificates(self):
        account = "spiffe://cluster.local/ns/default/sa/"
        self.certificate("certificate of the other host's workload", [account + "db"])
        self.certificate("certificate of a workload that is nowhere", [account + "nobody"])
        self.certificate("certificate of the control plane", ["spiffe://cluster.local/ns/warren-system/sa/warren-control"])
        self.certificate("certificate of the other host", [f"spiffe://cluster.local/node/{self.options.other}"])
        self.certificate("certificate of another trust domain", ["spiffe://elsewhere.example/ns/default/sa/web"])
        self.certificate("certificate under two names", [account + "web", account + "db"])
        self.certificate("certificate in another's name", [account + "web"], impersonated=account + "db")
        self.certificate("certificate of its own workload", [account + "web"])

    # Discovery

    def subscribe(self):
        """As the other host, to all that there is and more: what it is told of each type."""
        requests, told = queue.Queue(), {}
        others = ["type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", "type.googleapis.com/warren.security.Token"]
        for kind in [ADDRESS, AUTHORIZATION, LOCAL, EVICTION, *others]:
            requests.put(field(1, field(1, self.options.other)) + field(2, kind) + field(3, "*"))
        call = self.channel().stream_stream(
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources", same, same)(iter(requests.get, None))
        ended = []

        def read():
            try:
                for response in map(parse, call):
                    # Of a type that nobody has there is an answer too: that there is nothing.
                    if names := [text(parse(resource), 3) for resource in values(response, 2)]:
                        told.setdefault(text(response, 4).split("/")[-1], []).extend(names)
                    requests.put(field(2, text(response, 4)) + field(6, text(response, 5)))
            except grpc.RpcError as error:
                ended.append(error.code().name)

        threading.Thread(target=read, daemon=True).start()
        time.sleep(1.5)
        call.cancel()
        attempt("subscribe as the other host", ended[0] if ended else "open", local=told.get("warren.workload.LocalWorkload", []),
                types=sorted(told))

    # Who it isn't

    def strangers(self):
        mine = f"{WARREN}/nodes/{self.options.me}"
        attempt("show nothing", *self.ask("GET", mine))
        attempt("show a workload's certificate", *self.ask("GET", mine, shown=("/run/workload.pem", "/run/workload.key")))
        for kind in ("foreign", "expired", "forged"):
            prefix = getattr(self.options, kind)
            attempt(f"show a certificate that is {kind}", *self.ask("GET", mine, shown=(prefix + ".pem", prefix + ".key")))
        attempt("show a token that was made up", *self.ask("GET", mine, token="wa1." + "0" * 16 + "." + "a" * 64))
        attempt("use a join token as one for requests", *self.ask("GET", "/warren/v1/tokens", token=self.options.bound))
        for what, token, name in [("join with a token that was used", self.options.token, self.options.me),
                                  ("join as the other host with a token for this", self.options.bound, self.options.other)]:
            csr = self.csr(f"spiffe://cluster.local/node/{name}")[1].decode()
            attempt(what, *self.ask("POST", "/warren/v1/join", {"token": token, "node": name, "csr": csr, "version": "1"}))

    def tunnel(self):
        """A host's certificate is none for a workload's door."""
        context = ssl.create_default_context(cafile=f"{self.options.directory}/roots.pem")
        context.check_hostname = False
        context.load_cert_chain(*self.own)
        context.set_alpn_protocols(["h2"])
        with socket.create_connection((self.options.theirs, 15008), timeout=5) as plain:
            try:
                with context.wrap_socket(plain) as secure:
                    said = secure.recv(100)
                    attempt("come to 15008 as a host", "let in" if said else "tls", said)
            except (ssl.SSLError, ConnectionError) as error:
                attempt("come to 15008 as a host", "tls", error)


def main():
    parser = argparse.ArgumentParser()
    for name in ("target", "directory"):
        parser.add_argument(name)
    for name in ("me", "other", "free", "used", "theirs", "ghost", "token", "bound", "foreign", "expired", "forged"):
        parser.add_argument(f"--{name}", required=True)
    intruder = Intruder(parser.parse_args())
    for part in (intruder.registrations, intruder.changes, intruder.reads, intruder.renewals, intruder.certificates, intruder.subscribe,
                 intruder.tunnel, intruder.strangers):
        part()
    tell("finished")


if __name__ == "__main__":
    main()
