// SPDX-License-Identifier: Apache-2.0

/// The mesh of a scenario as resources, written as YAML. A value: a test changes one thing, applies it, and looks.
package struct MeshFile {
    private struct Entry {
        let key: String
        let yaml: String
    }

    private var entries: [Entry] = []

    package init() {}

    /// Documents in the order in which they were first added.
    package var text: String { entries.map(\.yaml).joined(separator: "---\n") }

    /// Adds a resource, or replaces the one of the same key (`Kind/namespace/name`).
    package mutating func set(_ key: String, _ yaml: String) {
        let entry = Entry(key: key, yaml: yaml.hasSuffix("\n") ? yaml : yaml + "\n")
        if let at = entries.firstIndex(where: { $0.key == key }) { entries[at] = entry } else { entries.append(entry) }
    }

    package mutating func remove(_ key: String) { entries.removeAll { $0.key == key } }

    package mutating func namespace(_ name: String = "default", captured: Bool = true) {
        let labels = captured ? "{istio.io/dataplane-mode: ambient}" : "{}"
        set("Namespace//\(name)", "apiVersion: v1\nkind: Namespace\nmetadata: {name: \(name), labels: \(labels)}")
    }

    /// A workload with both its addresses. `account` is its name unless given; so is the label `app`.
    package mutating func workload(
        _ workload: LabWorkload, namespace: String = "default", account: String? = nil, app: String? = nil, node: String? = nil,
        labels: [String: String] = [:], annotations: [String: String] = [:], addresses: [String]? = nil, locality: String? = nil,
        ports: [String: Int] = [:]
    ) {
        let all = addresses ?? [workload.address, workload.address6]
        var notes = annotations
        notes["warren.dev/node"] = node ?? workload.host.name
        notes["warren.dev/network-namespace"] = notes["warren.dev/network-namespace"] ?? workload.name
        if all.count > 1 { notes["warren.dev/additional-addresses"] = all.dropFirst().joined(separator: ",") }
        let marks = labels.merging(["app": app ?? workload.name]) { given, _ in given }
        set(
            "WorkloadEntry/\(namespace)/\(workload.name)",
            """
            apiVersion: networking.istio.io/v1
            kind: WorkloadEntry
            metadata: {name: \(workload.name), namespace: \(namespace), labels: \(Self.flow(marks)), annotations: \(Self.flow(notes))}
            spec:
              address: "\(all[0])"
              labels: \(Self.flow(marks))
              serviceAccount: \(account ?? workload.name)
              \(locality.map { "locality: \($0)" } ?? "")
              ports: {\(ports.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", "))}
            """)
    }

    /// A service over the workloads with a label `app`.
    package mutating func service(
        _ name: String, namespace: String = "default", addresses: [String], port: Int, target: Int, app: String
    ) {
        set(
            "Service/\(namespace)/\(name)",
            """
            apiVersion: v1
            kind: Service
            metadata: {name: \(name), namespace: \(namespace)}
            spec:
              clusterIPs: [\(addresses.map { "\"\($0)\"" }.joined(separator: ", "))]
              selector: {app: \(app)}
              ports: [{port: \(port), targetPort: \(target), protocol: TCP}]
            """)
    }

    /// A policy; `spec` is YAML in flow style: `{action: DENY, rules: […]}`.
    package mutating func policy(_ name: String, namespace: String = "default", _ spec: String) {
        set(
            "AuthorizationPolicy/\(namespace)/\(name)",
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: \(name), namespace: \(namespace)}\nspec: \(spec)"
        )
    }

    /// What inbound plaintext is worth in a namespace.
    package mutating func plaintext(_ mode: PlaintextMode, namespace: String = "default") {
        set(
            "PeerAuthentication/\(namespace)/default",
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: \(namespace)}\n"
                + "spec: {mtls: {mode: \(mode.rawValue)}}")
    }

    private static func flow(_ map: [String: String]) -> String {
        "{" + map.sorted { $0.key < $1.key }.map { "\($0.key): \"\($0.value)\"" }.joined(separator: ", ") + "}"
    }
}

/// The modes of PeerAuthentication that scenarios use.
package enum PlaintextMode: String, CaseIterable, Sendable, CustomStringConvertible {
    case permissive = "PERMISSIVE"
    case strict = "STRICT"

    package var description: String { rawValue.lowercased() }
}
