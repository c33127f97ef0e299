// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Kernel

extension EnrolmentCheck {
    /// Why a workload isn't enrolled in the namespace that its `warren.dev/network-namespace` names. Each says what to do.
    package enum Refusal: Error, Equatable, Sendable {
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
}

extension EnrolmentCheck.Refusal: CustomStringConvertible {
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
