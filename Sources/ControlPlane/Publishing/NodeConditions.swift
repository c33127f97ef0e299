// SPDX-License-Identifier: Apache-2.0

internal import Discovery

extension Condition {
    /// Of a `Node`: whether the host takes all that it is told, and else what it refuses, in its own words.
    /// - Parameter refusals: nil for a host that isn't connected.
    static func accepted(_ refusals: [ResourceRefusal]?) -> Condition {
        let status = refusals.map { $0.isEmpty ? "True" : "False" } ?? "Unknown"
        let reason = refusals.map { $0.isEmpty ? "Taken" : "Refused" } ?? "Disconnected"
        let message = (refusals ?? []).map { refusal in
            // An error that names the resource needs no other name.
            refusal.error.hasPrefix(refusal.name) ? refusal.error : "\(refusal.name): \(refusal.error)"
        }.joined(separator: "; ")
        return Condition("Accepted", status, reason, message)
    }
}
