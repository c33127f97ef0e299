// SPDX-License-Identifier: Apache-2.0

/// What a control plane says beside a good answer, in a `Warning` header of code 299 as Kubernetes sends it (RFC 7234 §5.5). Pure.
enum ServerWarning {
    /// More of one run are left away: they are for a person to read.
    static let limit = 32

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
