# SPDX-License-Identifier: Apache-2.0
"""A control plane that isn't ours: delta discovery and certificates over mutual TLS.

  control_plane.py PORT --ca DIRECTORY --leaf PREFIX --state FILE

FILE is what xds.py says. SIGHUP reads it again and tells what is different; SIGUSR1 tells a workload that nobody can take. Tells as lines of JSON:
listening, subscribe, ack, nack, certificate.
"""
import argparse
import signal

from cryptography import x509

from xds import ADDRESS, AUTHORIZATION, EVICTION, LOCAL, Plane, field, issue, parse, tell, text, values


class ControlPlane(Plane):
    kinds = (AUTHORIZATION, ADDRESS, LOCAL, EVICTION)

    def __init__(self, options):
        super().__init__(options)
        self.nonce = 0

    def caller(self, context):
        return [name.decode() for name in context.auth_context().get("x509_subject_alternative_name", [])]

    def about(self, request, caller):
        return {"node": text(parse(values(request, 1)[0]), 1), "peer": caller}

    def response(self, kind, changed, removed=()):
        self.nonce += 1
        out = field(1, self.state.position)
        for name, (version, content) in changed.items():
            out += field(2, field(1, version) + field(2, field(1, kind) + field(2, content)) + field(3, name))
        return out + field(4, kind) + field(5, f"n{self.nonce}") + b"".join(field(6, name) for name in removed)

    def certify(self, request, context):
        asked = x509.load_pem_x509_csr(text(parse(request), 1).encode())
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        tell("certificate", name=names.value.get_values_for_type(x509.UniformResourceIdentifier)[0], critical=names.critical,
             valid=asked.is_signature_valid, subject=asked.subject.rfc4514_string())
        return issue(self.options.ca, asked, names.value)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--leaf", required=True)
    parser.add_argument("--state", required=True)
    options = parser.parse_args()
    plane = ControlPlane(options)
    signal.signal(signal.SIGUSR1, lambda *_: plane.push(ADDRESS, {"bad": ("1", field(1, field(20, "bad") + field(3, b"abc")))}))
    with open(f"{options.ca}/root.pem", "rb") as roots:
        plane.serve(f"127.0.0.1:{options.port}", 8, roots.read())


if __name__ == "__main__":
    main()
