# SPDX-License-Identifier: Apache-2.0
"""A ztunnel that isn't one: grpcio with a bearer token against warren-control, messages written and read by hand from their field tables.

  discovery_client.py HOST:PORT ROOT.pem TOKEN SOCKET NODE

Subscribes, acknowledges, refuses, comes again with what it holds, asks for certificates; between, it changes the mesh over the Unix socket.
Says each thing that it saw as a line of JSON, and ends with an error at the first that isn't as it should be.
"""
import http.client
import json
import queue
import socket
import sys
import threading

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from xds import ADDRESS, AUTHORIZATION, field, parse, tell, text, values

target, root, token, admin, node = sys.argv[1:6]
ENTRIES = "/apis/networking.istio.io/v1/namespaces/shop/workloadentries"
same = lambda value: value  # noqa: E731


class Admin(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(admin)


def ask(method, path, body=None, kind="application/json"):
    connection = Admin("localhost", timeout=10)
    connection.request(method, path, json.dumps(body) if body is not None else None, {"content-type": kind})
    answer = connection.getresponse()
    said = json.loads(answer.read())
    assert answer.status < 300, said
    return said


def entry(name, address):
    return {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry",
            "metadata": {"name": name, "annotations": {"warren.dev/node": node, "warren.dev/network-namespace": name}},
            "spec": {"address": address, "serviceAccount": name}}


def channel():
    with open(root, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    return grpc.secure_channel(target, credentials)


METADATA = [("authorization", "Bearer " + token)]


class Stream:
    """One call of delta discovery."""

    def __init__(self, held=None):
        self.requests = queue.Queue()
        call = channel().stream_stream(
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources", same, same)
        self.call = call(iter(self.requests.get, None), metadata=METADATA, timeout=60)
        self.arrived = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        for number, kind in enumerate((AUTHORIZATION, ADDRESS)):
            first = field(1, field(1, node)) if number == 0 else b""
            versions = b"".join(
                field(5, field(1, name) + field(2, version)) for name, version in (held or {}).get(kind, {}).items())
            self.requests.put(first + field(2, kind) + versions)

    def read(self):
        try:
            for response in self.call:
                self.arrived.put(parse(response))
        except grpc.RpcError as error:
            self.arrived.put(error)

    def next(self, kind, refuse=None):
        """The next response of a type: changed resources with their versions, and removed ones. Others are acknowledged on the way."""
        while True:
            response = self.arrived.get(timeout=20)
            assert not isinstance(response, Exception), response
            found = text(response, 4)
            answer = field(2, found) + field(6, text(response, 5))
            if refuse and found == kind:
                answer += field(7, field(1, 3) + field(2, refuse))
            self.requests.put(answer)
            if found == kind:
                changed = {text(parse(r), 3): text(parse(r), 1) for r in values(response, 2)}
                return changed, [name.decode() for name in values(response, 6)]

    def close(self):
        self.requests.put(None)
        self.call.cancel()


def request(identity, key, names=()):
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "x")]))
    alternatives = [x509.UniformResourceIdentifier(identity), *names]
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def certificate(csr, identity):
    entry = field(1, "ImpersonatedIdentity") + field(2, field(3, identity))
    message = field(1, csr) + field(3, 3600) + field(4, field(1, entry))
    create = channel().unary_unary("/istio.v1.auth.IstioCertificateService/CreateCertificate", same, same)
    return values(parse(create(message, metadata=METADATA, timeout=20)), 1)


def refused(csr, identity):
    try:
        certificate(csr, identity)
    except grpc.RpcError as error:
        return error.code().name
    return "issued"


def main():
    ask("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}, "apiVersion": "v1", "kind": "Namespace"})
    ask("POST", "/apis/warren.dev/v1/nodegrants", {
        "apiVersion": "warren.dev/v1", "kind": "NodeGrant", "metadata": {"name": "all"},
        "spec": {"nodes": [node], "namespaces": ["shop"], "addresses": ["10.0.0.0/8"]}})
    ask("POST", ENTRIES, entry("web", "10.0.0.1"))
    ask("POST", ENTRIES, entry("db", "10.0.0.2"))

    stream = Stream()
    changed, _ = stream.next(ADDRESS)
    held = {ADDRESS: dict(changed)}
    names = sorted(name.split("/")[-1] for name in changed)
    assert names == ["db", "web"], names
    tell("subscribed", names=names)

    ask("POST", ENTRIES, entry("cart", "10.0.0.3"))
    changed, _ = stream.next(ADDRESS)
    assert [name.split("/")[-1] for name in changed] == ["cart"], changed
    held[ADDRESS].update(changed)
    ask("DELETE", ENTRIES + "/cart")
    changed, removed = stream.next(ADDRESS)
    assert not changed and len(removed) == 1, (changed, removed)
    del held[ADDRESS][removed[0]]
    tell("changed")

    policy = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "p"},
              "spec": {"rules": [{"from": [{"source": {"namespaces": ["shop"]}}]}]}}
    policies = "/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies"
    ask("POST", policies, policy)
    changed, _ = stream.next(AUTHORIZATION, refuse="I can't read this")
    assert list(changed) == ["shop/p"], changed
    # A refusal stays; what comes next comes all the same.
    ask("PATCH", ENTRIES + "/db", {"spec": {"weight": 7}}, "application/merge-patch+json")
    changed, _ = stream.next(ADDRESS)
    assert [name.split("/")[-1] for name in changed] == ["db"], changed
    held[ADDRESS].update(changed)
    tell("refused")
    stream.close()

    # Away, and back with what it holds: it is told the difference alone.
    ask("PATCH", ENTRIES + "/web", {"spec": {"weight": 9}}, "application/merge-patch+json")
    ask("DELETE", ENTRIES + "/db")
    again = Stream(held)
    changed, removed = again.next(ADDRESS)
    assert [name.split("/")[-1] for name in changed] == ["web"], changed
    assert [name.split("/")[-1] for name in removed] == ["db"], removed
    tell("reconnected")
    again.close()

    key = ec.generate_private_key(ec.SECP256R1())
    ours = "spiffe://cluster.local/ns/shop/sa/web"
    chain = [x509.load_pem_x509_certificate(pem) for pem in certificate(request(ours, key), ours)]
    leaf = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert leaf.get_values_for_type(x509.UniformResourceIdentifier) == [ours], leaf
    assert chain[0].public_key().public_numbers() == key.public_key().public_numbers()
    for below, above in zip(chain, chain[1:]):
        above.public_key().verify(below.signature, below.tbs_certificate_bytes, ec.ECDSA(below.signature_hash_algorithm))
    tell("certified", length=len(chain))

    other = "spiffe://cluster.local/ns/shop/sa/other"
    good = request(ours, key)
    broken = good.replace(good.splitlines()[2], good.splitlines()[2][::-1])
    outcomes = {
        "another identity": refused(request(other, key), other),
        "another than impersonated": refused(request(other, key), ours),
        "a weak key": refused(request(ours, rsa.generate_private_key(65537, 1024)), ours),
        "another name": refused(request(ours, key, [x509.DNSName("db.shop")]), ours),
        "a wrong signature": refused(broken, ours),
        "nonsense": refused(b"nonsense", ours),
    }
    assert all(code in ("PERMISSION_DENIED", "INVALID_ARGUMENT") for code in outcomes.values()), outcomes
    tell("certificates refused", **outcomes)
    stream = Stream()
    stream.requests.put(b"\x0a\xff\xff\xff\xff\x0f")
    while not isinstance(ended := stream.arrived.get(timeout=20), Exception):
        pass
    tell("lying lengths", code=ended.code().name)


main()
