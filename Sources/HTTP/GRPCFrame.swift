// SPDX-License-Identifier: Apache-2.0

/// Messages of gRPC in the body of a call: one byte that tells compression, four of length, the message
/// (grpc/doc/PROTOCOL-HTTP2.md).
package enum GRPCFrame {
    package static let prefix = 5

    /// What goes before a message.
    package static func head(of message: [UInt8]) -> [UInt8] {
        let length = UInt32(clamping: message.count)
        return [0] + ([24, 16, 8, 0] as [UInt32]).map { UInt8(truncatingIfNeeded: length >> $0) }
    }

    /// A message with what goes before it.
    package static func framed(_ message: [UInt8]) -> [UInt8] { head(of: message) + message }
}

/// Why a body isn't a sequence of messages.
package enum GRPCFrameFailure: Error, Hashable, Sendable {
    /// Compressed, though nobody agreed on it, or a first byte that is neither 0 nor 1.
    case compressed
    case tooLarge(length: Int, limit: Int)
    /// The body ended within a message.
    case truncated
}

/// Messages out of bytes that come in any pieces. Never holds more than one message and what came behind it.
package struct GRPCFrameReader: Sendable {
    private let limit: Int
    private var bytes: [UInt8] = []
    private var start = 0

    /// - Parameter limit: of one message, in bytes.
    package init(limit: Int) { self.limit = limit }

    package mutating func append(_ more: [UInt8]) {
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes += more
    }

    /// Bytes that no message has been made of.
    package var held: Int { bytes.count - start }

    /// The next message with how many bytes of the body it took; nil until more comes. A failure is final.
    package mutating func next() throws(GRPCFrameFailure) -> (message: [UInt8], size: Int)? {
        guard held >= GRPCFrame.prefix else { return nil }
        guard bytes[start] == 0 else { throw .compressed }
        let length = bytes[start + 1..<start + GRPCFrame.prefix].reduce(0) { $0 << 8 | Int($1) }
        guard length <= limit else { throw .tooLarge(length: length, limit: limit) }
        let size = GRPCFrame.prefix + length
        guard held >= size else { return nil }
        let message = Array(bytes[start + GRPCFrame.prefix..<start + size])
        start += size
        return (message, size)
    }

    /// The body has ended: nothing may be left.
    package func end() throws(GRPCFrameFailure) { if held > 0 { throw .truncated } }
}

extension GRPCFrameFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .compressed: "a message is compressed, which wasn't agreed on"
        case .tooLarge(let length, let limit): "a message of \(length) bytes; at most \(limit) are taken"
        case .truncated: "the call ended within a message"
        }
    }
}

/// `grpc-message` is ASCII; what else there is comes as `%` and two digits.
package enum GRPCMessageText {
    package static func encoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            if (0x20...0x7e).contains(byte), byte != UInt8(ascii: "%") {
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                encoded += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return encoded
    }

    /// What isn't well encoded is kept as it is.
    package static func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2, rest.first != UInt8(ascii: "+"), rest.first != UInt8(ascii: "-"),
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
