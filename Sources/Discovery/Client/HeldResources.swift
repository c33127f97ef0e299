// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Which resources a client holds, and in which version: what it tells a control plane when it comes back. A value; it doesn't hold the content.
package struct HeldResources: Sendable {
    private let bounds: DiscoveryBounds
    private var lists: [ResourceType: HeldList] = [:]
    /// Names that were held when the stream began and that the control plane can't have been told, since they have no version: they are gone unless
    /// its first response brings them again.
    private var doubtful: [ResourceType: Set<String>] = [:]
    package private(set) var count = 0
    package private(set) var bytes = 0

    package init(bounds: DiscoveryBounds = DiscoveryBounds()) { self.bounds = bounds }

    package func count(of type: ResourceType) -> Int { lists[type]?.count ?? 0 }

    package func version(of name: String, _ type: ResourceType) -> String { lists[type]?.version(of: name)?.description ?? "" }

    /// The versions to begin a stream with.
    package func versions(of type: ResourceType) -> [String: String] {
        var versions: [String: String] = [:]
        lists[type]?.forEach { name, version in if !version.isEmpty { versions[name] = version.description } }
        return versions
    }

    /// A stream begins: what has no version is in doubt until the first response.
    package mutating func begin() {
        doubtful = lists.mapValues { $0.unversioned }.filter { !$0.value.isEmpty }
    }

    /// Takes over what the push brings. What the bounds don't allow goes over to its rejections, and what is held of the same name stays; removals
    /// are reduced to what was held.
    package mutating func apply(_ push: inout DecodedPush) {
        guard let type = push.type else { return }
        var held = lists.removeValue(forKey: type) ?? HeldList()
        var doubt = doubtful.removeValue(forKey: type) ?? []
        for rejection in push.rejected { doubt.remove(rejection.name) }
        var isFull = false
        for index in push.resources.indices {
            let (name, size) = (push.resources[index].name, push.resources[index].size)
            if !doubt.isEmpty { doubt.remove(name) }
            let place = held.place(of: name, push.resources[index].hash)
            let before = held.size(at: place)
            let grown = bytes + size - (before ?? 0)
            guard before != nil || count < bounds.resources, grown <= bounds.bytes else {
                push.rejected.append(
                    DecodedPush.Rejected(
                        name: name, reason: "more than \(bounds.resources) resources or \(bounds.bytes >> 20) MiB are not held"))
                push.resources[index].isTaken = false
                isFull = true
                continue
            }
            held.put(name, at: place, push.resources[index].version, size: size)
            bytes = grown
            if before == nil { count += 1 }
        }
        if isFull { push.resources.removeAll { !$0.isTaken } }
        push.removed = (push.removed + doubt).filter { name in
            guard let size = held.remove(name) else { return false }
            bytes -= size
            count -= 1
            return true
        }
        lists[type] = held
    }
}

/// Names with their versions and sizes, in flat arrays: fifty thousand of them are on every host.
private struct HeldList: Sendable {
    private var names: ContiguousArray<String> = []
    private var hashes: ContiguousArray<UInt64> = []
    private var sizes: ContiguousArray<UInt32> = []
    /// Versions that are no hash.
    private var texts: [Int32: ResourceVersion] = [:]
    private var index = SlotIndex()
    private var free: [Int32] = []
    var count: Int { names.count - free.count }

    private func slot(_ name: String) -> Int32? { place(of: name, NameHash(name)).slot }

    private func version(at slot: Int32) -> ResourceVersion { texts[slot] ?? ResourceVersion(hash: hashes[Int(slot)]) }

    func version(of name: String) -> ResourceVersion? { slot(name).map { version(at: $0) } }

    /// Where a name is or would be.
    struct Place {
        fileprivate let hash: Int
        fileprivate let slot: Int32?
    }

    func place(of name: String, _ hash: NameHash) -> Place {
        Place(hash: hash.value, slot: index.find(hash.value) { names[Int($0)] == name })
    }

    /// Nil if it isn't there.
    func size(at place: Place) -> Int? { place.slot.map { Int(sizes[Int($0)]) } }

    mutating func put(_ name: String, at known: Place, _ version: ResourceVersion, size: Int) {
        let place: Int32
        if let slot = known.slot {
            place = slot
        } else if let freed = free.popLast() {
            place = freed
            index.insert(place, known.hash)
        } else {
            place = Int32(names.count)
            names.append("")
            hashes.append(0)
            sizes.append(0)
            index.insert(place, known.hash)
        }
        // The newest of equal names: it shares its memory with the resource that is kept.
        names[Int(place)] = name
        sizes[Int(place)] = UInt32(clamping: size)
        hashes[Int(place)] = version.hash ?? 0
        if version.hash == nil { texts[place] = version } else if !texts.isEmpty { texts[place] = nil }
    }

    /// Its size; nil if it isn't there.
    mutating func remove(_ name: String) -> Int? {
        guard let place = slot(name) else { return nil }
        index.remove(place, NameHash(name).value)
        let size = Int(sizes[Int(place)])
        names[Int(place)] = ""
        texts[place] = nil
        free.append(place)
        return size
    }

    func forEach(_ body: (String, ResourceVersion) -> Void) {
        // A name is never empty: what is, is free.
        for (place, name) in names.enumerated() where !name.isEmpty { body(name, version(at: Int32(place))) }
    }

    var unversioned: Set<String> {
        Set(texts.lazy.filter { $0.value.isEmpty }.map { names[Int($0.key)] })
    }
}
