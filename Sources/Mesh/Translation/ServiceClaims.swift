// SPDX-License-Identifier: Apache-2.0

/// Who says that a service exists: Services and the hosts of ServiceEntries, between changes. Of several that claim one key the first counts,
/// Services before ServiceEntries; of several keys with one hostname one is canonical.
struct ServiceClaims {
    struct Claim: Hashable, Comparable {
        let isEntry: Bool
        let name: String

        static func < (a: Claim, b: Claim) -> Bool {
            a.isEntry == b.isEntry ? a.name < b.name : !a.isEntry
        }
    }

    /// A ServiceEntry as hostnames are given to the oldest.
    struct Holder: Hashable {
        let namespace: String
        let name: String
        let creationTimestamp: String

        func isOlder(than other: Holder) -> Bool {
            (creationTimestamp, namespace, name) < (other.creationTimestamp, other.namespace, other.name)
        }
    }

    struct Place: Hashable {
        let namespace: String
        let hostname: String

        var key: String { "\(namespace)/\(hostname)" }
    }

    private var claims: [Place: [Claim]] = [:]
    private var holders: [String: Set<Holder>] = [:]
    private var own: [String: Int] = [:]
    /// Whose service may be another one now.
    private(set) var dirty: Set<Place> = []

    mutating func add(_ claim: Claim, _ place: Place, holder: Holder?) {
        claims[place, default: []].append(claim)
        claims[place]?.sort()
        if let holder { holders[place.hostname, default: []].insert(holder) } else { own[place.hostname, default: 0] += 1 }
        touch(place)
    }

    mutating func remove(_ claim: Claim, _ place: Place, holder: Holder?) {
        if let index = claims[place]?.firstIndex(of: claim) { claims[place]?.remove(at: index) }
        if claims[place]?.isEmpty == true { claims[place] = nil }
        touch(place)
        if let holder {
            holders[place.hostname]?.remove(holder)
            if holders[place.hostname]?.isEmpty == true { holders[place.hostname] = nil }
        } else {
            own[place.hostname, default: 0] -= 1
            if own[place.hostname] == 0 { own[place.hostname] = nil }
        }
    }

    private mutating func touch(_ place: Place) {
        dirty.insert(place)
        for holder in holders[place.hostname] ?? [] {
            dirty.insert(Place(namespace: holder.namespace, hostname: place.hostname))
        }
    }

    mutating func takeDirty() -> Set<Place> {
        defer { dirty = [] }
        return dirty
    }

    /// Whose word counts; nil if there is no such service.
    func claim(_ place: Place) -> Claim? { claims[place]?.first }

    func isCanonical(_ claim: Claim, _ place: Place) -> Bool {
        guard claim.isEntry else { return true }
        guard own[place.hostname] == nil else { return false }
        let oldest = holders[place.hostname]?.min { $0.isOlder(than: $1) }
        return oldest?.namespace == place.namespace
    }
}
