// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Kernel

/// Finds the namespace that a workload names and makes sure that it is the workload's (I04). A namespace is its device and inode; the
/// name is only where one looks. To be asked at enrolment, at start and after each change below `directory`.
package struct EnrolmentCheck: Sendable {
    package static let defaultDirectory = "/run/netns"

    /// Where `ip netns` keeps names; for a `DirectoryWatch`.
    package let directory: String
    /// Namespaces that are never captured: the daemon's own and that of process 1.
    private let excluded: Set<NamespaceIdentity>

    package init(directory: String = defaultDirectory) throws(Errno) {
        self.directory = directory
        var excluded: Set = [try NetworkNamespace.current().identity]
        // In a container process 1 may be someone we may not look at; then it isn't the host's either.
        if let first = try? NetworkNamespace(path: "/proc/1/ns/net", followLink: true) { excluded.insert(first.identity) }
        self.excluded = excluded
    }

    /// Opens the namespace of a workload that has these addresses there.
    /// - Parameter taken: which namespaces other workloads have, with their names.
    package func open(
        _ name: String, addresses: [IPAddress], taken: [NamespaceIdentity: String]
    ) throws(Refusal) -> NetworkNamespace {
        let namespace = try open(name)
        if excluded.contains(namespace.identity) { throw .hostNamespace(name) }
        if let other = taken[namespace.identity] { throw .taken(name: name, by: other) }
        let local: [IPAddress]
        do throws(Errno) { local = try namespace.addresses() } catch { throw .system(name, error) }
        if let missing = addresses.first(where: { !local.contains($0) }) {
            throw .addressNotLocal(missing, name: name, local: local)
        }
        return namespace
    }

    /// Which namespace a name means now; nil if none. For noticing that it was deleted or made anew.
    package func identity(of name: String) -> NamespaceIdentity? { (try? open(name))?.identity }

    /// All names that mean a namespace now.
    package func names() -> [String: NamespaceIdentity] {
        var found: [String: NamespaceIdentity] = [:]
        for name in (try? File.names(in: directory)) ?? [] { found[name] = identity(of: name) }
        return found
    }

    private func open(_ name: String) throws(Refusal) -> NetworkNamespace {
        guard Self.isName(name) else { throw .invalidName(name) }
        do throws(Errno) {
            return try NetworkNamespace(path: "\(directory)/\(name)")
        } catch {
            switch error {
            case .noSuchFile: throw .missing(name)
            case .tooManyLinks: throw .link(name)
            case .invalidArgument: throw .notANamespace(name)
            default: throw .system(name, error)
            }
        }
    }

    /// A file's name, and nothing that leads elsewhere.
    private static func isName(_ name: String) -> Bool {
        (1...255).contains(name.utf8.count) && name != "." && name != ".."
            && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x2f && $0 != 0x7f }
    }
}

extension NetworkNamespace {
    /// The addresses that are local in the namespace.
    fileprivate borrowing func addresses() throws(Errno) -> [IPAddress] {
        let home = try NetworkNamespace.current()
        return try enter(from: home) { () throws(Errno) in
            var route = try Netlink(.route)
            return try route.addresses()
        }
    }
}
