// SPDX-License-Identifier: Apache-2.0

import Discovery
import Documents
import Kernel
import Loop
import Store
import Testing

@testable import ControlPlane

/// What objects say of how far hosts have come.
@Suite struct PublishingStatusTests {
    @Test func `what a host refuses is a condition of its own, with the time of its turn`() {
        let other = Value.object([("type", "Other"), ("status", "True")])
        let refusal = ResourceRefusal(type: .address, name: "w/a", error: "no such field", since: WallTime(seconds: 1))
        var conditions = NodeConditions.stating([], before: [other], seconds: 10)
        #expect(conditions.first == other)
        #expect(conditions.last?["status"]?.stringValue == "True")
        conditions = NodeConditions.stating([], before: conditions, seconds: 20)
        #expect(conditions.last?["lastTransitionTime"]?.stringValue == "1970-01-01T00:00:10Z")
        conditions = NodeConditions.stating([refusal], before: conditions, seconds: 30)
        #expect(conditions.count == 2)
        #expect(conditions.last?["status"]?.stringValue == "False")
        #expect(conditions.last?["message"]?.stringValue == "w/a: no such field")
        #expect(conditions.last?["lastTransitionTime"]?.stringValue == "1970-01-01T00:00:30Z")
        conditions = NodeConditions.stating(nil, before: conditions, seconds: 40)
        #expect(conditions.last?["status"]?.stringValue == "Unknown")
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
        var condition = bench.publishing.programmed(policy.0, revision: revision)
        #expect(condition?["status"]?.stringValue == "False")
        #expect(condition?["message"]?.stringValue == "acknowledged by 1 of 2 hosts")
        bench.hosts.append(mute)
        try bench.run("the other") { bench.server.status(of: "n2")?.isSynchronised == true }
        condition = bench.publishing.programmed(policy.0, revision: revision)
        #expect(condition?["status"]?.stringValue == "True")
        #expect(condition?["message"]?.stringValue == "acknowledged by 2 of 2 hosts")
        #expect(bench.publishing.programmed(StoreKey("serviceaccounts", namespace: "shop", "a"), revision: 1) == nil)
    }
}
