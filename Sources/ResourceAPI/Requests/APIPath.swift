// SPDX-License-Identifier: Apache-2.0

/// The target of a request in its parts: path segments and query, percent-decoded. What no client of good will sends is refused here, before anything
/// looks for it.
struct APIPath: Sendable {
    /// kubectl's longest are label selectors of a few kilobytes.
    static let maximumLength = 16 * 1024
    /// `/apis/G/V/namespaces/N/R/NAME/SUB` has eight.
    static let maximumSegments = 12
    static let maximumParameters = 64

    let segments: [String]
    /// In their order; a name may come several times.
    let parameters: [(name: String, value: String)]

    init(_ target: String) throws(APIStatus) {
        guard target.utf8.count <= Self.maximumLength else {
            throw APIStatus(
                .badRequest, "the path and query may have \(Self.maximumLength) bytes, these have \(target.utf8.count)")
        }
        guard target.utf8.first == UInt8(ascii: "/") else { throw APIStatus(.badRequest, "the path must begin with /") }
        let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let parts = (halves.first ?? "").split(separator: "/", maxSplits: Self.maximumSegments + 1)
        guard parts.count <= Self.maximumSegments else { throw .noSuchPath }
        var segments: [String] = []
        for part in parts { segments.append(try Self.segment(part)) }
        self.segments = segments
        parameters = halves.count > 1 ? try Self.parameters(halves[1]) : []
    }

    /// The last value of a parameter.
    subscript(name: String) -> String? { parameters.last { $0.name == name }?.value }

    private static func segment(_ part: Substring) throws(APIStatus) -> String {
        let text = try decoded(part, isQuery: false)
        if text == "." || text == ".." {
            throw APIStatus(.badRequest, "invalid resource name \"\(text)\": [may not be '\(text)']")
        }
        if text.utf8.contains(UInt8(ascii: "/")) {
            throw APIStatus(.badRequest, "invalid resource name: [may not contain '/']")
        }
        if text.utf8.contains(UInt8(ascii: "%")) {
            throw APIStatus(.badRequest, "invalid resource name: [may not contain '%']")
        }
        if text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) {
            throw APIStatus(.badRequest, "invalid resource name: [may not contain control characters]")
        }
        guard text.utf8.count <= 253 else {
            throw APIStatus(.badRequest, "invalid resource name: [must be no more than 253 bytes, this has \(text.utf8.count)]")
        }
        return text
    }

    private static func parameters(_ query: Substring) throws(APIStatus) -> [(name: String, value: String)] {
        let parts = query.split(separator: "&", maxSplits: maximumParameters)
        guard parts.count <= maximumParameters else {
            throw APIStatus(.badRequest, "a query may have \(maximumParameters) parameters")
        }
        var parameters: [(name: String, value: String)] = []
        for part in parts {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = try decoded(pair[0], isQuery: true)
            parameters.append((name, pair.count > 1 ? try decoded(pair[1], isQuery: true) : ""))
        }
        return parameters
    }

    /// `%41` is `A`; in a query `+` is a space. What is left must be UTF-8 without NUL.
    private static func decoded(_ text: Substring, isQuery: Bool) throws(APIStatus) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                    throw APIStatus(.badRequest, "the path or query has a % that is not followed by two hexadecimal digits")
                }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where isQuery: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        guard !bytes.contains(0) else { throw APIStatus(.badRequest, "the path or query has a NUL in it") }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw APIStatus(.badRequest, "the path or query is not UTF-8")
        }
        return decoded
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
