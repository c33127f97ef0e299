// SPDX-License-Identifier: Apache-2.0

internal import Discovery
internal import Kernel

/// Which replicas had a name at one moment, and what they said. A value.
struct ReplicaReading: Sendable {
    /// When the store was asked: it is no older. By this machine's clock.
    let begun: Instant
    /// Nil for one that says nothing, or what isn't understood: it has yet to begin, or is of another version.
    let reports: [String: ReplicaReport?]
    /// Who adds up what all say: the first by name of those who say something, understood or not, so that all name the same one. Two may take
    /// themselves for it for a moment, which does no harm: what they write is true, and one of two who write at once is refused.
    let first: String?

    /// By the texts beside their names.
    init(begun: Instant, texts: [String: [UInt8]]) {
        self.begun = begun
        reports = texts.mapValues { ReplicaReport(text: $0) }
        first = texts.filter { !$0.value.isEmpty }.keys.min() ?? texts.keys.min()
    }

    /// Up to where anybody wants to be told.
    var asOf: UInt64 { reports.values.reduce(0) { max($0, $1?.asOf ?? 0) } }

    /// What the others say, for the replica of this name.
    func others(than own: String) -> OtherReplicas {
        OtherReplicas(isFirst: first == own, begun: begun, reports: reports.filter { $0.key != own })
    }
}

/// What one replica knows of the others. A value.
struct OtherReplicas: Sendable {
    /// It is on this replica to write what all say together.
    let isFirst: Bool
    /// Who came later isn't in it; nil: nobody can.
    let begun: Instant?
    private let reports: [String: ReplicaReport?]

    init(isFirst: Bool, begun: Instant?, reports: [String: ReplicaReport?]) {
        self.isFirst = isFirst
        self.begun = begun
        self.reports = reports
    }

    /// Of a replica that is the only one.
    static let nobody = OtherReplicas(isFirst: true, begun: nil, reports: [:])

    /// Whether it was asked for after a moment.
    func isNewer(than moment: Instant) -> Bool { begun.map { $0 >= moment } ?? true }

    /// Whether each has said something of what happened up to a revision.
    func areKnown(asOf revision: UInt64) -> Bool { reports.values.allSatisfy { $0.map { $0.asOf >= revision } ?? false } }

    /// Adds their hosts. - Returns: the replicas of whose hosts it isn't known whether they have it.
    func add(to answer: inout Acknowledgement, revision: UInt64, _ resource: (type: ResourceType, name: String)?) -> [String] {
        var unknown: [String] = []
        for (name, report) in reports {
            guard let report, report.asOf >= revision,
                let more = report.hosts.acknowledgement(ofRevision: revision, resource)
            else {
                unknown.append(name)
                continue
            }
            answer.acknowledged += more.acknowledged
            answer.concerned += more.concerned
            answer.moreRefused += more.moreRefused
            answer.refused.merge(more.refused) { own, _ in own }
        }
        return unknown.sorted()
    }
}
