// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Mesh

/// Where a node's mesh comes from: files on the host, or a control plane. On the node's loop; tells the node of each new snapshot by `meshLoaded`.
protocol MeshSource: AnyObject {
    var snapshot: MeshSnapshot? { get }
    /// When the snapshot was taken over.
    var loaded: WallTime? { get }
    /// Why the newest state isn't in use; nil if it is.
    var refusal: MeshRefusal? { get }
    /// What it says is what somebody wants, even if that is nothing.
    var isAuthoritative: Bool { get }
    func start() throws(Errno)
    /// Somebody asks for another look.
    func changed()
}
