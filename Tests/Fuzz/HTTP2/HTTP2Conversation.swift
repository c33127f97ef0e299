// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel

/// What a peer sends to a session, from an input, and what must hold when it is over.
struct HTTP2Conversation {
    /// How our end behaves.
    let conduct: UInt8
    let pattern: UInt8
    /// Our end sends between what it receives, as a connection does, and not at the end only.
    let isInterleaved: Bool
    private(set) var bytes: [UInt8]

    /// Three bytes of choices, then either bytes as they are or frames.
    init(_ bytes: [UInt8], to role: HTTP2Role) {
        var input = FuzzInput(bytes)
        let flags = input.byte()
        conduct = input.byte()
        pattern = input.byte()
        isInterleaved = flags & 1 != 0
        self.bytes = role == .server && flags & 2 != 0 ? HTTP2Frames.preface : []
        // SETTINGS without an entry.
        if flags & 4 != 0 { self.bytes += [0, 0, 0, 4, 0, 0, 0, 0, 0] }
        self.bytes += flags & 8 != 0 ? HTTP2Frames(&input).bytes : Array(input.rest)
    }

    /// Whole and in pieces; that makes no difference where our end only speaks at the end. But what comes behind the last stream of a
    /// connection that is over is read only if it came in the same piece.
    func hold(with make: () -> HTTP2End) {
        let end = make()
        let isRead = run(end, pattern: pattern)
        guard !isInterleaved, pattern != 0, isRead else { return }
        let whole = make()
        _ = run(whole, pattern: 0)
        for id in Set(whole.streams.keys).union(end.streams.keys) { compare(whole.streams[id], end.streams[id], id) }
        invariant(whole.output == end.output, "answered otherwise in pieces: \(whole.output.count) \(end.output.count)")
        invariant(whole.session.failure == end.session.failure, "fails otherwise in pieces")
    }

    /// Bytes that go beyond an announced length spoil the piece in which they came, no other one.
    private func compare(_ whole: HTTP2End.Stream?, _ pieces: HTTP2End.Stream?, _ id: Int32) {
        guard let whole, let pieces else { bug("the stream \(id) is opened by pieces, or by the whole") }
        invariant(pieces.received.starts(with: whole.received), "the stream \(id) receives otherwise in pieces")
        invariant(whole.isEnded == pieces.isEnded && whole.closed == pieces.closed, "the stream \(id) ends otherwise in pieces")
        invariant(whole.status == pieces.status && whole.left == pieces.left, "the stream \(id) goes otherwise in pieces")
    }

    /// Whether our end wanted to read all of it.
    private func run(_ end: HTTP2End, pattern: UInt8) -> Bool {
        var isRead = true
        for (second, piece) in Pieces(bytes: bytes, pattern: pattern).enumerated() {
            if !end.session.wantsRead { isRead = false }
            end.receive(piece, second: isInterleaved ? second / 16 : 0)
            if isInterleaved {
                end.turn()
                end.produce(stages: second % 3 + 1)
            }
        }
        end.turn()
        end.produce()
        check(end)
        return isRead
    }

    private func check(_ end: HTTP2End) {
        let session = end.session
        invariant(HTTP2Frames.areWhole(end.output, from: session.role == .client ? "client" : "server"), "broken frames")
        // What a peer can make us say, beside the application's bytes, is in proportion to what it says.
        let most = 1 << 16 + 64 * bytes.count + end.offered
        invariant(end.output.count <= most, "\(end.output.count) bytes in answer to \(bytes.count)")
        invariant(session.failure == nil || session.isFinished, "a session that failed and goes on: \(session.failure as Any)")
        if let failure = session.failure { invariant(!failure.description.isEmpty, "a failure without a word") }
        session.abandonStreams(HTTP2Code.cancel)
        invariant(session.openStreamCount == 0, "\(session.openStreamCount) streams are left")
        for (id, stream) in end.streams { invariant(stream.closed != nil, "the stream \(id) was never closed") }
        invariant(!session.wantsRead && !session.wantsWrite, "a session without a connection wants more")
    }
}
