// SPDX-License-Identifier: Apache-2.0

internal import TLS

/// What a token is good for.
package enum TokenKind: String, Hashable, Sendable {
    /// Makes one host a member of the mesh, once.
    case join = "wj1"
    /// Sent with each request, until it ends or is revoked.
    case bearer = "wa1"
}

/// A token as its owner has it: `wj1.ID.SECRET.ROOT` or `wa1.ID.SECRET`, all in lower-case hexadecimal digits. The secret has 256 random bits and is
/// stored nowhere; ROOT is the SHA-256 of the root certificate that the control plane's own certificate chains to, by which a host knows it before
/// it says anything.
package struct AccessToken: Hashable, Sendable {
    package let kind: TokenKind
    package let id: String
    package let secret: [UInt8]
    /// 64 hexadecimal digits; empty for a bearer token.
    package let root: String

    private static let idLength = 8
    private static let secretLength = 32
    /// Nothing longer is looked at.
    package static let maximumLength = 200

    /// A fresh one.
    package init(_ kind: TokenKind, root: String = "") {
        self.kind = kind
        id = hexadecimal(Secret.random(Self.idLength))
        secret = Secret.random(Self.secretLength)
        self.root = kind == .join ? root : ""
    }

    /// What is stored of the secret. It has as many bits as the digest, so that salt or a slow digest would add nothing.
    package var hash: [UInt8] { SHA256.digest(secret) }
}

extension AccessToken: LosslessStringConvertible {
    package init?(_ text: String) {
        guard text.utf8.count <= Self.maximumLength else { return nil }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard let first = parts.first, let kind = TokenKind(rawValue: first), parts.count == (kind == .join ? 4 : 3),
            parts[1].utf8.count == Self.idLength * 2, bytes(hexadecimal: parts[1]) != nil,
            let secret = bytes(hexadecimal: parts[2]), secret.count == Self.secretLength
        else { return nil }
        if kind == .join {
            guard parts[3].utf8.count == SHA256.length * 2, bytes(hexadecimal: parts[3]) != nil else { return nil }
        }
        self.kind = kind
        id = parts[1]
        self.secret = secret
        root = kind == .join ? parts[3] : ""
    }

    /// The whole token, secret included: for its owner alone.
    package var description: String {
        let start = "\(kind.rawValue).\(id).\(hexadecimal(secret))"
        return kind == .join ? "\(start).\(root)" : start
    }
}

/// Lower-case digits, two for each byte.
func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

/// Nil unless all are lower-case digits, in pairs.
func bytes(hexadecimal text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    var half: UInt8?
    for digit in text.utf8 {
        let value: UInt8
        switch digit {
        case 0x30...0x39: value = digit - 0x30
        case 0x61...0x66: value = digit - 0x61 + 10
        default: return nil
        }
        if let high = half {
            bytes.append(high << 4 | value)
            half = nil
        } else {
            half = value
        }
    }
    return half == nil ? bytes : nil
}
