// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Mesh

/// What the mesh says of an object: the same decoder that hosts use for files judges it, so that nothing is stored that could mean something else to
/// them than to who wrote it.
struct MeshAdmission {
    private(set) var errors: [FieldError] = []
    private(set) var warnings: [String] = []

    /// What is between resources is looked up elsewhere, or is not known from one object.
    private static let passedOver: Set<String> = [
        MeshCode.undeclaredNamespace, MeshCode.sharedAddress, MeshCode.duplicateResource, MeshCode.sharedNetworkNamespace,
    ]
    /// What a client is told at most: each is a header.
    private static let maximumWarnings = 16

    init(_ object: Value, _ kind: APIKind, namespaceLabels: [String: String], mesh: MeshOptions) {
        guard kind.isMesh else { return }
        // As it would stand in a file: without what the server keeps.
        let bare = object.setting("status", nil).setting(["metadata", "managedFields"], nil)
        var text = bare.jsonBytes
        if kind.isNamespaced, let namespace = object.at("metadata", "namespace")?.stringValue {
            text += "\n---\n".utf8
            text += Self.declaration(namespace, namespaceLabels).jsonBytes
        }
        let subject = "\(kind.kind) "
        let (_, findings) = loadResources(files: [("", text)], options: mesh)
        for finding in findings where !Self.passedOver.contains(finding.code) {
            guard finding.resource.isEmpty || finding.resource.hasPrefix(subject) || finding.resource == kind.kind else {
                continue
            }
            take(finding, kind)
        }
    }

    private static func declaration(_ name: String, _ labels: [String: String]) -> Value {
        let pairs = labels.sorted { $0.key < $1.key }.map { ($0.key, Value.string($0.value)) }
        return ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(name), "labels": .object(pairs)]]
    }

    private mutating func take(_ finding: Finding, _ kind: APIKind) {
        let remedy = finding.remedy.isEmpty ? "" : ". \(finding.remedy)"
        switch finding.severity {
        case .error: errors.append(FieldError(.invalid, finding.field, "\(finding.message)\(remedy)"))
        case .warning where warnings.count < Self.maximumWarnings && !(finding.code == MeshCode.unusedKind && kind.group.isEmpty):
            let place = finding.field.isEmpty ? "" : "\(finding.field): "
            warnings.append("\(place)\(finding.message)\(remedy)")
        case .warning, .info: break
        }
    }

    /// An address belongs to one captured workload (I18).
    static func checkAddress(_ object: Value, _ kind: APIKind, _ context: WriteContext) -> [FieldError] {
        guard kind == .workloadEntry, object.at(["metadata", "annotations", WellKnown.node]) != nil else { return [] }
        let own = "\(object.at("metadata", "namespace")?.stringValue ?? "")/\(object.at("metadata", "name")?.stringValue ?? "")"
        let network = object.at("spec", "network")?.stringValue ?? ""
        var claimed = [("spec.address", object.at("spec", "address")?.stringValue ?? "")]
        let more = object.at(["metadata", "annotations", WellKnown.additionalAddresses])?.stringValue ?? ""
        for part in more.split(separator: ",").prefix(64) {
            claimed.append(("metadata.annotations[\(WellKnown.additionalAddresses)]", String(part.drop { $0 == " " })))
        }
        return claimed.compactMap { field, text in
            guard let address = IPAddress(text), let other = context.holders(address, network).first(where: { $0 != own }) else {
                return nil
            }
            let whose = context.mayRead(other) ? "the workload \(other)" : "another workload"
            return FieldError(
                .duplicate, field, value: Value.string(text).json,
                "it is the address of \(whose): two captured workloads of one network need two addresses")
        }
    }
}

extension APIKind {
    /// Whether hosts' own decoder knows it.
    var isMesh: Bool { group != "warren.dev" }
}
