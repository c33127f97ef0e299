// SPDX-License-Identifier: Apache-2.0

/// A survey in few words, to be told to another replica: however many nodes there are and whatever they refuse, it has a bound. What doesn't fit
/// makes it say less, never that somebody has what he hasn't. A value.
package struct AcknowledgementSummary: Hashable, Sendable {
    /// How many nodes hold everything up to a revision, and no more.
    package struct Held: Hashable, Sendable {
        package let revision: UInt64
        package let nodes: Int

        package init(revision: UInt64, nodes: Int) {
            self.revision = revision
            self.nodes = nodes
        }
    }

    /// A resource that nodes refuse, in the words of the first of them.
    package struct Refusal: Hashable, Sendable {
        package let type: ResourceType
        package let name: String
        /// One of them has answered everything up to here.
        package let revision: UInt64
        package let nodes: Int
        package let node: String
        package let error: String

        package init(type: ResourceType, name: String, revision: UInt64, nodes: Int, node: String, error: String) {
            self.type = type
            self.name = name
            self.revision = revision
            self.nodes = nodes
            self.node = node
            self.error = error
        }
    }

    package static let heldLimit = 32
    package static let refusalLimit = 128
    /// Of a node's words, in bytes.
    package static let errorLimit = 512
    /// What nodes refuse is gone through so far, all nodes together: they decide how much that is.
    private static let patience = 4_096

    /// By revision, in ascending order.
    package let held: [Held]
    /// By type and name.
    package let refusals: [Refusal]
    /// Whether these are all refusals that there are.
    package let isWhole: Bool

    package init(held: [Held], refusals: [Refusal] = [], isWhole: Bool = true) {
        self.held = held
        self.refusals = refusals
        self.isWhole = isWhole
    }

    /// How many nodes hold everything up to a revision, and of a resource which refuse it as that brought it. Nil if that isn't told.
    package func acknowledgement(ofRevision wanted: UInt64, _ resource: (type: ResourceType, name: String)?) -> Acknowledgement? {
        let concerned = held.reduce(0) { $0 + $1.nodes }
        let behind = held.reduce(0) { $1.revision < wanted ? $0 + $1.nodes : $0 }
        var answer = Acknowledgement(acknowledged: concerned - behind, concerned: concerned)
        guard let resource else { return answer }
        guard let refusal = refusals.first(where: { $0.type == resource.type && $0.name == resource.name }) else {
            return isWhole ? answer : nil
        }
        guard refusal.revision >= wanted else { return answer }
        answer.refused[refusal.node] = refusal.error
        answer.moreRefused = max(refusal.nodes - 1, 0)
        answer.acknowledged = max(0, min(answer.acknowledged, concerned - refusal.nodes))
        return answer
    }

    /// The same with fewer refusals.
    package func keeping(_ count: Int) -> AcknowledgementSummary {
        AcknowledgementSummary(held: held, refusals: Array(refusals.prefix(count)), isWhole: isWhole && count >= refusals.count)
    }
}

extension AcknowledgementSurvey {
    /// In few words. Who holds more than `wanted` holds that: so it stays the same while nobody wants more, whatever else happens.
    package func summary(upTo wanted: UInt64) -> AcknowledgementSummary {
        var few: [AcknowledgementSummary.Held] = []
        for (revision, nodes) in held {
            let revision = min(revision, wanted)
            if let last = few.last, last.revision == revision {
                few[few.count - 1] = .init(revision: revision, nodes: last.nodes + nodes)
            } else {
                few.append(.init(revision: revision, nodes: nodes))
            }
        }
        if few.count > AcknowledgementSummary.heldLimit, let lowest = few.first {
            // Those furthest behind are as far behind as the last of them.
            let folded = few.count - AcknowledgementSummary.heldLimit + 1
            let nodes = few.prefix(folded).reduce(0) { $0 + $1.nodes }
            few.replaceSubrange(..<folded, with: [.init(revision: lowest.revision, nodes: nodes)])
        }
        let (refusals, isWhole) = AcknowledgementSummary.refusals(refusing, upTo: wanted)
        return AcknowledgementSummary(held: few, refusals: refusals, isWhole: isWhole)
    }
}

extension AcknowledgementSummary {
    private struct Place: Hashable, Comparable {
        let rank: Int
        let name: String

        static func < (a: Place, b: Place) -> Bool { (a.rank, a.name) < (b.rank, b.name) }
    }

    fileprivate static func refusals(
        _ refusing: [(node: String, holding: UInt64, lists: [RefusalList?])], upTo wanted: UInt64
    ) -> ([Refusal], isWhole: Bool) {
        var found: [Place: Refusal] = [:]
        var left = patience
        var isWhole = true
        // In an order that stays, so that the same is told again.
        for (node, holding, lists) in refusing.sorted(by: { $0.node < $1.node }) {
            for (type, list) in zip(ResourceType.byRank, lists) {
                guard let list, !list.isEmpty else { continue }
                guard left >= list.byName.count else {
                    isWhole = false
                    continue
                }
                left -= list.byName.count
                for (name, said) in list.byName {
                    let place = Place(rank: type.rank, name: name)
                    let before = found[place]
                    found[place] = Refusal(
                        type: type, name: name, revision: max(min(holding, wanted), before?.revision ?? 0),
                        nodes: (before?.nodes ?? 0) + 1, node: before?.node ?? node,
                        error: before?.error ?? bounded(said.error, errorLimit))
                }
            }
        }
        let ordered = found.sorted { $0.key < $1.key }.map(\.value)
        return (Array(ordered.prefix(refusalLimit)), isWhole && ordered.count <= refusalLimit)
    }

    /// At most so many bytes, in whole characters.
    private static func bounded(_ text: String, _ bytes: Int) -> String {
        guard text.utf8.count > bytes else { return text }
        var scalars = String.UnicodeScalarView()
        var left = bytes
        for scalar in text.unicodeScalars {
            left -= scalar.utf8.count
            guard left >= 0 else { break }
            scalars.append(scalar)
        }
        return String(scalars)
    }
}
