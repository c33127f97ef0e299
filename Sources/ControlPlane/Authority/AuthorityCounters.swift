// SPDX-License-Identifier: Apache-2.0

/// What was issued and what was refused, for metrics. On the loop of the API.
package final class AuthorityCounters {
    /// What a certificate is for.
    package enum Use: String, Hashable, Sendable, CaseIterable {
        case workload
        case node
        case server
    }

    package private(set) var issued: [Use: UInt64] = [:]
    package private(set) var refused: [Refusal.Reason: UInt64] = [:]

    package init() {}

    func issued(_ use: Use) { issued[use, default: 0] += 1 }
    func refused(_ reason: Refusal.Reason) { refused[reason, default: 0] += 1 }
}
