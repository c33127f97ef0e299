// SPDX-License-Identifier: Apache-2.0

import Documents
import Wire

/// What the JSON of fields is made of.
extension Value {
    static func enumeration(_ number: Int32, _ names: [String]) -> Value {
        guard let index = Int(exactly: number), names.indices.contains(index) else { return .integer(number) }
        return .string(names[index])
    }

    func text(_ field: String) throws(MessageFailure) -> String {
        guard let text = stringValue else { throw MessageFailure(field, "not a string") }
        return text
    }

    func base64(_ field: String) throws(MessageFailure) -> [UInt8] {
        guard let bytes = Base64.decode(try text(field)) else { throw MessageFailure(field, "not base64") }
        return bytes
    }

    func number(_ field: String) throws(MessageFailure) -> UInt32 {
        guard let number = integerValue.flatMap({ UInt32(exactly: $0) }) else { throw MessageFailure(field, "not a number") }
        return number
    }

    func enumeration(_ field: String, _ names: [String]) throws(MessageFailure) -> Int32 {
        if let text = stringValue, let index = names.firstIndex(of: text), let number = Int32(exactly: index) { return number }
        guard let number = integerValue.flatMap({ Int32(exactly: $0) }) else {
            throw MessageFailure(field, "not one of \(names.joined(separator: ", "))")
        }
        return number
    }

    func list(_ field: String) throws(MessageFailure) -> [Value] {
        guard let values = sequenceValue else { throw MessageFailure(field, "not a list") }
        return values
    }

    func entries(_ field: String) throws(MessageFailure) -> [Value.Entry] {
        guard let entries = mappingValue else { throw MessageFailure(field, "not a mapping") }
        return entries
    }
}
