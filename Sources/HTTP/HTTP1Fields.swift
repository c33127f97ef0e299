// SPDX-License-Identifier: Apache-2.0

/// The header section of an HTTP/1 message while it is read, and what it says about the body. A value inside a parser.
struct HTTP1Fields {
    private(set) var headers = HTTPHeaders()
    private var size = 0
    private let limits: HTTP1Limits

    init(_ limits: HTTP1Limits) { self.limits = limits }

    /// Reads lines up to the empty one. True when that came.
    mutating func read(_ input: inout HTTP1Input) throws(HTTP1Failure) -> Bool {
        while let line = try input.takeLine(limit: limits.headers - size, .headersTooLarge) {
            if line.isEmpty { return true }
            size += line.count + 2
            guard headers.count < limits.headerCount else { throw .headersTooLarge }
            try add(line)
        }
        return false
    }

    /// `name: value` (RFC 9112 §5.1): no space before the colon, no folded lines.
    private mutating func add(_ line: [UInt8]) throws(HTTP1Failure) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else {
            throw .malformed("a header field has no name")
        }
        let name = line[..<colon]
        guard name.allSatisfy(HTTP1Token.isToken) else { throw .malformed("a header field's name isn't a token") }
        var value = line[(colon + 1)...].drop(while: HTTP1Token.isSpace)
        while let last = value.last, HTTP1Token.isSpace(last) { value.removeLast() }
        unsafe name.withUnsafeBytes { name in
            unsafe value.withUnsafeBytes { value in unsafe headers.append(received: name, value) }
        }
    }

    /// How the body's end is told (RFC 9112 §6). Nil: by nothing. Both ways at once, or either twice, is refused: two readers could differ
    /// about where the next message begins.
    func framing() throws(HTTP1Failure) -> HTTP1Body.Framing? {
        let codings = headers.values("transfer-encoding")
        let lengths = headers.values("content-length")
        if !codings.isEmpty {
            guard lengths.isEmpty else { throw .malformed("both transfer-encoding and content-length") }
            guard codings.count == 1, codings[0].lowercased() == "chunked" else { throw .coding }
            return .chunked
        }
        guard let first = lengths.first else { return nil }
        guard lengths.count == 1, let length = HTTP1Token.decimal(first) else {
            throw .malformed("content-length isn't one number")
        }
        guard length <= limits.body else { throw .bodyTooLarge }
        return .length(length)
    }

    /// Whether the connection goes on after the message: the rule of the version, or what `connection` says.
    func keepsAlive(isVersion11: Bool) -> Bool {
        let options = headers.values("connection").flatMap { $0.split(separator: ",") }
        let words = Set(options.map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() })
        return !words.contains("close") && (isVersion11 || words.contains("keep-alive"))
    }
}

/// The characters of HTTP's grammar.
enum HTTP1Token {
    /// RFC 9110 §5.6.2.
    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// Digits only, and no more of them than an `Int` holds.
    static func decimal(_ text: some StringProtocol) -> Int? {
        guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(text)
    }
}
