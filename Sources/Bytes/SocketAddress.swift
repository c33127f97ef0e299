// SPDX-License-Identifier: Apache-2.0

/// An address and a TCP port: `10.0.0.1:80`, `[2001:db8::1]:80`.
package struct SocketAddress: Hashable, Sendable {
    package let ip: IPAddress
    package let port: UInt16

    package init(_ ip: IPAddress, _ port: UInt16) {
        self.ip = ip
        self.port = port
    }
}

extension SocketAddress: LosslessStringConvertible {
    /// An address literal and a decimal port; an IPv6 address stands in brackets. Names, ports above 65535, signs and leading
    /// zeros (`080`) are no socket address.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            digits.utf8.count == 1 || digits.utf8.first != 0x30, let port = UInt16(digits)
        else { return nil }
        var host = text[..<colon]
        let bracketed = host.first == "[" && host.last == "]"
        if bracketed { host = host.dropFirst().dropLast() }
        guard let ip = IPAddress(String(host)), bracketed == host.contains(":") else { return nil }
        self.init(ip, port)
    }

    package var description: String { ip.family == .v4 ? "\(ip):\(port)" : "[\(ip)]:\(port)" }
}

extension SocketAddress: Comparable {
    package static func < (a: SocketAddress, b: SocketAddress) -> Bool { (a.ip, a.port) < (b.ip, b.port) }
}
