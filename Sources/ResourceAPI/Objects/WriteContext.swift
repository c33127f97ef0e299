// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Documents
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
    /// Refuses who may not make `after` of `before` (nil: of nothing). Asked before the answer can say anything of other objects.
    package let judge: (_ before: Value?, _ after: Value) throws(APIStatus) -> Void
    /// The workloads (`shop/web-1`) that some host runs and that have this address in this network ("" is the mesh's own).
    package let holders: (_ address: IPAddress, _ network: String) -> [String]
    /// Whether the asker may read this workload (`shop/web-1`): else no answer names it.
    package let mayRead: (_ workload: String) -> Bool

    package init(
        now: Timestamp, uid: String, suffix: String, userAgent: String = "", mesh: MeshOptions = MeshOptions(),
        namespace: @escaping (String) -> NamespaceState,
        judge: @escaping (_ before: Value?, _ after: Value) throws(APIStatus) -> Void,
        holders: @escaping (_ address: IPAddress, _ network: String) -> [String],
        mayRead: @escaping (_ workload: String) -> Bool
    ) {
        self.now = now
        self.uid = uid
        self.suffix = suffix
        self.userAgent = userAgent
        self.mesh = mesh
        self.namespace = namespace
        self.judge = judge
        self.holders = holders
        self.mayRead = mayRead
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
