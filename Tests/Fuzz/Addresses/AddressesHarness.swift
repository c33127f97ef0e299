// SPDX-License-Identifier: Apache-2.0

import Bytes
import Glibc
import Kernel

/// What an authority, a policy or a certificate writes as text: addresses, blocks, sockets, identities. What is read is written in one way
/// and read again as the same; the C library reads the same addresses.
enum AddressesHarness {
    static func fuzz(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        checkAddress(text)
        checkPrefix(text)
        checkSocket(text)
        checkIdentity(text)
        checkBytes(bytes)
    }

    private static func checkAddress(_ text: String) {
        let address = IPAddress(text)
        if !text.utf8.contains(0) {
            invariant((address != nil) == (libraryReads(text) != nil), "the C library reads \(text) otherwise")
        }
        guard let address else { return }
        invariant(IPAddress(address.description) == address, "\(text) reads otherwise than it was written: \(address)")
        invariant(IPAddress(bytes: address.bytes) == address, "\(address) has other bytes")
        let own = libraryReads(address.description)
        invariant(own.flatMap { IPAddress(bytes: $0) } == address, "the C library reads \(address) otherwise")
    }

    private static func checkPrefix(_ text: String) {
        guard let prefix = IPPrefix(text) else { return }
        invariant(IPPrefix(prefix.description) == prefix, "\(text) reads otherwise than it was written: \(prefix)")
        invariant(prefix.contains(prefix.address), "\(prefix) doesn't hold its own address")
        let other: IPAddress = prefix.address.family == .v4 ? .loopbackV6 : .loopbackV4
        invariant(!prefix.contains(other), "\(prefix) holds an address of the other family")
    }

    private static func checkSocket(_ text: String) {
        guard let socket = SocketAddress(text) else { return }
        invariant(SocketAddress(socket.description) == socket, "\(text) reads otherwise than it was written: \(socket)")
        invariant(text.utf8.contains(UInt8(ascii: ":")), "a socket address without a port: \(text)")
    }

    /// One text for one identity, so that policies may compare texts.
    private static func checkIdentity(_ text: String) {
        guard let identity = SPIFFEID(text) else { return }
        invariant(Array(identity.description.utf8) == Array(text.utf8), "two texts of one identity: \(text) \(identity)")
        invariant(text.utf8.count <= SPIFFEID.maximumLength, "an identity of \(text.utf8.count) bytes")
        invariant(text.utf8.allSatisfy { (0x21...0x7e).contains($0) }, "an identity that isn't printable")
    }

    private static func checkBytes(_ bytes: [UInt8]) {
        guard let address = IPAddress(bytes: bytes) else {
            invariant(bytes.count != 4 && bytes.count != 16, "\(bytes.count) bytes are refused as an address")
            return
        }
        invariant(IPAddress(address.description) == address, "\(address) reads otherwise than it was written")
    }

    private static func libraryReads(_ text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if unsafe inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes.prefix(4)) }
        return unsafe inet_pton(AF_INET6, text, &bytes) == 1 ? bytes : nil
    }
}
