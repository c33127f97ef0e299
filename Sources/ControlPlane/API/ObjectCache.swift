// SPDX-License-Identifier: Apache-2.0

internal import Store

/// An object in memory: its stored text, and of which revision it is.
struct CachedObject: Sendable {
    let key: StoreKey
    let text: [UInt8]
    let revision: UInt64
}

/// All objects, in the order of their keys, as of one revision. Lists, watches and admission read here; only what the store has acknowledged gets in.
/// On the loop of the API.
final class ObjectCache {
    private var tables: [String: [CachedObject]] = [:]
    private(set) var revision: UInt64 = 0

    /// Takes over everything, sorted by key as the store gives it.
    func load(_ list: StoredList) {
        tables = [:]
        // Neighbours share the names of their resource and namespace: each has come with its own.
        var (resource, namespace) = ("", "")
        for object in list.objects {
            if object.key.resource != resource { resource = object.key.resource }
            if object.key.namespace != namespace { namespace = object.key.namespace }
            let key = StoreKey(resource, namespace: namespace, object.key.name)
            tables[resource, default: []].append(CachedObject(key: key, text: object.value, revision: object.revision))
        }
        revision = list.revision
    }

    func apply(_ change: StoreChange) {
        let resource = change.key.resource
        let (index, isThere) = place(of: change.key)
        switch (change.value, isThere) {
        case (let text?, true): tables[resource]?[index] = CachedObject(key: change.key, text: text, revision: change.revision)
        case (let text?, false):
            tables[resource, default: []].insert(
                CachedObject(key: change.key, text: text, revision: change.revision), at: index)
        case (nil, true): tables[resource]?.remove(at: index)
        case (nil, false): break
        }
        revision = change.revision
    }

    func object(_ key: StoreKey) -> CachedObject? {
        let (index, isThere) = place(of: key)
        return isThere ? tables[key.resource]?[index] : nil
    }

    /// The objects of a resource, in a namespace or in all. A value: it stays as it is while the cache goes on.
    func objects(_ resource: String, namespace: String? = nil) -> ArraySlice<CachedObject> {
        guard let table = tables[resource] else { return [] }
        guard let namespace else { return table[...] }
        let start = firstIndex(in: table, notBefore: StoreKey(resource, namespace: namespace, ""))
        // A name can't begin with NUL: this is the first key of whatever follows the namespace.
        let end = firstIndex(in: table, notBefore: StoreKey(resource, namespace: namespace + "\0", ""))
        return table[start..<end]
    }

    /// The first object of a resource whose key comes after another; without one the first of all.
    func first(of resource: String, after key: StoreKey?) -> CachedObject? {
        guard let table = tables[resource] else { return nil }
        var index = key.map { firstIndex(in: table, notBefore: $0) } ?? 0
        if index < table.count, table[index].key == key { index += 1 }
        return index < table.count ? table[index] : nil
    }

    /// The resources of which there is something.
    var resources: [String] { tables.compactMap { $0.value.isEmpty ? nil : $0.key } }

    func count(_ resource: String) -> Int { tables[resource]?.count ?? 0 }

    private func place(of key: StoreKey) -> (index: Int, isThere: Bool) {
        guard let table = tables[key.resource] else { return (0, false) }
        let index = firstIndex(in: table, notBefore: key)
        return (index, index < table.count && table[index].key == key)
    }

    private func firstIndex(in table: [CachedObject], notBefore key: StoreKey) -> Int {
        var (low, high) = (0, table.count)
        while low < high {
            let middle = (low + high) / 2
            if table[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
