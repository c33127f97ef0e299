// SPDX-License-Identifier: Apache-2.0

import Discovery
import Documents
import Kernel
import Loop
import Store
import Testing

@testable import ControlPlane

/// What a `Node` object says of its host.
@Suite struct NodeStatusWriterTests {
    private static let node = (
        StoreKey("nodes.warren.dev", "n1"),
        #"{"apiVersion":"warren.dev/v1","kind":"Node","metadata":{"name":"n1"},"spec":{"evicted":false},"status":{"certificate":{"serial":"1"}}}"#
            as String?
    )

    private func status(_ bench: PublishingBench) throws -> Value {
        let object = try #require(bench.state.cache.object(Self.node.0))
        return try #require(try JSON.read(object.text)["status"])
    }

    private func written(_ bench: PublishingBench, _ writer: NodeStatusWriter) throws {
        let before = bench.state.cache.revision
        writer.write()
        try bench.run("writing") { bench.state.cache.revision > before }
        // And publishing, which has nothing to tell of it.
        try bench.run("publishing") { bench.server.revision == bench.state.cache.revision }
    }

    @Test func `a host that is there, synchronised and captured is written once`() throws {
        let bench = try PublishingBench()
        try bench.load()
        let writer = NodeStatusWriter(loop: bench.loop, state: bench.state, server: bench.server, reports: bench.reports)
        try bench.write([Self.node, Stored.namespace("shop"), Stored.entry("a", node: "n1")])
        _ = bench.host("n1")
        try bench.run("the mesh") { bench.server.status(of: "n1")?.isSynchronised == true }
        _ = bench.report("n1", [(uid("a"), "waiting")])
        try written(bench, writer)
        let status = try status(bench)
        #expect(status["synced"]?.boolValue == true)
        #expect(status["version"]?.stringValue == "1.2.3")
        #expect(status["connectedSince"]?.stringValue?.hasSuffix("Z") == true)
        #expect(status["workloads"]?.sequenceValue?.first?["state"]?.stringValue == "waiting")
        #expect(status["conditions"]?.sequenceValue?.first?["status"]?.stringValue == "True")
        // What others wrote stays.
        #expect(status["certificate"]?["serial"]?.stringValue == "1")
        let revision = bench.state.cache.revision
        for _ in 0..<5 {
            writer.write()
            for _ in 0..<5 { bench.loop.turn(wait: .milliseconds(5)) }
        }
        #expect(bench.state.cache.revision == revision)
        bench.server.stop()
        try written(bench, writer)
        #expect(try self.status(bench)["connectedSince"] == nil)
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
