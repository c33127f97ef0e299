// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel

/// Requests on an HTTP/1 connection. The first byte says in which pieces they come: that must make no difference, or two readers could be
/// brought to disagree about where a request ends. Requests are written and read again as the same.
enum HTTP1RequestHarness {
    /// What came of a connection.
    private struct Outcome: Equatable {
        var requests: [HTTP1Request] = []
        var failure: HTTP1Failure?
    }

    private static let limits = HTTP1Limits(headers: 1 << 10, body: 4 << 10)

    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let pattern = input.byte()
        let text = Array(input.rest)
        let whole = read(text, pattern: 0)
        let pieces = read(text, pattern: max(pattern, 1))
        invariant(whole == pieces, "read otherwise in pieces: \(whole) \(pieces)")
        for request in whole.requests { check(request) }
    }

    private static func read(_ bytes: [UInt8], pattern: UInt8) -> Outcome {
        var outcome = Outcome()
        var parser = HTTP1RequestParser(limits: limits)
        do throws(HTTP1Failure) {
            for piece in Pieces(bytes: bytes, pattern: pattern) {
                try feed(piece, to: &parser)
                while let request = try parser.next() { outcome.requests.append(request) }
                if parser.takeContinue() { invariant(parser.isWithinRequest, "a word in between to a request that is over") }
            }
        } catch {
            outcome.failure = error
            invariant((400...599).contains(error.status), "a failure without a status")
            invariant(repeats(error, &parser), "a failure that is forgotten")
        }
        return outcome
    }

    private static func feed(_ piece: ArraySlice<UInt8>, to parser: inout HTTP1RequestParser) throws(HTTP1Failure) {
        let piece = Array(piece)
        var failure: HTTP1Failure?
        unsafe piece.withUnsafeBytes { bytes in
            do throws(HTTP1Failure) { try unsafe parser.feed(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private static func repeats(_ failure: HTTP1Failure, _ parser: inout HTTP1RequestParser) -> Bool {
        do throws(HTTP1Failure) { return try parser.next() == nil && false } catch { return error == failure }
    }

    private static func check(_ request: HTTP1Request) {
        invariant(request.path == "*" || request.path.hasPrefix("/"), "a path that begins nowhere: \(request.path)")
        invariant(!request.path.utf8.contains(0), "a NUL in a path")
        invariant(request.body.count <= limits.body, "a body of \(request.body.count) bytes")
        invariant(request.headers.count <= limits.headerCount, "\(request.headers.count) header fields")
        var again = HTTP1Request(
            method: request.method, path: request.path, query: request.query, headers: [:], body: request.body)
        again.keepsAlive = request.keepsAlive
        let text = again.serialized()
        let written = read(text, pattern: 0)
        // A character that is escaped becomes three: the line may have grown beyond what is read.
        guard text.prefix(while: { $0 != UInt8(ascii: "\r") }).count < limits.startLine else {
            return invariant(written.failure?.status == 414 && written.requests.isEmpty, "a line that is too long is read")
        }
        invariant(written.failure == nil && written.requests.count == 1, "a request that we wrote can't be read: \(request)")
        guard let first = written.requests.first else { return }
        invariant(
            (first.method, first.path, first.body, first.keepsAlive)
                == (request.method, request.path, request.body, request.keepsAlive) && first.query == request.query,
            "a request reads otherwise than it was written: \(request)")
    }
}
