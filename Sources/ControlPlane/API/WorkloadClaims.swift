// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import Mesh
internal import Store

/// Which workload has which address, as an object of its own per address: where several replicas share a store, of two that register one address at
/// the same moment one gets it (I23). A replica that stands alone sees its own registrations before the store does, and needs none. Pure: it says
/// what to write.
enum WorkloadClaims {
    static let resource = "_workloadaddresses"
    /// Of one workload: with all that goes with them they fit into one transaction.
    static let limit = 40

    static func key(_ place: NetworkAddress) -> StoreKey {
        StoreKey(resource, namespace: place.network, place.address.description)
    }

    static func text(_ workload: String) -> [UInt8] { Value.object([("workload", .string(workload))]).jsonBytes }

    /// What has to hold, and to be written, so that a workload has these places. Whether another has one of them was looked up before: a claim that
    /// stands here all the same is one that was left behind.
    static func claim(_ places: [NetworkAddress], for workload: String, in cache: ObjectCache) -> StoreTransaction {
        var transaction = StoreTransaction()
        for place in Set(places) {
            let standing = cache.object(key(place))
            guard holder(standing) != workload else { continue }
            transaction.conditions.append(.init(key(place), revision: standing?.revision))
            transaction.writes.append(.put(key(place), text(workload)))
        }
        return transaction
    }

    /// What to write when a workload gives these places up.
    static func release(_ places: [NetworkAddress], of workload: String, in cache: ObjectCache) -> [StoreTransaction.Write] {
        Set(places).filter { holder(cache.object(key($0))) == workload }.map { .delete(key($0)) }
    }

    private static func holder(_ object: CachedObject?) -> String? {
        object.flatMap { try? JSON.read($0.text) }?["workload"]?.stringValue
    }
}
