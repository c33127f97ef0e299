// SPDX-License-Identifier: Apache-2.0

/// One HTTP/2 frame, written and read by the tests themselves (RFC 9113 §4.1).
struct Frame: Equatable {
    enum Kind: UInt8 {
        case data = 0
        case headers = 1
        case reset = 3
        case settings = 4
        case ping = 6
        case goAway = 7
        case windowUpdate = 8
    }

    static let endStream: UInt8 = 1
    static let acknowledged: UInt8 = 1
    static let endHeaders: UInt8 = 4

    let type: UInt8
    var flags: UInt8 = 0
    var stream: UInt32 = 0
    var payload: [UInt8] = []

    init(_ kind: Kind, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) {
        self.init(type: kind.rawValue, flags: flags, stream: stream, payload: payload)
    }

    private init(type: UInt8, flags: UInt8, stream: UInt32, payload: [UInt8]) {
        self.type = type
        self.flags = flags
        self.stream = stream
        self.payload = payload
    }

    var kind: Kind? { Kind(rawValue: type) }
    var isEnd: Bool { flags & Self.endStream != 0 }
    /// The code of a RST_STREAM; of a GOAWAY the one behind the last stream.
    var code: UInt32? {
        switch kind {
        case .reset: Self.number(payload.prefix(4))
        case .goAway: Self.number(payload.dropFirst(4).prefix(4))
        case .data, .headers, .settings, .ping, .windowUpdate, nil: nil
        }
    }

    var bytes: [UInt8] {
        let count = payload.count
        return [UInt8(count >> 16 & 0xff), UInt8(count >> 8 & 0xff), UInt8(count & 0xff), type, flags] + Self.bytes(stream)
            + payload
    }

    /// Takes the first whole frame off the bytes.
    static func take(from bytes: inout [UInt8]) -> Frame? {
        guard bytes.count >= 9 else { return nil }
        let count = Int(number(bytes.prefix(3)))
        guard bytes.count >= 9 + count else { return nil }
        let frame = Frame(
            type: bytes[3], flags: bytes[4], stream: number(bytes[5..<9]) & 0x7fff_ffff, payload: Array(bytes[9..<9 + count]))
        bytes.removeFirst(9 + count)
        return frame
    }

    static func bytes(_ number: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(number >> $0 & 0xff) } }
    private static func number(_ bytes: some Sequence<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }
}

extension Frame {
    enum Setting: UInt8 {
        case concurrentStreams = 3
        case initialWindow = 4
        case frameSize = 5
    }

    static func settings(_ values: [(Setting, UInt32)] = []) -> Frame {
        Frame(.settings, values.flatMap { [0, $0.0.rawValue] + bytes($0.1) })
    }

    static func reset(_ stream: UInt32, _ code: UInt32) -> Frame { Frame(.reset, stream: stream, bytes(code)) }
    static func goAway(last: UInt32, _ code: UInt32 = 0) -> Frame { Frame(.goAway, bytes(last) + bytes(code)) }
    static func windowUpdate(_ stream: UInt32, _ count: UInt32) -> Frame { Frame(.windowUpdate, stream: stream, bytes(count)) }
    static func data(_ stream: UInt32, _ text: String, end: Bool = false) -> Frame {
        Frame(.data, flags: end ? endStream : 0, stream: stream, Array(text.utf8))
    }

    /// The answer to a CONNECT: `:status` as a literal (RFC 7541 §6.2.2, name 8 of the static table).
    static func answer(_ stream: UInt32, status: Int, end: Bool = false) -> Frame {
        let value = Array("\(status)".utf8)
        return Frame(.headers, flags: endHeaders | (end ? endStream : 0), stream: stream, [0x08, UInt8(value.count)] + value)
    }

    /// A CONNECT: `:method` is name 2 of the static table, `:authority` name 1.
    static func connect(_ stream: UInt32, _ authority: String = "10.0.0.5:80", method: String = "CONNECT") -> Frame {
        let (method, authority) = (Array(method.utf8), Array(authority.utf8))
        let block = [0x02, UInt8(method.count)] + method + [0x01, UInt8(authority.count)] + authority
        return Frame(.headers, flags: endHeaders, stream: stream, block)
    }
}
