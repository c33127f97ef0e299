// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// Messages of gRPC out of bytes that come in any pieces, honest or not.
@Suite struct GRPCFrameTests {
    private func read(_ bytes: [UInt8], pieces: Int, limit: Int = 100) throws(GRPCFrameFailure) -> [[UInt8]] {
        var reader = GRPCFrameReader(limit: limit)
        var messages: [[UInt8]] = []
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            reader.append(Array(bytes[start..<min(start + pieces, bytes.count)]))
            while let (message, size) = try reader.next() {
                #expect(size == message.count + GRPCFrame.prefix)
                messages.append(message)
            }
        }
        try reader.end()
        return messages
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 1000])
    func `pieces make no difference`(_ pieces: Int) throws {
        let messages: [[UInt8]] = [[], [1], [2, 3, 4], [], [UInt8](repeating: 5, count: 100)]
        #expect(try read(messages.flatMap { GRPCFrame.framed($0) }, pieces: pieces) == messages)
    }

    @Test func `a lying length is refused before its bytes come`() throws {
        #expect(throws: GRPCFrameFailure.tooLarge(length: 101, limit: 100)) { try read([0, 0, 0, 0, 101], pieces: 5) }
        #expect(throws: GRPCFrameFailure.tooLarge(length: 0xffff_ffff, limit: 100)) {
            try read([0, 255, 255, 255, 255], pieces: 5)
        }
    }

    @Test(arguments: [1, 2, 128, 255] as [UInt8])
    func `compression that nobody agreed on is refused`(_ flag: UInt8) throws {
        #expect(throws: GRPCFrameFailure.compressed) { try read([flag, 0, 0, 0, 0], pieces: 1) }
    }

    @Test(arguments: [[0], [0, 0, 0, 0], [0, 0, 0, 0, 2, 7]] as [[UInt8]])
    func `an end within a message is no end`(_ bytes: [UInt8]) throws {
        #expect(throws: GRPCFrameFailure.truncated) { try read(bytes, pieces: 1) }
    }

    @Test(arguments: ["", "plain words", "100 % größer\nnext", "%41", "日本語", "\u{0}\u{7f}~ "])
    func `texts of a status survive the way`(_ text: String) {
        let encoded = GRPCMessageText.encoded(text)
        #expect(encoded.utf8.allSatisfy { (0x20...0x7e).contains($0) })
        #expect(GRPCMessageText.decoded(encoded) == text)
    }

    @Test(arguments: [("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%+1", "%+1"), ("a%25", "a%"), ("%ff", "\u{fffd}")])
    func `what isn't well encoded is kept`(_ text: String, _ decoded: String) {
        #expect(GRPCMessageText.decoded(text) == decoded)
    }
}
