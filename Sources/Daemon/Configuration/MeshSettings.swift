// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Kernel

/// Where the desired state comes from and what the mesh is called. The reason of each default stands in the table below.
package struct MeshSettings: Sendable {
    package var path = "/etc/warren/mesh"
    package var trustDomain = "cluster.local"
    package var clusterName = "Kubernetes"
    package var clusterDomain = "cluster.local"
    package var rootNamespace = "istio-system"
    package var network = ""
    package var settle = Interval.milliseconds(200)
    package var allowEmpty = false

    static let settings: [Setting] = [
        .path(
            "mesh.path", \.mesh.path,
            "A file, or a folder whose `*.yaml`, `*.yml` and `*.json` files are one set, of mesh resources;"
                + " watched for changes.",
            because: "A folder lets several people or tools keep their own file."),
        .text(
            "mesh.trustDomain", \.mesh.trustDomain, "trust domain", "The trust domain of all identities made and accepted here.",
            because: "Istio's default, so that a host can join such a mesh unchanged.",
            problem: {
                SPIFFEID.isTrustDomain($0)
                    ? nil : ("is no SPIFFE trust domain", "Use lower-case letters, digits, `.`, `-` and `_`.")
            }),
        .text(
            "mesh.clusterName", \.mesh.clusterName, "name", "The cluster in workload uids, baggage and metrics.",
            because: "Istio's default.", problem: DaemonConfiguration.nameProblem),
        .text(
            "mesh.clusterDomain", \.mesh.clusterDomain, "DNS suffix",
            "The suffix of service hostnames: NAME.NAMESPACE.svc.SUFFIX.",
            because: "Kubernetes' default.", problem: DaemonConfiguration.nameProblem),
        .text(
            "mesh.rootNamespace", \.mesh.rootNamespace, "namespace name",
            "The namespace whose policies without a selector apply to every workload.",
            because: "Istio's default.", problem: DaemonConfiguration.nameProblem),
        .text(
            "mesh.network", \.mesh.network, "name, may be empty",
            "The network of addresses that name none; within one every address is unique and reachable.",
            because: "One network is what most meshes have; Istio calls it the empty name.",
            problem: { $0.isEmpty ? nil : DaemonConfiguration.nameProblem($0) }),
        .duration(
            "mesh.settle", \.mesh.settle, .zero ... .seconds(10), "How long the files must be quiet before a change is read.",
            because:
                "Editors and copies write in several steps within some ten milliseconds; a change must still take effect"
                + " within a second."
        ),
        .bool(
            "mesh.allowEmpty", \.mesh.allowEmpty,
            "Take over a set that is empty, drops every policy, or releases every workload, when an earlier one didn't.",
            because:
                "Such a set is nearly always a mistake (an empty mount, a wrong path), and taking it over would open"
                + " everything."),
    ]
}
