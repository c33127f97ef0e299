// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Documents

/// What an admin lets hosts register and obtain certificates for (I19): the object `NodeGrant` in `warren.dev/v1`. What it doesn't name it doesn't
/// grant. A value.
package struct NodeGrant: Hashable, Sendable {
    package static let resource = "nodegrants.warren.dev"

    package let name: String
    /// Names of hosts; `*` is each.
    package let nodes: Set<String>
    /// Whose workloads; `*` is each. Empty: those of `serviceAccounts`.
    package let namespaces: Set<String>
    /// `NAMESPACE/NAME`. Empty: every account of `namespaces`; otherwise these alone.
    package let serviceAccounts: Set<String>
    /// Where the workloads may be.
    package let addresses: [IPPrefix]

    package init(name: String, nodes: Set<String>, namespaces: Set<String>, serviceAccounts: Set<String>, addresses: [IPPrefix]) {
        self.name = name
        self.nodes = nodes
        self.namespaces = namespaces
        self.serviceAccounts = serviceAccounts
        self.addresses = addresses
    }

    /// From an object that admission has checked. What can't be read grants nothing.
    package init?(_ object: Value) {
        guard let name = object["metadata"]?["name"]?.stringValue, let spec = object["spec"] else { return nil }
        let strings = { (key: String) in (spec[key]?.sequenceValue ?? []).compactMap(\.stringValue) }
        self.init(
            name: name, nodes: Set(strings("nodes")), namespaces: Set(strings("namespaces")),
            serviceAccounts: Set(strings("serviceAccounts")), addresses: strings("addresses").compactMap { IPPrefix($0) })
    }

    func covers(node: String) -> Bool { nodes.contains(node) || nodes.contains("*") }

    func covers(namespace: String, account: String) -> Bool {
        if namespaces.isEmpty && serviceAccounts.isEmpty { return false }
        let hasNamespace = namespaces.isEmpty || namespaces.contains(namespace) || namespaces.contains("*")
        return hasNamespace && (serviceAccounts.isEmpty || serviceAccounts.contains("\(namespace)/\(account)"))
    }

    func covers(_ address: IPAddress) -> Bool { addresses.contains { $0.contains(address) } }
}
