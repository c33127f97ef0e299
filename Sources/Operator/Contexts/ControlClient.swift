// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// One request to a control plane.
package struct ControlRequest: Sendable {
    package enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    package let method: Method
    /// Path and query, escaped.
    package let target: String
    /// What the answer should be in.
    package var accept = "application/json"
    /// What the body is in; nil for no body.
    package var contentType: String?
    package var body: [UInt8] = []

    init(_ method: Method, _ target: String) {
        self.method = method
        self.target = target
    }
}

/// What a control plane answered, whatever its status is.
package struct ControlAnswer: Sendable {
    package let status: Int
    package let body: [UInt8]
    /// The values of its `Warning` headers, as they came.
    package let warnings: [String]

    package init(status: Int, body: [UInt8], warnings: [String] = []) {
        self.status = status
        self.body = body
        self.warnings = warnings
    }
}

/// The way to one control plane. Blocking: one owner, the program's one thread. Every wait is bounded but that for the next line of a stream.
package protocol ControlClient {
    /// Sends a request and reads the whole answer.
    func send(_ request: ControlRequest) throws(ControlFailure) -> ControlAnswer
    /// Sends a request and gives each line of the answer to `take`, until that says false or the other side ends. An answer with another status
    /// than 200 is returned instead.
    func follow(_ request: ControlRequest, _ take: ([UInt8]) -> Bool) throws(ControlFailure) -> ControlAnswer?
}

/// What a control plane said or wasn't able to say, in words for the person who asked.
package struct ControlFailure: Error, Sendable {
    /// What is wrong with which field.
    package struct Cause: Hashable, Sendable {
        package let field: String
        package let message: String
    }

    /// One sentence.
    package let message: String
    package let remedy: String
    /// Nobody listens there, or not in time.
    package let isUnreachable: Bool
    /// The HTTP status; 0 where there was no answer.
    package var status = 0
    /// Kubernetes' word for it: `NotFound`.
    package var reason = ""
    package var causes: [Cause] = []

    package init(_ message: String, remedy: String = "", isUnreachable: Bool = false) {
        self.message = message
        self.remedy = remedy
        self.isUnreachable = isUnreachable
    }

    var isNotFound: Bool { status == 404 }
}
