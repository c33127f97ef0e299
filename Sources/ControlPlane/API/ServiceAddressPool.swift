// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import Store

/// Which addresses services have. Each is an object of its own in the store, so that of two replicas that give out the same one only one can; one
/// that was freed is remembered for a while, for clients remember it too (I23). Pure: it reads the cache and says what to write.
struct ServiceAddressPool {
    static let resource = "_allocations"

    /// An address with what has to hold and to be written for it.
    struct Claim {
        let address: IPAddress
        let condition: StoreTransaction.Condition
        let write: StoreTransaction.Write
        /// It isn't this service's already.
        var isNew = true
    }

    let ipv4: IPPrefix?
    let ipv6: IPPrefix?
    /// Seconds for which a freed address isn't given out.
    let quarantine: Int64

    static func key(_ address: IPAddress) -> StoreKey { StoreKey(resource, address.description) }

    /// A free address of the family; nil if there is no block for it, or none is free. The search begins at a place that the name gives, so that a
    /// service that is made again tends to get the same.
    func choose(_ family: IPAddress.Family, for service: StoreKey, in cache: ObjectCache, now: Int64) -> Claim? {
        guard let block = family == .v4 ? ipv4 : ipv6 else { return nil }
        // Neither the first, which names the block, nor the last, which is a broadcast address elsewhere.
        let bits = min(block.address.bitCount - block.length, 24)
        let count = (UInt64(1) << UInt64(bits)) - 2
        let start = Self.hash("\(service.namespace)/\(service.name)") % count
        for step in 0..<count {
            let address = block.address(at: 1 + (start + step) % count)
            guard let claim = claim(address, for: service, in: cache, now: now) else { continue }
            return claim
        }
        return nil
    }

    /// Whether an address is one of those that are given out here: others are their owners' business.
    func covers(_ address: IPAddress) -> Bool {
        (ipv4?.contains(address) ?? false) || (ipv6?.contains(address) ?? false)
    }

    /// This very address, if it is free or this service's already.
    func claim(_ address: IPAddress, for service: StoreKey, in cache: ObjectCache, now: Int64) -> Claim? {
        let key = Self.key(address)
        let holder = cache.object(key)
        if let holder, !isFree(holder, for: service, now: now) { return nil }
        let isOwn = holder.map { Self.holder($0) == "\(service.namespace)/\(service.name)" } ?? false
        let text = Value.object([("service", .string("\(service.namespace)/\(service.name)"))]).jsonBytes
        return Claim(
            address: address, condition: StoreTransaction.Condition(key, revision: holder?.revision), write: .put(key, text),
            isNew: !isOwn)
    }

    /// What to write when a service goes.
    func release(_ address: IPAddress, of service: StoreKey, in cache: ObjectCache, now: Int64) -> StoreTransaction.Write? {
        let key = Self.key(address)
        guard let holder = cache.object(key), Self.holder(holder) == "\(service.namespace)/\(service.name)" else { return nil }
        guard quarantine > 0 else { return .delete(key) }
        return .put(key, Value.object([("freed", .integer(now))]).jsonBytes)
    }

    /// Freed long enough ago: forgotten by and by.
    func expired(in cache: ObjectCache, now: Int64) -> [StoreKey] {
        cache.objects(Self.resource).filter { object in freed(object).map { $0 + quarantine <= now } ?? false }.map(\.key)
    }

    private func isFree(_ object: CachedObject, for service: StoreKey, now: Int64) -> Bool {
        if let freed = freed(object) { return freed + quarantine <= now }
        return Self.holder(object) == "\(service.namespace)/\(service.name)"
    }

    private func freed(_ object: CachedObject) -> Int64? { (try? JSON.read(object.text))?["freed"]?.integerValue }

    private static func holder(_ object: CachedObject) -> String? { (try? JSON.read(object.text))?["service"]?.stringValue }

    /// FNV-1a: the same on every replica.
    private static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
