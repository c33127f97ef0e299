// SPDX-License-Identifier: Apache-2.0

/// The body of an HTTP/1 message while it is read, within bounds. A value inside a parser.
///
///     length ──all bytes──────────────────────────────► complete
///     chunkHead ◄──chunkEnd◄──chunkData                   ▲
///         └──size 0──► trailers ──empty line──────────────┤
///     untilClose ──connection ended───────────────────────┘
struct HTTP1Body {
    enum Framing: Equatable {
        case length(Int)
        case chunked
        case untilClose
    }

    private enum State: Equatable {
        case length(left: Int)
        case chunkHead
        case chunkData(left: Int)
        case chunkEnd
        case trailers
        case untilClose
        case complete
    }

    private(set) var bytes: [UInt8] = []
    private var state: State
    private var trailers: HTTP1Fields
    private let maximum: Int

    /// A chunk's size line with extensions that nobody uses.
    private static let chunkLine = 256

    init(_ framing: Framing, _ limits: HTTP1Limits) {
        switch framing {
        case .length(let count): state = count == 0 ? .complete : .length(left: count)
        case .chunked: state = .chunkHead
        case .untilClose: state = .untilClose
        }
        trailers = HTTP1Fields(limits)
        maximum = limits.body
    }

    var isComplete: Bool { state == .complete }

    /// The connection ended. True if that is how this body ends.
    mutating func end() -> Bool {
        if state == .untilClose { state = .complete }
        return state == .complete
    }

    /// Takes what there is of the body. True when it is complete.
    mutating func read(_ input: inout HTTP1Input) throws(HTTP1Failure) -> Bool {
        while try step(&input) {}
        return state == .complete
    }

    /// One state's worth. False when more bytes are needed, or none.
    private mutating func step(_ input: inout HTTP1Input) throws(HTTP1Failure) -> Bool {
        switch state {
        case .length(let left):
            let more = left - input.take(left, to: &bytes)
            state = more == 0 ? .complete : .length(left: more)
            return false
        case .chunkHead:
            guard let line = try input.takeLine(limit: Self.chunkLine, .malformed("a chunk's size is too long")) else {
                return false
            }
            let size = try Self.chunkSize(line)
            guard size <= maximum - bytes.count else { throw .bodyTooLarge }
            state = size == 0 ? .trailers : .chunkData(left: size)
            return true
        case .chunkData(let left):
            let more = left - input.take(left, to: &bytes)
            state = more == 0 ? .chunkEnd : .chunkData(left: more)
            return more == 0
        case .chunkEnd:
            guard let line = try input.takeLine(limit: 2, .malformed("a chunk is longer than its size")) else { return false }
            guard line.isEmpty else { throw .malformed("a chunk is longer than its size") }
            state = .chunkHead
            return true
        case .trailers:
            guard try trailers.read(&input) else { return false }
            state = .complete
            return false
        case .untilClose:
            _ = input.take(maximum - bytes.count, to: &bytes)
            guard input.count == 0 else { throw .bodyTooLarge }
            return false
        case .complete:
            return false
        }
    }

    /// At most eight hexadecimal digits, then the end or extensions, which are passed over.
    private static func chunkSize(_ line: [UInt8]) throws(HTTP1Failure) -> Int {
        let digits = line.prefix { $0 != UInt8(ascii: ";") && !HTTP1Token.isSpace($0) }
        let rest = line[digits.endIndex...].drop(while: HTTP1Token.isSpace)
        guard (1...8).contains(digits.count), rest.isEmpty || rest.first == UInt8(ascii: ";"),
            digits.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x46).contains($0) || (0x61...0x66).contains($0) }),
            let size = Int(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw .malformed("a chunk's size isn't a number") }
        return size
    }
}
