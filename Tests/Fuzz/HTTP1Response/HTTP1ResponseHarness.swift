// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel

/// Responses on an HTTP/1 connection, read by its client. The first byte says in which pieces they come, the second whether the connection
/// ends behind them and whether a HEAD is answered. Pieces make no difference, and what is written reads as the same.
enum HTTP1ResponseHarness {
    private struct Outcome: Equatable {
        var responses: [HTTP1Response] = []
        var failure: HTTP1Failure?
    }

    private static let limits = HTTP1Limits(headers: 1 << 10, body: 4 << 10)

    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let (pattern, flags) = (input.byte(), input.byte())
        let text = Array(input.rest)
        let whole = read(text, pattern: 0, flags)
        let pieces = read(text, pattern: max(pattern, 1), flags)
        invariant(whole == pieces, "read otherwise in pieces: \(whole) \(pieces)")
        for response in whole.responses { check(response) }
    }

    private static func read(_ bytes: [UInt8], pattern: UInt8, _ flags: UInt8) -> Outcome {
        var outcome = Outcome()
        var parser = HTTP1ResponseParser(limits: limits)
        parser.answersHead = flags & 1 != 0
        do throws(HTTP1Failure) {
            for piece in Pieces(bytes: bytes, pattern: pattern) {
                try feed(piece, to: &parser)
                while let response = try parser.next() { outcome.responses.append(response) }
            }
            if flags & 2 != 0, let last = try parser.end() { outcome.responses.append(last) }
        } catch {
            outcome.failure = error
        }
        return outcome
    }

    private static func feed(_ piece: ArraySlice<UInt8>, to parser: inout HTTP1ResponseParser) throws(HTTP1Failure) {
        let piece = Array(piece)
        var failure: HTTP1Failure?
        unsafe piece.withUnsafeBytes { bytes in
            do throws(HTTP1Failure) { try unsafe parser.feed(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private static func check(_ response: HTTP1Response) {
        invariant((200...599).contains(response.status), "the status \(response.status)")
        invariant(response.body.count <= limits.body, "a body of \(response.body.count) bytes")
        let text = HTTP1Response(status: response.status, body: response.body).serialized()
        let written = read(text, pattern: 0, 0)
        let body = response.status == 204 || response.status == 304 ? [] : response.body
        invariant(
            written.failure == nil && written.responses.map(\.status) == [response.status]
                && written.responses.map(\.body) == [body], "a response reads otherwise than it was written: \(response)")
    }
}
