// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Support
import Testing

@testable import Tunnel

/// Who gets which tunnel, and when another is dialled.
@Suite struct TunnelPoolTests {
    @Test func `callers that come while a tunnel is dialled wait for it and are served in their order`() throws {
        let bench = try PoolBench()
        let callers = (0..<5).map { _ in bench.caller() }
        #expect(callers.allSatisfy { $0.answers == 0 })
        try bench.run("all") { callers.allSatisfy { $0.connection?.accepted == 1 } }
        #expect(bench.dialled.count == 1)
        #expect(callers.map(\.place) == callers.map(\.place).sorted())
        #expect(callers.allSatisfy { $0.tunnel === callers[0].tunnel && $0.answers == 1 })
        #expect(bench.outcomes.count == 1 && bench.outcomes[0] == nil)
    }

    @Test func `a tunnel with room serves the next caller at once`() throws {
        let bench = try PoolBench()
        let first = bench.caller()
        try bench.run("the first") { first.answers == 1 }
        let second = bench.caller()
        #expect(second.answers == 1)
        #expect(second.tunnel === first.tunnel)
        #expect(bench.dialled.count == 1)
    }

    @Test func `I08 pairs that differ in anything never share a tunnel`() throws {
        let bench = try PoolBench()
        let keys: [TunnelKey] = [
            .sample(), .sample(source: "web-2"), .sample(namespace: 2), .sample(address: "10.0.0.2"),
            .sample(remote: "10.0.0.6:15008"), .sample(remote: "10.0.0.5:15009"), .sample(network: "other"),
            .sample(accepted: ["db2"]), .sample(accepted: ["db", "db2"]),
        ]
        let callers = keys.flatMap { key in (0..<3).map { _ in bench.caller(key) } }
        try bench.run("all") { callers.allSatisfy { $0.answers == 1 } }
        #expect(bench.dialled == keys)
        #expect(bench.servers.count == keys.count)
        for (index, caller) in callers.enumerated() {
            for other in callers[(index + 1)...] { #expect((caller.tunnel === other.tunnel) == (caller.key == other.key)) }
        }
    }

    @Test func `a full tunnel brings another, and no stream more than its share into each`() throws {
        var bounds = TunnelBounds()
        bounds.streamsPerTunnel = 2
        let bench = try PoolBench(bounds: bounds)
        let callers = (0..<5).map { _ in bench.caller() }
        try bench.run("all") { callers.allSatisfy { $0.connection?.accepted == 1 } }
        #expect(bench.dialled.count == 3)
        #expect(bench.servers.allSatisfy { $0.tunnel.openStreams <= 2 })
        #expect(bench.served.count == 5)
    }

    @Test func `a peer that allows one stream gets a tunnel for each caller`() throws {
        let bench = try PoolBench(streamLimit: 1)
        let callers = (0..<3).map { _ in bench.caller() }
        try bench.run("all") { callers.allSatisfy { $0.connection?.accepted == 1 } }
        #expect(bench.servers.allSatisfy { $0.end.requests.count == 1 })
        #expect(bench.servers.count == 3)
    }

    @Test func `callers beyond the last tunnel wait for room, in their order`() throws {
        var bounds = TunnelBounds()
        bounds.tunnelsPerPair = 2
        let bench = try PoolBench(bounds: bounds, streamLimit: 1)
        let callers = (0..<5).map { _ in bench.caller() }
        try bench.run("two") { callers.count { $0.connection?.accepted == 1 } == 2 }
        bench.settle()
        #expect(callers[2...].allSatisfy { $0.answers == 0 })
        for next in 2..<5 {
            callers[next - 2].connection?.application.finish()
            try bench.run("its end") { bench.served.contains { $0.ends == 0 && $0.application.end == .finished } }
            bench.served.first { $0.ends == 0 && $0.application.end == .finished }?.application.finish()
            try bench.run("caller \(next)") { callers[next].answers == 1 }
            #expect(callers[(next + 1)...].allSatisfy { $0.answers == 0 }, "out of order")
            try bench.run("its connection") { callers[next].connection?.accepted == 1 }
        }
        #expect(bench.dialled.count == 2)
    }

    @Test func `where no tunnel more may be dialled, one is filled as far as the peer lets it`() throws {
        var bounds = TunnelBounds()
        (bounds.tunnelsPerPair, bounds.streamsPerTunnel) = (1, 2)
        let bench = try PoolBench(bounds: bounds, streamLimit: 6)
        let callers = (0..<6).map { _ in bench.caller() }
        try bench.run("all") { callers.allSatisfy { $0.connection?.accepted == 1 } }
        #expect(bench.dialled.count == 1)
    }

    @Test func `a tunnel that can't keep up brings one more, not one per caller`() throws {
        var bounds = TunnelBounds()
        bounds.connectTimeout = .seconds(30)
        // A window that is more than the kernel takes.
        let bench = try PoolBench(bounds: bounds, tunnelBuffer: 32 * 1024, streamWindow: 4 << 20)
        let bulk = bench.caller()
        try bench.run("the first") { bulk.connection?.accepted == 1 }
        bulk.connection?.application.sendPattern(64_000_000, seed: 1)
        bench.accepts = false
        try bench.run("a backlog") { (bulk.tunnel?.backlog ?? 0) > 0 }
        let callers = (0..<10).map { _ in bench.caller() }
        #expect(callers.allSatisfy { $0.answers == 1 }, "there is room, so nobody waits")
        #expect(bench.dialled.count == 2)
        bench.accepts = true
        try bench.run("the second tunnel") { bench.outcomes.count == 2 }
    }

    @Test func `bulk brings a spare tunnel, which the next callers share`() throws {
        let bench = try PoolBench()
        let bulk = bench.caller()
        try bench.run("the first") { bulk.connection?.accepted == 1 }
        bulk.connection?.application.sendPattern(64_000_000, seed: 1)
        try bench.run("the spare") { bench.outcomes.count == 2 }
        let callers = (0..<3).map { _ in bench.caller() }
        #expect(callers.allSatisfy { $0.answers == 1 && $0.tunnel !== bulk.tunnel && $0.tunnel === callers[0].tunnel })
        #expect(bench.dialled.count == 2)
    }

    @Test func `tunnels that are left to finish keep no spare away`() throws {
        var bounds = TunnelBounds()
        bounds.bulkTunnelsPerPair = 2
        let bench = try PoolBench(bounds: bounds)
        for number in 1...2 {
            let old = bench.caller()
            try bench.run("an old one") { old.connection?.accepted == 1 }
            #expect(bench.dialled.count == number)
            old.tunnel?.isStale = true
        }
        let bulk = bench.caller()
        try bench.run("bulk's") { bulk.connection?.accepted == 1 }
        bulk.connection?.application.sendPattern(64_000_000, seed: 1)
        try bench.run("the spare") { bench.outcomes.count == 4 }
    }

    @Test func `many small streams are no bulk`() throws {
        let bench = try PoolBench()
        let callers = (0..<50).map { _ in bench.caller() }
        try bench.run("all") { callers.allSatisfy { $0.connection?.accepted == 1 } }
        for (number, caller) in callers.enumerated() { caller.connection?.application.sendPattern(4000, seed: number) }
        bench.settle()
        #expect(bench.dialled.count == 1)
    }

    // MARK: - Failures

    @Test func `a refused dial fails all who wait, and the next caller dials again`() throws {
        let bench = try PoolBench()
        bench.isServerDown = true
        let callers = (0..<4).map { _ in bench.caller() }
        try bench.run("the refusal") { callers.allSatisfy { $0.answers == 1 } }
        #expect(callers.allSatisfy { $0.failure?.kind == .connect })
        #expect(callers.map(\.place) == callers.map(\.place).sorted())
        #expect(bench.dialled.count == 1)
        #expect(bench.pool.isEmpty)
        #expect(bench.open == 0, "what never opened doesn't close")
        bench.isServerDown = false
        let next = bench.caller()
        try bench.run("the next") { next.connection?.accepted == 1 }
    }

    @Test func `a peer that isn't who it must be fails all who wait`() throws {
        let bench = try PoolBench()
        bench.expected = "other"
        let callers = (0..<3).map { _ in bench.caller() }
        try bench.run("the refusal") { callers.allSatisfy { $0.answers == 1 } }
        #expect(callers.allSatisfy { $0.failure?.kind == .identity && $0.tunnel == nil })
        #expect(bench.outcomes.map { $0?.kind } == [.identity])
    }

    @Test func `a peer that its dialer won't have after all fails all who wait`() throws {
        let bench = try PoolBench()
        bench.refusal = ConnectionFailure(.identity, "its host is evicted")
        let callers = (0..<3).map { _ in bench.caller() }
        try bench.run("the refusal") { callers.allSatisfy { $0.answers == 1 } }
        #expect(callers.allSatisfy { $0.failure == bench.refusal && $0.tunnel == nil })
        #expect(bench.open == 0 && bench.pool.isEmpty)
    }

    @Test func `a dial that can't be tried fails its caller at once`() throws {
        let bench = try PoolBench()
        bench.dialFailure = ConnectionFailure(.identity, "the certificate has expired")
        let caller = bench.caller()
        #expect(caller.failure == bench.dialFailure)
        #expect(caller.answers == 1)
        #expect(bench.pool.isEmpty)
    }

    @Test func `a caller that asks again when it is failed gets what comes of that`() throws {
        let bench = try PoolBench()
        bench.isServerDown = true
        let caller = Caller(bench)
        caller.onFailure = {
            bench.isServerDown = false
            if caller.answers == 1 { caller.ask() }
        }
        caller.ask()
        try bench.run("the second try") { caller.connection?.accepted == 1 }
        #expect(bench.dialled.count == 2)
        #expect(caller.answers == 2)
        let other = bench.caller()
        #expect(other.tunnel === caller.tunnel)
    }

    @Test func `a tunnel that is lost while callers wait for room is replaced for them`() throws {
        var bounds = TunnelBounds()
        bounds.tunnelsPerPair = 1
        let bench = try PoolBench(bounds: bounds, streamLimit: 1)
        let (first, second, third) = (bench.caller(), bench.caller(), bench.caller())
        try bench.run("the first") { first.connection?.accepted == 1 }
        bench.servers[0].tunnel.close(ConnectionFailure(.shutdown, "the other host is gone"))
        try bench.run("the second") { second.connection?.accepted == 1 }
        #expect(first.connection?.failure?.kind == .tunnelLost)
        #expect(third.answers == 0)
        #expect(bench.dialled.count == 2)
    }

    @Test func `a lost dial leaves those alone who have another one coming`() throws {
        var bounds = TunnelBounds()
        bounds.streamsPerTunnel = 1
        let bench = try PoolBench(bounds: bounds)
        let first = bench.caller()
        bench.isServerDown = true
        let second = bench.caller()
        try bench.run("the first tunnel") { first.connection?.accepted == 1 }
        // The second dial was refused; both wait for the first, which has room for one of them.
        bench.isServerDown = false
        try bench.run("the second") { second.answers == 1 }
        #expect(second.connection != nil || second.failure?.kind == .connect)
    }

    // MARK: - Leaving

    @Test func `a caller that is forgotten isn't called, and its tunnel serves others`() throws {
        let bench = try PoolBench()
        let (gone, stays) = (bench.caller(), bench.caller())
        bench.pool.forget(gone, key: gone.key)
        try bench.run("the other") { stays.connection?.accepted == 1 }
        #expect(gone.answers == 0)
        #expect(bench.served.count == 1)
    }

    @Test func `a caller that doesn't take its tunnel leaves it to the next`() throws {
        let bench = try PoolBench(streamLimit: 1)
        let lazy = Caller(bench)
        lazy.onReady = { _ in }
        lazy.ask()
        let next = bench.caller()
        try bench.run("the next") { next.connection?.accepted == 1 }
        #expect(lazy.answers == 1)
        #expect(next.tunnel === lazy.tunnel)
    }

    @Test func `I09 a workload whose certificate was renewed gets fresh tunnels; open streams finish on the old`() throws {
        let bench = try PoolBench()
        let (web, other) = (bench.caller(), bench.caller(.sample(source: "web-2")))
        try bench.run("both") { web.connection?.accepted == 1 && other.connection?.accepted == 1 }
        bench.pool.retire(source: "web-1")
        let next = bench.caller()
        try bench.run("a fresh tunnel") { next.connection?.accepted == 1 }
        #expect(next.tunnel !== web.tunnel)
        #expect(bench.caller(.sample(source: "web-2")).tunnel === other.tunnel, "another workload's tunnel is as good as before")
        let far = try #require(bench.served.first)
        far.application.send("on the old one")
        try bench.run("bytes") { web.connection?.application.received == 14 }
        far.application.finish()
        web.connection?.application.finish()
        try bench.run("the old one's end") { web.tunnel?.state == .closed }
        #expect(web.connection?.failure == nil && web.connection?.ends == 1)
    }

    @Test func `I09 a renewal while a tunnel is dialled serves its callers by a fresh one`() throws {
        let bench = try PoolBench()
        let callers = (0..<3).map { _ in bench.caller() }
        bench.pool.retire(source: "web-1")
        try bench.run("all") { callers.allSatisfy { $0.answers == 1 } }
        try bench.run("their connections") { callers.allSatisfy { $0.connection?.accepted == 1 } }
        #expect(callers.allSatisfy { $0.tunnel?.isStale == false })
        #expect(bench.dialled.count == 2)
    }

    @Test func `I09 a renewal while callers wait for room serves them by a fresh tunnel at once`() throws {
        var bounds = TunnelBounds()
        bounds.tunnelsPerPair = 1
        let bench = try PoolBench(bounds: bounds, streamLimit: 1)
        let (first, second) = (bench.caller(), bench.caller())
        try bench.run("the first") { first.connection?.accepted == 1 }
        bench.settle()
        #expect(second.answers == 0)
        bench.pool.retire(source: "web-1")
        try bench.run("the second") { second.connection?.accepted == 1 }
        #expect(first.connection?.ends == 0)
    }

    @Test func `a goodbye of the peer while callers wait for room serves them by a fresh tunnel`() throws {
        var bounds = TunnelBounds()
        bounds.tunnelsPerPair = 1
        let bench = try PoolBench(bounds: bounds, streamLimit: 1)
        let (first, second) = (bench.caller(), bench.caller())
        try bench.run("the first") { first.connection?.accepted == 1 }
        bench.servers[0].tunnel.leave()
        try bench.run("the second") { second.connection?.accepted == 1 }
        #expect(first.connection?.ends == 0)
    }

    @Test func `I09 a tunnel takes no stream at or after the end of either certificate`() throws {
        let bench = try PoolBench()
        let first = bench.caller(wall: 999)
        try bench.run("the first") { first.connection?.accepted == 1 }
        let tunnel = try #require(first.tunnel)
        #expect(tunnel.expires == Identities.now + 12 * Identities.hour, "the peer's certificate ends first")
        tunnel.expires = 1000
        #expect(bench.caller(wall: 999).tunnel === tunnel)
        let late = bench.caller(wall: 1000)
        #expect(late.answers == 0)
        try bench.run("a fresh one") { late.connection?.accepted == 1 }
        #expect(late.tunnel !== tunnel)
        #expect(first.connection?.ends == 0)
    }

    @Test func `a tunnel that didn't take a stream is left for another`() throws {
        let bench = try PoolBench()
        let first = bench.caller()
        try bench.run("the first") { first.answers == 1 }
        bench.pool.abandon(try #require(first.tunnel))
        let second = bench.caller()
        try bench.run("the second") { second.connection?.accepted == 1 }
        #expect(second.tunnel !== first.tunnel)
    }

    @Test func `a workload that goes takes its tunnels and their streams along, and fails who waits`() throws {
        let bench = try PoolBench()
        let (web, other) = (bench.caller(), bench.caller(.sample(source: "web-2")))
        try bench.run("both") { web.connection?.accepted == 1 && other.connection?.accepted == 1 }
        bench.accepts = false
        let waits = bench.caller(.sample(remote: "10.0.0.9:15008"))
        bench.pool.close(source: "web-1", ConnectionFailure(.shutdown, "the workload left"))
        try bench.run("the resets") { web.connection?.application.end != nil }
        #expect(web.connection?.application.wasReset == true)
        #expect(waits.failure?.reason == "the workload left")
        #expect(other.connection?.ends == 0)
        #expect(bench.ended == 2)
    }

    @Test func `idle tunnels leave, and nothing is left of their pairs`() throws {
        var bounds = TunnelBounds()
        bounds.pingInterval = .milliseconds(20)
        bounds.idleTimeout = .milliseconds(40)
        let bench = try PoolBench(bounds: bounds)
        let callers = [bench.caller(), bench.caller(.sample(source: "web-2"))]
        try bench.run("both") { callers.allSatisfy { $0.connection?.accepted == 1 } }
        bench.settle()
        #expect(!bench.pool.isEmpty)
        for carried in bench.served + callers.compactMap(\.connection) { carried.application.finish() }
        #expect(bench.open == 2)
        try bench.run("nothing") { bench.pool.isEmpty }
        #expect(bench.ended == 2)
        #expect(bench.open == 0)
        var seen = 0
        bench.pool.forEach { _, _ in seen += 1 }
        #expect(seen == 0)
    }
}
