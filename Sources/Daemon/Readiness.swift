// SPDX-License-Identifier: Apache-2.0

/// What must happen before this daemon serves: named items that are struck off. Owned by the loop that answers on the readiness
/// port.
package struct ReadinessState: Sendable {
    private var waiting: [String]

    /// - Parameter pending: what has to be done, in the order in which it is told.
    package init(pending: [String]) { waiting = pending }

    /// What is still to be done.
    package var pending: [String] { waiting }

    package var isReady: Bool { waiting.isEmpty }

    package mutating func done(_ item: String) { waiting.removeAll { $0 == item } }

    /// Takes readiness back: a drain began, or what was there is lost.
    package mutating func waits(for item: String) {
        if !waiting.contains(item) { waiting.append(item) }
    }

    /// The answer to `GET /healthz/ready`, without an end of line. 503 where ztunnel says 500: load balancers and people read it
    /// as "not now".
    package var response: (status: Int, body: String) {
        isReady ? (200, "ready") : (503, "not ready, pending: \(waiting.joined(separator: ", "))")
    }
}
