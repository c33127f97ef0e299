// SPDX-License-Identifier: Apache-2.0

package import Mesh

/// Package `warren.workload`: what a host must know of the workloads that it captures itself, and no other host needs.
package enum LocalAPI {
    /// The name under which it is subscribed to.
    package static let localWorkloadTypeURL = "type.googleapis.com/warren.workload.LocalWorkload"

    package struct LocalWorkload: Message {
        package var uid = ""
        package var node = ""
        /// Empty: none.
        package var networkNamespace = ""
        package var captured = false
        /// Empty, `allow` or `drop`.
        package var nonTCP = ""
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "uid", \.uid),
            .string(2, "node", \.node),
            .string(3, "network_namespace", \.networkNamespace),
            .bool(4, "captured", \.captured),
            .string(5, "non_tcp", \.nonTCP),
        ]
    }
}

extension LocalAPI.LocalWorkload {
    package init(_ local: LocalWorkload) {
        self.init()
        uid = local.uid
        node = local.node
        networkNamespace = local.networkNamespace ?? ""
        captured = local.captured
        nonTCP = local.nonTCP?.rawValue ?? ""
    }

    /// As the mesh model has it. The namespace becomes a part of a path on the host, so that it must be a plain name.
    package func model() throws(ConversionFailure) -> LocalWorkload {
        guard !uid.isEmpty else { throw ConversionFailure("uid", "a local workload without a uid") }
        guard networkNamespace.isEmpty || Self.isName(networkNamespace) else {
            throw ConversionFailure("network_namespace", "no name of a network namespace")
        }
        var choice: LocalWorkload.NonTCP?
        if !nonTCP.isEmpty {
            guard let known = LocalWorkload.NonTCP(rawValue: nonTCP) else {
                throw ConversionFailure("non_tcp", "neither allow nor drop")
            }
            choice = known
        }
        return LocalWorkload(
            uid: uid, node: node, networkNamespace: networkNamespace.isEmpty ? nil : networkNamespace, captured: captured,
            nonTCP: choice)
    }

    /// Visible ASCII without a slash, and not a name that means a folder: what a resource may say, too.
    private static func isName(_ text: String) -> Bool {
        text.utf8.count <= 255 && text != "." && text != ".."
            && text.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != 0x2f }
    }
}
