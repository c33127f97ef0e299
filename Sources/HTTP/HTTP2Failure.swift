// SPDX-License-Identifier: Apache-2.0

/// Why a session ended although nobody asked it to. The connection is to be closed once what `produce` still gives is sent.
package enum HTTP2Failure: Error, Hashable, Sendable {
    /// The first bytes weren't the preface of an HTTP/2 client: HTTP/1, or something else altogether.
    case notHTTP2
    /// The peer broke the protocol; we answered GOAWAY with this code and detail.
    case protocolViolation(code: UInt32, detail: String)
    /// Streams opened and reset before they were answered.
    case rapidReset
    /// Streams that the peer made us reset by breaking rules on them.
    case inducedResets
    /// PING, SETTINGS or PRIORITY frames without end.
    case controlFlood
    /// DATA frames without data.
    case emptyDataFlood
    /// WINDOW_UPDATE frames out of proportion to what we sent.
    case windowUpdateFlood
    /// A header block in too many CONTINUATION frames.
    case continuationFlood
    /// A header block far larger than the list that we announced.
    case headerBlockTooLarge
    /// The peer makes us answer and doesn't read the answers.
    case outputBacklog
    /// The HTTP/2 library couldn't go on: memory, or a bug of it or of ours.
    case library(code: Int, detail: String)
}

extension HTTP2Failure {
    /// The peer did what is legal once far too often, or made us work without end.
    package var isFlood: Bool {
        switch self {
        case .rapidReset, .inducedResets, .controlFlood, .emptyDataFlood, .windowUpdateFlood, .continuationFlood,
            .headerBlockTooLarge, .outputBacklog:
            true
        case .notHTTP2, .protocolViolation, .library: false
        }
    }
}

extension HTTP2Failure: CustomStringConvertible {
    /// One sentence for the log.
    package var description: String {
        switch self {
        case .notHTTP2: "the peer doesn't speak HTTP/2"
        case .protocolViolation(let code, let detail):
            detail.isEmpty
                ? "the peer broke HTTP/2: \(HTTP2Code.name(code))" : "the peer broke HTTP/2: \(HTTP2Code.name(code)), \(detail)"
        case .rapidReset: "the peer resets too many streams before they are answered"
        case .inducedResets: "the peer breaks the rules on too many streams"
        case .controlFlood: "the peer sends too many control frames"
        case .emptyDataFlood: "the peer sends too many DATA frames without data"
        case .windowUpdateFlood: "the peer sends too many WINDOW_UPDATE frames"
        case .continuationFlood: "the peer splits a header block into too many CONTINUATION frames"
        case .headerBlockTooLarge: "the peer sends a header block far above the announced limit"
        case .outputBacklog: "the peer asks for answers and doesn't read them"
        case .library(let code, let detail): "the HTTP/2 library failed: \(detail) (\(code))"
        }
    }
}

/// The error codes of HTTP/2 (RFC 9113 §7).
package enum HTTP2Code {
    package static let noError: UInt32 = 0
    package static let protocolError: UInt32 = 1
    package static let internalError: UInt32 = 2
    package static let flowControlError: UInt32 = 3
    package static let settingsTimeout: UInt32 = 4
    package static let streamClosed: UInt32 = 5
    package static let frameSizeError: UInt32 = 6
    package static let refusedStream: UInt32 = 7
    package static let cancel: UInt32 = 8
    package static let compressionError: UInt32 = 9
    package static let connectError: UInt32 = 10
    package static let enhanceYourCalm: UInt32 = 11
    package static let inadequateSecurity: UInt32 = 12
    package static let http11Required: UInt32 = 13

    private static let names = [
        "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
        "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
    ]

    /// The name of the code as the RFC has it, or its number.
    package static func name(_ code: UInt32) -> String { code < 14 ? names[Int(code)] : "error \(code)" }
}
