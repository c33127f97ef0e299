// SPDX-License-Identifier: Apache-2.0

internal import Discovery
internal import Store

extension Publishing {
    /// The condition `Programmed` of an object that stands since this revision: whether every connected host holds it, those of other replicas too.
    /// Nil for what means nothing to hosts by itself.
    func programmed(
        _ key: StoreKey, revision: UInt64, _ survey: AcknowledgementSurvey, _ others: OtherReplicas = .nobody
    ) -> Condition? {
        if let reason = trouble(key) {
            return Condition(Condition.programmed, "False", Condition.invalid, "hosts hold what stood before: \(reason)")
        }
        guard let (come, unknown) = acknowledgement(key, revision: revision, survey, others) else { return nil }
        let hosts = "acknowledged by \(come.acknowledged) of \(come.concerned) hosts" + Self.silence(unknown)
        if let (node, error) = come.refused.min(by: { $0.key < $1.key }) {
            let count = come.refused.count - 1 + come.moreRefused
            let more = count > 0 ? " and \(count) more" : ""
            return Condition(
                Condition.programmed, "False", Condition.refused, "refused by \(node)\(more): \(error.prefix(512)); \(hosts)")
        }
        guard come.acknowledged == come.concerned else {
            return Condition(Condition.programmed, "False", Condition.pending, hosts)
        }
        guard unknown.isEmpty else { return Condition(Condition.programmed, "Unknown", Condition.pending, hosts) }
        return Condition(Condition.programmed, "True", Condition.acknowledged, hosts)
    }

    /// What isn't known of the hosts of other replicas, in words.
    private static func silence(_ unknown: [String]) -> String {
        guard let first = unknown.first else { return "" }
        let more = unknown.count > 1 ? " and \(unknown.count - 1) more replicas" : ""
        return "; how far those of \(first)\(more) are isn't known"
    }
}

extension Condition {
    /// The type of the condition that says how far hosts have come.
    static let programmed = "Programmed"
    // Its reasons.
    static let acknowledged = "Acknowledged"
    static let pending = "Pending"
    static let refused = "Refused"
    static let invalid = "Invalid"
}
