// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import CLinux
import Glibc

/// The addresses of a host's name, as the system finds them (`/etc/hosts`, DNS, …). Blocking, for as long as the system's resolver likes: a thread's
/// work.
package enum NameLookup {
    /// More than this no service of ours has.
    private static let maximum = 32

    /// In the order in which they are to be tried (RFC 6724); never empty.
    package static func addresses(of name: String) -> Result<[IPAddress], Failure> {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(name, nil, &hints, &list)
        guard code == 0 else { return .failure(Failure(reason: unsafe String(cString: gai_strerror(code)))) }
        defer { unsafe freeaddrinfo(list) }
        var found: [IPAddress] = []
        var next = unsafe list
        while let entry = unsafe next, found.count < maximum {
            if let address = unsafe address(entry.pointee), !found.contains(address) { found.append(address) }
            unsafe next = entry.pointee.ai_next
        }
        return found.isEmpty ? .failure(Failure(reason: "it has no address")) : .success(found)
    }

    package struct Failure: Error, Hashable, Sendable {
        package let reason: String
        package init(reason: String) { self.reason = reason }
    }

    private static func address(_ entry: addrinfo) -> IPAddress? {
        guard let raw = unsafe entry.ai_addr else { return nil }
        switch unsafe entry.ai_family {
        case AF_INET:
            return unsafe raw.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
                unsafe withUnsafeBytes(of: pointer.pointee.sin_addr) { unsafe IPAddress(bytes: Array($0)) }
            }
        case AF_INET6:
            return unsafe raw.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
                unsafe withUnsafeBytes(of: pointer.pointee.sin6_addr) { unsafe IPAddress(bytes: Array($0)) }
            }
        default: return nil
        }
    }
}
