// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel

/// Messages of gRPC in a body, and texts of a status. The first byte says in which pieces the body comes, the second how large a message may be:
/// pieces must make no difference, and no more is held than a message and what came behind it. Messages and texts are written and read again as
/// the same.
enum GRPCHarness {
    /// What came of a body.
    private struct Outcome: Equatable {
        var messages: [[UInt8]] = []
        var failure: GRPCFrameFailure?
    }

    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let pattern = input.byte()
        let limit = Int(input.byte()) * 16
        let body = Array(input.rest)
        let whole = read(body, pattern: 0, limit)
        let pieces = read(body, pattern: max(pattern, 1), limit)
        invariant(whole == pieces, "read otherwise in pieces: \(whole) \(pieces)")
        for message in whole.messages { invariant(message.count <= limit, "a message of \(message.count) bytes") }
        let written = whole.messages.flatMap { GRPCFrame.framed($0) }
        invariant(body.starts(with: written), "messages that the body doesn't hold")
        invariant(
            read(written, pattern: pattern, limit) == Outcome(messages: whole.messages), "messages read otherwise than written")
        check(text: String(decoding: body, as: UTF8.self))
    }

    private static func read(_ bytes: [UInt8], pattern: UInt8, _ limit: Int) -> Outcome {
        var outcome = Outcome()
        var reader = GRPCFrameReader(limit: limit)
        do throws(GRPCFrameFailure) {
            for piece in Pieces(bytes: bytes, pattern: pattern) {
                reader.append(Array(piece))
                while let (message, size) = try reader.next() {
                    invariant(size == message.count + GRPCFrame.prefix, "a message of another size than it took")
                    outcome.messages.append(message)
                }
                invariant(reader.held < limit + GRPCFrame.prefix, "\(reader.held) bytes are held")
            }
            try reader.end()
        } catch {
            outcome.failure = error
        }
        return outcome
    }

    private static func check(text: String) {
        let encoded = GRPCMessageText.encoded(text)
        invariant(encoded.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "a text that doesn't fit a header")
        invariant(GRPCMessageText.decoded(encoded) == text, "a text reads otherwise than it was written")
        _ = GRPCMessageText.decoded(text)
    }
}
