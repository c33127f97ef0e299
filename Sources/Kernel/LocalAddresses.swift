// SPDX-License-Identifier: Apache-2.0

package import Bytes
import Glibc

/// The addresses of this network namespace's interfaces, without those of a link only.
package enum LocalAddresses {
    package static func all() -> [IPAddress] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&first) == 0 else { return [] }
        defer { unsafe freeifaddrs(first) }
        var found: [IPAddress] = []
        var next = unsafe first
        while let entry = unsafe next {
            unsafe next = entry.pointee.ifa_next
            guard let address = unsafe entry.pointee.ifa_addr, let ip = unsafe self.address(address) else { continue }
            if !ip.isLinkLocal, !found.contains(ip) { found.append(ip) }
        }
        return found
    }

    private static func address(_ raw: UnsafeMutablePointer<sockaddr>) -> IPAddress? {
        switch CInt(unsafe raw.pointee.sa_family) {
        case AF_INET:
            let number = unsafe raw.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { unsafe $0.pointee.sin_addr.s_addr }
            return IPAddress(v4: UInt32(bigEndian: number))
        case AF_INET6:
            return unsafe raw.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
                unsafe withUnsafeBytes(of: pointer.pointee.sin6_addr) { unsafe IPAddress(bytes: Array($0)) }
            }
        default: return nil
        }
    }
}
