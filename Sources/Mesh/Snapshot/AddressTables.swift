// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Which workload has an address. Holds places alone; whoever asks has the workloads. Lookups hash and compare; they allocate nothing. A value.
struct WorkloadAddresses: Sendable {
    typealias Workloads = ShardedArray<MeshWorkload?>

    private struct Key: Hashable, Sendable {
        let network: Int32
        let address: IPAddress

        var hash: Int {
            let (high, low) = address.mapped
            return NameHash(UInt64(truncatingIfNeeded: network), high, low).value
        }
    }

    private var networks: [String: Int32] = [:]
    /// Of the workloads that have an address the one that it means.
    private var index = SlotIndex()
    /// All of those that have an address, where that isn't one alone.
    private var contested: [Key: [Int32]] = [:]

    func workload(at address: IPAddress, network: String, among workloads: Workloads) -> WorkloadID? {
        guard let number = networks[network] else { return nil }
        let key = Key(network: number, address: address)
        return holder(key, key.hash, network, workloads).map { WorkloadID(Int($0)) }
    }

    private func holder(_ key: Key, _ hash: Int, _ network: String, _ workloads: Workloads) -> Int32? {
        index.find(hash) { slot in
            guard let workload = workloads[Int(slot)]?.workload else { return false }
            return workload.network == network && workload.addresses.contains(key.address)
        }
    }

    /// A workload that stands in its slot already.
    mutating func add(_ entry: MeshWorkload, among workloads: Workloads) {
        guard entry.workload.networkMode == .standard else { return }
        let (slot, network) = (entry.id.index, entry.workload.network)
        let number = intern(network)
        for address in entry.workload.addresses {
            let key = Key(network: number, address: address)
            let hash = key.hash
            guard let other = holder(key, hash, network, workloads) else {
                index.insert(slot, hash)
                continue
            }
            // An address may stand twice in one list.
            guard other != slot, contested[key]?.contains(slot) != true else { continue }
            contested[key, default: [other]].append(slot)
            if let standing = workloads[Int(other)], entry.workload.isPreferred(to: standing.workload) {
                index.remove(other, hash)
                index.insert(slot, hash)
            }
        }
    }

    /// A workload that still stands in its slot.
    mutating func remove(_ entry: MeshWorkload, among workloads: Workloads) {
        guard entry.workload.networkMode == .standard else { return }
        let (slot, network) = (entry.id.index, entry.workload.network)
        let number = intern(network)
        for address in entry.workload.addresses {
            let key = Key(network: number, address: address)
            let hash = key.hash
            let wasMeant = index.remove(slot, hash)
            guard var rest = contested[key] else { continue }
            rest.removeAll { $0 == slot }
            contested[key] = rest.count > 1 ? rest : nil
            guard wasMeant, let next = Self.preferred(rest, workloads) else { continue }
            index.insert(next, hash)
        }
    }

    private static func preferred(_ slots: [Int32], _ workloads: Workloads) -> Int32? {
        slots.compactMap { workloads[Int($0)] }.reduce(nil as MeshWorkload?) { best, next in
            guard let best else { return next }
            return next.workload.isPreferred(to: best.workload) ? next : best
        }?.id.index
    }

    private mutating func intern(_ network: String) -> Int32 {
        if let known = networks[network] { return known }
        let number = Int32(networks.count)
        networks[network] = number
        return number
    }
}

/// Which services have an address, or a block that holds it. Made anew when a service changes. Immutable.
struct ServiceAddresses: Sendable {
    private struct Key: Hashable, Sendable {
        let network: String
        let address: IPAddress
    }

    private struct Block: Sendable {
        let network: String
        let prefix: IPPrefix
        let service: ServiceID
    }

    private var services: [Key: [ServiceID]] = [:]
    /// Longest prefix first.
    private var blocks: [Block] = []

    init() {}

    init(_ services: ContiguousArray<MeshService?>) {
        for case let entry? in services { add(entry) }
        blocks.sort { $0.prefix.length > $1.prefix.length }
    }

    private mutating func add(_ entry: MeshService) {
        for address in entry.service.addresses {
            let length = address.length.map(Int.init) ?? address.address.bitCount
            if length < address.address.bitCount, let prefix = IPPrefix(address.address, length: length) {
                blocks.append(Block(network: address.network, prefix: prefix, service: entry.id))
            } else {
                services[Key(network: address.network, address: address.address), default: []].append(entry.id)
            }
        }
    }

    /// The services with exactly this address; several may share one.
    func services(at address: IPAddress, network: String) -> [ServiceID] {
        services[Key(network: network, address: address)] ?? []
    }

    /// The services whose block holds the address, narrowest block first.
    func firstBlock(
        holding address: IPAddress, network: String, where isSeen: (ServiceID) -> Bool, better: (ServiceID, ServiceID) -> Bool
    ) -> ServiceID? {
        var best: (service: ServiceID, length: Int)?
        for block in blocks where block.network == network && block.prefix.contains(address) && isSeen(block.service) {
            guard let found = best else {
                best = (block.service, block.prefix.length)
                continue
            }
            guard block.prefix.length == found.length else { break }
            if better(block.service, found.service) { best = (block.service, found.length) }
        }
        return best?.service
    }
}

extension Workload {
    /// Which of two workloads an address means. One that speaks HBONE comes first, so that what another one says of the same
    /// address can't have it dialled in plain (I01); then pods, whose addresses a cluster gives out; then the lower uid.
    func isPreferred(to other: Workload) -> Bool {
        let (mine, its) = (tunnelProtocol == .hbone, other.tunnelProtocol == .hbone)
        if mine != its { return mine }
        let (pod, otherPod) = (isPod, other.isPod)
        if pod != otherPod { return pod }
        return uid < other.uid
    }

    /// `CLUSTER//Pod/NAMESPACE/NAME`: the core group is empty.
    private var isPod: Bool {
        let parts = uid.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        return parts.count == 4 && parts[1].isEmpty && parts[2] == "Pod"
    }
}
