// SPDX-License-Identifier: Apache-2.0

package import Documents
package import Kernel

/// The certificate of one identity, or why there is none.
package struct CertificateInfo: Sendable {
    package enum Status: Hashable, Sendable {
        /// Being made for the first time.
        case initializing
        case available
        /// The last attempt failed; what there was is used while it is valid.
        case unavailable(reason: String)

        package var word: String {
            switch self {
            case .initializing: "Initializing"
            case .available: "Available"
            case .unavailable: "Unavailable"
            }
        }

        package var reason: String? { if case .unavailable(let reason) = self { reason } else { nil } }
    }

    /// One certificate of a chain.
    package struct Link: Sendable {
        /// Hexadecimal digits.
        package var serial: String
        package var notBefore: WallTime
        package var notAfter: WallTime
        package var pem: String

        package init(serial: String, notBefore: WallTime, notAfter: WallTime, pem: String = "") {
            self.serial = serial
            self.notBefore = notBefore
            self.notAfter = notAfter
            self.pem = pem
        }

        var document: Value { document(serial: serial, pem: pem) }

        /// As a ztunnel tells it: the serial number is decimal, PEM is in base64.
        var dump: Value { document(serial: decimal(hexadecimal: serial), pem: base64(Array(pem.utf8))) }

        private func document(serial: String, pem: String) -> Value {
            .object([
                ("pem", .string(pem)), ("serialNumber", .string(serial)), ("validFrom", .string(notBefore.description)),
                ("expirationTime", .string(notAfter.description)),
            ])
        }
    }

    package var identity: String
    package var status: Status
    /// The leaf first; empty while there is none.
    package var chain: [Link]
    package var roots: [Link]
    /// When it will be renewed.
    package var renewal: WallTime?

    package init(identity: String, status: Status, chain: [Link] = [], roots: [Link] = [], renewal: WallTime? = nil) {
        self.identity = identity
        self.status = status
        self.chain = chain
        self.roots = roots
        self.renewal = renewal
    }

    /// For `/certificates`.
    package func document(now: WallTime) -> Value {
        let leaf = chain.first
        let isValid = leaf.map { $0.notBefore <= now && now < $0.notAfter } ?? false
        return .object(present: [
            ("identity", .string(identity)), ("status", .string(status.word)), ("reason", .text(status.reason)),
            ("valid", .bool(isValid)), ("serialNumber", .text(leaf?.serial)), ("notBefore", .text(leaf?.notBefore.description)),
            ("notAfter", .text(leaf?.notAfter.description)),
            ("expiresInSeconds", leaf.map { .integer($0.notAfter.seconds - now.seconds) }),
            ("renewal", .text(renewal?.description)), ("chain", .array(chain.map(\.document))),
            ("roots", .array(roots.map(\.document))),
        ])
    }

    /// For `/config_dump`, as a ztunnel tells it.
    var dump: Value {
        .object([
            ("identity", .string(identity)), ("state", .string(status.reason.map { "Unavailable: \($0)" } ?? status.word)),
            ("certChain", .array(chain.map(\.dump))), ("rootCerts", .array(roots.map(\.dump))),
        ])
    }
}

/// A number of any length in decimal digits; what isn't hexadecimal stays as it is.
func decimal(hexadecimal: String) -> String {
    var digits: [UInt8] = [0]
    for character in hexadecimal {
        guard var carry = character.hexDigitValue else { return hexadecimal }
        for index in digits.indices {
            carry += Int(digits[index]) * 16
            digits[index] = UInt8(carry % 10)
            carry /= 10
        }
        while carry > 0 {
            digits.append(UInt8(carry % 10))
            carry /= 10
        }
    }
    return hexadecimal.isEmpty ? "" : String(decoding: digits.reversed().map { $0 + 0x30 }, as: UTF8.self)
}

/// RFC 4648 §4, padded.
func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        let word = group.reduce(0) { $0 << 8 | Int($1) } << ((3 - group.count) * 8)
        for index in 0..<4 {
            text.append(index <= group.count ? alphabet[word >> (18 - index * 6) & 63] : UInt8(ascii: "="))
        }
    }
    return String(decoding: text, as: UTF8.self)
}
