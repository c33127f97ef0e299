// SPDX-License-Identifier: Apache-2.0

internal import Wire

/// Where in a response the parts of one `Resource` lie, and of the `Any` in it, before anything is made of them.
struct WrappedResource {
    private(set) var name = ProtobufCursor(0, 0)
    private(set) var version = ProtobufCursor(0, 0)
    private(set) var typeURL = ProtobufCursor(0, 0)
    /// Nil: there is no content.
    private(set) var value: ProtobufCursor?

    init(_ message: [UInt8], _ place: ProtobufCursor) throws(WireFailure) {
        let bytes = message.span
        var cursor = place
        while !cursor.isAtEnd {
            let start = cursor.position
            let key = cursor.key(bytes)
            guard let key, key & 7 == 2, let part = cursor.length(bytes) else {
                cursor = try Self.skip(message, start, place.end) { 1...3 ~= $0 }
                continue
            }
            switch key >> 3 {
            case 1: version = part
            case 2: try unwrap(message, part)
            case 3: name = part
            default: continue
            }
        }
    }

    private mutating func unwrap(_ message: [UInt8], _ place: ProtobufCursor) throws(WireFailure) {
        let bytes = message.span
        var cursor = place
        value = value ?? ProtobufCursor(0, 0)
        while !cursor.isAtEnd {
            let start = cursor.position
            guard let key = cursor.key(bytes), key & 7 == 2, let part = cursor.length(bytes) else {
                cursor = try Self.skip(message, start, place.end) { 1...2 ~= $0 }
                continue
            }
            if key >> 3 == 1 { typeURL = part }
            if key >> 3 == 2 { value = part }
        }
    }

    /// Past a field that is no text, no bytes and no message: the general way says what is wrong with it, or nobody asks for it.
    private static func skip(
        _ message: [UInt8], _ start: Int, _ end: Int, isKnown: (UInt32) -> Bool
    ) throws(WireFailure) -> ProtobufCursor {
        var reader = ProtobufReader(message[start..<end])
        guard let field = try reader.next() else { return ProtobufCursor(end, end) }
        if isKnown(field.number) { throw .mismatch(field: field.number) }
        return ProtobufCursor(start + field.raw.count, end)
    }
}
