// SPDX-License-Identifier: Apache-2.0

import Kernel

/// Frames out of an input: each with a right length, so that what is odd lies deeper than the first check of a reader. Frames that the mutator
/// would hardly find by itself (header blocks, acknowledgements, long DATA) have a byte of their own.
struct HTTP2Frames {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    /// No more than this many, so that an input stays cheap.
    private static let most = 300

    private(set) var bytes: [UInt8] = []

    init(_ input: inout FuzzInput) {
        var left = Self.most
        while !input.isEmpty, left > 0 {
            left -= 1
            let kind = input.byte()
            if kind < 0x80 { addPlain(kind, &input) } else { addKnown(kind, &input) }
        }
    }

    private mutating func addPlain(_ kind: UInt8, _ input: inout FuzzInput) {
        let (flags, stream) = (input.byte(), input.byte())
        add(type: kind % 12, flags: flags, stream: stream, input.take(input.word() % 2048))
    }

    private mutating func addKnown(_ kind: UInt8, _ input: inout FuzzInput) {
        let stream = input.byte()
        switch kind % 12 {
        case 0: add(type: 1, flags: 4, stream: stream, Self.block([(":method", "CONNECT"), (":authority", "10.0.0.1:80")]))
        case 1:
            let target = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
            add(type: 1, flags: 4, stream: stream, Self.block(target))
        case 2: add(type: 1, flags: 5, stream: stream, Self.block([(":method", "CONNECT"), (":authority", "")]))
        case 3: add(type: 1, flags: 4, stream: stream, Self.block([(":status", "200")]))
        case 4: add(type: 1, flags: 5, stream: stream, Self.block([(":status", "503"), ("content-length", "0")]))
        case 5: add(type: 4, flags: 1, stream: 0, [])
        case 6: add(type: 6, flags: 1, stream: 0, Array("warren!!".utf8))
        case 7: add(type: 0, flags: input.byte(), stream: stream, [UInt8](repeating: 0, count: input.word() % 16_384))
        case 8: add(type: 8, flags: 0, stream: stream, [0, input.byte(), input.byte(), input.byte()])
        case 9: add(type: 3, flags: 0, stream: stream, [0, 0, 0, input.byte()])
        case 10: add(type: 7, flags: 0, stream: 0, [0, 0, 0, stream, 0, 0, 0, input.byte()])
        default:
            let method = (":method", String(decoding: input.take(input.choice(12)), as: UTF8.self))
            let name = String(decoding: input.take(input.choice(32)), as: UTF8.self)
            let value = String(decoding: input.take(input.choice(64)), as: UTF8.self)
            add(type: 1, flags: 4 | input.byte(), stream: stream, Self.block([method, (name, value)]))
        }
    }

    private mutating func add(type: UInt8, flags: UInt8, stream: UInt8, _ payload: [UInt8]) {
        let length = payload.count
        bytes += [UInt8(length >> 16 & 0xff), UInt8(length >> 8 & 0xff), UInt8(length & 0xff), type, flags]
        bytes += stream == 0xff ? [0x7f, 0xff, 0xff, 0xff] : [0, 0, 0, stream]
        bytes += payload
    }

    /// Fields as literals without indexing (RFC 7541 §6.2.2); none is longer than 126 bytes.
    private static func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { name, value in
            [0, UInt8(clamping: min(name.utf8.count, 126))] + name.utf8.prefix(126)
                + [UInt8(clamping: min(value.utf8.count, 126))] + value.utf8.prefix(126)
        }
    }

    /// Whether these bytes are whole frames of a session of ours, none larger than a peer takes that announced nothing.
    static func areWhole(_ bytes: [UInt8], from role: String) -> Bool {
        var rest = bytes[...]
        if role == "client", rest.starts(with: preface) { rest = rest.dropFirst(preface.count) }
        while rest.count >= 9 {
            let head = Array(rest.prefix(9))
            let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
            guard length <= 1 << 24, head[3] <= 9, rest.count >= 9 + length else { return false }
            rest = rest.dropFirst(9 + length)
        }
        return rest.isEmpty
    }
}
