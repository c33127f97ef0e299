// SPDX-License-Identifier: Apache-2.0

extension EtcdStore {
    /// Objects that are asked for at once; fewer where they are large.
    private static let page: UInt64 = 1000
    /// How often a list begins anew because its revision was compacted before it was through.
    private static let attempts = 3

    package func list(_ resource: String?, namespace: String?) throws(StoreFailure) -> StoredList {
        for _ in 1..<Self.attempts {
            do throws(EtcdFailure) {
                return try listOnce(resource, namespace: namespace)
            } catch {
                guard error.isCompacted else { throw error.storeFailure }
            }
        }
        return try Self.ask { () throws(EtcdFailure) in try listOnce(resource, namespace: namespace) }
    }

    private func listOnce(_ resource: String?, namespace: String?) throws(EtcdFailure) -> StoredList {
        let (objects, revision) = try Self.read(client, keys, record: record, resource, namespace: namespace)
        return StoredList(objects: objects, revision: revision)
    }

    /// What stands at one moment, and the newest revision of ours at it.
    /// - Parameter record: which has to stand; nil: none, of a store that is being put here.
    static func read(
        _ client: EtcdClient, _ keys: EtcdKeys, record: EtcdRecord?, _ resource: String?, namespace: String?
    ) throws(EtcdFailure) -> (objects: [StoredObject], revision: UInt64) {
        var (start, end) = keys.objects(resource, namespace: namespace)
        var page = Self.page
        var moment: UInt64 = 0
        var newest: UInt64 = 0
        var objects: [StoredObject] = []
        while true {
            let part: EtcdRangeAnswer
            do throws(EtcdFailure) {
                let range = EtcdRange(key: start, end: end, limit: page, revision: moment)
                if moment == 0 {
                    (newest, moment, part) = try first(range, client, keys, record)
                } else {
                    part = try client.call(EtcdPath.range, range.bytes)
                }
            } catch {
                // Large objects: fewer of them at once.
                guard case .tooLarge = error, page > 1 else { throw error }
                page = max(1, page / 8)
                continue
            }
            for value in part.values {
                guard let key = keys.object(value.key), namespace == nil || key.namespace == namespace else { continue }
                objects.append(StoredObject(key: key, value: Array(value.value), revision: keys.told(value.revision)))
            }
            guard part.hasMore, let last = part.values.last else { break }
            start = Array(last.key) + [0]
        }
        // etcd's order is that of bytes with slashes between.
        let isSorted = zip(objects, objects.dropFirst()).allSatisfy { $0.key < $1.key }
        return (isSorted ? objects : objects.sorted { $0.key < $1.key }, newest)
    }

    /// The first page, with the newest revision of ours and the cluster's at the same moment, at which the others are read.
    private static func first(
        _ range: EtcdRange, _ client: EtcdClient, _ keys: EtcdKeys, _ record: EtcdRecord?
    ) throws(EtcdFailure) -> (newest: UInt64, moment: UInt64, EtcdRangeAnswer) {
        var request = EtcdTransaction()
        request.success = [
            .range(EtcdRange(key: keys.clock)), .range(EtcdRange(key: keys.store, isKeysOnly: true)), .range(range),
        ]
        let answer: EtcdTransactionAnswer = try client.call(EtcdPath.transaction, request.bytes)
        guard answer.ranges.count == 3, answer.ranges[1].values.first?.revision == record?.revision else {
            throw .foreign(keys.replaced)
        }
        guard let newest = answer.ranges[0].values.first?.revision else {
            throw .foreign("etcd: damaged: \(keys.prefix)/clock is missing")
        }
        return (keys.told(newest), answer.header.revision, answer.ranges[2])
    }
}
