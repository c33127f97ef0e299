// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Store

/// The WorkloadEntries that name a host of the mesh, by key and by host: some fifty thousand, in flat arrays. Their texts are shared with the cache
/// and read when somebody asks. A value.
struct RegistrationTable {
    private struct Entry {
        let namespace: String
        let name: String
        let text: [UInt8]
        /// The numbers of all hosts that the text may name: it names one of them or none. Entries that name one host alone share their list.
        let hosts: [Int32]
    }

    private struct Host {
        let name: String
        /// A list with this host's number and nothing else.
        var alone: [Int32] = []
        var entries: [Int32] = []
    }

    private var entries = RecordList<Entry>()
    private var byKey = SlotIndex()
    private var hosts = RecordList<Host>()
    private var numbers: [String: Int32] = [:]

    var count: Int { entries.count }

    /// How an entry reads now; nil if it is gone. One that names no host isn't kept.
    mutating func set(_ text: [UInt8]?, at key: StoreKey) {
        remove(key)
        guard let text else { return }
        let named = Registration.nodes(in: text)
        guard !named.isEmpty else { return }
        let numbers = named.map { number(of: $0) }
        let list = numbers.count == 1 ? hosts[numbers[0]]?.alone ?? numbers : numbers
        let entry = entries.add(Entry(namespace: key.namespace, name: key.name, text: text, hosts: list))
        byKey.insert(entry, key.placeHash)
        for number in list { hosts[number]?.entries.append(entry) }
    }

    private mutating func remove(_ key: StoreKey) {
        let hash = key.placeHash
        let found = byKey.find(hash) { number in
            guard let entry = entries[number] else { return false }
            return entry.name == key.name && entry.namespace == key.namespace
        }
        guard let number = found, let entry = entries[number] else { return }
        byKey.remove(number, hash)
        entries.remove(number)
        for host in entry.hosts {
            hosts[host]?.entries.removeAll { $0 == number }
            guard let left = hosts[host], left.entries.isEmpty else { continue }
            numbers[left.name] = nil
            hosts.remove(host)
        }
    }

    private mutating func number(of host: String) -> Int32 {
        if let known = numbers[host] { return known }
        let number = hosts.add(Host(name: host))
        hosts[number]?.alone = [number]
        numbers[host] = number
        return number
    }

    /// What is registered on a host, in one namespace or in all.
    func registrations(on node: String, namespace: String? = nil) -> some Sequence<Registration> {
        let numbers = numbers[node].flatMap { hosts[$0]?.entries } ?? []
        return numbers.lazy.compactMap { number -> Registration? in
            guard let entry = entries[number], (namespace ?? entry.namespace) == entry.namespace else { return nil }
            return ObjectText.content(entry.text).map { Registration($0) }
        }.filter { $0.node == node }
    }
}
