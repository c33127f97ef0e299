// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// A condition of an object's status, in Kubernetes' form, without its time.
package struct Condition: Hashable, Sendable {
    private static let messageLimit = 1_024

    package let type: String
    /// `True`, `False` or `Unknown`.
    package let status: String
    /// One word.
    package let reason: String
    /// A sentence for people.
    package let message: String

    init(_ type: String, _ status: String, _ reason: String, _ message: String) {
        self.type = type
        self.status = status
        self.reason = reason
        self.message = String(message.prefix(Self.messageLimit))
    }

    /// The list with this condition in place of the one of its type; all others, whoever wrote them, stay.
    /// - Parameters:
    ///   - generation: the `metadata.generation` that it is about, for objects that count it.
    ///   - seconds: now, in Unix seconds: the time of the turn, if the status turned.
    func put(into list: [Value], generation: Int64? = nil, seconds: Int64) -> [Value] {
        let own = list.first { $0["type"]?.stringValue == type }
        let since = own?["status"]?.stringValue == status ? own?["lastTransitionTime"]?.stringValue : nil
        return list.filter { $0["type"]?.stringValue != type } + [
            .object(present: [
                ("type", .string(type)), ("status", .string(status)), ("observedGeneration", generation.map { .integer($0) }),
                ("lastTransitionTime", .string(since ?? timestamp(seconds))), ("reason", .string(reason)),
                ("message", .string(message)),
            ])
        ]
    }

    /// Whether the list says the same already, but for the time.
    func stands(in list: [Value], generation: Int64?) -> Bool {
        list.contains { entry in
            entry["type"]?.stringValue == type && entry["status"]?.stringValue == status
                && entry["reason"]?.stringValue == reason && entry["message"]?.stringValue == message
                && entry["observedGeneration"]?.integerValue == generation
        }
    }
}
