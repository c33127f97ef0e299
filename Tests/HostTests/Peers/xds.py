# SPDX-License-Identifier: Apache-2.0
"""What the control planes and clients of these tests have in common: messages written and read by hand from their field tables, a state that is
handed out, certificates, and a server (grpcio) that answers delta discovery as far as all control planes are alike.

The state is JSON: {"store": "NAME", "revision": N, "recorded": [PATH…], "workloads": [{uid, name, namespace, address, account, node, netns}…]}.
Recorded files are whole DeltaDiscoveryResponses, as a real istiod sent them; their resources are handed out unchanged.
"""
import datetime
import json
import queue
import signal
import sys
import threading
from concurrent import futures

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

ADDRESS = "type.googleapis.com/istio.workload.Address"
AUTHORIZATION = "type.googleapis.com/istio.security.Authorization"
EVICTION = "type.googleapis.com/warren.security.Eviction"
LOCAL = "type.googleapis.com/warren.workload.LocalWorkload"


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def parse(message):
    """Field numbers and their values: integers, or bytes."""
    fields, place = [], 0

    def number():
        nonlocal place
        shift = value = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(message):
        key = number()
        if key & 7 == 0:
            fields.append((key >> 3, number()))
        else:
            length = number()
            fields.append((key >> 3, message[place:place + length]))
            place += length
    return fields


def values(fields, number):
    return [value for key, value in fields if key == number]


def text(fields, number):
    return (values(fields, number) or [b""])[-1].decode()


class State:
    """What is handed out, by type and name: version and content."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            said = json.load(file)
        self.position = f"{said['store']}/{said['revision']}"
        self.resources = {ADDRESS: {}, AUTHORIZATION: {}, LOCAL: {}, EVICTION: {}}
        for name in said.get("recorded", []):
            self.add_recorded(name)
        for workload in said.get("workloads", []):
            self.add(workload)

    def add_recorded(self, path):
        with open(path, "rb") as file:
            response = parse(file.read())
        for resource in map(parse, values(response, 2)):
            content = text(parse(values(resource, 2)[0]), 1), values(parse(values(resource, 2)[0]), 2)
            self.resources[content[0]][text(resource, 3)] = (text(resource, 1), (content[1] or [b""])[0])

    def add(self, said):
        address = bytes(int(part) for part in said["address"].split("."))
        body = (field(1, said["name"]) + field(2, said["namespace"]) + field(3, address) + field(5, 1) + field(7, said["account"])
                + field(9, said["node"]) + field(10, said["name"]) + field(13, said["name"]) + field(20, said["uid"]))
        local = field(1, said["uid"]) + field(2, said["node"]) + field(3, said["netns"]) + field(4, 1)
        self.resources[ADDRESS][said["uid"]] = ("1", field(1, body))
        self.resources[LOCAL][said["uid"]] = ("1", local)


def issue(folder, asked, names):
    """The answer to a request for a certificate: of the key that asks, with these names (an extension), as leaf, intermediate and root."""
    with open(f"{folder}/intermediate.pem", "rb") as file:
        intermediate = file.read()
    with open(f"{folder}/intermediate-key.pem", "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    with open(f"{folder}/root.pem", encoding="ascii") as file:
        root = file.read()
    issuer = x509.load_pem_x509_certificate(intermediate)
    now = datetime.datetime.utcnow()
    usage = dict.fromkeys(["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
                           "encipher_only", "decipher_only"], False)
    leaf = (
        x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(issuer.subject).public_key(asked.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH, x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]),
                       critical=False)
        .add_extension(names, critical=True)
    ).sign(key, hashes.SHA256())
    pem = leaf.public_bytes(serialization.Encoding.PEM).decode()
    return field(1, pem) + field(1, intermediate.decode()) + field(1, root)


class Plane(grpc.GenericRpcHandler):
    """A control plane: who may call, what is said in which words and what a certificate is for is for those who are made of it to say."""

    # What is told, in the order in which changes of it are.
    kinds = (AUTHORIZATION, ADDRESS)

    def __init__(self, options):
        self.options = options
        self.calls = []
        self.load()

    def load(self):
        self.state = State(self.options.state)

    def service(self, details):
        if details.method == "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources":
            return grpc.stream_stream_rpc_method_handler(self.discover)
        if details.method == "/istio.v1.auth.IstioCertificateService/CreateCertificate":
            return grpc.unary_unary_rpc_method_handler(self.certify)
        return None

    def caller(self, context):
        """Who calls for discovery, for the other methods; refuses by context.abort."""
        raise NotImplementedError

    def introduce(self, request, caller, context):
        """Looks at a call's first request."""

    def about(self, request, caller):
        """What is told of a subscription besides."""
        return {}

    def is_held(self, kind, version, entry):
        """Whether a client that holds this version of a resource needn't be told of it."""
        return version == entry[0]

    def response(self, kind, changed, removed=()):
        """A DeltaDiscoveryResponse, with a nonce of its own."""
        raise NotImplementedError

    def certify(self, request, context):
        raise NotImplementedError

    def discover(self, requests, context):
        caller = self.caller(context)
        waiting = queue.Queue()
        self.calls.append(waiting)

        def read():
            try:
                for request in requests:
                    waiting.put(("request", request))
            except grpc.RpcError:
                pass
            waiting.put(None)

        threading.Thread(target=read, daemon=True).start()
        is_first = True
        while (item := waiting.get()) is not None:
            what, content = item
            if what == "push":
                yield content
                continue
            if what == "end":
                context.abort(grpc.StatusCode.UNAVAILABLE, content)
            request = parse(content)
            if is_first:
                self.introduce(request, caller, context)
            is_first = False
            kind = text(request, 2)
            if values(request, 6):
                error = text(parse(values(request, 7)[0]), 2) if values(request, 7) else ""
                tell("nack" if error else "ack", type=kind, nonce=text(request, 6), error=error, node=len(values(request, 1)))
                continue
            held = {text(parse(entry), 1): text(parse(entry), 2) for entry in values(request, 5)}
            tell("subscribe", type=kind, names=len(values(request, 3)), held=len(held), **self.about(request, caller))
            # The generator of a type that istiod hasn't makes nothing, and nothing is sent.
            if kind not in self.kinds:
                continue
            mine = self.state.resources[kind]
            changed = {name: entry for name, entry in mine.items() if not self.is_held(kind, held.get(name), entry)}
            yield self.response(kind, changed, [name for name in held if name not in mine])

    def reload(self):
        before = self.state
        self.load()
        for kind in self.kinds:
            old, new = before.resources[kind], self.state.resources[kind]
            changed = {name: entry for name, entry in new.items() if old.get(name) != entry}
            removed = [name for name in old if name not in new]
            if changed or removed:
                self.push(kind, changed, removed)

    def push(self, kind, changed, removed=()):
        for call in self.calls:
            call.put(("push", self.response(kind, changed, removed)))

    def end(self, words):
        """Ends all calls: whoever is connected comes again."""
        calls, self.calls = self.calls, []
        for call in calls:
            call.put(("end", words))

    def serve(self, place, threads, roots=None):
        """Serves at ADDRESS:PORT until a signal ends the process; SIGHUP reads the state again. With roots callers show certificates."""
        server = grpc.server(futures.ThreadPoolExecutor(threads), handlers=(self,))
        with open(f"{self.options.leaf}.key", "rb") as key, open(f"{self.options.leaf}.pem", "rb") as chain:
            credentials = grpc.ssl_server_credentials([(key.read(), chain.read())], roots, roots is not None)
        if server.add_secure_port(place, credentials) != int(place.rpartition(":")[2]):
            sys.exit(f"{place} can't be had")
        server.start()
        signal.signal(signal.SIGHUP, lambda *_: self.reload())
        tell("listening")
        while True:
            signal.pause()
