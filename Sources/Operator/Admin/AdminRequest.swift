// SPDX-License-Identifier: Apache-2.0

package import Documents
package import Kernel

/// One question to the daemon's admin API.
package struct AdminRequest: Sendable {
    package enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case delete = "DELETE"
    }

    package let method: Method
    /// Path and query, escaped: `/logging?level=info`.
    package let target: String
    /// What is sent along, as JSON; nil for nothing.
    package let body: Value?
    package let socket: String
    /// How long the whole exchange may take.
    package let timeout: Interval

    package init(
        _ method: Method, _ target: String, body: Value? = nil, socket: String, timeout: Interval = .seconds(10)
    ) {
        self.method = method
        self.target = target
        self.body = body
        self.socket = socket
        self.timeout = timeout
    }
}

/// What the daemon answered when all was well.
package struct AdminAnswer: Sendable {
    package let document: Value

    package init(_ document: Value) { self.document = document }
}

/// Why there is no answer that can be used.
package struct AdminFailure: Error, Sendable {
    /// One sentence.
    package let message: String
    package let remedy: String
    /// Nobody listens there, or not in time: the daemon isn't up.
    package let isUnreachable: Bool

    package init(_ message: String, remedy: String = "", isUnreachable: Bool = false) {
        self.message = message
        self.remedy = remedy
        self.isUnreachable = isUnreachable
    }
}
