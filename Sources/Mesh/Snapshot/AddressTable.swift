// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Which workload or service has an address. Lookups hash and compare; they allocate nothing.
struct AddressTable: Sendable {
    struct Key: Hashable, Sendable {
        let network: Int32
        let address: IPAddress
    }

    struct Block: Sendable {
        let network: Int32
        let prefix: IPPrefix
        let service: ServiceID
    }

    private var networks: [String: Int32] = [:]
    private var workloads: [Key: WorkloadID] = [:]
    private var services: [Key: [ServiceID]] = [:]
    /// Longest prefix first.
    private var blocks: [Block] = []

    init(workloads: ContiguousArray<MeshWorkload>, services: ContiguousArray<MeshService>) {
        self.workloads.reserveCapacity(workloads.count)
        for entry in workloads where entry.workload.networkMode == .standard { add(entry, among: workloads) }
        for entry in services { add(entry) }
        blocks.sort { $0.prefix.length > $1.prefix.length }
    }

    private mutating func add(_ entry: MeshWorkload, among all: ContiguousArray<MeshWorkload>) {
        let network = intern(entry.workload.network)
        for address in entry.workload.addresses {
            let key = Key(network: network, address: address)
            if let other = workloads[key], !entry.workload.isPreferred(to: all[Int(other.index)].workload) { continue }
            workloads[key] = entry.id
        }
    }

    private mutating func add(_ entry: MeshService) {
        for address in entry.service.addresses {
            let network = intern(address.network)
            let length = address.length.map(Int.init) ?? address.address.bitCount
            if length < address.address.bitCount, let prefix = IPPrefix(address.address, length: length) {
                blocks.append(Block(network: network, prefix: prefix, service: entry.id))
            } else {
                services[Key(network: network, address: address.address), default: []].append(entry.id)
            }
        }
    }

    private mutating func intern(_ network: String) -> Int32 {
        if let known = networks[network] { return known }
        let number = Int32(networks.count)
        networks[network] = number
        return number
    }

    func workload(at address: IPAddress, network: String) -> WorkloadID? {
        networks[network].flatMap { workloads[Key(network: $0, address: address)] }
    }

    /// The services with exactly this address; several may share one.
    func services(at address: IPAddress, network: String) -> [ServiceID] {
        networks[network].flatMap { services[Key(network: $0, address: address)] } ?? []
    }

    /// The services whose block holds the address, narrowest block first.
    func firstBlock(
        holding address: IPAddress, network: String, where isSeen: (ServiceID) -> Bool, better: (ServiceID, ServiceID) -> Bool
    ) -> ServiceID? {
        guard !blocks.isEmpty, let network = networks[network] else { return nil }
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
