// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Where the store of several control planes is: `etcd://HOST:PORT,HOST:PORT/PREFIX`, or `etcd+http://…` in clear, which loopback addresses alone are
/// worth.
package struct StoreAddress: Hashable, Sendable, LosslessStringConvertible {
    package let endpoints: [ControlAddress]
    /// Begins with a slash: `/warren` without a word.
    package let prefix: String
    package let isPlain: Bool

    private static let secure = "etcd://"
    private static let plain = "etcd+http://"
    private static let limit = 32

    /// Nil for what is no such address.
    package init?(_ text: String) {
        isPlain = text.hasPrefix(Self.plain)
        guard isPlain || text.hasPrefix(Self.secure) else { return nil }
        let rest = text.dropFirst((isPlain ? Self.plain : Self.secure).count)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let names = rest[..<slash].split(separator: ",", omittingEmptySubsequences: false)
        endpoints = names.compactMap { ControlAddress(String($0)) }
        guard endpoints.count == names.count, names.count <= Self.limit else { return nil }
        if isPlain, !endpoints.allSatisfy({ IPAddress($0.host)?.isLoopback == true }) { return nil }
        let path = rest[slash...]
        prefix = path.isEmpty || path == "/" ? "/warren" : String(path)
        let parts = prefix.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        guard prefix.utf8.count <= 200, parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(Self.isPrefixByte) }) else {
            return nil
        }
    }

    package var description: String {
        (isPlain ? Self.plain : Self.secure) + endpoints.map(\.description).joined(separator: ",") + prefix
    }

    private static func isPrefixByte(_ byte: UInt8) -> Bool {
        (0x61...0x7a).contains(byte) || (0x41...0x5a).contains(byte) || (0x30...0x39).contains(byte)
            || byte == 0x2d || byte == 0x2e || byte == 0x5f
    }
}
