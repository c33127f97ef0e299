// SPDX-License-Identifier: Apache-2.0

/// What a control plane says beside a good answer, in a `Warning` header of code 299 as Kubernetes sends it (RFC 7234 §5.5). Pure.
enum ServerWarning {
    /// The text of one header's value, `299 agent "text"`; nil if it is another code, or none at all.
    static func text(_ value: String) -> String? {
        let parts = value.split(separator: " ", maxSplits: 2)
        guard parts.count == 3, parts[0] == "299", parts[2].first == "\"" else { return nil }
        var text = ""
        var isEscaped = false
        for character in parts[2].dropFirst() {
            switch character {
            case "\\" where !isEscaped: isEscaped = true
            case "\"" where !isEscaped: return text.isEmpty ? nil : text
            default:
                text.append(character)
                isEscaped = false
            }
        }
        return nil
    }
}

/// Which warnings a run of a command tells: each text once, as many as a person reads; and how many more there were. A value.
struct WarningList {
    static let limit = 32
    /// Texts that are known again, by their hashes: beyond that each counts as a new one.
    private static let known = 65_536

    private var seen: Set<Int> = []
    private var told = 0
    /// Those that weren't told.
    private(set) var left = 0

    /// Whether a text is to be told.
    mutating func take(_ text: String) -> Bool {
        let hash = text.hashValue
        guard !seen.contains(hash) else { return false }
        if seen.count < Self.known { seen.insert(hash) }
        guard told < Self.limit else {
            left += 1
            return false
        }
        told += 1
        return true
    }
}
