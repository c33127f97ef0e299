// SPDX-License-Identifier: Apache-2.0

/// Reads one HTTP/1.1 response as its bytes come (RFC 9112): by length, in chunks, or until the connection ends. Pure; its owner feeds it and takes
/// the body piece by piece, so that a watch without end needs no more memory than what has just come.
struct ControlAnswerReader {
    private enum State {
        case head
        /// How much of the body is still to come.
        case length(Int)
        case untilClose
        /// The line with a chunk's size follows, or the trailer behind the last.
        case chunkSize
        case chunk(Int)
        /// The end of line behind a chunk's bytes.
        case chunkEnd
        case trailer
        case whole
    }

    private(set) var status: Int?
    /// The values of `Warning` headers.
    private(set) var warnings: [String] = []
    private var state = State.head
    /// What isn't understood yet: a head or a line at most, beside what was just fed.
    private var input: [UInt8] = []
    private var body: [UInt8] = []

    /// No response head of a control plane is larger, nor the line of a chunk.
    private static let headLimit = 64 * 1024
    private static let lineLimit = 4096

    var isWhole: Bool { if case .whole = state { true } else { false } }

    /// What of the body has come since the last call.
    mutating func takeBody() -> [UInt8] {
        defer { body = [] }
        return body
    }

    mutating func feed(_ bytes: ArraySlice<UInt8>) throws(ControlFailure) {
        input += bytes
        var offset = 0
        while try step(&offset) {}
        input.removeFirst(offset)
    }

    /// The connection ended. What ends before its time is a failure, never a shorter answer.
    mutating func end() throws(ControlFailure) {
        switch state {
        case .whole: return
        case .untilClose: state = .whole
        case .head:
            guard input.isEmpty, status == nil else { throw Self.foreign }
            throw ControlFailure(
                "the control plane closed the connection without an answer",
                remedy: "Look at its log: journalctl -u warren-control.",
                isUnreachable: true)
        case .length, .chunkSize, .chunk, .chunkEnd, .trailer:
            throw ControlFailure("the control plane's answer was cut off", remedy: "Try again.")
        }
    }

    static let foreign = ControlFailure("what answered isn't a control plane", remedy: "Look at the context's server.")

    /// Understands a piece; false if more bytes are needed.
    private mutating func step(_ offset: inout Int) throws(ControlFailure) -> Bool {
        switch state {
        case .head: return try readHead(&offset)
        case .length(let left):
            let count = move(&offset, atMost: left)
            state = count == left ? .whole : .length(left - count)
            return false
        case .untilClose:
            _ = move(&offset, atMost: .max)
            return false
        case .chunkSize:
            guard let line = try takeLine(&offset) else { return false }
            let digits = line.prefix { $0 != 0x3b && $0 != 0x20 && $0 != 0x09 }
            guard (1...15).contains(digits.count), let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0
            else {
                throw Self.foreign
            }
            state = size == 0 ? .trailer : .chunk(size)
            return true
        case .chunk(let left):
            let count = move(&offset, atMost: left)
            state = count == left ? .chunkEnd : .chunk(left - count)
            return count == left
        case .chunkEnd:
            guard let line = try takeLine(&offset) else { return false }
            guard line.isEmpty else { throw Self.foreign }
            state = .chunkSize
            return true
        case .trailer:
            guard let line = try takeLine(&offset) else { return false }
            if line.isEmpty { state = .whole }
            return !line.isEmpty
        case .whole:
            // What follows an answer belongs to none that was asked for.
            offset = input.count
            return false
        }
    }

    private mutating func move(_ offset: inout Int, atMost limit: Int) -> Int {
        let count = min(limit, input.count - offset)
        body += input[offset..<offset + count]
        offset += count
        return count
    }

    private mutating func takeLine(_ offset: inout Int) throws(ControlFailure) -> ArraySlice<UInt8>? {
        guard let end = input[offset...].prefix(Self.lineLimit).firstRange(of: [0x0d, 0x0a]) else {
            guard input.count - offset < Self.lineLimit else { throw Self.foreign }
            return nil
        }
        defer { offset = end.upperBound }
        return input[offset..<end.lowerBound]
    }

    private mutating func readHead(_ offset: inout Int) throws(ControlFailure) -> Bool {
        guard let end = input[offset...].prefix(Self.headLimit).firstRange(of: [0x0d, 0x0a, 0x0d, 0x0a]) else {
            let isHTTP = zip(input[offset...], "HTTP/1.".utf8).allSatisfy { $0 == $1 }
            guard isHTTP, input.count - offset < Self.headLimit else { throw Self.foreign }
            return false
        }
        let lines = String(decoding: input[offset..<end.lowerBound], as: UTF8.self)
            .split(separator: "\r\n", omittingEmptySubsequences: false)
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0] == "HTTP/1.1" || words[0] == "HTTP/1.0", words[1].utf8.count == 3,
            let code = Int(words[1]),
            (100...599).contains(code), code != 101
        else { throw Self.foreign }
        offset = end.upperBound
        // Informational answers precede the one that counts.
        guard code >= 200 else { return true }
        let fields = try lines.dropFirst().map { line throws(ControlFailure) in try Field(line) }
        status = code
        state = try Self.framing(fields, isEmpty: code == 204 || code == 304)
        warnings = fields.filter { $0.name == "warning" }.map(\.value)
        return true
    }

    /// One field of a head (RFC 9112 §5).
    private struct Field {
        /// In lower case.
        let name: String
        /// Without the space around it.
        let value: String

        init(_ line: Substring) throws(ControlFailure) {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            // A space before the colon, or a line that goes on with the one before, is nothing that a server may send.
            guard parts.count == 2, !parts[0].isEmpty, parts[0].utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
                throw ControlAnswerReader.foreign
            }
            func isSpace(_ character: Character) -> Bool { character == " " || character == "\t" }
            name = parts[0].lowercased()
            var value = parts[1].drop(while: isSpace)
            while let last = value.last, isSpace(last) { value.removeLast() }
            self.value = String(value)
        }
    }

    private static func framing(_ fields: [Field], isEmpty: Bool) throws(ControlFailure) -> State {
        var length: Int?
        var isChunked = false
        for field in fields {
            switch field.name {
            case "transfer-encoding":
                guard field.value.lowercased() == "chunked" else { throw foreign }
                isChunked = true
            case "content-length":
                guard field.value.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(field.value),
                    length == nil || length == number
                else { throw foreign }
                length = number
            default: break
            }
        }
        if isEmpty || length == 0 && !isChunked { return .whole }
        return isChunked ? .chunkSize : length.map { .length($0) } ?? .untilClose
    }
}
