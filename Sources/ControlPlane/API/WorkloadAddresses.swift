// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import Mesh
internal import Store

/// Which workloads of the mesh's hosts have which address: an address that two of them had would be taken for one of them. Follows the cache. On the
/// loop of the API.
final class WorkloadAddresses: StateObserver {
    private var table = AddressTable()

    init(state: ControlState) { state.observe(self) }

    /// `NAMESPACE/NAME` of each.
    func holders(_ place: NetworkAddress) -> [String] { table.holders(place) }

    func stateLoaded(_ state: ControlState) {
        table = AddressTable()
        for object in state.cache.objects(Registration.resource) { set(object.key, object.text) }
    }

    func stateChanged(_ state: ControlState, _ changes: [StoreChange]) {
        for change in changes where change.key.resource == Registration.resource { set(change.key, change.value) }
    }

    private func set(_ key: StoreKey, _ text: [UInt8]?) {
        let places = text.flatMap { ObjectText.content($0) }.flatMap { Self.places(of: $0) }?.places ?? []
        table.set(places, of: key)
    }

    /// The places that a workload has, if some host runs it.
    static func places(of object: Value) -> (workload: String, places: [NetworkAddress])? {
        let registration = Registration(object)
        guard registration.node != nil else { return nil }
        let network = object["spec"]?["network"]?.stringValue ?? ""
        return (
            "\(registration.namespace)/\(registration.name)",
            registration.addresses.map { NetworkAddress(network: network, address: $0) }
        )
    }
}

/// Places and who has them, in flat arrays: there are some fifty thousand. A value.
struct AddressTable {
    /// One place of one workload, which may have another in turn.
    private struct Entry {
        let namespace: String
        let name: String
        let network: String
        let address: IPAddress
        /// The workload's next; negative: none.
        let next: Int32

        func isOf(_ key: StoreKey) -> Bool { name == key.name && namespace == key.namespace }
        func has(_ place: NetworkAddress) -> Bool { address == place.address && network == place.network }
    }

    private var entries = RecordList<Entry>()
    /// The first entry of each workload.
    private var byKey = SlotIndex()
    private var byPlace = SlotIndex()

    var count: Int { entries.count }

    func holders(_ place: NetworkAddress) -> [String] {
        var found: [String] = []
        byPlace.candidates(Self.hash(place)) { number in
            guard let entry = entries[number], entry.has(place) else { return }
            found.append("\(entry.namespace)/\(entry.name)")
        }
        return found
    }

    /// The places that a workload has now, in place of those that it had.
    mutating func set(_ places: [NetworkAddress], of key: StoreKey) {
        let hash = key.placeHash
        if let first = byKey.find(hash, where: { entries[$0]?.isOf(key) == true }) {
            byKey.remove(first, hash)
            remove(from: first)
        }
        var next: Int32 = -1
        for place in places {
            let entry = Entry(
                namespace: key.namespace, name: key.name, network: place.network, address: place.address, next: next)
            next = entries.add(entry)
            byPlace.insert(next, Self.hash(place))
        }
        if next >= 0 { byKey.insert(next, hash) }
    }

    private mutating func remove(from first: Int32) {
        var number = first
        while number >= 0, let entry = entries[number] {
            byPlace.remove(number, Self.hash(NetworkAddress(network: entry.network, address: entry.address)))
            entries.remove(number)
            number = entry.next
        }
    }

    private static func hash(_ place: NetworkAddress) -> Int {
        var hasher = Hasher()
        hasher.combine(place.network)
        hasher.combine(place.address)
        return hasher.finalize()
    }
}
