// SPDX-License-Identifier: Apache-2.0

/// Why bytes are no protobuf message. A peer's doing: it costs the message, or the connection, never the process.
package enum WireFailure: Error, Hashable, Sendable {
    /// A field goes on after the end of its message.
    case truncated
    /// A number of more than 64 bits.
    case overlongVarint
    /// Field numbers are 1 to 536,870,911.
    case badFieldNumber
    /// A group, which proto3 hasn't, or one of the two types that nobody has.
    case badWireType(UInt8)
    /// A field that has another type here.
    case mismatch(field: UInt32)
    case notUTF8(field: UInt32)
    /// Messages inside messages beyond the limit.
    case tooDeep
    /// More values than the limit: small bytes can ask for much memory.
    case tooManyValues

    package var reason: String {
        switch self {
        case .truncated: "the message ends inside a field"
        case .overlongVarint: "a number has more than 64 bits"
        case .badFieldNumber: "a field number is out of range"
        case .badWireType(let type): "the wire type \(type) is not known"
        case .mismatch(let field): "field \(field) has the wrong type"
        case .notUTF8(let field): "field \(field) is not UTF-8"
        case .tooDeep: "messages are nested too deep"
        case .tooManyValues: "the message has too many values"
        }
    }
}
