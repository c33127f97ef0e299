// SPDX-License-Identifier: Apache-2.0

/// How far all connected nodes are at one moment: made once, asked about many revisions. A value.
package struct AcknowledgementSurvey: Sendable {
    /// The revisions that nodes hold, in ascending order: there are few of them.
    private var held: [(revision: UInt64, nodes: Int)] = []
    private var concerned = 0
    /// What nodes refuse, by `ResourceType.rank`, of those that refuse something.
    private var refusing: [(node: String, lists: [RefusalList?])] = []

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

    mutating func add(_ node: String, refusing lists: [RefusalList?]) { refusing.append((node, lists)) }

    /// How many of the connected nodes hold everything up to a revision.
    package func acknowledgement(ofRevision wanted: UInt64) -> Acknowledgement {
        let behind = held.prefix { $0.revision < wanted }.reduce(0) { $0 + $1.nodes }
        return Acknowledgement(acknowledged: concerned - behind, concerned: concerned)
    }

    /// The nodes that refuse a resource as they were told it last, with their words.
    package func refusals(of type: ResourceType, _ name: String) -> [String: String] {
        var found: [String: String] = [:]
        for (node, lists) in refusing { found[node] = lists[type.rank]?.byName[name]?.error }
        return found
    }
}
