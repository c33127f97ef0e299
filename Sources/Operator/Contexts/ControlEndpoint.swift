// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Where a control plane is and how one gets in. A value.
package struct ControlEndpoint: Hashable, Sendable {
    package enum Place: Hashable, Sendable {
        /// A Unix socket: the kernel says who asks.
        case socket(path: String)
        case network(host: String, port: UInt16)
    }

    /// Whom to believe that it is the control plane.
    package enum Trust: Hashable, Sendable {
        /// These roots, in PEM, and the host's name in the certificate.
        case roots([UInt8], hostName: String)
        /// The SHA-256 of the root in hexadecimal digits, whatever the host is called.
        case fingerprint(String)
        /// These roots and this URI in the certificate, whatever the host is called: what a node knows.
        case identity(roots: [UInt8], uri: String)
    }

    package let place: Place
    /// Nil for a socket.
    package var trust: Trust?
    package var token: String?
    /// Certificate and key in PEM.
    package var certificate: [UInt8] = []
    package var key: [UInt8] = []

    package init(_ place: Place) { self.place = place }

    static let standardPort: UInt16 = 15012
    static let localSocket = "/run/warren/control.sock"

    /// `https://HOST[:PORT]` or `unix:///PATH`; nil for anything else.
    static func place(_ url: String) -> Place? {
        if url.hasPrefix("unix://") {
            let path = String(url.dropFirst("unix://".count))
            return path.hasPrefix("/") && !path.utf8.contains(0) && path.utf8.count <= 107 ? .socket(path: path) : nil
        }
        guard url.hasPrefix("https://") else { return nil }
        var rest = url.dropFirst("https://".count)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        return address(String(rest))
    }

    /// `HOST`, `HOST:PORT`, `[v6]` or `[v6]:PORT`.
    static func address(_ text: String) -> Place? {
        var host = Substring(text)
        var port = standardPort
        if let colon = text.lastIndex(of: ":"), text.last != "]", text.hasPrefix("[") || text.count(where: { $0 == ":" }) == 1 {
            guard let number = UInt16(text[text.index(after: colon)...]), number > 0 else { return nil }
            (host, port) = (text[..<colon], number)
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inner = String(host.dropFirst().dropLast())
            return IPAddress(inner).map { _ in .network(host: inner, port: port) }
        }
        return isHost(host) ? .network(host: String(host), port: port) : nil
    }

    /// A DNS name or an IPv4 address, by their letters.
    private static func isHost(_ host: Substring) -> Bool {
        (1...253).contains(host.utf8.count) && host.first != "-" && host.first != "."
            && host.utf8.allSatisfy { byte in
                (0x61...0x7a).contains(byte) || (0x41...0x5a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2e
                    || byte == 0x2d || byte == 0x5f
            }
    }
}

extension ControlEndpoint.Place {
    /// As it is written in a configuration.
    package var url: String {
        switch self {
        case .socket(let path): "unix://\(path)"
        case .network(let host, let port): "https://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        }
    }

    /// `HOST:PORT`; the path for a socket.
    var address: String {
        switch self {
        case .socket(let path): path
        case .network: String(url.dropFirst("https://".count))
        }
    }
}
