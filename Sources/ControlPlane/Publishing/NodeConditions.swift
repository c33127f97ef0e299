// SPDX-License-Identifier: Apache-2.0

internal import Discovery
internal import Documents

/// The conditions of a `Node`, beside those that others wrote.
enum NodeConditions {
    private static let messageLimit = 1_024

    /// With `Accepted`: whether the host takes all that it is told, and else what it refuses, in its own words. The time is that of its last turn.
    /// - Parameters:
    ///   - refusals: nil for a host that isn't connected.
    ///   - seconds: now, in Unix seconds.
    static func stating(_ refusals: [ResourceRefusal]?, before: [Value], seconds: Int64) -> [Value] {
        let status = refusals.map { $0.isEmpty ? "True" : "False" } ?? "Unknown"
        let reason = refusals.map { $0.isEmpty ? "Taken" : "Refused" } ?? "Disconnected"
        let message = (refusals ?? []).map { refusal in
            // An error that names the resource needs no other name.
            refusal.error.hasPrefix(refusal.name) ? refusal.error : "\(refusal.name): \(refusal.error)"
        }.joined(separator: "; ")
        let own = before.first { $0["type"]?.stringValue == "Accepted" }
        let since = own?["status"]?.stringValue == status ? own?["lastTransitionTime"]?.stringValue : nil
        return before.filter { $0["type"]?.stringValue != "Accepted" } + [
            .object([
                ("type", "Accepted"), ("status", .string(status)), ("lastTransitionTime", .string(since ?? timestamp(seconds))),
                ("reason", .string(reason)), ("message", .string(String(message.prefix(messageLimit)))),
            ])
        ]
    }
}
