// SPDX-License-Identifier: Apache-2.0

/// All kinds that are served, and how they are found.
package enum APIKinds {
    /// In the order of discovery. A new kind is one more line here, and its declaration beside the others of its group.
    package static let all: [APIKind] = [
        .namespace, .service, .serviceAccount,
        .workloadEntry, .workloadGroup, .serviceEntry,
        .authorizationPolicy, .peerAuthentication,
        .node, .nodeGrant,
    ]

    private static let byResource: [String: APIKind] = Dictionary(
        all.map { ($0.resource, $0) }, uniquingKeysWith: { first, _ in first })
    private static let byPath: [String: APIKind] = Dictionary(
        all.flatMap { kind in kind.versions.map { ("\(kind.group)/\($0)/\(kind.plural)", kind) } },
        uniquingKeysWith: { first, _ in first })

    /// Whether there is anything in this version of this group.
    package static func serves(group: String, version: String) -> Bool {
        all.contains { $0.group == group && $0.versions.contains(version) }
    }

    /// The kind at a path.
    package static func find(group: String, version: String, plural: String) -> APIKind? {
        byPath["\(group)/\(version)/\(plural)"]
    }

    /// The kind of a store key.
    package static func find(resource: String) -> APIKind? { byResource[resource] }

    /// The kind of a document.
    package static func find(apiVersion: String, kind: String) -> APIKind? {
        all.first { known in known.kind == kind && known.versions.contains { known.apiVersion($0) == apiVersion } }
    }

    /// Groups with a name, and what versions they have, newest first.
    package static let groups: [(name: String, versions: [String])] = {
        var groups: [(name: String, versions: [String])] = []
        for kind in all where !kind.group.isEmpty {
            guard let place = groups.firstIndex(where: { $0.name == kind.group }) else {
                groups.append((kind.group, kind.versions))
                continue
            }
            groups[place].versions += kind.versions.filter { !groups[place].versions.contains($0) }
        }
        return groups
    }()

    /// Kinds in one version of a group.
    package static func kinds(group: String, version: String) -> [APIKind] {
        all.filter { $0.group == group && $0.versions.contains(version) }
    }
}
