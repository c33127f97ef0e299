// SPDX-License-Identifier: Apache-2.0

/// A whole HTTP/1 request. A value.
package struct HTTP1Request: Hashable, Sendable {
    package var method: String
    /// Without the query, percent-decoded; begins with `/` (`*` for the whole server).
    package var path: String
    /// The parameters behind `?`, decoded, in order.
    package var query: [Parameter]
    package var headers: HTTPHeaders
    package var body: [UInt8]
    /// The connection may go on after the answer.
    package var keepsAlive = true

    /// One parameter of the query.
    package struct Parameter: Hashable, Sendable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(
        method: String = "GET", path: String, query: [Parameter] = [], headers: HTTPHeaders = [:], body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
    }

    /// The first parameter of this name.
    package func parameter(_ name: String) -> String? { query.first { $0.name == name }?.value }

    /// The request as a client sends it. `host` and `content-length` are added where they are missing.
    package func serialized() -> [UInt8] {
        var lines = HTTPHeaders()
        if !headers.contains("host") { lines.append("host", "localhost") }
        if !body.isEmpty || method == "POST" || method == "PUT" { lines.append("content-length", "\(body.count)") }
        if !keepsAlive { lines.append("connection", "close") }
        for (name, value) in headers where name.lowercased() != "content-length" { lines.append(name, value) }
        return Array("\(HTTP1Target.line(method)) \(HTTP1Target.encoded(self)) HTTP/1.1\r\n".utf8) + lines.serialized + body
    }
}

/// The request target (RFC 9112 §3.2), between text and parts.
enum HTTP1Target {
    /// Path and query of a target in origin form, absolute form or `*`. Nil if it is none, or its encoding is broken or hides a NUL.
    static func parse(_ target: ArraySlice<UInt8>) -> (path: String, query: [HTTP1Request.Parameter])? {
        guard target.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
        if target.elementsEqual("*".utf8) { return ("*", []) }
        guard let local = origin(target) else { return nil }
        let raw = local.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        guard let path = decoded(raw), !local.contains(UInt8(ascii: "#")) else { return nil }
        var query: [HTTP1Request.Parameter] = []
        for pair in local[raw.endIndex...].dropFirst().split(separator: UInt8(ascii: "&")) {
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            guard let key = decoded(name, plus: true), let value = decoded(pair[name.endIndex...].dropFirst(), plus: true) else {
                return nil
            }
            query.append(.init(key, value))
        }
        return (path, query)
    }

    /// What follows scheme and authority, which a proxy's client writes.
    private static func origin(_ target: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        if target.first == UInt8(ascii: "/") { return target }
        let scheme = Array("http://".utf8)
        guard target.starts(with: scheme) else { return nil }
        let path = target.dropFirst(scheme.count).drop { $0 != UInt8(ascii: "/") }
        return path.isEmpty ? nil : path
    }

    private static func decoded(_ text: ArraySlice<UInt8>, plus: Bool = false) -> String? {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                guard digits.utf8.count == 2, digits.utf8.allSatisfy(isHexadecimal), let value = UInt8(digits, radix: 16),
                    value != 0
                else {
                    return nil
                }
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(plus && byte == UInt8(ascii: "+") ? 0x20 : byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }

    /// Path and query as they stand in a request line.
    static func encoded(_ request: HTTP1Request) -> String {
        let query = request.query.map { "\(encoded($0.name))=\(encoded($0.value))" }.joined(separator: "&")
        let path = encoded(request.path, alsoPlain: "/*:@,;")
        return query.isEmpty ? path : "\(path)?\(query)"
    }

    private static func encoded(_ text: String, alsoPlain: String = "") -> String {
        text.utf8.reduce(into: "") { text, byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                text.unicodeScalars.append(Unicode.Scalar(byte))
            case _ where alsoPlain.utf8.contains(byte):
                text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                text += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
    }

    /// A method can't end its line.
    static func line(_ method: String) -> String { String(decoding: method.utf8.filter(HTTP1Token.isToken), as: UTF8.self) }
}

extension HTTPHeaders {
    /// The header section as HTTP/1 writes it, with the empty line behind it.
    var serialized: [UInt8] {
        var bytes: [UInt8] = []
        unsafe withFields { name, value in
            unsafe bytes += name
            bytes += ": ".utf8
            unsafe bytes += value
            bytes += "\r\n".utf8
        }
        return bytes + "\r\n".utf8
    }
}
