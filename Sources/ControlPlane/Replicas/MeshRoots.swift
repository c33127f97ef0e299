// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import Store
internal import TLS

/// Whom the mesh of a store trusts: the digests of its roots, no key (I22). Every replica has an authority of its own; one whose root the hosts don't
/// know would cut off those that come to it, so it doesn't begin. Blocking.
enum MeshRoots {
    static let key = StoreKey("_authority", "roots")
    private static let attempts = 8

    /// Compares with what stands there, or says it first.
    static func check(_ authority: Authority, in store: any Store) throws(ControlFailure) {
        guard store.isShared else { return }
        do throws(StoreFailure) {
            for _ in 0..<attempts {
                if let standing = try store.get(key) { return try compare(authority, standing) }
                if try write(authority, in: store, over: nil) { return }
            }
        } catch { throw ControlFailure("the store can't be used: \(error.text)") }
    }

    /// After a change of the authority's roots.
    static func record(_ authority: Authority, in store: any Store) throws(StoreFailure) {
        guard store.isShared else { return }
        for _ in 0..<attempts {
            if try write(authority, in: store, over: try store.get(key)?.revision) { return }
        }
    }

    private static func write(_ authority: Authority, in store: any Store, over revision: UInt64?) throws(StoreFailure) -> Bool {
        do throws(StoreFailure) {
            _ = try store.commit(
                StoreTransaction(conditions: [.init(key, revision: revision)], writes: [.put(key, text(authority))]))
            return true
        } catch {
            guard case .conflict = error else { throw error }
            return false
        }
    }

    static func text(_ authority: Authority) -> [UInt8] {
        Value.object([
            ("trustDomain", .string(authority.trustDomain)),
            ("roots", .array(authority.roots.map { .string($0.fingerprint.description) })),
        ]).jsonBytes
    }

    private static func compare(_ authority: Authority, _ standing: StoredObject) throws(StoreFailure) {
        guard let value = try? JSON.read(standing.value), let domain = value["trustDomain"]?.stringValue,
            let roots = value["roots"]?.sequenceValue?.compactMap(\.stringValue)
        else { throw .unusable("what it says of the mesh's roots is damaged") }
        guard domain == authority.trustDomain else {
            throw .unusable("its mesh is of the trust domain \(domain), and this control plane of \(authority.trustDomain)")
        }
        guard roots.contains(authority.rootDigest) else {
            throw .unusable(
                "its mesh trusts the root \(roots.joined(separator: ", ")), and this control plane signs under \(authority.rootDigest): "
                    + "give it an intermediate of that root (`warren ca intermediate`) as authority.certificate, authority.key and authority.roots"
            )
        }
    }
}
