// SPDX-License-Identifier: Apache-2.0

import Discovery
import Documents
import Kernel
import Loop
import ResourceAPI
import Store
import Testing

@testable import ControlPlane

/// What objects say of how far hosts have come.
@Suite struct PublishingStatusTests {
    @Test func `what a host refuses is a condition of its own, with the time of its turn`() {
        let other = Value.object([("type", "Other"), ("status", "True")])
        let refusal = ResourceRefusal(type: .address, name: "w/a", error: "no such field", since: WallTime(seconds: 1))
        func stating(_ refusals: [ResourceRefusal]?, before: [Value], seconds: Int64) -> [Value] {
            Condition.accepted(refusals).put(into: before, seconds: seconds)
        }
        var conditions = stating([], before: [other], seconds: 10)
        #expect(conditions.first == other)
        #expect(conditions.last?["status"]?.stringValue == "True")
        conditions = stating([], before: conditions, seconds: 20)
        #expect(conditions.last?["lastTransitionTime"]?.stringValue == "1970-01-01T00:00:10Z")
        conditions = stating([refusal], before: conditions, seconds: 30)
        #expect(conditions.count == 2)
        #expect(conditions.last?["status"]?.stringValue == "False")
        #expect(conditions.last?["message"]?.stringValue == "w/a: no such field")
        #expect(conditions.last?["lastTransitionTime"]?.stringValue == "1970-01-01T00:00:30Z")
        conditions = stating(nil, before: conditions, seconds: 40)
        #expect(conditions.last?["status"]?.stringValue == "Unknown")
    }

    @Test func `an object says how many hosts have taken it, who refuses it, and nothing twice`() throws {
        let bench = try PublishingBench()
        let keeper = ProgrammedKeeper(state: bench.state, publishing: bench.publishing, loop: bench.loop)
        defer { withExtendedLifetime(keeper) {} }
        try bench.load()
        let host = bench.host("n1")
        let policy = Stored.policy("p")
        func condition() -> Value? {
            let text = bench.state.cache.object(policy.0)?.text
            return text.flatMap { try? JSON.read($0) }?.at("status", "conditions")?.sequenceValue?.first
        }
        try bench.write([Stored.namespace("shop"), policy])
        try bench.run("the condition") { condition()?["status"] == "True" }
        #expect(condition()?["message"]?.stringValue == "acknowledged by 1 of 1 hosts")
        let written = bench.state.revision

        // One that is connected and doesn't answer: said when it takes long, and again when it has.
        let mute = HostCall()
        bench.server.attach(mute, node: "n2")
        mute.subscribe()
        try bench.run("the mute") { bench.server.acknowledgement(ofRevision: written).concerned == 2 }
        bench.state.commit(StoreTransaction(writes: [.put(policy.0, Array((policy.1 ?? "").utf8))])) { _ in }
        try bench.run("pending") { condition()?["reason"] == "Pending" }
        #expect(condition()?["status"] == "False" && condition()?["message"]?.stringValue == "acknowledged by 1 of 2 hosts")
        bench.hosts.append(mute)
        try bench.run("both") { condition()?["message"]?.stringValue == "acknowledged by 2 of 2 hosts" }

        // One that refuses is named, with its words.
        host.refusal = ("shop/p", "no such field")
        bench.state.commit(StoreTransaction(writes: [.put(policy.0, Array((Stored.policy("p", port: "81").1 ?? "").utf8))])) {
            _ in
        }
        try bench.run("refused") { condition()?["reason"] == "Refused" }
        #expect(condition()?["message"]?.stringValue?.hasPrefix("refused by n1: shop/p: no such field") == true)

        // Our own writes are no news: nothing is written any more.
        let last = bench.state.revision
        let end = Instant.now() + .seconds(1)
        while Instant.now() < end { bench.loop.turn(wait: .milliseconds(10)) }
        #expect(bench.state.revision == last)
    }

    @Test func `I16 a policy says in its condition what of it hosts can't judge, as it changes, whatever other replicas say`()
        throws
    {
        let bench = try PublishingBench()
        var others = OtherReplicas.nobody
        let keeper = ProgrammedKeeper(state: bench.state, publishing: bench.publishing, loop: bench.loop, others: { others })
        defer { withExtendedLifetime(keeper) {} }
        try bench.load()
        let key = Stored.policy("p").0
        func text(_ action: String, _ operation: String, generation: Int) -> [UInt8] {
            Array(
                """
                {"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":\
                {"name":"p","namespace":"shop","generation":\(generation)},
                "spec":{"action":"\(action)","rules":[{"to":[{"operation":{\(operation)}}]}]}}
                """.utf8)
        }
        func condition() -> (accepted: Value, programmed: Value?)? {
            let text = bench.state.cache.object(key)?.text
            let all = text.flatMap { try? JSON.read($0) }?.at("status", "conditions")?.sequenceValue ?? []
            guard let accepted = all.first(where: { $0["type"] == "ZtunnelAccepted" }) else { return nil }
            return (accepted, all.first { $0["type"] == "Programmed" })
        }
        try bench.write([Stored.namespace("shop")])
        func write(_ action: String, _ operation: String, generation: Int) {
            bench.state.commit(StoreTransaction(writes: [.put(key, text(action, operation, generation: generation))])) { _ in }
        }
        write("ALLOW", "\"ports\":[\"80\"],\"methods\":[\"GET\"],\"paths\":[\"/a\"]", generation: 1)
        try bench.run("both") { condition()?.programmed != nil }
        #expect(condition()?.accepted["status"] == "True" && condition()?.accepted["reason"] == "UnsupportedValue")
        #expect(
            condition()?.accepted["message"]?.stringValue
                == "hosts can't judge HTTP attributes (found: methods, paths), and no waypoint does: rules of an ALLOW policy that ask for them"
                + " allow nothing, which is more restrictive than requested")
        #expect(condition()?.accepted["observedGeneration"]?.integerValue == 1)
        write("DENY", "\"hosts\":[\"a\"]", generation: 2)
        try bench.run("the change") { condition()?.accepted["observedGeneration"]?.integerValue == 2 }
        #expect(
            condition()?.accepted["message"]?.stringValue?.contains(
                "(found: hosts), and no waypoint does: a DENY policy denies as if") == true)
        write("DENY", "\"ports\":[\"80\"]", generation: 3)
        try bench.run("what they can") { condition()?.accepted["reason"] == "Accepted" }
        write("AUDIT", "\"ports\":[\"80\"]", generation: 4)
        try bench.run("what they don't") { condition()?.accepted["status"] == "False" }
        #expect(condition()?.accepted["message"]?.stringValue?.contains("don't support the action AUDIT") == true)
        // Another replica says nothing of its hosts: what the policy says of itself is known all the same.
        others = OtherReplicas(isFirst: true, begun: .now() + .seconds(3600), reports: ["old-1": nil])
        write("ALLOW", "\"methods\":[\"GET\"]", generation: 5)
        try bench.run("of several") { condition()?.accepted["observedGeneration"]?.integerValue == 5 }
        #expect(condition()?.accepted["reason"] == "UnsupportedValue")
        #expect(condition()?.programmed?["status"] == "Unknown" && condition()?.programmed?["reason"] == "Pending")
        #expect(
            condition()?.programmed?["message"]?.stringValue
                == "acknowledged by 0 of 0 hosts; how far those of old-1 are isn't known")
        let last = bench.state.revision
        let end = Instant.now() + .seconds(1)
        while Instant.now() < end { bench.loop.turn(wait: .milliseconds(10)) }
        #expect(bench.state.revision == last, "nothing is written twice")
    }

    @Test func `what stood before is looked at when hosts had time to come, and what says so already stays`() throws {
        let names = (0..<130).map { "p\($0)" }
        var writes = [Stored.namespace("shop")] + names.map { Stored.policy($0) }
        // One says already that it was true, of fewer hosts.
        let before =
            #""status":{"conditions":[{"type":"Programmed","status":"True","reason":"Acknowledged","message":"by 9 of 9"}]}"#
        writes[1].1 = writes[1].1.map { $0.dropLast() + "," + before + "}" }
        let halves = [writes[..<70], writes[70...]].map { half in
            StoreTransaction(writes: half.map { .put($0.0, Array(($0.1 ?? "").utf8)) })
        }
        let bench = try PublishingBench(standing: halves)
        let begun = Instant.now()
        let keeper = ProgrammedKeeper(state: bench.state, publishing: bench.publishing, loop: bench.loop, settling: .seconds(1))
        defer { withExtendedLifetime(keeper) {} }
        try bench.load()
        func messages() -> [String] {
            bench.state.cache.objects(Stored.policy("p").0.resource).compactMap { object in
                let condition = (try? JSON.read(object.text))?.at("status", "conditions")?.sequenceValue?.first
                return condition?["status"]?.stringValue == "True" ? condition?["message"]?.stringValue : nil
            }
        }
        // More than one look takes.
        try bench.run("conditions") { messages().count == names.count }
        #expect(Instant.now() >= begun + .seconds(1))
        #expect(messages().filter { $0 == "by 9 of 9" }.count == 1)
        #expect(messages().filter { $0 == "acknowledged by 0 of 0 hosts" }.count == names.count - 1)
    }

    @Test func `of thousands that stood before and say that all have them, one that doesn't is found and no other changed`()
        throws
    {
        let settled =
            #""status":{"conditions":[{"type":"Programmed","status":"True","reason":"Acknowledged","message":"by 9 of 9"}]}"#
        var writes =
            [Stored.namespace("shop")]
            + (0..<3_000).map { Stored.entry("e\($0)", node: "n", address: "10.1.\($0 / 250).\($0 % 250)") }
        // The last by its name.
        let last = Stored.entry("z", node: "n", address: "10.2.0.1")
        for index in writes.indices.dropFirst() { writes[index].1 = writes[index].1.map { $0.dropLast() + "," + settled + "}" } }
        writes.append(last)
        let parts = stride(from: 0, to: writes.count, by: 100).map { start in
            StoreTransaction(writes: writes[start..<min(writes.count, start + 100)].map { .put($0.0, Array(($0.1 ?? "").utf8)) })
        }
        let bench = try PublishingBench(standing: parts)
        let keeper = ProgrammedKeeper(state: bench.state, publishing: bench.publishing, loop: bench.loop, settling: .zero)
        defer { withExtendedLifetime(keeper) {} }
        try bench.load()
        let first = try #require(bench.state.cache.object(writes[1].0))
        #expect(ProgrammedText.isSettled(first))
        let standing = bench.state.revision
        try bench.run("the condition") {
            bench.state.cache.object(last.0).map { ProgrammedText.isSettled($0) } == true
        }
        #expect(bench.state.cache.objects(last.0.resource).count { $0.revision > standing } == 1)
    }

    @Test func `how far an object has come is a condition`() throws {
        let bench = try PublishingBench()
        try bench.load()
        let policy = Stored.policy("p")
        try bench.write([Stored.namespace("shop"), policy])
        _ = bench.host("n1")
        let mute = HostCall()
        try bench.run("the mesh") { bench.server.status(of: "n1")?.isSynchronised == true }
        bench.server.attach(mute, node: "n2")
        mute.subscribe()
        let revision = try #require(bench.state.cache.object(policy.0)?.revision)
        try bench.run("asking") { bench.server.acknowledgement(ofRevision: revision).concerned == 2 }
        var condition = bench.publishing.programmed(policy.0, revision: revision, bench.publishing.survey())
        #expect(condition?.status == "False")
        #expect(condition?.message == "acknowledged by 1 of 2 hosts")
        bench.hosts.append(mute)
        try bench.run("the other") { bench.server.status(of: "n2")?.isSynchronised == true }
        condition = bench.publishing.programmed(policy.0, revision: revision, bench.publishing.survey())
        #expect(condition?.status == "True")
        #expect(condition?.message == "acknowledged by 2 of 2 hosts")
        #expect(
            bench.publishing.programmed(
                StoreKey("serviceaccounts", namespace: "shop", "a"), revision: 1, bench.publishing.survey()) == nil)
    }
}
