// SPDX-License-Identifier: Apache-2.0

/// An HTTP/1.1 response that was read to its end: status and body. Pure; only what our own admin API sends is understood.
struct HTTPAnswer {
    let status: Int
    let body: [UInt8]

    /// No response head of ours is larger.
    private static let headLimit = 16 * 1024
    private static let emptyLine = Array("\r\n\r\n".utf8)

    init(_ bytes: [UInt8]) throws(AdminFailure) {
        guard let (status, length, start) = Self.head(bytes) else {
            throw AdminFailure(
                bytes.isEmpty ? "warrend closed the connection without an answer" : "what answered isn't warrend",
                remedy: "Look at its log: journalctl -u warrend.", isUnreachable: bytes.isEmpty)
        }
        let rest = bytes[start...]
        guard length.map({ rest.count >= $0 }) ?? true else { throw AdminFailure("warrend's answer was cut off") }
        self.status = status
        body = Array(length.map { rest.prefix($0) } ?? rest)
    }

    /// Whether all that was announced is there: a server needs not close.
    static func isWhole(_ bytes: [UInt8]) -> Bool {
        guard let (_, length, start) = head(bytes), let length else { return false }
        return bytes.count - start >= length
    }

    /// Status, announced length and where the body begins; nil while the head isn't whole, or isn't one.
    private static func head(_ bytes: [UInt8]) -> (status: Int, length: Int?, start: Int)? {
        guard let end = bytes.prefix(headLimit).firstRange(of: emptyLine) else { return nil }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]), (100...599).contains(status) else {
            return nil
        }
        var length: Int?
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "content-length" else { continue }
            length = Int(parts[1].drop { $0 == " " }).flatMap { $0 >= 0 && $0 <= AdminClient.limit ? $0 : nil }
        }
        return (status, length, end.upperBound)
    }
}

/// Escapes a value of a query: everything but letters, digits and a few marks becomes `%XX`.
func queryValue(_ text: String) -> String {
    text.utf8.map { byte in
        let isPlain =
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            || [0x2d, 0x2e, 0x5f, 0x2c, 0x3a].contains(byte)
        if isPlain { return String(UnicodeScalar(byte)) }
        let digits = String(byte, radix: 16, uppercase: true)
        return "%" + (digits.count == 1 ? "0" : "") + digits
    }.joined()
}
