// SPDX-License-Identifier: Apache-2.0

package import Discovery
package import Store

extension Publishing {
    /// The condition `Programmed` of an object that stands since this revision: whether every connected host holds it. Nil for what means nothing to
    /// hosts by itself.
    package func programmed(_ key: StoreKey, revision: UInt64, _ survey: AcknowledgementSurvey) -> Condition? {
        if let reason = trouble(key) {
            return Condition("Programmed", "False", Condition.invalid, "hosts hold what stood before: \(reason)")
        }
        guard let come = acknowledgement(key, revision: revision, survey) else { return nil }
        let hosts = "\(come.acknowledged) of \(come.concerned) hosts"
        if let (node, error) = come.refused.min(by: { $0.key < $1.key }) {
            let others = come.refused.count > 1 ? " and \(come.refused.count - 1) more" : ""
            let message = "refused by \(node)\(others): \(error.prefix(512)); acknowledged by \(hosts)"
            return Condition("Programmed", "False", Condition.refused, message)
        }
        let isComplete = come.acknowledged == come.concerned
        return Condition(
            "Programmed", isComplete ? "True" : "False", isComplete ? Condition.acknowledged : Condition.pending,
            "acknowledged by \(hosts)")
    }
}

extension Condition {
    // Reasons of `Programmed`.
    static let acknowledged = "Acknowledged"
    static let pending = "Pending"
    static let refused = "Refused"
    static let invalid = "Invalid"
}
