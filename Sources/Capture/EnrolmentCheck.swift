// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Kernel

/// Why a workload isn't enrolled in the namespace that its `warren.dev/network-namespace` names. Each says what to do.
package enum EnrolmentRefusal: Error, Equatable, Sendable {
    case invalidName(String)
    case missing(String)
    case link(String)
    case notANamespace(String)
    /// Capturing it would take the daemon's own connections, and the administrator's ssh.
    case hostNamespace(String)
    /// The workload's address isn't one of the namespace's.
    case addressNotLocal(IPAddress, name: String, local: [IPAddress])
    /// Another workload has this namespace, perhaps under another name.
    case taken(name: String, by: String)
    case system(String, Errno)
}

extension EnrolmentRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalidName(let name): "'\(name)' is no name of a network namespace"
        case .missing(let name): "network namespace '\(name)' doesn't exist"
        case .link(let name): "network namespace '\(name)' is a symbolic link"
        case .notANamespace(let name): "'\(name)' is no network namespace"
        case .hostNamespace(let name): "network namespace '\(name)' is the host's own"
        case .addressNotLocal(let address, let name, let local):
            "address \(address) isn't in network namespace '\(name)', which has \(Self.list(local))"
        case .taken(let name, let other): "network namespace '\(name)' belongs to workload \(other) already"
        case .system(let name, let failure): "network namespace '\(name)' can't be looked at: \(failure)"
        }
    }

    /// What to do about it, in one sentence.
    package var remedy: String {
        switch self {
        case .invalidName: "Give the name that `ip netns` shows: no slash, not '.' or '..', at most 255 bytes."
        case .missing(let name): "Create it with `ip netns add \(name)`; the workload is captured as soon as it is there."
        case .link(let name):
            "Replace \(EnrolmentCheck.defaultDirectory)/\(name) by the namespace itself: a link may come to point elsewhere."
        case .notANamespace(let name):
            "Remove the file \(EnrolmentCheck.defaultDirectory)/\(name) and create the namespace with `ip netns add \(name)`."
        case .hostNamespace: "Move the workload into a namespace of its own: capturing the host would lock out ssh."
        case .addressNotLocal(let address, let name, _):
            "Add the address with `ip -n \(name) addr add \(address)/\(address.bitCount) dev DEVICE`, or correct it in the WorkloadEntry."
        case .taken: "Give each workload a network namespace of its own, since that is what tells them apart."
        case .system: "The daemon needs CAP_SYS_ADMIN and CAP_NET_ADMIN."
        }
    }

    /// A short name for a metric's label and for programs.
    package var kind: String {
        switch self {
        case .invalidName: "invalid_name"
        case .missing: "missing"
        case .link: "link"
        case .notANamespace: "not_a_namespace"
        case .hostNamespace: "host_namespace"
        case .addressNotLocal: "address_not_local"
        case .taken: "taken"
        case .system: "system"
        }
    }

    private static func list(_ addresses: [IPAddress]) -> String {
        let shown = addresses.filter { !$0.isLoopback && !$0.isLinkLocal }.prefix(8).map(\.description)
        return shown.isEmpty ? "none" : shown.joined(separator: ", ")
    }
}

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
    ) throws(EnrolmentRefusal) -> NetworkNamespace {
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

    private func open(_ name: String) throws(EnrolmentRefusal) -> NetworkNamespace {
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
