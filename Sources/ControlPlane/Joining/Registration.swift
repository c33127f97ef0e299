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

    /// Every host that the text of an object may name, found without reading it: each value of a key like the annotation's. In a JSON text of ours
    /// quotes stand around keys and strings alone, so what isn't found here isn't there.
    static func nodes(in text: [UInt8]) -> Set<String> {
        var nodes: Set<String> = []
        var start = 0
        while let place = text[start...].firstIndex(of: Self.slash), place < text.count {
            start = place + 1
            let end = place + Self.tail.count
            guard end < text.count, place >= Self.head.count, text[place..<end].elementsEqual(Self.tail),
                text[(place - Self.head.count)..<place].elementsEqual(Self.head)
            else { continue }
            let value = text[end...].prefix { $0 != Self.quote }
            nodes.insert(String(decoding: value, as: UTF8.self))
            start = value.endIndex
        }
        return nodes
    }

    private static let slash = UInt8(ascii: "/")
    private static let quote = UInt8(ascii: "\"")
    private static let head = Array("\"warren.dev".utf8)
    private static let tail = Array("/node\":\"".utf8)

    /// Whether both say the same of whose workload runs where.
    func claimsTheSame(as other: Registration) -> Bool {
        node == other.node && namespace == other.namespace && serviceAccount == other.serviceAccount
            && addresses == other.addresses && hasOddAddress == other.hasOddAddress
    }
}
