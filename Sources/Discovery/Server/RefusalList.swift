// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// A resource that a node didn't take.
package struct ResourceRefusal: Hashable, Sendable {
    package let type: ResourceType
    package let name: String
    /// In the node's own words.
    package let error: String
    package let since: WallTime

    package init(type: ResourceType, name: String, error: String, since: WallTime) {
        self.type = type
        self.name = name
        self.error = error
        self.since = since
    }
}

/// What one node refuses of one type. A NACK stands for a whole push; it is held against the resources that its words name, or against all of the
/// push if they name none. Bounded: of a node that refuses everything some are enough to see it.
struct RefusalList {
    static let limit = 256

    private(set) var byName: [String: (error: String, since: WallTime)] = [:]
    /// Refused pushes.
    private(set) var count: UInt64 = 0

    var isEmpty: Bool { byName.isEmpty }

    mutating func answered(_ push: Subscription.Push, table: ResourceTable, error: String?, at time: WallTime) {
        // A resource was told again, or is gone: what was said of it before is over.
        for name in byName.keys {
            guard let entry = table.entry(name) else {
                byName[name] = nil
                continue
            }
            if entry.sequence > push.changesFrom, entry.sequence <= push.changesTo || push.named.contains(name) {
                byName[name] = nil
            }
        }
        guard let error else { return }
        count &+= 1
        let said = Self.words(error)
        var (all, named): ([String], [String]) = ([], [])
        for name in push.named where named.count < Self.limit { Self.sort(name, said, &all, &named) }
        table.changes(after: push.changesFrom, upTo: push.changesTo) { _, entry in
            Self.sort(entry.resource.name, said, &all, &named)
            return named.count < Self.limit
        }
        for name in named.isEmpty ? all : named where byName.count < Self.limit { byName[name] = (error, time) }
    }

    private static func sort(_ name: String, _ said: Set<Substring>, _ all: inout [String], _ named: inout [String]) {
        if said.contains(name[...]) { named.append(name) }
        if all.count < limit { all.append(name) }
    }

    /// `a: reason, b: other reason`, as ztunnel writes it: names are words.
    private static func words(_ error: String) -> Set<Substring> {
        Set(
            error.split { " ,;\n\t\"'()[]".contains($0) }.map { word in
                var word = word
                while word.last == ":" { word.removeLast() }
                return word
            })
    }

    func listed(_ type: ResourceType, table: ResourceTable) -> [ResourceRefusal] {
        byName.filter { table.entry($0.key) != nil }.sorted { $0.key < $1.key }
            .map { ResourceRefusal(type: type, name: $0.key, error: $0.value.error, since: $0.value.since) }
    }
}
