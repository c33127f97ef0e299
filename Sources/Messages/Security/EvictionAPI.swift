// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Mesh

/// Package `warren.security`: hosts that were turned out of the mesh. Every host is told, and cuts what they still hold (I22).
package enum EvictionAPI {
    /// The name under which it is subscribed to.
    package static let evictionTypeURL = "type.googleapis.com/warren.security.Eviction"

    package struct Eviction: Message {
        /// The first half of the serial numbers of the host's certificates, 16 hexadecimal digits.
        package var tag = ""
        /// What the host was called, for people.
        package var node = ""
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "tag", \.tag),
            .string(2, "node", \.node),
        ]
    }
}

extension EvictionAPI.Eviction {
    package init(_ eviction: Eviction) {
        self.init()
        tag = eviction.tag.description
        node = eviction.node
    }

    /// As the mesh model has it.
    package func model() throws(ConversionFailure) -> Eviction {
        guard let tag = HostTag(tag) else { throw ConversionFailure("tag", "not 16 hexadecimal digits") }
        guard node.utf8.count <= 253 else { throw ConversionFailure("node", "longer than a host's name may be") }
        return Eviction(tag: tag, node: node)
    }
}
