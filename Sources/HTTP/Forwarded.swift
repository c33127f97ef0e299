// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The `forwarded` header of a tunnel (RFC 7239): whose connection it is, and the service that the client asked for. A value.
///
/// A hint for telemetry. Policy looks at the tunnel's own address and certificate.
package struct Forwarded: Hashable, Sendable {
    /// `for`: the client's address and port; nil if it is hidden or a name.
    package var source: SocketAddress?
    /// `host`.
    package var host: String?

    package init(source: SocketAddress?, host: String? = nil) {
        self.source = source
        self.host = host
    }
}

extension Forwarded: LosslessStringConvertible {
    /// The header that a chain of a few proxies might write; what is longer isn't read.
    private static let maximumLength = 4096

    /// The first element of the header, which is the proxy nearest to the client. Nil if that is malformed. Parameters that we don't know are
    /// passed over.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.maximumLength else { return nil }
        var rest = Substring(text).utf8
        self.init(source: nil)
        repeat {
            guard let name = Self.token(&rest), Self.skip(UInt8(ascii: "="), &rest), let value = Self.value(&rest) else {
                return nil
            }
            switch name.lowercased() {
            case "for": source = SocketAddress(value)
            case "host": host = value
            default: break
            }
            Self.skipSpace(&rest)
        } while Self.skip(UInt8(ascii: ";"), &rest)
        guard rest.isEmpty || rest.first == UInt8(ascii: ",") else { return nil }
    }

    /// The value of the header. Addresses are quoted, as they have colons.
    package var description: String {
        var text = ""
        text.reserveCapacity(64)
        if let source { text += "for=\"\(source)\"" }
        if source != nil, host != nil { text += ";" }
        if let host { text += "host=\(Self.quoted(host))" }
        return text
    }
}

// MARK: - Tokens and quoted strings

extension Forwarded {
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    private static func token(_ rest: inout Substring.UTF8View) -> String? {
        skipSpace(&rest)
        let token = rest.prefix(while: isToken)
        guard !token.isEmpty else { return nil }
        rest = rest[token.endIndex...]
        return String(Substring(token))
    }

    private static func skip(_ byte: UInt8, _ rest: inout Substring.UTF8View) -> Bool {
        guard rest.first == byte else { return false }
        rest.removeFirst()
        return true
    }

    private static func skipSpace(_ rest: inout Substring.UTF8View) { rest = rest.drop { $0 == 0x20 || $0 == 0x09 } }

    private static func value(_ rest: inout Substring.UTF8View) -> String? {
        guard rest.first == UInt8(ascii: "\"") else { return token(&rest) }
        rest.removeFirst()
        var bytes: [UInt8] = []
        // A service's host, or an address.
        bytes.reserveCapacity(64)
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return String(validating: bytes, as: UTF8.self)
            case UInt8(ascii: "\\"):
                // RFC 9110 §5.6.4: a control character can't be escaped either.
                guard let escaped = rest.popFirst(), !isControl(escaped) else { return nil }
                bytes.append(escaped)
            default:
                guard !isControl(byte) else { return nil }
                bytes.append(byte)
            }
        }
        return nil
    }

    private static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7f }

    private static func quoted(_ value: String) -> String {
        if !value.isEmpty, value.utf8.allSatisfy(isToken) { return value }
        // By bytes: a quote with an accent is one character, and not the one that was looked for.
        let escaped = value.utf8.flatMap { byte in
            byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") ? [UInt8(ascii: "\\"), byte] : [byte]
        }
        return "\"\(String(decoding: escaped, as: UTF8.self))\""
    }
}
