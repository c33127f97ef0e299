// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents

/// What is wrong between resources that are right by themselves.
struct SetChecks {
    private let set: ResourceSet
    private let options: MeshOptions
    private let purpose: ResourcePurpose
    private(set) var findings: [Finding] = []

    init(_ set: ResourceSet, options: MeshOptions, purpose: ResourcePurpose) {
        self.set = set
        self.options = options
        self.purpose = purpose
    }

    mutating func run() {
        checkNames()
        checkNamespaces()
        checkCapture()
        checkAddresses()
        checkPeerAuthentications()
    }

    private mutating func report(
        _ severity: Severity, _ code: String, _ resource: Resource.Metadata, field: String = "", _ message: String,
        remedy: String
    ) {
        findings.append(
            Finding(
                severity, code, file: resource.file, at: resource.position, resource: resource.displayName, field: field, message,
                remedy: remedy))
    }

    // MARK: - Names

    private mutating func checkNames() {
        var seen: [String: Resource.Metadata] = [:]
        for metadata in set.allMetadata {
            guard let first = seen[metadata.displayName] else {
                seen[metadata.displayName] = metadata
                continue
            }
            report(
                .error, MeshCode.duplicateResource, metadata, field: "metadata.name",
                "the same resource stands in \(first.file) line \(first.position.line)", remedy: "Remove or rename one of them.")
        }
    }

    /// A resource in a namespace that nobody declares: nobody can say whether it is enrolled.
    private mutating func checkNamespaces() {
        // These exist in every cluster.
        var declared: Set = ["default", "kube-system", options.rootNamespace]
        declared.formUnion(set.namespaces.map(\.metadata.name))
        let captured = Set(set.workloadEntries.filter { $0.node != nil || $0.mode == .ambient }.map(\.metadata))
        for metadata in set.allMetadata where !metadata.namespace.isEmpty && !declared.contains(metadata.namespace) {
            report(
                captured.contains(metadata) ? .error : .warning, MeshCode.undeclaredNamespace, metadata,
                field: "metadata.namespace",
                "there is no Namespace \(metadata.namespace), so nothing in it is enrolled",
                remedy: "Add a Namespace, with the label \(WellKnown.dataplaneMode): ambient to enrol it.")
        }
    }

    // MARK: - Capture

    private mutating func checkCapture() {
        let enrolment = Enrolment(set)
        var holders: [String: Resource.WorkloadEntry] = [:]
        for entry in set.workloadEntries where enrolment.isCaptured(entry) {
            guard let namespace = entry.networkNamespace else {
                report(
                    purpose.refusal, MeshCode.capture, entry.metadata,
                    field: "metadata.annotations[\(WellKnown.networkNamespace)]",
                    "it is to be captured on \(entry.node ?? ""), but names no network namespace",
                    remedy: "Add the annotation \(WellKnown.networkNamespace).")
                continue
            }
            if entry.labels[WellKnown.tunnel] == "http" {
                report(
                    .warning, MeshCode.capture, entry.metadata, field: "metadata.labels[\(WellKnown.tunnel)]",
                    "it is captured, so the label \(WellKnown.tunnel) has no effect", remedy: "Remove it.")
            }
            let key = "\(entry.node ?? "")/\(namespace)"
            if let other = holders[key] {
                report(
                    .error, MeshCode.sharedNetworkNamespace, entry.metadata,
                    field: "metadata.annotations[\(WellKnown.networkNamespace)]",
                    "\(other.metadata.displayName) already has the network namespace \(namespace) on \(entry.node ?? "")",
                    remedy: "One network namespace is one workload.")
            }
            holders[key] = holders[key] ?? entry
        }
        for entry in set.workloadEntries where entry.mode == .ambient && entry.node == nil {
            report(
                .warning, MeshCode.capture, entry.metadata, field: "metadata.labels[\(WellKnown.dataplaneMode)]",
                "it is labelled \(WellKnown.dataplaneMode): ambient, but names no host, so nobody captures it",
                remedy: "Add the annotation \(WellKnown.node).")
        }
    }

    // MARK: - Addresses

    private struct Holder {
        let metadata: Resource.Metadata
        let isCaptured: Bool
    }

    private mutating func checkAddresses() {
        let enrolment = Enrolment(set)
        var holders: [NetworkAddress: Holder] = [:]
        for entry in set.workloadEntries {
            let holder = Holder(metadata: entry.metadata, isCaptured: enrolment.isCaptured(entry))
            for address in entry.addresses {
                claim(NetworkAddress(network: entry.network(options), address: address), holder, &holders)
            }
        }
        for service in set.services {
            let holder = Holder(metadata: service.metadata, isCaptured: false)
            for address in service.addresses {
                claim(NetworkAddress(network: options.network, address: address), holder, &holders)
            }
        }
        for entry in set.serviceEntries {
            let holder = Holder(metadata: entry.metadata, isCaptured: false)
            for prefix in entry.addresses where prefix.length == prefix.address.bitCount {
                claim(NetworkAddress(network: options.network, address: prefix.address), holder, &holders)
            }
            for endpoint in entry.endpoints {
                guard let ip = endpoint.ip else { continue }
                let network = endpoint.network(labels: endpoint.labels, options)
                claim(NetworkAddress(network: network, address: ip), holder, &holders)
            }
        }
    }

    private mutating func claim(_ address: NetworkAddress, _ holder: Holder, _ holders: inout [NetworkAddress: Holder]) {
        guard let other = holders[address] else {
            holders[address] = holder
            return
        }
        // An entry may repeat its own address.
        guard other.metadata != holder.metadata else { return }
        let bothCaptured = other.isCaptured && holder.isCaptured
        report(
            bothCaptured ? .error : .warning, MeshCode.sharedAddress, holder.metadata, field: "spec",
            "the address \(address.address) belongs to \(other.metadata.displayName) too (\(other.metadata.file) line "
                + "\(other.metadata.position.line))",
            remedy: bothCaptured
                ? "Two captured workloads of one network need two addresses." : "Traffic to it is taken for one of them.")
    }

    // MARK: - Policies

    /// Only one PeerAuthentication counts for a namespace: the oldest.
    private mutating func checkPeerAuthentications() {
        let wide = set.peerAuthentications.filter { $0.selects == nil }
        for (namespace, policies) in Dictionary(grouping: wide, by: \.metadata.namespace).sorted(by: { $0.key < $1.key })
        where policies.count > 1 {
            let sorted = policies.sorted { $0.metadata.isOlder(than: $1.metadata) }
            for ignored in sorted.dropFirst() {
                report(
                    .warning, MeshCode.ambiguousPolicy, ignored.metadata, field: "spec.selector",
                    "the namespace \(namespace) has several of these without a selector; only \(sorted.first?.metadata.name ?? "") counts",
                    remedy: "Keep one.")
            }
        }
    }
}
