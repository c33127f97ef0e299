// SPDX-License-Identifier: Apache-2.0

/// One line of JSON that a peer told: fields by name, as text, with dots into objects (`headers.:status`) and numbers into lists.
///
/// Reads JSON of programs that are trusted to write it; written here so that the peers are checked by nothing that they are to check.
package struct PeerEvent: Sendable, CustomStringConvertible {
    private let fields: [String: String]
    package let description: String

    /// The field as text: numbers and booleans as JSON writes them, null and absent as nil.
    package subscript(_ name: String) -> String? { fields[name] }

    package func int(_ name: String) -> Int { fields[name].flatMap { Int($0) } ?? -1 }
    package func bool(_ name: String) -> Bool { fields[name] == "true" }
    /// How many elements the list has.
    package func count(_ name: String) -> Int { int("\(name).count") }
    /// The texts of a list.
    package func list(_ name: String) -> [String] { (0..<max(0, count(name))).compactMap { fields["\(name).\($0)"] } }

    /// The elements of a list of objects, each by itself.
    package func elements(_ name: String) -> [PeerEvent] {
        (0..<max(0, count(name))).map { index in
            let prefix = "\(name).\(index)."
            let own = fields.filter { $0.key.hasPrefix(prefix) }.map { (String($0.key.dropFirst(prefix.count)), $0.value) }
            return PeerEvent(fields: Dictionary(uniqueKeysWithValues: own))
        }
    }

    private init(fields: [String: String]) {
        self.fields = fields
        description = fields.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }

    package static func all(in text: String) -> [PeerEvent] {
        text.split(separator: "\n").filter { $0.hasPrefix("{") }.compactMap { PeerEvent($0) }
    }

    package init?(_ line: Substring) {
        var reader = Reader(rest: Array(line.utf8)[...])
        guard reader.value("") else { return nil }
        fields = reader.fields
        description = String(line)
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>
        var fields: [String: String] = [:]

        mutating func value(_ path: String) -> Bool {
            space()
            switch rest.first {
            case UInt8(ascii: "{"): return object(path)
            case UInt8(ascii: "["): return list(path)
            case UInt8(ascii: "\""):
                guard let text = string() else { return false }
                fields[path] = text
                return true
            default:
                let word = rest.prefix { !",]} \n\r\t".utf8.contains($0) }
                rest = rest[word.endIndex...]
                if !word.elementsEqual("null".utf8) { fields[path] = String(decoding: word, as: UTF8.self) }
                return !word.isEmpty
            }
        }

        private mutating func object(_ path: String) -> Bool {
            rest.removeFirst()
            if take("}") { return true }
            repeat {
                space()
                guard let name = string(), take(":"), value(path.isEmpty ? name : "\(path).\(name)") else { return false }
            } while take(",")
            return take("}")
        }

        private mutating func list(_ path: String) -> Bool {
            rest.removeFirst()
            var count = 0
            if !take("]") {
                repeat {
                    guard value("\(path).\(count)") else { return false }
                    count += 1
                } while take(",")
                guard take("]") else { return false }
            }
            fields["\(path).count"] = "\(count)"
            return true
        }

        private mutating func space() { rest = rest.drop { $0 == 0x20 || $0 == 0x0a || $0 == 0x0d || $0 == 0x09 } }

        private mutating func take(_ character: Character) -> Bool {
            space()
            guard let first = rest.first, first == character.asciiValue else { return false }
            rest.removeFirst()
            return true
        }

        private mutating func string() -> String? {
            guard take("\"") else { return nil }
            var text: [UInt8] = []
            while let byte = rest.popFirst() {
                if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
                guard byte == UInt8(ascii: "\\") else {
                    text.append(byte)
                    continue
                }
                guard let escape = rest.popFirst() else { return nil }
                switch Character(UnicodeScalar(escape)) {
                case "n": text.append(0x0a)
                case "r": text.append(0x0d)
                case "t": text.append(0x09)
                case "b": text.append(0x08)
                case "f": text.append(0x0c)
                case "u":
                    guard let unit = UInt16(String(decoding: rest.prefix(4), as: UTF8.self), radix: 16) else { return nil }
                    rest = rest.dropFirst(4)
                    text += Array(String(decoding: [unit], as: UTF16.self).utf8)
                default: text.append(escape)
                }
            }
            return nil
        }
    }
}
