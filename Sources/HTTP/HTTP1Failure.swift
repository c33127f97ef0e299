// SPDX-License-Identifier: Apache-2.0

/// Why an HTTP/1 message can't be taken. The connection is of no use afterwards: where the next message begins isn't known.
package struct HTTP1Failure: Error, Hashable, Sendable {
    /// What a server answers before it closes.
    package let status: Int
    /// One sentence for the answer and the log. It quotes nothing of what was received.
    package let reason: String

    static func malformed(_ reason: String) -> HTTP1Failure { HTTP1Failure(status: 400, reason: reason) }
    static let lineTooLong = HTTP1Failure(status: 414, reason: "the request line is too long")
    static let headersTooLarge = HTTP1Failure(status: 431, reason: "the header fields are too large")
    static let bodyTooLarge = HTTP1Failure(status: 413, reason: "the body is too large")
    static let version = HTTP1Failure(status: 505, reason: "the version isn't HTTP/1.0 or HTTP/1.1")
    static let coding = HTTP1Failure(status: 501, reason: "the transfer coding isn't chunked")
}

extension HTTP1Failure: CustomStringConvertible {
    package var description: String { reason }
}

/// What an HTTP/1 end bears of its peer, in bytes.
package struct HTTP1Limits: Sendable {
    /// The start line. Our own paths are short; scrapers and browsers stay below 8 KiB, as most servers ask of them.
    package var startLine = 8 << 10
    /// All header fields together.
    package var headers: Int
    /// How many header fields there may be; trailers count.
    package var headerCount = 100
    /// The body. A policy or a mesh file that somebody posts fits; whatever is larger is no request of ours.
    package var body: Int

    package init(headers: Int, body: Int) {
        self.headers = headers
        self.body = body
    }

    /// What servers take of anybody who may connect.
    package static let server = HTTP1Limits(headers: 64 << 10, body: 1 << 20)
    /// What a client takes of its own daemon: a list of 100,000 connections fits into 64 MiB.
    package static let client = HTTP1Limits(headers: 16 << 10, body: 64 << 20)
}
