// SPDX-License-Identifier: Apache-2.0

/// How far all connected nodes are at one moment: made once, asked about many revisions. A value.
package struct AcknowledgementSurvey: Sendable {
    /// The revisions that nodes hold, in ascending order: there are few of them.
    private(set) var held: [(revision: UInt64, nodes: Int)] = []
    private var concerned = 0
    /// What nodes refuse, by `ResourceType.rank`, of those that refuse something; and up to which revision they have answered.
    private(set) var refusing: [(node: String, holding: UInt64, lists: [RefusalList?])] = []

    init() {}

    mutating func add(holding revision: UInt64) {
        concerned += 1
        let place = held.firstIndex { $0.revision >= revision } ?? held.count
        if place < held.count, held[place].revision == revision {
            held[place].nodes += 1
        } else {
            held.insert((revision, 1), at: place)
        }
    }

    mutating func add(_ node: String, holding revision: UInt64, refusing lists: [RefusalList?]) {
        refusing.append((node, revision, lists))
    }

    /// How many of the connected nodes hold everything up to a revision.
    package func acknowledgement(ofRevision wanted: UInt64) -> Acknowledgement {
        let behind = held.prefix { $0.revision < wanted }.reduce(0) { $0 + $1.nodes }
        return Acknowledgement(acknowledged: concerned - behind, concerned: concerned)
    }

    /// The nodes that refuse a resource as a revision brought it, with their words. Who hasn't answered up to there yet refuses what stood before, if
    /// anything.
    package func refusals(of type: ResourceType, _ name: String, ofRevision wanted: UInt64) -> [String: String] {
        var found: [String: String] = [:]
        for (node, holding, lists) in refusing where holding >= wanted { found[node] = lists[type.rank]?.byName[name]?.error }
        return found
    }
}
