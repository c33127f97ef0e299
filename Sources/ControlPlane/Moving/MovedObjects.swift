// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import Mesh
internal import Store

/// What of a store's objects another store needs: some are there only where several control planes share one. Pure.
enum MovedObjects {
    /// For a store that several share: each workload's addresses are claimed, and whom the mesh trusts is said.
    /// - Parameter authority: of the mesh; nil: what the objects say of it stays, or the first control plane that comes says it.
    static func shared(_ objects: [StoredObject], authority: Authority?) -> [StoredObject] {
        var kept = objects.filter { $0.key.resource != WorkloadClaims.resource }
        var claimed: [NetworkAddress: String] = [:]
        for object in objects where object.key.resource == Registration.resource {
            guard let tree = ObjectText.content(object.value), let (workload, places) = WorkloadAddresses.places(of: tree) else {
                continue
            }
            // Of two that have one the first keeps it, as it does until one of them is changed.
            for place in places where claimed[place] == nil { claimed[place] = workload }
        }
        kept += claimed.map { place, workload in
            StoredObject(key: WorkloadClaims.key(place), value: WorkloadClaims.text(workload), revision: 0)
        }
        guard let authority else { return kept }
        kept.removeAll { $0.key == MeshRoots.key }
        return kept + [StoredObject(key: MeshRoots.key, value: MeshRoots.text(authority), revision: 0)]
    }

    /// For a file: nobody keeps these up to date there.
    static func own(_ objects: [StoredObject]) -> [StoredObject] {
        objects.filter { $0.key.resource != WorkloadClaims.resource && $0.key != MeshRoots.key }
    }
}
