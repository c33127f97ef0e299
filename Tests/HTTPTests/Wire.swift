// SPDX-License-Identifier: Apache-2.0

/// HTTP/2 written by hand: what a peer could send that our own sessions never would.
enum Wire {
    enum Kind: UInt8 {
        case data
        case headers
        case priority
        case reset
        case settings
        case pushPromise
        case ping
        case goAway
        case windowUpdate
        case continuation
    }

    struct Frame: Equatable {
        var kind: UInt8
        var flags: UInt8
        var stream: Int32
        var payload: [UInt8]

        /// The first four bytes of the payload: an error code, a window, a last stream.
        var number: UInt32 { payload.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }
        /// The four bytes behind them: the error code of a GOAWAY.
        var code: UInt32 { payload.dropFirst(4).prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }
        func `is`(_ kind: Kind) -> Bool { self.kind == kind.rawValue }
    }

    static let endStream: UInt8 = 1
    static let acknowledged: UInt8 = 1
    static let endHeaders: UInt8 = 4
    static let padded: UInt8 = 8

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    static func number(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

    static func number(of bytes: ArraySlice<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }

    static func frame(_ kind: Kind, flags: UInt8 = 0, _ stream: Int32, _ payload: [UInt8] = []) -> [UInt8] {
        header(kind.rawValue, flags, stream, payload.count) + payload
    }

    static func header(_ kind: UInt8, _ flags: UInt8, _ stream: Int32, _ length: Int) -> [UInt8] {
        Array(number(UInt32(length)).dropFirst()) + [kind, flags] + number(UInt32(bitPattern: stream))
    }

    /// What a client sends first: its settings, and that it knows ours. Until then ours don't hold (RFC 9113 §6.5.3).
    static func hello(_ entries: [(UInt16, UInt32)] = []) -> [UInt8] { preface + greeting(entries) }

    /// The same of a server.
    static func greeting(_ entries: [(UInt16, UInt32)] = []) -> [UInt8] {
        settings(entries) + frame(.settings, flags: acknowledged, 0)
    }

    static func settings(_ entries: [(UInt16, UInt32)] = []) -> [UInt8] {
        frame(.settings, 0, entries.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 0xff)] + number($0.1) })
    }

    /// HPACK without a table: each field literal, never indexed, no Huffman code (RFC 7541 §6.2.3).
    static func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { [0x10] + string($0.0) + string($0.1) }
    }

    private static func string(_ text: String) -> [UInt8] {
        var (length, bytes): (Int, [UInt8]) = (text.utf8.count, [])
        if length < 127 {
            bytes = [UInt8(length)]
        } else {
            bytes = [127]
            length -= 127
            while length >= 128 {
                bytes.append(UInt8(length & 127 | 128))
                length >>= 7
            }
            bytes.append(UInt8(length))
        }
        return bytes + text.utf8
    }

    static func headers(_ stream: Int32, _ fields: [(String, String)], end: Bool = false) -> [UInt8] {
        frame(.headers, flags: endHeaders | (end ? endStream : 0), stream, block(fields))
    }

    static func connect(_ stream: Int32, _ authority: String = "10.0.0.2:80", _ more: [(String, String)] = []) -> [UInt8] {
        headers(stream, [(":method", "CONNECT"), (":authority", authority)] + more)
    }

    static func data(_ stream: Int32, _ bytes: [UInt8], end: Bool = false) -> [UInt8] {
        frame(.data, flags: end ? endStream : 0, stream, bytes)
    }

    static func reset(_ stream: Int32, _ code: UInt32) -> [UInt8] { frame(.reset, stream, number(code)) }
    static func windowUpdate(_ stream: Int32, _ bytes: UInt32) -> [UInt8] { frame(.windowUpdate, stream, number(bytes)) }

    /// Takes frames apart; what isn't whole is left out.
    static func frames(_ bytes: [UInt8]) -> [Frame] {
        var rest = bytes[...]
        if rest.starts(with: preface) { rest = rest.dropFirst(preface.count) }
        var frames: [Frame] = []
        while rest.count >= 9 {
            let head = Array(rest.prefix(9))
            let length = number(of: head[..<3])
            let stream = Int32(number(of: head[5...]))
            frames.append(Frame(kind: head[3], flags: head[4], stream: stream, payload: Array(rest.dropFirst(9).prefix(length))))
            rest = rest.dropFirst(9 + length)
        }
        return frames
    }
}

extension [Wire.Frame] {
    /// The codes of the RST_STREAM frames of a stream.
    func resets(_ stream: Int32) -> [UInt32] { filter { $0.is(.reset) && $0.stream == stream }.map(\.number) }
    var goAways: [UInt32] { filter { $0.is(.goAway) }.map(\.code) }
}
