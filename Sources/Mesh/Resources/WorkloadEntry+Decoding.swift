// SPDX-License-Identifier: Apache-2.0

package import Bytes
import Documents

extension Resource {
    /// Where a workload listens: the part that WorkloadEntry and the endpoints of a ServiceEntry share.
    package struct EndpointSpec: Hashable, Sendable {
        /// As written: an IP address or a DNS name.
        package let address: String
        /// Service port names, and the ports that stand for them here.
        package let ports: [String: UInt16]
        package let labels: [String: String]
        package let network: String
        package let locality: Locality?
        /// 0 if not given.
        package let weight: UInt32
        package let serviceAccount: String

        var ip: IPAddress? { IPAddress(address) }
    }

    /// `networking.istio.io WorkloadEntry`: one workload that no cluster started.
    package struct WorkloadEntry: Hashable, Sendable {
        package let metadata: Metadata
        package let endpoint: EndpointSpec
        package let mode: DataplaneMode?
        /// The host that runs it, if that is one of the mesh.
        package let node: String?
        package let networkNamespace: String?
        package let additionalAddresses: [IPAddress]

        /// The labels that selectors see: those of the resource before those in its spec.
        package var labels: [String: String] { endpoint.labels.merging(metadata.labels) { _, outer in outer } }
    }
}

extension Resource.EndpointSpec {
    /// Reads the fields of an endpoint; the caller finishes them.
    init(_ spec: Fields) {
        address = spec.requiredString("address")
        labels = spec.stringMap("labels")
        network = spec.string("network") ?? ""
        locality = spec.string("locality").flatMap { Locality(text: $0) }
        weight = spec.integer("weight", in: UInt32(0)...UInt32.max) ?? 0
        serviceAccount = spec.string("serviceAccount") ?? ""
        var ports: [String: UInt16] = [:]
        if let fields = spec.fields("ports") {
            for name in fields.keys { ports[name] = fields.integer(name, in: UInt16(1)...UInt16.max) }
        }
        self.ports = ports
        check(spec)
    }

    private func check(_ spec: Fields) {
        if !serviceAccount.isEmpty, !ResourceName.isSubdomain(serviceAccount) {
            spec.report(
                "serviceAccount", "\"\(serviceAccount)\" is no name of a service account",
                remedy: "Write lower-case letters, digits, `-` and `.`, as in Kubernetes.")
        }
        guard !address.isEmpty, ip == nil else { return }
        if address.hasPrefix("unix:") {
            spec.report("address", "Unix sockets cannot be reached from other workloads", remedy: "Write an IP address.")
        } else if !ResourceName.isHostname(address) {
            spec.report(
                "address", "\"\(address)\" is neither an IP address nor a hostname",
                remedy: "Write an IP address, like 10.0.0.5 or 2001:db8::5.")
        }
    }
}

extension Locality {
    /// `region/zone/subzone`; nil if nothing is in it.
    init?(text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init) + ["", "", ""]
        guard parts.prefix(3).contains(where: { !$0.isEmpty }) else { return nil }
        self.init(region: parts[0], zone: parts[1], subzone: parts[2])
    }
}

extension Resource.WorkloadEntry {
    init(_ root: Fields, _ metadata: Resource.Metadata, _ decoder: ResourceDecoder) {
        self.metadata = metadata
        decoder.checkWaypoint(root, metadata)
        let spec = root.fields("spec") ?? Fields(.object([]), path: "spec", findings: root.findings)
        endpoint = Resource.EndpointSpec(spec)
        spec.finish()
        mode = Resource.DataplaneMode(root, metadata)
        let annotations = root.fields("metadata")?.fields("annotations")
        node = annotations?.string(WellKnown.node)
        networkNamespace = annotations?.string(WellKnown.networkNamespace)
        additionalAddresses = Self.additionalAddresses(annotations)
        if let annotations { check(annotations, spec) }
        if node == nil, endpoint.ip == nil, ResourceName.isHostname(endpoint.address) {
            spec.report(
                "address", "names are not resolved here: no service sends connections to this workload",
                remedy: "Write an IP address.",
                severity: .warning, code: MeshCode.notReachable)
        }
    }

    private static func additionalAddresses(_ annotations: Fields?) -> [IPAddress] {
        guard let annotations, let text = annotations.string(WellKnown.additionalAddresses) else { return [] }
        return text.split(separator: ",", omittingEmptySubsequences: false).compactMap { part in
            let word = String(part.drop { $0 == " " })
            if let address = IPAddress(word) { return address }
            annotations.report(
                WellKnown.additionalAddresses, "\"\(word)\" is not an IP address", remedy: "Write addresses with commas between.",
                code: MeshCode.capture)
            return nil
        }
    }

    private func check(_ annotations: Fields, _ spec: Fields) {
        if let node, !ResourceName.isSubdomain(node) {
            annotations.report(
                WellKnown.node, "\"\(node)\" is no name of a host", remedy: "Write what `node` says in that host's warrend.yaml.",
                code: MeshCode.capture)
        }
        if let networkNamespace, !ResourceName.isNetworkNamespace(networkNamespace) {
            annotations.report(
                WellKnown.networkNamespace, "\"\(networkNamespace)\" is no name of a network namespace",
                remedy: "Write the name that `ip netns` shows, not a path.", code: MeshCode.capture)
        }
        if networkNamespace != nil, node == nil {
            annotations.report(
                WellKnown.networkNamespace, "a network namespace without a host: nobody can capture it",
                remedy: "Add the annotation \(WellKnown.node).", code: MeshCode.capture)
        }
        if node != nil, endpoint.ip == nil, !endpoint.address.isEmpty {
            spec.report(
                "address", "a workload on a host of the mesh needs an IP address, not a hostname",
                remedy: "Write the address that it has inside its network namespace.", code: MeshCode.capture)
        }
    }
}
