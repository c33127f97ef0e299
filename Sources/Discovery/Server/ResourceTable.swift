// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// The resources of one type as they stand, in the order of their last change. Whoever follows holds a position in that order and nothing else:
/// what it hasn't been told is what stands behind it, each resource once, in its newest form. On the loop of the server.
final class ResourceTable {
    struct Entry {
        let resource: EncodedResource
        /// Of its last change; grows over all tables of the server.
        let sequence: UInt64
    }

    private struct Mark {
        let sequence: UInt64
        let slot: Int32
    }

    private struct Removal {
        let sequence: UInt64
        let name: String
    }

    /// Names of removed resources are kept until so many are; who is further behind has to begin again with what it holds.
    static let removalLimit = 65_536

    private var slots: ContiguousArray<Entry?> = []
    private var free: ContiguousArray<Int32> = []
    private var byName: [String: Int32] = [:]
    private var byAlias = SlotIndex()
    private var byService: [String: Set<Int32>] = [:]
    private var byNode: [String: Set<Int32>] = [:]
    /// By sequence. A mark whose slot has changed since is stale: there is a newer one.
    private var log: ContiguousArray<Mark> = []
    private var removals: ContiguousArray<Removal> = []
    /// Positions before this one lack removals.
    private(set) var removalFloor: UInt64 = 0
    /// Of the last change and the last removal.
    private(set) var newest: UInt64 = 0
    private(set) var newestRemoval: UInt64 = 0
    /// Whether it can be asked by other names, which costs memory.
    private let isIndexed: Bool

    init(isIndexed: Bool) { self.isIndexed = isIndexed }

    var count: Int { byName.count }
    var slotCount: Int { slots.count }

    // MARK: - Changes

    /// False: it stands so already.
    func put(_ resource: EncodedResource, sequence: UInt64) -> Bool {
        let slot: Int32
        if let known = byName[resource.name] {
            guard let old = slots[Int(known)], old.resource.version != resource.version || old.resource.owner != resource.owner
            else { return false }
            slot = known
            unindex(old.resource, slot)
        } else if let freed = free.popLast() {
            slot = freed
            byName[resource.name] = slot
        } else {
            slot = Int32(slots.count)
            slots.append(nil)
            byName[resource.name] = slot
        }
        slots[Int(slot)] = Entry(resource: resource, sequence: sequence)
        index(resource, slot)
        log.append(Mark(sequence: sequence, slot: slot))
        newest = sequence
        if log.count > 2 * byName.count + 1024 { log.removeAll { !isLive($0) } }
        return true
    }

    /// False: there is no such resource.
    func remove(_ name: String, sequence: UInt64) -> Bool {
        guard let slot = byName.removeValue(forKey: name) else { return false }
        if let old = slots[Int(slot)] { unindex(old.resource, slot) }
        slots[Int(slot)] = nil
        free.append(slot)
        removals.append(Removal(sequence: sequence, name: name))
        newestRemoval = sequence
        if removals.count > Self.removalLimit {
            let dropped = Self.removalLimit / 2
            removalFloor = removals[dropped - 1].sequence
            removals.removeFirst(dropped)
        }
        return true
    }

    private func index(_ resource: EncodedResource, _ slot: Int32) {
        guard isIndexed else { return }
        for alias in resource.aliases { byAlias.insert(slot, alias.hashValue) }
        for service in resource.services { byService[service, default: []].insert(slot) }
        if !resource.node.isEmpty { byNode[resource.node, default: []].insert(slot) }
    }

    private func unindex(_ resource: EncodedResource, _ slot: Int32) {
        guard isIndexed else { return }
        for alias in resource.aliases { byAlias.remove(slot, alias.hashValue) }
        for service in resource.services {
            byService[service]?.remove(slot)
            if byService[service]?.isEmpty == true { byService[service] = nil }
        }
        byNode[resource.node]?.remove(slot)
        if byNode[resource.node]?.isEmpty == true { byNode[resource.node] = nil }
    }

    // MARK: - What stands

    func entry(_ name: String) -> Entry? { byName[name].flatMap { slots[Int($0)] } }

    func slot(_ name: String) -> Int? { byName[name].map(Int.init) }

    func entry(at slot: Int) -> Entry? { slots.indices.contains(slot) ? slots[slot] : nil }

    /// What a name that somebody asks for stands for: a resource and, for a service, its endpoints.
    func resolve(_ name: String) -> [String] {
        if let entry = entry(name) { return [name] + endpoints(of: entry.resource.name) }
        var named: [String] = []
        byAlias.candidates(name.hashValue) { slot in
            guard let resource = slots[Int(slot)]?.resource, resource.aliases.contains(name) else { return }
            // An alias may stand twice in one list.
            if !named.contains(resource.name) { named.append(resource.name) }
        }
        return named.flatMap { [$0] + endpoints(of: $0) }
    }

    private func endpoints(of service: String) -> [String] {
        (byService[service] ?? []).compactMap { slots[Int($0)]?.resource.name }
    }

    /// The workloads that run on a node.
    func names(on node: String) -> [String] { (byNode[node] ?? []).compactMap { slots[Int($0)]?.resource.name } }

    func forEach(_ body: (Entry) -> Void) {
        for case let entry? in slots { body(entry) }
    }

    // MARK: - What stands behind a position

    private func isLive(_ mark: Mark) -> Bool { slots[Int(mark.slot)]?.sequence == mark.sequence }

    /// The sequence of the first change behind a position; nil if there is none.
    func nextChange(after position: UInt64) -> UInt64? {
        guard newest > position else { return nil }
        var place = firstMark(after: position)
        while place < log.count {
            if isLive(log[place]) { return log[place].sequence }
            place += 1
        }
        return nil
    }

    /// Tells the changes behind a position in order, up to a sequence, until told to stop.
    func changes(after position: UInt64, upTo limit: UInt64, _ body: (Int, Entry) -> Bool) {
        guard newest > position else { return }
        var place = firstMark(after: position)
        while place < log.count, log[place].sequence <= limit {
            let slot = Int(log[place].slot)
            if let entry = slots[slot], entry.sequence == log[place].sequence, !body(slot, entry) { return }
            place += 1
        }
    }

    func nextRemoval(after position: UInt64) -> UInt64? {
        guard newestRemoval > position else { return nil }
        var place = firstRemoval(after: position)
        while place < removals.count {
            if byName[removals[place].name] == nil { return removals[place].sequence }
            place += 1
        }
        return nil
    }

    /// Names that are gone, in order, up to a sequence, until told to stop. What came back meanwhile isn't told.
    func removals(after position: UInt64, upTo limit: UInt64, _ body: (String, UInt64) -> Bool) {
        guard newestRemoval > position else { return }
        var place = firstRemoval(after: position)
        while place < removals.count, removals[place].sequence <= limit {
            let removal = removals[place]
            if byName[removal.name] == nil, !body(removal.name, removal.sequence) { return }
            place += 1
        }
    }

    private func firstMark(after position: UInt64) -> Int {
        Self.first(log.count) { log[$0].sequence > position }
    }

    private func firstRemoval(after position: UInt64) -> Int {
        Self.first(removals.count) { removals[$0].sequence > position }
    }

    /// The first of `count` places for which it holds, where it holds for all that follow.
    private static func first(_ count: Int, where holds: (Int) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if holds(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
