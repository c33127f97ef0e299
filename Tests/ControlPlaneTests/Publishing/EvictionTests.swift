// SPDX-License-Identifier: Apache-2.0

import Bytes
import Discovery
import Kernel
import Loop
import Messages
import Store
import TLS
import Telemetry
import Testing

@testable import ControlPlane

/// From a host's object that says that it is evicted to what all hosts are told.
@Suite struct EvictionTests {
    static let lifetime: Int64 = 86_400
    private let bench: PublishingBench
    private let book: AccessBook
    private let keeper: EvictionKeeper
    private let clock = FakeClock(JoiningFixture.now)

    init() throws {
        bench = try PublishingBench()
        book = AccessBook(loop: bench.loop)
        bench.state.observe(book)
        keeper = EvictionKeeper(
            state: bench.state, book: book, trustDomain: "cluster.local", lifetime: Self.lifetime, loop: bench.loop, log: .silent,
            now: { [clock] in clock.seconds })
        try bench.load()
    }

    private func node(_ name: String, evicted: Bool, joined: Int64 = 1000) -> (StoreKey, String?) {
        (
            NodeRecord.key(name),
            #"{"metadata":{"name":"\#(name)","annotations":{"warren.dev/joined":"\#(joined)"}},"spec":{"evicted":\#(evicted)}}"#
        )
    }

    private func tag(_ name: String, joined: Int64 = 1000) -> String {
        NodeRecord.tag(of: name, joined: joined, trustDomain: "cluster.local").description
    }

    private var records: [String] { bench.state.cache.objects(PublishedKind.evictions).map(\.key.name) }

    @Test func `I22 every host is told what the certificates of an evicted one carry`() throws {
        let host = bench.host("n2")
        try bench.write([node("n1", evicted: false), node("n2", evicted: false)])
        #expect(host.evictions.isEmpty)
        try bench.write([node("n1", evicted: true)])
        try bench.run("the eviction") { host.evictions[tag("n1")] == "n1" }
        #expect(records == [tag("n1")] && host.evictions.count == 1)
        #expect(book.isTurnedOut("n1") && !book.isTurnedOut("n2"))
    }

    @Test func `I22 what it had is refused until it has ended, though the host is let in again or deleted`() throws {
        let host = bench.host("n2")
        try bench.write([node("n1", evicted: true), node("n3", evicted: true)])
        try bench.run("the evictions") { host.evictions.count == 2 }
        try bench.write([node("n1", evicted: false), Stored.gone(node("n3", evicted: true))])
        #expect(book.isTurnedOut("n1"), "it hasn't joined anew")
        try bench.write([node("n1", evicted: false, joined: 2000)])
        #expect(!book.isTurnedOut("n1"), "it has")
        clock.seconds += Self.lifetime
        keeper.timerFired(0)
        try bench.write([Stored.namespace("shop")])
        #expect(host.evictions.count == 2)
        clock.seconds += 3600
        keeper.timerFired(0)
        try bench.run("the end") { host.evictions.isEmpty }
        #expect(records.isEmpty)
    }

    @Test func `an eviction stands as long as the host is evicted, and comes back after a restart`() throws {
        try bench.write([node("n1", evicted: true)])
        try bench.run("the eviction") { !records.isEmpty }
        clock.seconds += 30 * 86_400
        keeper.timerFired(0)
        try bench.write([Stored.namespace("shop")])
        #expect(records == [tag("n1")])
        try bench.restart()
        let host = bench.host("n2")
        try bench.run("the eviction again") { host.evictions[tag("n1")] == "n1" }
    }

    @Test func `certificates carry what their host is known by, and another after it joined anew`() throws {
        let root = try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: JoiningFixture.now)
        let identity = try #require(SPIFFEID("spiffe://cluster.local/ns/shop/sa/web"))
        let tag = NodeRecord.tag(of: "n1", joined: 1000, trustDomain: "cluster.local")
        var seen: Set<String> = []
        for _ in 0..<50 {
            let leaf = try #require(
                try root.issue(
                    identity: identity, publicKey: PrivateKey.generate().publicKey, tag: tag, now: JoiningFixture.now,
                    lifetime: 60
                ).first)
            #expect(HostTag(serial: leaf.serial) == tag && seen.insert(leaf.serial).inserted)
        }
        let others = [("n1", 1001, "cluster.local"), ("n2", 1000, "cluster.local"), ("n1", 1000, "other.local")]
        for (name, joined, domain) in others {
            #expect(NodeRecord.tag(of: name, joined: Int64(joined), trustDomain: domain) != tag)
        }
    }
}
