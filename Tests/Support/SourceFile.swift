// SPDX-License-Identifier: Apache-2.0

/// A file of the repository as the house rules see it: its path below the root, its lines, and its code without words.
package struct SourceFile: Sendable {
    /// Relative to the repository: `Sources/Mesh/Policy.swift`.
    package let path: String
    package let lines: [String]
    /// `lines` with the insides of comments and string literals blanked out; interpolations stay, since they are code.
    package let code: [String]

    package init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var blanker = Blanker()
        code = path.hasSuffix(".swift") ? lines.map { blanker.blank($0) } : lines
    }

    package var name: String { String(path.split(separator: "/").last ?? "") }

    /// The module, for a file below Sources.
    package var module: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }

    /// The names in `import X`, with their line numbers from 1.
    package var imports: [(module: String, line: Int)] {
        code.enumerated().compactMap { index, line in
            let words = line.split(separator: " ")
            guard let at = words.firstIndex(of: "import"), at + 1 < words.count, at <= 2 else { return nil }
            let kinds: Set<Substring> = ["struct", "class", "enum", "func", "protocol", "let", "var", "typealias"]
            let name = kinds.contains(words[at + 1]) ? words.dropFirst(at + 2).first : words[at + 1]
            return name.map { (String($0.split(separator: ".")[0]), index + 1) }
        }
    }
}

/// Blanks what is not code, line by line, keeping columns. Knows Swift's line and nested block comments, its string literals
/// with and without `#`, multi-line ones, and interpolations.
private struct Blanker {
    private enum Context {
        case comment
        case text(pounds: Int, multiline: Bool)
        case interpolation(depth: Int)
    }

    private var stack: [Context] = []

    mutating func blank(_ line: String) -> String {
        let bytes = Array(line.utf8)
        var result = bytes
        var at = 0
        while at < bytes.count {
            switch stack.last {
            case .comment: at = inComment(bytes, &result, at)
            case .text(let pounds, let multiline): at = inText(bytes, &result, at, pounds, multiline)
            case .interpolation, nil: at = inCode(bytes, &result, at)
            }
        }
        // A plain literal ends with its line.
        while case .text(_, multiline: false) = stack.last { stack.removeLast() }
        return String(decoding: result, as: UTF8.self)
    }

    private func has(_ text: StaticString, _ bytes: [UInt8], _ at: Int) -> Bool {
        bytes[at...].starts(with: text.description.utf8)
    }

    private mutating func inComment(_ bytes: [UInt8], _ result: inout [UInt8], _ at: Int) -> Int {
        if has("*/", bytes, at) {
            stack.removeLast()
            return at + 2
        }
        if has("/*", bytes, at) {
            stack.append(.comment)
            return at + 2
        }
        result[at] = 0x20
        return at + 1
    }

    private mutating func inText(_ bytes: [UInt8], _ result: inout [UInt8], _ at: Int, _ pounds: Int, _ multiline: Bool) -> Int {
        let marks = String(repeating: "#", count: pounds).utf8
        let rest = bytes[at...]
        if rest.starts(with: Array("\\".utf8) + Array(marks) + Array("(".utf8)) {
            stack.append(.interpolation(depth: 0))
            return at + 2 + pounds
        }
        if pounds == 0, bytes[at] == 0x5c {
            for index in at..<min(at + 2, bytes.count) { result[index] = 0x20 }
            return at + 2
        }
        let end = Array((multiline ? "\"\"\"" : "\"").utf8) + Array(marks)
        if rest.starts(with: end) {
            stack.removeLast()
            return at + end.count
        }
        result[at] = 0x20
        return at + 1
    }

    private mutating func inCode(_ bytes: [UInt8], _ result: inout [UInt8], _ at: Int) -> Int {
        if has("//", bytes, at) {
            for index in at..<bytes.count { result[index] = 0x20 }
            return bytes.count
        }
        if has("/*", bytes, at) {
            stack.append(.comment)
            return at + 2
        }
        var pounds = 0
        while at + pounds < bytes.count, bytes[at + pounds] == 0x23 { pounds += 1 }
        if at + pounds < bytes.count, bytes[at + pounds] == 0x22 {
            let multiline = has("\"\"\"", bytes, at + pounds)
            stack.append(.text(pounds: pounds, multiline: multiline))
            return at + pounds + (multiline ? 3 : 1)
        }
        if case .interpolation(let depth) = stack.last {
            if bytes[at] == 0x28 { stack[stack.count - 1] = .interpolation(depth: depth + 1) }
            if bytes[at] == 0x29 {
                if depth == 0 { stack.removeLast() } else { stack[stack.count - 1] = .interpolation(depth: depth - 1) }
            }
        }
        return at + max(1, pounds)
    }
}
