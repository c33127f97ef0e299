// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Documents
internal import Mesh

/// What of a WorkloadEntry says whose workload runs where: everything that a grant is asked about. A value.
package struct Registration: Hashable, Sendable {
    package static let resource = "workloadentries.networking.istio.io"

    package let namespace: String
    package let name: String
    /// The host that holds it; nil if it is none of the mesh.
    package let node: String?
    package let serviceAccount: String
    package let addresses: [IPAddress]
    /// Something where addresses stand is none: no grant covers it.
    package let hasOddAddress: Bool

    package init(
        namespace: String, name: String, node: String?, serviceAccount: String, addresses: [IPAddress],
        hasOddAddress: Bool = false
    ) {
        self.namespace = namespace
        self.name = name
        self.node = node
        self.serviceAccount = serviceAccount.isEmpty ? "default" : serviceAccount
        self.addresses = addresses
        self.hasOddAddress = hasOddAddress
    }

    /// From an object of the API.
    package init(_ object: Value) {
        let (metadata, spec) = (object["metadata"], object["spec"])
        let annotations = metadata?["annotations"]
        let words =
            [spec?["address"]?.stringValue].compactMap { $0 }
            + (annotations?[WellKnown.additionalAddresses]?.stringValue.map { text in
                text.split(separator: ",", omittingEmptySubsequences: false).map { String($0.drop { $0 == " " }) }
            } ?? [])
        let addresses = words.compactMap { IPAddress($0) }
        self.init(
            namespace: metadata?["namespace"]?.stringValue ?? "", name: metadata?["name"]?.stringValue ?? "",
            node: annotations?[WellKnown.node]?.stringValue, serviceAccount: spec?["serviceAccount"]?.stringValue ?? "",
            addresses: addresses, hasOddAddress: addresses.count != words.count)
    }

    /// Whether both say the same of whose workload runs where.
    func claimsTheSame(as other: Registration) -> Bool {
        node == other.node && namespace == other.namespace && serviceAccount == other.serviceAccount
            && addresses == other.addresses && hasOddAddress == other.hasOddAddress
    }
}
