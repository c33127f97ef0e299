# SPDX-License-Identifier: Apache-2.0
"""istiod as its clients see it on 15012: server-only TLS, a service account's token with each call, delta discovery, certificates.

  istiod.py serve PORT --ca DIRECTORY --leaf PREFIX --tokens FILE --state FILE
  istiod.py token NAMESPACE/ACCOUNT --tokens FILE --ttl SECONDS [--pod NAME] [--node NAME]    prints a token

What it takes, refuses and passes over, and in which words, is read from istio's sources (pilot/pkg/xds, security/pkg/server/ca, of August 2026);
TokenReview is a signature by the key in FILE. The state is that of xds.py, and {"trusted": ["NAMESPACE/ACCOUNT"…], "pods": {"NODE":
["NAMESPACE/ACCOUNT"…]}}: who may ask for certificates in whose name. SIGHUP reads it again and tells what is different; SIGUSR1 ends all calls.
Tells as lines of JSON: listening, denied, node, subscribe, ack, nack, certificate.
"""
import argparse
import base64
import datetime
import hashlib
import hmac
import ipaddress
import json
import signal
import time
import uuid

import grpc
from cryptography import x509

from xds import ADDRESS, AUTHORIZATION, Plane, field, issue, parse, tell, text, values

AUDIENCE = "istio-ca"
CLUSTER = "Kubernetes"


def encode(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def seal(key, said):
    return encode(hmac.new(key, said.encode(), hashlib.sha256).digest())


def make_token(key, account, ttl, pod, node):
    namespace, name = account.split("/")
    now = int(time.time())
    bound = {"namespace": namespace, "serviceaccount": {"name": name, "uid": "1"}}
    if pod:
        bound |= {"pod": {"name": pod, "uid": "2"}, "node": {"name": node, "uid": "3"}}
    claims = {"aud": [AUDIENCE], "exp": now + ttl, "iat": now, "iss": "https://kubernetes.default.svc.cluster.local", "jti": str(uuid.uuid4()),
              "kubernetes.io": bound, "sub": f"system:serviceaccount:{namespace}:{name}"}
    said = encode(json.dumps({"alg": "HS256", "kid": "test"}).encode()) + "." + encode(json.dumps(claims).encode())
    return said + "." + seal(key, said)


def entries(structure):
    """Of a google.protobuf.Struct: names and texts."""
    found = (parse(entry) for entry in values(parse(structure), 1))
    return {text(entry, 1): text(parse(values(entry, 2)[0]), 3) for entry in found}


class Istiod(Plane):
    def __init__(self, options):
        super().__init__(options)
        self.pushes = 0
        with open(options.tokens, "rb") as file:
            self.key = file.read()

    def load(self):
        super().load()
        with open(self.options.state, encoding="utf-8") as file:
            self.said = json.load(file)

    # Who calls

    def review(self, context):
        """The claims of the caller's token, or None after a line that says what istiod logs and tells nobody."""
        metadata = dict(context.invocation_metadata())
        try:
            scheme, token = metadata["authorization"].split(" ", 1)
            said, _, seal_of_it = token.rpartition(".")
            claims = json.loads(decode(said.split(".")[1]))
            problem = (
                "no bearer token exists in HTTP authorization header" if scheme != "Bearer"
                else "the signature is wrong" if not hmac.compare_digest(seal(self.key, said), seal_of_it)
                else "the token has expired" if claims["exp"] <= time.time()
                else "the audience is wrong" if AUDIENCE not in claims["aud"]
                else f"client claims to be in cluster {metadata.get('clusterid')!r}" if metadata.get("clusterid", "") not in ("", CLUSTER)
                else "")
        except KeyError:
            problem = "no HTTP authorization header exists"
        except (ValueError, IndexError) as error:
            problem = f"failed to validate the JWT: {error}"
        if problem:
            tell("denied", why=problem, cluster=metadata.get("clusterid", ""))
            return None
        claims["certificates"] = len(context.auth_context().get("x509_common_name", []))
        return claims

    @staticmethod
    def account(claims):
        _, _, namespace, name = claims["sub"].split(":")
        return namespace, name

    # Discovery

    def response(self, kind, changed, removed=()):
        version = self.next_version()
        out = field(1, version)
        for name, (number, content) in changed.items():
            # Policies have no versions.
            number = field(1, number) if number and kind == ADDRESS else b""
            out += field(2, number + field(2, field(1, kind) + field(2, content)) + field(3, name))
        return out + field(4, kind) + field(5, f"{version}-{kind[-5:]}") + b"".join(field(6, name) for name in removed)

    def next_version(self):
        """Of a push: its time and how many there were. No two are alike."""
        self.pushes += 1
        then = datetime.datetime(2026, 8, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=self.pushes)
        return f"{then.isoformat().replace('+00:00', 'Z')}/{self.pushes}"

    def introduce(self, request, claims, context):
        """What istiod wants to know of a node before it answers: pilot/pkg/model/context.go, ParseServiceNodeWithMetadata, and xds/auth.go."""
        node = parse((values(request, 1) or [b""])[0])
        parts = text(node, 1).split("~")
        if not text(node, 1):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "missing node information")
        if len(parts) != 4 or parts[0] not in ("ztunnel", "sidecar", "router", "waypoint"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"missing parts in the service node {text(node, 1)!r}")
        ipaddress.ip_address(parts[1])
        fields = entries((values(node, 3) or [b""])[0])
        namespace, account = self.account(claims)
        if fields.get("NAMESPACE", "") not in ("", namespace):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"authorization failed: no identities ([{namespace}/{account}]) matched"
                          f" {fields['NAMESPACE']}/")
        tell("node", id=text(node, 1), metadata=fields, token=claims["jti"])

    def caller(self, context):
        claims = self.review(context)
        if claims is None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "authentication failure")
        return claims

    def about(self, request, caller):
        return {"account": "/".join(self.account(caller)), "certificates": caller["certificates"]}

    def is_held(self, kind, version, entry):
        return kind != AUTHORIZATION and super().is_held(kind, version, entry)

    # Certificates

    def certify(self, request, context):
        claims = self.review(context)
        if claims is None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "request authenticate failure")
        namespace, account = self.account(claims)
        identity = f"spiffe://cluster.local/ns/{namespace}/sa/{account}"
        asked = entries((values(parse(request), 4) or [b""])[0]).get("ImpersonatedIdentity", "")
        if asked:
            _, _, _, _, wanted_namespace, _, wanted = asked.split("/")
            bound = claims["kubernetes.io"]
            problem = (
                f"caller ({namespace}/{account}) is not allowed to impersonate" if f"{namespace}/{account}" not in self.said.get("trusted", [])
                else f"pod {namespace}/ not found" if "pod" not in bound
                else f"no instances of {wanted_namespace}/{wanted} found on node"
                if f"{wanted_namespace}/{wanted}" not in self.said.get("pods", {}).get(bound["node"]["name"], []) else "")
            if problem:
                tell("denied", why=problem)
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "request impersonation authentication failure")
            identity = asked
        csr = x509.load_pem_x509_csr(text(parse(request), 1).encode())
        tell("certificate", name=identity, impersonated=asked, account=f"{namespace}/{account}", valid=csr.is_signature_valid,
             subject=csr.subject.rfc4514_string(), seconds=(values(parse(request), 3) or [0])[0], token=claims["jti"])
        return issue(self.options.ca, csr, x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]))


def serve(options):
    istiod = Istiod(options)
    # As after MaxConnectionAge.
    signal.signal(signal.SIGUSR1, lambda *_: istiod.end("the connection is too old"))
    istiod.serve(f"0.0.0.0:{options.port}", 16)


def main():
    parser = argparse.ArgumentParser()
    what = parser.add_subparsers(dest="what", required=True)
    serving = what.add_parser("serve")
    serving.add_argument("port", type=int)
    serving.add_argument("--ca", required=True)
    serving.add_argument("--leaf", required=True)
    serving.add_argument("--tokens", required=True)
    serving.add_argument("--state", required=True)
    making = what.add_parser("token")
    making.add_argument("account")
    making.add_argument("--tokens", required=True)
    making.add_argument("--ttl", type=int, required=True)
    making.add_argument("--pod", default="")
    making.add_argument("--node", default="")
    options = parser.parse_args()
    if options.what == "serve":
        serve(options)
    else:
        with open(options.tokens, "rb") as file:
            print(make_token(file.read(), options.account, options.ttl, options.pod, options.node))


if __name__ == "__main__":
    main()
