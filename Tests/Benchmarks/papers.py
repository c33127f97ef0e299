# SPDX-License-Identifier: Apache-2.0
"""Certificates for the peers, as warrend makes its own: P-256 keys, signed by the intermediate that `warren ca init` makes."""
import os

import lab

EXTENSIONS = """basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=critical,URI:spiffe://cluster.local/ns/bench/sa/{name},DNS:{name}.bench
"""


def issue(settings, folder):
    """client.pem, client-key.pem, client-both.pem, the same for server, and roots.pem, into a folder."""
    authority = f"{folder}/ca"
    lab.run(f"{settings.programs}/warren", "ca", "init", "--directory", authority)
    with open(f"{authority}/intermediate.pem", encoding="ascii") as file:
        chain = file.read()
    os.symlink(f"{authority}/root.pem", f"{folder}/roots.pem")
    for name in ("client", "server"):
        key, request, leaf = (f"{folder}/{name}{end}" for end in ("-key.pem", ".csr", "-leaf.pem"))
        lab.run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                "-subj", "/", "-out", request)
        with open(f"{folder}/extensions", "w", encoding="ascii") as file:
            file.write(EXTENSIONS.format(name=name))
        lab.run("openssl", "x509", "-req", "-in", request, "-CA", f"{authority}/intermediate.pem", "-CAkey",
                f"{authority}/intermediate-key.pem", "-CAcreateserial", "-days", "1", "-extfile", f"{folder}/extensions", "-out", leaf)
        with open(leaf, encoding="ascii") as file:
            certificate = file.read() + chain
        with open(key, encoding="ascii") as file:
            secret = file.read()
        for path, text in ((f"{folder}/{name}.pem", certificate), (f"{folder}/{name}-both.pem", certificate + secret)):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
