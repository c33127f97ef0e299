// SPDX-License-Identifier: Apache-2.0

/// How far all connected nodes are at one moment: made once, asked about many revisions. A value.
package struct AcknowledgementSurvey: Sendable {
    private struct Name: Hashable {
        let type: ResourceType
        let name: String
    }

    /// The revision that each node holds, in ascending order.
    private let held: [UInt64]
    /// By what is refused, the nodes that refuse it, with their words.
    private var refusals: [Name: [String: String]] = [:]

    init(held: [UInt64]) { self.held = held.sorted() }

    mutating func add(_ refusal: ResourceRefusal, of node: String) {
        refusals[Name(type: refusal.type, name: refusal.name), default: [:]][node] = refusal.error
    }

    /// How many of the connected nodes hold everything up to a revision.
    package func acknowledgement(ofRevision wanted: UInt64) -> Acknowledgement {
        var (low, high) = (0, held.count)
        while low < high {
            let middle = (low + high) / 2
            if held[middle] < wanted { low = middle + 1 } else { high = middle }
        }
        return Acknowledgement(acknowledged: held.count - low, concerned: held.count)
    }

    /// The nodes that refuse a resource as it stands, with their words.
    package func refusals(of type: ResourceType, _ name: String) -> [String: String] {
        refusals.isEmpty ? [:] : refusals[Name(type: type, name: name)] ?? [:]
    }
}
