# SPDX-License-Identifier: Apache-2.0
"""A mesh of any size in the store of a control plane. Namespaces, services, policies, hosts and one workload of each kind go the usual way,
through the API; the other workloads are copies of what the API stored, put straight into the store.

Each hundred hosts' namespaces are alike: a workload belongs to one of twenty applications of its namespace, each with a service and an account
of its own; policies select an application or stand for the namespace, and allow some accounts and ports.
"""
import ipaddress
import json
import os
import subprocess

import lab

APPLICATIONS = 20
WORKLOADS = "workloadentries.networking.istio.io"
CAPTURES = "_captures"


def namespaces(size):
    return [f"team-{number}" for number in range(max(1, size.services // APPLICATIONS))]


def path(kind, namespace=None, name=None):
    group = {"namespaces": "/api/v1", "services": "/api/v1", "workloadentries": "/apis/networking.istio.io/v1",
             "authorizationpolicies": "/apis/security.istio.io/v1", "nodegrants": "/apis/warren.dev/v1"}[kind]
    return "/".join([group, *(["namespaces", namespace] if namespace else []), kind, *([name] if name else [])])


def workload(namespace, number, node):
    application = f"app-{number % APPLICATIONS}"
    return {
        "apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry",
        "metadata": {"name": f"{application}-{number}", "namespace": namespace, "labels": {"app": application, "version": "v1"},
                     "annotations": {"warren.dev/node": node, "warren.dev/network-namespace": f"{namespace}-{number}"}},
        "spec": {"address": "10.0.0.0", "serviceAccount": application, "locality": f"region-1/zone-{number % 3}", "weight": 10},
    }


def service(namespace, application):
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": application, "namespace": namespace},
        "spec": {"selector": {"app": application}, "ports": [
            {"name": "http", "port": 80, "targetPort": 8080}, {"name": "admin", "port": 9090, "targetPort": 9090}]},
    }


def policy(namespace, number):
    spec = {
        "action": "ALLOW",
        "rules": [{
            "from": [{"source": {"principals": [f"cluster.local/ns/{namespace}/sa/app-{(number + step) % APPLICATIONS}" for step in range(3)]}},
                     {"source": {"namespaces": [f"team-{number}"]}}],
            "to": [{"operation": {"ports": ["8080", "9090"]}}]}],
    }
    # Nine of ten are for an application.
    if number % 10:
        spec["selector"] = {"matchLabels": {"app": f"app-{number % APPLICATIONS}"}}
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": f"policy-{number}", "namespace": namespace}, "spec": spec}


def join(plane, folder, node, name):
    """A host's key, certificate and roots: by a token, as `warren join` does it."""
    token = plane.ask("POST", "/warren/v1/tokens", {"kind": "join", "node": node, "ttl": "1h"})["token"]
    request = lab.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/O=bench", "-addext",
                       f"subjectAltName=URI:spiffe://cluster.local/node/{node}", "-keyout", f"{folder}/{name}.key"])
    os.chmod(f"{folder}/{name}.key", 0o600)
    answer = plane.ask("POST", "/warren/v1/join", {"token": token, "node": node, "csr": request, "version": "bench"})
    for file, text in ((f"{name}.pem", answer["certificateChain"]), ("roots.pem", answer["roots"])):
        with open(f"{folder}/{file}", "w") as out:
            out.write(text)


def fill(plane, size, certificates, say):
    """A control plane's store with everything in it. It is stopped afterwards."""
    plane.start()
    os.makedirs(certificates, exist_ok=True)
    for name in namespaces(size):
        plane.ask("POST", path("namespaces"), {"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": name, "labels": {"istio.io/dataplane-mode": "ambient"}}})
        for number in range(APPLICATIONS):
            plane.ask("POST", path("services", name), service(name, f"app-{number}"))
        for number in range(size.policies // len(namespaces(size))):
            plane.ask("POST", path("authorizationpolicies", name), policy(name, number))
    say(f"{len(namespaces(size))} namespaces, {size.services} services, {size.policies} policies by the API")
    for number in range(size.hosts):
        join(plane, certificates, f"node-{number}", f"node-{number}")
    say(f"{size.hosts} hosts have joined")
    first = namespaces(size)[0]
    plane.ask("POST", path("workloadentries", first), workload(first, 0, "node-0"))
    plane.stop()
    _copy_workloads(plane, size)
    say(f"{size.workloads} workloads in the store, {os.path.getsize(plane.store) / 1e6:.0f} MB")


def _copy_workloads(plane, size):
    names, first = namespaces(size), ipaddress.ip_address("10.128.0.0")
    with plane.database() as store:
        template = json.loads(store.execute("SELECT value FROM objects WHERE resource = ?", (WORKLOADS,)).fetchone()[0])
        store.execute("DELETE FROM objects WHERE resource = ?", (WORKLOADS,))
        store.execute("DELETE FROM changes")
        revision = store.execute("SELECT revision FROM store").fetchone()[0] + 1
        captured = {f"node-{number}": [] for number in range(size.hosts)}
        for number in range(size.workloads):
            namespace, node = names[number % len(names)], f"node-{number % size.hosts}"
            entry = workload(namespace, number // len(names), node)
            value = {**template, "spec": {**entry["spec"], "address": str(first + number)}}
            value["metadata"] = {**template["metadata"], **entry["metadata"], "uid": f"00000000-0000-4000-8000-{number:012x}"}
            # As in a mesh that has run: without it every object would be given one after the start.
            value["status"] = {"conditions": [{
                "type": "Programmed", "status": "True", "observedGeneration": value["metadata"]["generation"],
                "lastTransitionTime": value["metadata"]["creationTimestamp"], "reason": "Acknowledged",
                "message": "acknowledged by 500 of 500 hosts"}]}
            _put(store, WORKLOADS, namespace, entry["metadata"]["name"], revision, value)
            captured[node].append(f"Kubernetes/networking.istio.io/WorkloadEntry/{namespace}/{entry['metadata']['name']}")
        for node, uids in captured.items():
            _put(store, CAPTURES, "", node, revision, {"workloads": sorted(uids)})
        store.execute("UPDATE store SET revision = ?, compacted = ?", (revision, revision - 1))


def _put(store, resource, namespace, name, revision, value):
    text = json.dumps(value, separators=(",", ":")).encode()
    store.execute("INSERT INTO objects (resource, namespace, name, revision, value) VALUES (?, ?, ?, ?, ?)",
                  (resource, namespace, name, revision, text))


def copy(plane, folder, programs, port, zone=None):
    """Another control plane with the same store and authority; with another word for zones, every workload of it is another than before."""
    from plane import Plane
    subprocess.run(["cp", "-a", f"{plane.folder}/state", f"{folder}-state"], check=True)
    os.makedirs(folder)
    os.rename(f"{folder}-state", f"{folder}/state")
    other = Plane(programs, folder, port)
    if zone:
        with other.database() as store:
            store.execute("UPDATE objects SET value = CAST(replace(CAST(value AS TEXT), '/zone-', ?) AS BLOB) WHERE resource = ?",
                          (f"/{zone}-", WORKLOADS))
    return other
