// SPDX-License-Identifier: Apache-2.0

/// Reads one mapping field by field, by type, and says what is wrong with it.
///
/// Every accessor returns nil for a field that is absent (or `null`, as Kubernetes reads it) and for one that is wrong; the latter
/// leaves a finding. Who decodes asks for every field that exists and calls `finish()`, which reports those nobody asked for.
/// One decoding function owns it; it lives as long as that runs.
///
///     let root = Fields(document, findings: findings)
///     let port = root.integer("port", in: 1...65535) ?? 15008
///     root.finish()
package final class Fields {
    package let path: String
    package let position: Position
    package let findings: FindingList
    private let entries: [Value.Entry]
    /// The keys that were asked for, in that order, some perhaps twice.
    private var known: [String] = []
    /// Where each key stands, for mappings that are too long to be searched: labels by the hundred thousand are still read in a second.
    private lazy var places = Dictionary(
        entries.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
    private static let longestSearched = 32

    /// The fields of `value`. What is no mapping reads as one without fields, and leaves a finding.
    package init(_ value: Value, path: String = "", findings: FindingList) {
        self.path = path
        position = value.position
        self.findings = findings
        switch value.content {
        case .mapping(let entries): self.entries = entries
        case .null: entries = []
        case .bool, .integer, .number, .string, .sequence:
            entries = []
            findings.append(
                DocumentFinding(
                    .error, DocumentCode.wrongType, at: value.position, field: path,
                    "\(path.isEmpty ? "the document" : path) is \(value.kindName), not a mapping",
                    remedy: "Write it as `key: value` lines."))
        }
    }

    /// The keys in the order in which they were written.
    package var keys: [String] { entries.map(\.key) }
    package var isEmpty: Bool { entries.isEmpty }

    /// Reports every key that no accessor asked for. Call it once, last.
    package func finish() {
        for entry in unknown where !findings.isFull {
            let words = Set(known).sorted()
            let near = suggestion(for: entry.key, among: words)
            let allowed = words.joined(separator: ", ")
            append(
                .error, DocumentCode.unknownField, entry.keyPosition, entry.key, "unknown field `\(entry.key)`",
                remedy: near.map { "Did you mean `\($0)`?" } ?? (words.isEmpty ? "Remove it." : "Known here: \(allowed)."))
        }
    }

    private var unknown: [Value.Entry] {
        guard entries.count > Self.longestSearched else { return entries.filter { !known.contains($0.key) } }
        let words = Set(known)
        return entries.filter { !words.contains($0.key) }
    }
}

// MARK: - Any value

extension Fields {
    /// Whether the field is there with something in it.
    package func has(_ key: String) -> Bool { value(key) != nil }

    /// The value as it stands, nil if absent or null. For what the typed accessors don't cover.
    package func value(_ key: String) -> Value? {
        known.append(key)
        guard let entry = entry(key), !entry.value.isNull else { return nil }
        return entry.value
    }

    private func entry(_ key: String) -> Value.Entry? {
        if entries.count <= Self.longestSearched { return entries.first { $0.key == key } }
        return places[key].map { entries[$0] }
    }

    /// Where the value of a key is, or of an element (`names[2]`), or where the mapping begins if there is none.
    package func position(of key: String) -> Position {
        if let entry = entry(key) { return entry.value.position }
        let parts = key.split(separator: "[")
        guard parts.count == 2, parts[1].last == "]", let index = Int(parts[1].dropLast()),
            let entry = entry(String(parts[0])), let elements = entry.value.sequenceValue
        else { return position }
        return elements.indices.contains(index) ? elements[index].position : entry.value.position
    }

    /// `spec` and `rules` make `spec.rules`; a key with dots of its own stands in brackets.
    package func path(of key: String) -> String {
        let name = key.utf8.contains(UInt8(ascii: "/")) ? "[\(key)]" : path.isEmpty ? key : ".\(key)"
        return path + name
    }

    /// Takes fields that exist but mean nothing here: each that is there leaves a finding that says so.
    package func unused(_ keys: String..., severity: Severity = .info, because reason: String) {
        for key in keys where value(key) != nil {
            append(
                severity, DocumentCode.unusedField, position(of: key), key, "`\(key)` has no effect: \(reason)",
                remedy: "Remove it.")
        }
    }

    /// Takes fields without a word, whatever is in them.
    package func accept(_ keys: String...) { known += keys }

    /// Leaves a finding about this field.
    package func report(
        _ key: String, _ message: String, remedy: String, severity: Severity = .error,
        code: String = DocumentCode.invalidValue
    ) {
        append(severity, code, position(of: key), key, message, remedy: remedy)
    }

    func append(
        _ severity: Severity, _ code: String, _ position: Position, _ key: String, _ message: String, remedy: String
    ) {
        findings.append(DocumentFinding(severity, code, at: position, field: path(of: key), message, remedy: remedy))
    }

    func wrongType(_ value: Value, _ key: String, expected: String, remedy: String) {
        append(
            .error, DocumentCode.wrongType, value.position, key, "\(path(of: key)) is \(value.kindName), not \(expected)",
            remedy: remedy)
    }
}
