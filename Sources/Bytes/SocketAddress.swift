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
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { return nil }
        let digits = text[text.utf8.index(after: colon)...]
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            digits.utf8.count == 1 || digits.utf8.first != 0x30, let port = UInt16(digits)
        else { return nil }
        var host = text[..<colon]
        let bracketed = host.utf8.first == UInt8(ascii: "[") && host.utf8.last == UInt8(ascii: "]")
        if bracketed { host = Substring(host.utf8.dropFirst().dropLast()) }
        guard let ip = IPAddress(host), bracketed == host.utf8.contains(UInt8(ascii: ":")) else { return nil }
        self.init(ip, port)
    }

    package var description: String {
        guard ip.family == .v4 else { return "[\(ip)]:\(port)" }
        // Written aside, so that a short one needs no memory of its own.
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 21) { buffer in
            let count = unsafe ip.writeV4(to: buffer)
            unsafe buffer[count] = UInt8(ascii: ":")
            let end = unsafe count + 1 + writeDecimal(port, to: buffer, at: count + 1)
            return unsafe String(decoding: UnsafeBufferPointer(rebasing: buffer[..<end]), as: UTF8.self)
        }
    }
}

extension SocketAddress: Comparable {
    package static func < (a: SocketAddress, b: SocketAddress) -> Bool { (a.ip, a.port) < (b.ip, b.port) }
}
