// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Mesh

/// What a write needs besides the object: time and chance, which the caller has, and a look at the other objects. A value for one request.
package struct WriteContext {
    /// What is known of a namespace.
    package enum NamespaceState: Hashable, Sendable {
        case absent
        case active(labels: [String: String])
        /// It is being emptied: nothing new may be put into it.
        case terminating
    }

    package let now: Timestamp
    /// For an object that is made: a random UUID.
    package let uid: String
    /// For `generateName`: a few random letters and digits.
    package let suffix: String
    /// Of the request; names the manager of fields if the client doesn't.
    package let userAgent: String
    package let mesh: MeshOptions
    package let namespace: (String) -> NamespaceState
    /// The workloads (`shop/web-1`) that some host runs and that have this address in this network ("" is the mesh's own).
    package let holders: (_ address: IPAddress, _ network: String) -> [String]

    package init(
        now: Timestamp, uid: String, suffix: String, userAgent: String = "", mesh: MeshOptions = MeshOptions(),
        namespace: @escaping (String) -> NamespaceState, holders: @escaping (_ address: IPAddress, _ network: String) -> [String]
    ) {
        self.now = now
        self.uid = uid
        self.suffix = suffix
        self.userAgent = userAgent
        self.mesh = mesh
        self.namespace = namespace
        self.holders = holders
    }
}

/// What a write makes.
package enum ObjectChange: Hashable, Sendable {
    case created
    case updated
    /// As it was: there is nothing to store.
    case unchanged
    /// It was being deleted, and now nothing holds it any more.
    case removed
}
