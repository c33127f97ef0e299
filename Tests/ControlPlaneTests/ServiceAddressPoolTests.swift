// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Store
import Testing

@testable import ControlPlane

/// Addresses of services: none twice, none too soon again.
@Suite struct ServiceAddressPoolTests {
    private let pool = ServiceAddressPool(ipv4: IPPrefix("10.9.0.0/29"), ipv6: IPPrefix("2001:2::/112"), quarantine: 600)
    private let cache = ObjectCache()

    private func service(_ name: String) -> StoreKey { StoreKey("services", namespace: "shop", name) }

    private func carryOut(_ write: StoreTransaction.Write) {
        switch write {
        case .put(let key, let text):
            cache.apply(StoreChange(key: key, revision: cache.revision + 1, value: text, previous: nil))
        case .delete(let key): cache.apply(StoreChange(key: key, revision: cache.revision + 1, value: nil, previous: nil))
        }
    }

    @Test func `all that the block has are given out, each once, then none`() {
        var given: Set<IPAddress> = []
        for number in 0..<6 {
            guard let claim = pool.choose(.v4, for: service("s\(number)"), in: cache, now: 0) else {
                Issue.record("none for s\(number)")
                return
            }
            #expect(claim.condition.revision == nil)
            given.insert(claim.address)
            carryOut(claim.write)
        }
        #expect(given == Set((1...6).compactMap { IPAddress("10.9.0.\($0)") }))
        #expect(pool.choose(.v4, for: service("more"), in: cache, now: 0) == nil)
    }

    @Test func `a freed address rests for ten minutes`() throws {
        let claim = try #require(pool.choose(.v4, for: service("a"), in: cache, now: 0))
        carryOut(claim.write)
        #expect(pool.release(claim.address, of: service("b"), in: cache, now: 100) == nil)
        carryOut(try #require(pool.release(claim.address, of: service("a"), in: cache, now: 100)))
        #expect(pool.claim(claim.address, for: service("a"), in: cache, now: 699) == nil)
        #expect(pool.expired(in: cache, now: 699).isEmpty)
        #expect(pool.claim(claim.address, for: service("b"), in: cache, now: 700)?.condition.revision != nil)
        #expect(pool.expired(in: cache, now: 700).count == 1)
    }

    @Test func `an address that is asked for is given only if it is free`() throws {
        let address = try #require(IPAddress("10.9.0.3"))
        carryOut(try #require(pool.claim(address, for: service("a"), in: cache, now: 0)).write)
        #expect(pool.claim(address, for: service("b"), in: cache, now: 0) == nil)
        #expect(pool.claim(address, for: service("a"), in: cache, now: 0) != nil)
    }

    @Test func `IPv6 comes from its own block`() throws {
        let block = try #require(pool.ipv6)
        for number in 0..<20 {
            let claim = try #require(pool.choose(.v6, for: service("s\(number)"), in: cache, now: 0))
            #expect(block.contains(claim.address))
            carryOut(claim.write)
        }
        #expect(cache.count(ServiceAddressPool.resource) == 20)
    }

    @Test func `without a block there is none`() {
        let none = ServiceAddressPool(ipv4: nil, ipv6: nil, quarantine: 600)
        #expect(none.choose(.v4, for: service("a"), in: cache, now: 0) == nil)
    }
}
