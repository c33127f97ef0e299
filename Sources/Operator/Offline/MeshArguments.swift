// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Mesh

/// What the mesh is called, for commands that read resources without a daemon.
enum MeshArguments {
    static let options = [
        CommandOption("cluster", value: "NAME", "The cluster's name; Kubernetes without a word."),
        CommandOption("trust-domain", value: "NAME", "The trust domain; cluster.local without a word."),
        CommandOption("cluster-domain", value: "NAME", "The suffix of service names; cluster.local without a word."),
        CommandOption("root-namespace", value: "NAME", "Whose policies apply everywhere; istio-system without a word."),
        CommandOption("network", value: "NAME", "The network of addresses that name none."),
    ]

    static func options(_ invocation: Invocation) -> MeshOptions {
        var options = MeshOptions()
        options.clusterName = invocation.value("cluster") ?? options.clusterName
        options.trustDomain = invocation.value("trust-domain") ?? options.trustDomain
        options.clusterDomain = invocation.value("cluster-domain") ?? options.clusterDomain
        options.rootNamespace = invocation.value("root-namespace") ?? options.rootNamespace
        options.network = invocation.value("network") ?? options.network
        return options
    }

    /// What is wrong with them; nil if nothing.
    static func problem(_ invocation: Invocation) -> String? {
        guard let domain = invocation.value("trust-domain"), !SPIFFEID.isTrustDomain(domain) else { return nil }
        return "--trust-domain is `\(printable(domain, limit: 80))`, which is no trust domain"
    }
}
