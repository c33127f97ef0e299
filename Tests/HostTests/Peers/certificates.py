# SPDX-License-Identifier: Apache-2.0
"""Makes certificates that an independent peer uses, good ones and every odd one that a daemon must refuse.

  certificates.py authority DIRECTORY [--begins HOURS]            root, intermediate and its key, named as `warren ca init` names them
  certificates.py leaf KIND --ca DIRECTORY --out PREFIX --id SPIFFE-ID   writes PREFIX.pem (leaf, then intermediate) and PREFIX.key
"""
import argparse
import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.utcnow()
HOUR = datetime.timedelta(hours=1)
CLIENT_AND_SERVER = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]


def write(path, data, mode=0o644):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)] if text else [])


def usage(**yes):
    every = dict.fromkeys(
        ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
         "encipher_only", "decipher_only"], False)
    return x509.KeyUsage(**{**every, **yes})


def make_ca(common, issuer, issuer_key, path_length, begins=-1):
    key = ec.generate_private_key(ec.SECP256R1())
    signer = issuer_key or key
    builder = (
        x509.CertificateBuilder().subject_name(name(common)).issuer_name(issuer.subject if issuer else name(common)).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(NOW + begins * HOUR).not_valid_after(NOW + 24 * 365 * HOUR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return builder.sign(signer, hashes.SHA256()), key


def authority(directory, begins):
    os.makedirs(directory, exist_ok=True)
    root, root_key = make_ca("warren test root", None, None, None, begins)
    intermediate, key = make_ca("warren test intermediate", root, root_key, 0, begins)
    write(f"{directory}/root.pem", pem(root))
    write(f"{directory}/intermediate.pem", pem(intermediate))
    write(f"{directory}/intermediate-key.pem", key_pem(key), 0o600)


def spiffe(identity):
    return x509.UniformResourceIdentifier(identity)


def kinds(identity):
    """Of each kind: what differs from a good certificate."""
    domain, rest = identity.removeprefix("spiffe://").split("/", 1)
    return {
        "good": {},
        "rsa": dict(rsa=True),
        "expired": dict(start=NOW - 48 * HOUR, end=NOW - 24 * HOUR),
        "future": dict(start=NOW + 24 * HOUR, end=NOW + 48 * HOUR),
        "ca": dict(ca=True),
        "server-only": dict(extended=[ExtendedKeyUsageOID.SERVER_AUTH]),
        "unknown-ca": dict(unknown=True),
        "self-signed": dict(unknown=True, self_signed=True),
        "no-san": dict(names=[]),
        "istiod": dict(names=[x509.DNSName("istiod.istio-system.svc"), x509.DNSName("istiod-remote.istio-system.svc")]),
        "istiod-unknown": dict(names=[x509.DNSName("istiod.istio-system.svc")], unknown=True),
        "dns-san": dict(names=[x509.DNSName("web.default.svc.cluster.local")]),
        "other-uri": dict(names=[x509.UniformResourceIdentifier("https://example.org/ns/default/sa/web")]),
        "odd-path": dict(names=[spiffe(f"spiffe://{domain}/workload/web")]),
        "long-path": dict(names=[spiffe(f"{identity}/more")]),
        "other-domain": dict(names=[spiffe(f"spiffe://elsewhere.example/{rest}")]),
        "two-uris": dict(names=[spiffe(identity), spiffe(f"spiffe://{domain}/ns/default/sa/other")]),
        "uri-and-dns": dict(names=[spiffe(identity), x509.DNSName("web.default")]),
        "short": dict(start=NOW - HOUR, end=NOW + datetime.timedelta(seconds=4)),
    }


def leaf(kind, directory, out, identity):
    odd = kinds(identity)[kind]
    with open(f"{directory}/intermediate.pem", "rb") as file:
        issuer_pem = file.read()
    issuer = x509.load_pem_x509_certificate(issuer_pem)
    with open(f"{directory}/intermediate-key.pem", "rb") as file:
        issuer_key = serialization.load_pem_private_key(file.read(), None)
    if odd.get("unknown"):
        issuer, issuer_key = make_ca("stranger", None, None, None)
        issuer_pem = b"" if odd.get("self_signed") else pem(issuer)
    key = rsa.generate_private_key(65537, 2048) if odd.get("rsa") else ec.generate_private_key(ec.SECP256R1())
    ca = odd.get("ca", False)
    builder = (
        x509.CertificateBuilder().subject_name(name("")).issuer_name(issuer.subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(odd.get("start", NOW - HOUR)).not_valid_after(odd.get("end", NOW + 24 * HOUR))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage(digital_signature=True, key_cert_sign=ca), critical=True)
        .add_extension(x509.ExtendedKeyUsage(odd.get("extended", CLIENT_AND_SERVER)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    names = odd.get("names", [spiffe(identity)])
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    write(f"{out}.pem", pem(builder.sign(issuer_key, hashes.SHA256())) + issuer_pem)
    write(f"{out}.key", key_pem(key), 0o600)


def main():
    arguments = argparse.ArgumentParser()
    what = arguments.add_subparsers(dest="what", required=True)
    making = what.add_parser("authority")
    making.add_argument("directory")
    making.add_argument("--begins", type=int, default=-1, help="hours from now at which its validity begins")
    signing = what.add_parser("leaf")
    signing.add_argument("kind")
    signing.add_argument("--ca", required=True)
    signing.add_argument("--out", required=True)
    signing.add_argument("--id", required=True)
    options = arguments.parse_args()
    if options.what == "authority":
        authority(options.directory, options.begins)
    else:
        leaf(options.kind, options.ca, options.out, options.id)


main()
