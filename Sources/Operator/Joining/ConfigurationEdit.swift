// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// Changes single sections of a configuration file and leaves the rest, its comments too, byte by byte as it was. Pure.
///
/// Where the text isn't a mapping of lines that begin at the margin (JSON, or one line in braces), the file is written anew: then its comments go,
/// its settings stay.
struct ConfigurationEdit {
    private(set) var text: String
    private(set) var document: Value

    /// The file isn't one mapping.
    struct Failure: Error {
        let line: Int
        let message: String
    }

    init(_ bytes: [UInt8]) throws(Failure) {
        text = String(decoding: bytes, as: UTF8.self)
        document = try Self.read(bytes)
    }

    private static func read(_ bytes: [UInt8]) throws(Failure) -> Value {
        do throws(DocumentFailure) {
            let documents = try YAML.read(bytes)
            let document = documents.first ?? .object([])
            guard documents.count <= 1, document.mappingValue != nil else {
                throw DocumentFailure("this is no mapping of settings", at: documents.first?.position ?? .start)
            }
            return document
        } catch {
            throw Failure(line: error.position.line, message: error.message)
        }
    }

    /// Sets a top-level section, in its place or at the end; nil removes it.
    mutating func set(_ key: String, _ value: Value?) {
        let after = Self.changed(document, key, value)
        let candidate = edited(key, value)
        // Whatever the text was like: what is written must say exactly what is meant.
        if let read = try? Self.read(Array(candidate.utf8)), read == after {
            (text, document) = (candidate, read)
        } else {
            text = after.mappingValue?.isEmpty == true ? "" : YAML.write(after)
            document = (try? Self.read(Array(text.utf8))) ?? after
        }
    }

    private static func changed(_ document: Value, _ key: String, _ value: Value?) -> Value {
        var entries = document.mappingValue ?? []
        if let index = entries.firstIndex(where: { $0.key == key }) {
            if let value { entries[index] = Value.Entry(key, value) } else { entries.remove(at: index) }
        } else if let value {
            entries.append(Value.Entry(key, value))
        }
        return Value(.mapping(entries))
    }

    /// The text with the lines of the section replaced.
    private func edited(_ key: String, _ value: Value?) -> String {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        let new = value.map { YAML.write(.object([(key, $0)])).split(separator: "\n").map(String.init) } ?? []
        let entries = document.mappingValue ?? []
        if let index = entries.firstIndex(where: { $0.key == key }) {
            let first = entries[index].keyPosition.line - 1
            let next = index + 1 < entries.count ? entries[index + 1].keyPosition.line - 1 : lines.count
            guard lines.indices.contains(first), first < next, next <= lines.count else { return "" }
            var end = next
            // Blank lines and comments at the margin before the next section belong to that.
            while end > first + 1, lines[end - 1].isEmpty || lines[end - 1].hasPrefix("#") { end -= 1 }
            lines.replaceSubrange(first..<end, with: new)
        } else {
            lines += new
        }
        return lines.isEmpty ? "" : lines.joined(separator: "\n") + "\n"
    }
}
