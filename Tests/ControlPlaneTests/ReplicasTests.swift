// SPDX-License-Identifier: Apache-2.0

import Discovery
import Documents
import Kernel
import Loop
import ResourceAPI
import Support
import Testing

@testable import ControlPlane
@testable import Store

/// Several replicas over etcd, and what they say together of their hosts.
@Suite(.serialized) struct ReplicasTests {
    /// One replica: all of it that has to do with conditions.
    private final class Replica {
        let bench: PublishingBench
        let replicas: Replicas
        private let store: EtcdStore
        let keeper: ProgrammedKeeper
        private let reporter: HostsReporter

        init(_ etcd: EtcdMembers, _ name: String) throws {
            store = try EtcdStore(
                EtcdSettings(
                    endpoints: etcd.ports.map { .init(host: "127.0.0.1", port: $0) }, prefix: "/r",
                    files: .init(authority: etcd.authority, certificate: etcd.certificate, key: etcd.key)))
            bench = try PublishingBench(store)
            let replicas = try Replicas(store: store, loop: bench.loop, host: name)
            self.replicas = replicas
            let keeper = ProgrammedKeeper(
                state: bench.state, publishing: bench.publishing, loop: bench.loop, settling: .seconds(1), replicas: replicas)
            self.keeper = keeper
            reporter = HostsReporter(replicas, state: bench.state, publishing: bench.publishing, loop: bench.loop) {
                keeper.newest
            }
        }

        /// As after a kill: nobody gives its name back, and its hosts are nobody's.
        func kill() { store.client.close() }

        /// It says nothing more of its hosts, and is there.
        func fallSilent() { reporter.rest() }

        func condition(_ name: String) -> Value? {
            let text = bench.state.cache.object(Stored.policy(name).0)?.text
            let all = text.flatMap { try? JSON.read($0) }?.at("status", "conditions")?.sequenceValue
            return all?.first { $0["type"] == "Programmed" }
        }

        func write(_ name: String, port: String = "80") {
            let (key, text) = Stored.policy(name, port: port)
            bench.state.commit(StoreTransaction(writes: [.put(key, Array((text ?? "").utf8))])) { _ in }
        }

        func turn() {
            bench.loop.turn(wait: .milliseconds(5))
            for host in bench.hosts { host.answer() }
        }
    }

    private static func run(_ what: String, _ all: [Replica], seconds: UInt64 = 30, until isDone: () -> Bool) throws {
        let end = Instant.now() + .seconds(seconds)
        while !isDone() {
            try #require(Instant.now() < end, "\(what) took too long")
            for replica in all { replica.turn() }
        }
    }

    /// Long enough for whatever isn't to happen.
    private static func idle(_ all: [Replica], _ time: Interval) {
        let end = Instant.now() + time
        while Instant.now() < end { for replica in all { replica.turn() } }
    }

    @Test(.timeLimit(.minutes(3))) func `an object is programmed when the hosts of all replicas have it`() throws {
        let etcd = try EtcdMembers(1)
        let (a, b) = (try Replica(etcd, "a"), try Replica(etcd, "b"))
        let both = [a, b]
        try Self.run("loading", both) { both.allSatisfy { $0.bench.publishing.isLoaded && $0.replicas.count == 2 } }
        #expect(both.allSatisfy { $0.replicas.isNamed == true })
        let (first, second) = (a.bench.host("n1"), b.bench.host("n2"))
        // Whoever takes the change, the first by name writes.
        for (index, replica) in both.enumerated() {
            replica.write("p\(index)")
            try Self.run("programmed", both) { both.allSatisfy { $0.condition("p\(index)")?["status"] == "True" } }
            #expect(a.condition("p\(index)")?["message"]?.stringValue == "acknowledged by 2 of 2 hosts")
        }

        // A host that doesn't answer, of either.
        for (index, replica) in both.enumerated() {
            let host = index == 0 ? first : second
            replica.bench.hosts.removeAll { $0 === host }
            a.write("mute\(index)")
            try Self.run("pending", both) { a.condition("mute\(index)")?["reason"] == "Pending" }
            #expect(a.condition("mute\(index)")?["message"]?.stringValue == "acknowledged by 1 of 2 hosts")
            #expect(a.condition("mute\(index)")?["status"] == "False")
            replica.bench.hosts.append(host)
            try Self.run("it answers", both) { a.condition("mute\(index)")?["status"] == "True" }
        }

        // One that refuses is named with its words, whoever has it.
        second.refusal = ("shop/odd", "no such field")
        a.write("odd")
        try Self.run("refused", both) { a.condition("odd")?["reason"] == "Refused" }
        #expect(
            a.condition("odd")?["message"]?.stringValue
                == "refused by n2: shop/odd: no such field; acknowledged by 1 of 2 hosts")
        second.refusal = nil
        a.write("odd", port: "81")
        try Self.run("taken", both) { a.condition("odd")?["status"] == "True" }

        // One that claims to know what hasn't happened misleads nobody into claiming it too.
        let report = ReplicaReport(asOf: UInt64(Int64.max), hosts: AcknowledgementSummary(held: []))
        let liar = try #require(try a.bench.store.acquire("replica/z", value: report.text))
        try Self.run("the liar", both) { both.allSatisfy { $0.replicas.count == 3 } }
        a.write("claimed")
        try Self.run("claimed", both) { a.condition("claimed")?["status"] == "True" }
        for (name, text) in try a.bench.store.leases() where name != "replica/z" {
            #expect(try #require(ReplicaReport(text: text)).asOf <= a.bench.state.revision)
        }
        liar.release()
        try Self.run("the liar is gone", both) { both.allSatisfy { $0.replicas.count == 2 } }

        // While nothing happens nothing is written.
        Self.idle(both, .seconds(2))
        let said = try a.bench.store.leases()
        let state = a.bench.state.revision
        Self.idle(both, .seconds(2))
        #expect(try a.bench.store.leases() == said && a.bench.state.revision == state)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a replica that says nothing leaves it unknown, and one that goes takes its hosts with it`() throws {
        let etcd = try EtcdMembers(1)
        let a = try Replica(etcd, "a")
        let b = try Replica(etcd, "b")
        var alive = [a, b]
        func all() -> [Replica] { alive }
        try Self.run("loading", all()) { all().allSatisfy { $0.bench.publishing.isLoaded && $0.replicas.count == 2 } }
        _ = a.bench.host("n1")
        _ = b.bench.host("n2")
        a.write("p")
        try Self.run("programmed", all()) { a.condition("p")?["message"]?.stringValue == "acknowledged by 2 of 2 hosts" }

        // What it said of old objects is old.
        b.fallSilent()
        a.write("later")
        try Self.run("unknown", all()) { a.condition("later")?["reason"] == "Pending" }
        #expect(a.condition("later")?["status"] == "Unknown")
        let name = b.replicas.own
        #expect(
            a.condition("later")?["message"]?.stringValue
                == "acknowledged by 1 of 1 hosts; how far those of \(name) are isn't known")
        // A replica of a version that says nothing.
        let other = try #require(try a.bench.store.acquire("replica/0-before", value: []))
        // And one whose words nobody understands.
        let foreign = try #require(try a.bench.store.acquire("replica/z-after", value: Array(#"{"form":7}"#.utf8)))
        b.kill()
        alive = [a]
        try Self.run("b is gone", all()) { a.replicas.isLive(name) == false && a.replicas.count == 3 }
        a.write("p")
        try Self.run("unknown again", all()) { a.condition("p")?["status"] == "Unknown" }
        #expect(
            a.condition("p")?["message"]?.stringValue
                == "acknowledged by 1 of 1 hosts; how far those of 0-before and 1 more replicas are isn't known")
        other.release()
        foreign.release()
        for object in ["later", "p"] {
            try Self.run("alone", all()) { a.condition(object)?["message"]?.stringValue == "acknowledged by 1 of 1 hosts" }
            #expect(a.condition(object)?["status"] == "True")
        }
    }

    @Test(.timeLimit(.minutes(3))) func `who takes the place of the one that wrote writes what that one hadn't`() throws {
        let etcd = try EtcdMembers(1)
        let (a, b) = (try Replica(etcd, "a"), try Replica(etcd, "b"))
        func all() -> [Replica] { [a, b] }
        try Self.run("loading", all()) { all().allSatisfy { $0.bench.publishing.isLoaded && $0.replicas.count == 2 } }
        _ = b.bench.host("n2")
        // It hangs, and only its name is kept.
        b.write("p")
        try Self.run("b has it", [b]) { b.bench.state.cache.object(Stored.policy("p").0) != nil }
        Self.idle([b], .seconds(3))
        #expect(b.condition("p") == nil)
        let name = a.replicas.own
        a.kill()
        try Self.run("a is gone", [b]) { b.replicas.isLive(name) == false }
        try Self.run("b writes", [b]) { b.condition("p")?["message"]?.stringValue == "acknowledged by 1 of 1 hosts" }
    }
}
