// SPDX-License-Identifier: Apache-2.0

internal import Discovery
package import Documents
package import Store

extension Publishing {
    /// The condition `Programmed` of an object that stands since this revision, as a Kubernetes condition without its time: whether every connected
    /// host holds it. Nil for what means nothing to hosts.
    package func programmed(_ key: StoreKey, revision: UInt64) -> Value? {
        if let reason = trouble(key) {
            return condition("False", "Invalid", "hosts hold what stood before: \(reason)")
        }
        guard let come = acknowledgement(key, revision: revision) else { return nil }
        let hosts = "\(come.acknowledged) of \(come.concerned) hosts"
        if let (node, error) = come.refused.min(by: { $0.key < $1.key }) {
            let others = come.refused.count > 1 ? " and \(come.refused.count - 1) more" : ""
            return condition("False", "Refused", "refused by \(node)\(others): \(error.prefix(512)); acknowledged by \(hosts)")
        }
        guard come.acknowledged == come.concerned else { return condition("False", "Pending", "acknowledged by \(hosts)") }
        return condition("True", "Acknowledged", "acknowledged by \(hosts)")
    }

    private func condition(_ status: String, _ reason: String, _ message: String) -> Value {
        .object([
            ("type", "Programmed"), ("status", .string(status)), ("reason", .string(reason)), ("message", .string(message)),
        ])
    }
}
