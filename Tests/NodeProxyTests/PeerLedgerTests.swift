// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@testable import NodeProxy

/// What one address may have of a worker, and what it pays.
@Suite struct PeerLedgerTests {
    private let address = IPAddress("10.0.0.1") ?? .anyV4
    private let other = IPAddress("10.0.0.2") ?? .anyV4

    private func ledger(_ change: (inout PeerLedger.Bounds) -> Void = { _ in }) -> PeerLedger {
        var bounds = PeerLedger.Bounds()
        change(&bounds)
        return PeerLedger(bounds)
    }

    @Test func `handshakes under way are bounded by address, others go on`() throws {
        let ledger = ledger { $0.handshakes = 3 }
        let peers = try (0..<3).map { _ in try #require(ledger.admit(address, second: 1)) }
        #expect(ledger.admit(address, second: 1) == nil)
        #expect(ledger.admit(other, second: 1) != nil)
        ledger.secured(peers[0])
        #expect(ledger.admit(address, second: 1) != nil)
    }

    @Test func `tunnels are bounded by address, and one that ends makes room`() throws {
        let ledger = ledger { $0.tunnels = 2 }
        let peers = try (0..<2).map { _ in
            let peer = try #require(ledger.admit(address, second: 1))
            ledger.secured(peer)
            return peer
        }
        #expect(ledger.admit(address, second: 1) == nil)
        ledger.ended(peers[0], isSecured: true, cost: 0)
        #expect(ledger.admit(address, second: 1) != nil)
    }

    @Test func `who makes work in vain is let in less often, and again when time has passed`() throws {
        let ledger = ledger { $0.allowance = 100 }
        var admitted = 0
        while let peer = ledger.admit(address, second: 1), admitted < 1000 {
            admitted += 1
            ledger.ended(peer, isSecured: false, cost: PeerLedger.Cost.inVain)
        }
        // Eleven each.
        #expect(admitted == 10)
        #expect(ledger.admit(other, second: 1) != nil)
        // Ten come back each second.
        #expect(ledger.admit(address, second: 2) == nil)
        #expect(ledger.admit(address, second: 3) != nil)
        // A clock that went backwards gives nothing.
        #expect(ledger.admit(address, second: 0) != nil)
    }

    @Test func `good tunnels cost one each, a flood fifty, and a debt is forgiven in twenty seconds`() throws {
        let ledger = ledger { $0.allowance = 100 }
        for _ in 0..<50 {
            let peer = try #require(ledger.admit(address, second: 1))
            ledger.secured(peer)
            ledger.ended(peer, isSecured: true, cost: 0)
        }
        let tunnels = try (0..<20).map { _ in try #require(ledger.admit(address, second: 1)) }
        for peer in tunnels {
            ledger.secured(peer)
            ledger.ended(peer, isSecured: true, cost: PeerLedger.Cost.abuse)
        }
        #expect(ledger.admit(address, second: 10) == nil)
        #expect(ledger.admit(address, second: 12) != nil)
    }

    @Test func `who asks in vain without end waits, and asks again when time has passed`() throws {
        let ledger = ledger { $0.failures = 20 }
        let peer = try #require(ledger.admit(address, second: 1))
        for _ in 0..<20 {
            #expect(ledger.mayAsk(peer, second: 1))
            ledger.failed(peer)
        }
        #expect(!ledger.mayAsk(peer, second: 1))
        #expect(ledger.mayAsk(try #require(ledger.admit(other, second: 1)), second: 1))
        #expect(ledger.mayAsk(peer, second: 2))
    }

    @Test func `accounts are bounded: those that are idle and full go, beyond they share one`() throws {
        let ledger = ledger {
            $0.accounts = 100
            $0.handshakes = 5
        }
        let addresses = (0..<200).map { IPAddress(v4: 0x0a00_0000 + UInt32($0)) }
        for address in addresses[..<100] { _ = try #require(ledger.admit(address, second: 1)) }
        #expect(ledger.count == 100)
        // All of the hundred have a handshake: the others share five.
        let admitted = addresses[100...].compactMap { ledger.admit($0, second: 2) }
        #expect(admitted.count == 5 && ledger.count == 100)
        for address in addresses[..<50] {
            let peer = try #require(ledger.admit(address, second: 3))
            ledger.ended(peer, isSecured: false, cost: 0)
            ledger.ended(peer, isSecured: false, cost: 0)
        }
        #expect(ledger.admit(addresses[150], second: 60) != nil)
        #expect(ledger.count == 51)
    }

    @Test func `of what a peer can cause a thousand times ten lines a second are written, and the rest is counted`() {
        var quota = LogQuota()
        let written = (0..<1000).compactMap { _ in quota.take(second: 1) }
        #expect(written == Array(repeating: "", count: 10))
        #expect(quota.take(second: 2) == " (990 lines like this were not written)")
        #expect(quota.take(second: 2) == "")
    }
}
