// SPDX-License-Identifier: Apache-2.0

/// Which objects are meant, by their labels: `app=web,tier in (front,back),!canary`, as `kubectl -l` and `labelSelector=` write it. All requirements
/// must hold; an empty one means every object.
package struct LabelSelector: Hashable, Sendable {
    enum Requirement: Hashable, Sendable {
        case exists(String)
        case absent(String)
        /// Has the label with one of these values.
        case among(String, Set<String>)
        /// Has another value or no such label.
        case notAmong(String, Set<String>)
    }

    /// Longer than any that a program writes.
    static let maximumLength = 16 * 1024

    let requirements: [Requirement]

    /// Reads a selector.
    /// - Throws: `BadRequest`, with what was expected and where.
    package init(_ text: String) throws(APIStatus) {
        guard text.utf8.count <= Self.maximumLength else {
            throw APIStatus(.badRequest, "a label selector may have \(Self.maximumLength) bytes, this has \(text.utf8.count)")
        }
        var reader = SelectorReader(text)
        requirements = try reader.read()
    }

    package func matches(_ labels: [String: String]) -> Bool {
        requirements.allSatisfy { requirement in
            switch requirement {
            case .exists(let key): labels[key] != nil
            case .absent(let key): labels[key] == nil
            case .among(let key, let values): labels[key].map(values.contains) ?? false
            case .notAmong(let key, let values): labels[key].map { !values.contains($0) } ?? true
            }
        }
    }
}

/// Reads a selector from front to back.
private struct SelectorReader {
    private let text: [UInt8]
    private var place = 0

    init(_ text: String) { self.text = Array(text.utf8) }

    mutating func read() throws(APIStatus) -> [LabelSelector.Requirement] {
        skipSpaces()
        guard next != nil else { return [] }
        var requirements = [try requirement()]
        while take(",") { requirements.append(try requirement()) }
        guard next == nil else { throw expected("a comma or the end") }
        return requirements
    }

    private mutating func requirement() throws(APIStatus) -> LabelSelector.Requirement {
        skipSpaces()
        if take("!") { return .absent(try key()) }
        let key = try key()
        if take("!=") { return .notAmong(key, [try value()]) }
        // Two signs or one say the same.
        if take("==") || take("=") { return .among(key, [try value()]) }
        switch word() {
        case "": return .exists(key)
        case "in": return .among(key, try values())
        case "notin": return .notAmong(key, try values())
        case let other: throw expected("=, ==, !=, in or notin, not `\(other)`,")
        }
    }

    private mutating func values() throws(APIStatus) -> Set<String> {
        guard take("(") else { throw expected("a list like (a,b)") }
        var values: Set = [try value()]
        while take(",") { values.insert(try value()) }
        guard take(")") else { throw expected("a closing parenthesis") }
        return values
    }

    private mutating func key() throws(APIStatus) -> String {
        let key = word()
        guard LabelSyntax.isKey(key) else { throw expected("a label's key, like app or example.com/app,") }
        return key
    }

    private mutating func value() throws(APIStatus) -> String {
        let value = word()
        guard LabelSyntax.isValue(value) else { throw expected("a label's value: 63 letters, digits, -, _ and . at most,") }
        return value
    }

    /// What stands up to the next sign, with the spaces around it.
    private mutating func word() -> String {
        skipSpaces()
        let start = place
        while let byte = next, !" ,=!()".utf8.contains(byte) { place += 1 }
        let word = String(decoding: text[start..<place], as: UTF8.self)
        skipSpaces()
        return word
    }

    private mutating func take(_ sign: String) -> Bool {
        guard text[place...].starts(with: sign.utf8) else { return false }
        place += sign.utf8.count
        return true
    }

    private mutating func skipSpaces() { while next == UInt8(ascii: " ") { place += 1 } }

    private var next: UInt8? { place < text.count ? text[place] : nil }

    private func expected(_ what: String) -> APIStatus {
        APIStatus(.badRequest, "label selector: expected \(what) at character \(place + 1)")
    }
}

/// The form of labels (Kubernetes, "Labels and Selectors: syntax and character set").
enum LabelSyntax {
    /// `[prefix/]name`; the prefix is a DNS subdomain.
    static func isKey(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let name = parts.last, parts.count <= 2, !name.isEmpty, isValue(String(name)) else { return false }
        return parts.count == 1 || parts.first.map { isSubdomain(String($0)) } == true
    }

    /// Empty, or 63 characters at most that begin and end with a letter or digit.
    static func isValue(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, let last = bytes.last else { return true }
        return bytes.count <= 63 && isAlphanumeric(first) && isAlphanumeric(last)
            && bytes.allSatisfy { isAlphanumeric($0) || "-_.".utf8.contains($0) }
    }

    /// RFC 1123: labels of lower-case letters, digits and hyphens, 253 characters at most.
    static func isSubdomain(_ text: String) -> Bool {
        text.utf8.count <= 253
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                let bytes = Array(label.utf8)
                guard let first = bytes.first, let last = bytes.last, bytes.count <= 63 else { return false }
                let hyphen = UInt8(ascii: "-")
                return first != hyphen && last != hyphen
                    && bytes.allSatisfy { (isAlphanumeric($0) && !isUpper($0)) || $0 == hyphen }
            }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || isUpper(byte) || (0x61...0x7a).contains(byte)
    }

    private static func isUpper(_ byte: UInt8) -> Bool { (0x41...0x5a).contains(byte) }
}
