// SPDX-License-Identifier: Apache-2.0

/// Which resources a client holds, and in which version: what it tells a control plane when it comes back. A value; it doesn't hold the content.
package struct HeldResources: Sendable {
    private struct Entry: Sendable {
        let version: ResourceVersion
        let size: Int
    }

    private let bounds: DiscoveryBounds
    private var entries: [ResourceType: [String: Entry]] = [:]
    /// Names that were held when the stream began and that the control plane can't have been told, since they have no version: they are gone unless its
    /// first response brings them again.
    private var doubtful: [ResourceType: Set<String>] = [:]
    package private(set) var count = 0
    package private(set) var bytes = 0

    package init(bounds: DiscoveryBounds = DiscoveryBounds()) { self.bounds = bounds }

    package func count(of type: ResourceType) -> Int { entries[type]?.count ?? 0 }

    package func version(of name: String, _ type: ResourceType) -> String { entries[type]?[name]?.version.description ?? "" }

    /// The versions to begin a stream with.
    package func versions(of type: ResourceType) -> [String: String] {
        (entries[type] ?? [:]).compactMapValues { $0.version.isEmpty ? nil : $0.version.description }
    }

    /// A stream begins: what has no version is in doubt until the first response.
    package mutating func begin() {
        doubtful = entries.mapValues { held in Set(held.lazy.filter { $0.value.version.isEmpty }.map(\.key)) }
            .filter { !$0.value.isEmpty }
    }

    /// Takes over what the push brings. What the bounds don't allow goes over to its rejections, and what is held of the same name stays; removals are
    /// reduced to what was held.
    package mutating func apply(_ push: inout DecodedPush) {
        guard let type = push.type else { return }
        var held = entries.removeValue(forKey: type) ?? [:]
        var doubt = doubtful.removeValue(forKey: type) ?? []
        var taken: [DecodedPush.Resource] = []
        taken.reserveCapacity(push.resources.count)
        for rejection in push.rejected { doubt.remove(rejection.name) }
        for resource in push.resources {
            doubt.remove(resource.name)
            let before = held[resource.name]
            let grown = bytes + resource.size - (before?.size ?? 0)
            guard before != nil || count < bounds.resources, grown <= bounds.bytes else {
                push.rejected.append(
                    DecodedPush.Rejected(
                        name: resource.name,
                        reason: "more than \(bounds.resources) resources or \(bounds.bytes >> 20) MiB are not held"))
                continue
            }
            held[resource.name] = Entry(version: resource.version, size: resource.size)
            bytes = grown
            if before == nil { count += 1 }
            taken.append(resource)
        }
        push.resources = taken
        push.removed = (push.removed + doubt).filter { name in
            guard let entry = held.removeValue(forKey: name) else { return false }
            bytes -= entry.size
            count -= 1
            return true
        }
        entries[type] = held
    }
}
