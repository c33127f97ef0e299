// SPDX-License-Identifier: Apache-2.0

import Discovery
import Documents
import Kernel
import Loop
import Messages
import Store
import Testing

@testable import ControlPlane

/// From a commit to what hosts hold, over a real store and both threads.
@Suite struct PublishingTests {
    @Test func `what is committed reaches hosts, and only what is different`() throws {
        let bench = try PublishingBench()
        try bench.load()
        let host = bench.host("n1")
        let other = bench.host("n2")
        try bench.write([
            Stored.namespace("shop"), Stored.entry("a", node: "n1"),
            Stored.entry("b", node: "n2", address: "10.0.0.2", app: "web"),
            Stored.policy("p"), Stored.service("s"),
        ])
        #expect(Set(host.addresses.keys) == [uid("a"), uid("b"), "shop/s.shop.svc.cluster.local"])
        #expect(host.workload("a")?.authorizationPolicies == ["shop/p"])
        #expect(host.workload("a")?.services.keys.sorted() == ["shop/s.shop.svc.cluster.local"])
        #expect(host.workload("b")?.authorizationPolicies == [])
        #expect(Set(host.policies.keys) == ["shop/p"])
        #expect(host.local.mapValues(\.captured) == [uid("a"): true])
        #expect(other.local.mapValues(\.captured) == [uid("b"): true])
        let before = host.received
        let revision = try bench.write([Stored.policy("p", port: "81")])
        #expect(host.received == before + 1)
        #expect(host.versions.last == "\(bench.store.identity)/\(revision)")
        try bench.write([Stored.gone(Stored.policy("p")), Stored.gone(Stored.entry("b", node: "n2"))])
        #expect(host.policies.isEmpty && host.workload("a")?.authorizationPolicies == [] && host.workload("b") == nil)
        #expect(other.local.isEmpty)
        #expect(bench.acknowledged == bench.server.revision)
    }

    @Test func `I21 a tunnel is told of after its host has captured the workload, and stays so over a restart`() throws {
        let bench = try PublishingBench()
        try bench.load()
        var host = bench.host("n2")
        try bench.write([Stored.namespace("shop"), Stored.entry("a", node: "n1")])
        #expect(host.workload("a")?.tunnelProtocol == 0)
        // Others may say what they like.
        #expect(bench.report("n2", [(uid("a"), "captured")]).status == 200)
        #expect(bench.report("n1", [(uid("a"), "waiting")]).status == 200)
        try bench.write([Stored.service("s")])
        #expect(host.workload("a")?.tunnelProtocol == 0)
        #expect(bench.report("n1", [(uid("a"), "captured"), ("stranger", "captured")]).status == 200)
        try bench.run("the tunnel") { host.workload("a")?.tunnelProtocol == 1 }
        #expect(bench.reports.report(of: "n1")?.report.version == "1.2.3")
        try bench.restart()
        host = bench.host("n2")
        try bench.run("the mesh") { host.workload("a") != nil }
        #expect(host.workload("a")?.tunnelProtocol == 1)
        // A host that begins anew, fails or says nothing of it takes nothing back.
        for report in [[(uid("a"), "waiting")], [(uid("a"), "failed")], []] { _ = bench.report("n1", report) }
        try bench.write([Stored.gone(Stored.service("s"))])
        #expect(host.workload("a")?.tunnelProtocol == 1)
        // Released, and enrolled again: from the beginning.
        try bench.write([Stored.namespace("shop", ambient: false)])
        #expect(host.workload("a")?.tunnelProtocol == 0)
        _ = bench.report("n1", [])
        try bench.run("forgetting") { bench.state.cache.object(StoreKey(PublishedKind.captures, "n1")) == nil }
        try bench.write([Stored.namespace("shop")])
        #expect(host.workload("a")?.tunnelProtocol == 0)
    }

    @Test func `what can't be read leaves what stood before, and says so`() throws {
        let bench = try PublishingBench()
        try bench.load()
        let host = bench.host("n1")
        try bench.write([Stored.namespace("shop"), Stored.policy("p")])
        let key = Stored.policy("p").0
        try bench.write([(key, #"{"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"name":"p","#)])
        #expect(host.policies["shop/p"] != nil)
        #expect(bench.publishing.trouble(key) != nil)
        try bench.write([Stored.policy("p", port: "99")])
        #expect(bench.publishing.trouble(key) == nil)
        #expect(
            bench.publishing.acknowledgement(
                key, revision: bench.server.revision, bench.publishing.survey())?.come.isComplete == true)
    }

    @Test func `a host that is gone has unhealthy workloads until it is back`() throws {
        let bench = try PublishingBench()
        try bench.load()
        let host = bench.host("n2")
        try bench.write([Stored.namespace("shop"), Stored.entry("a", node: "n1")])
        bench.publishing.setHealthy(false, node: "n1")
        try bench.run("unhealthy") { host.workload("a")?.status == 1 }
        bench.publishing.setHealthy(true, node: "n1")
        try bench.run("healthy") { host.workload("a")?.status == 0 }
    }

    @Test(arguments: [
        "", "[]", "{", #"{"workloads":[{"uid":"a","state":"asleep"}]}"#, #"{"workloads":[{"state":"captured"}]}"#,
        #"{"workloads":[{"uid":"a","state":"captured"},{"uid":"a","state":"failed"}]}"#,
        #"{"workloads":[{"uid":"\#(String(repeating: "x", count: 2_000))","state":"captured"}]}"#,
        String(repeating: "[", count: 10_000), #"{"a":"\#(String(repeating: "x", count: 5 << 20))"}"#,
    ])
    func `a report that is none is refused with a reason`(body: String) throws {
        let bench = try PublishingBench()
        try bench.load()
        let exchange = FakeExchange("POST", "/warren/v1/report", body: body)
        bench.reports.handle(exchange, node: "n1")
        if body == "[]" {
            // A host that says nothing has said that.
            #expect(exchange.status == 200)
        } else {
            #expect(exchange.status == 400 || exchange.status == 413)
            #expect(exchange.document?["message"]?.stringValue?.isEmpty == false)
            #expect(bench.reports.report(of: "n1") == nil)
        }
    }
}
