// SPDX-License-Identifier: Apache-2.0

/// A place in a document (RFC 6901): `/spec/ports/0`, with `~1` for a slash in a key and `~0` for a tilde. The empty pointer is the whole document.
struct JSONPointer: Hashable, Sendable {
    /// How deep one may lead: as deep as a document that the readers take.
    static let maximumDepth = 64

    let tokens: [String]

    init(_ tokens: [String]) { self.tokens = tokens }

    /// Nil if it is none.
    init?(_ text: String) {
        guard !text.isEmpty else {
            tokens = []
            return
        }
        let parts = text.split(separator: "/", maxSplits: Self.maximumDepth + 1, omittingEmptySubsequences: false)
        guard parts.first == "", parts.count <= Self.maximumDepth + 1 else { return nil }
        var tokens: [String] = []
        for part in parts.dropFirst() {
            guard let token = Self.unescaped(part) else { return nil }
            tokens.append(token)
        }
        self.tokens = tokens
    }

    private static func unescaped(_ part: Substring) -> String? {
        guard part.contains("~") else { return String(part) }
        var token = ""
        var isEscape = false
        for character in part.unicodeScalars {
            switch (isEscape, character) {
            case (true, "0"): token.unicodeScalars.append("~")
            case (true, "1"): token.unicodeScalars.append("/")
            case (true, _): return nil
            case (false, "~"):
                isEscape = true
                continue
            case (false, _): token.unicodeScalars.append(character)
            }
            isEscape = false
        }
        return isEscape ? nil : token
    }

    /// Whether this place lies inside the other one, or is it.
    func isWithin(_ other: JSONPointer) -> Bool { tokens.starts(with: other.tokens) }

    /// A place in a sequence of this length: digits without a leading zero (RFC 6901 §4).
    static func index(_ token: String, count: Int) -> Int? {
        guard (1...9).contains(token.utf8.count), token.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            token == "0" || !token.hasPrefix("0"),
            let index = Int(token), index < count
        else { return nil }
        return index
    }
}

extension JSONPointer: CustomStringConvertible {
    var description: String {
        tokens.map { token in
            "/"
                + token.split(separator: "~", omittingEmptySubsequences: false).joined(separator: "~0")
                .split(separator: "/", omittingEmptySubsequences: false).joined(separator: "~1")
        }.joined()
    }
}
