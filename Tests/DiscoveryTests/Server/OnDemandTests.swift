// SPDX-License-Identifier: Apache-2.0

import Kernel
import Messages
import Testing
import Transport

@testable import Discovery

/// Clients that ask for single resources, as a ztunnel does with XDS_ON_DEMAND.
@Suite struct OnDemandTests {
    /// Nothing by default: everything is asked for and given up in one breath.
    private func client(_ bench: ServerBench, node: String = "n1") -> TestClient {
        let client = bench.client(node: node, all: false)
        client.subscribe(.address, names: ["*"], not: ["*"])
        client.subscribe(.authorization)
        bench.settle()
        return client
    }

    private func bench() throws -> ServerBench {
        let bench = try ServerBench()
        bench.apply([
            Make.service("s", address: "10.1.0.1"), Make.workload("a", address: "10.0.0.1", services: ["shop/s.shop"]),
            Make.workload("b", address: "10.0.0.2", services: ["shop/s.shop"]), Make.workload("c", address: "10.0.0.3"),
            Make.workload("own", address: "10.0.0.9", node: "n1"),
        ])
        return bench
    }

    @Test func `nothing but what runs on its own host comes unasked`() throws {
        let bench = try bench()
        let client = client(bench)
        #expect(client.takeStory() == ["+w/own"])
        bench.apply([Make.workload("d", address: "10.0.0.4"), Make.workload("own2", node: "n1")])
        bench.settle()
        #expect(client.takeStory() == ["+w/own2"])
    }

    @Test func `a name, an address and a service's address are answered`() throws {
        let bench = try bench()
        let client = client(bench)
        _ = client.takeStory()
        client.subscribe(.address, names: ["w/c"])
        bench.settle()
        #expect(client.takeStory() == ["+w/c"])
        client.subscribe(.address, names: ["/10.0.0.1"])
        bench.settle()
        #expect(client.takeStory() == ["+w/a"])
        #expect(client.responses.last?.resources.first?.aliases == ["/10.0.0.1"])
        client.subscribe(.address, names: ["/10.1.0.1"])
        bench.settle()
        #expect(Set(client.takeStory()) == ["+shop/s.shop", "+w/a", "+w/b"])
        client.subscribe(.address, names: ["/10.9.9.9", "shop/none"])
        bench.settle()
        #expect(Set(client.takeStory()) == ["-/10.9.9.9", "-shop/none"])
    }

    @Test func `what was asked for is followed, with the endpoints that come and go`() throws {
        let bench = try bench()
        let client = client(bench)
        client.subscribe(.address, names: ["shop/s.shop"])
        bench.settle()
        _ = client.takeStory()
        bench.apply([Make.workload("new", services: ["shop/s.shop"]), Make.workload("c", policies: ["x"])])
        bench.settle()
        #expect(client.takeStory() == ["+w/new"])
        bench.apply([], removed: [RemovedResource(.address, "w/a"), RemovedResource(.address, "w/c")])
        bench.settle()
        #expect(client.takeStory() == ["-w/a"])
        client.subscribe(.address, not: ["shop/s.shop"])
        bench.apply([Make.service("s", address: "10.1.0.2")])
        bench.settle()
        #expect(client.takeStory() == [])
    }

    @Test func `a name that was missing comes when there is one`() throws {
        let bench = try bench()
        let client = client(bench)
        client.subscribe(.address, names: ["/10.7.0.1"])
        bench.settle()
        _ = client.takeStory()
        bench.apply([Make.workload("late", address: "10.7.0.1")])
        bench.settle()
        #expect(client.takeStory() == ["+w/late"])
    }

    @Test func `a reconnect on demand brings differences`() throws {
        let bench = try bench()
        let first = client(bench)
        first.subscribe(.address, names: ["shop/s.shop"])
        bench.settle()
        first.stream.clientGoes()
        bench.apply([Make.workload("a", policies: ["x"], services: ["shop/s.shop"])], removed: [RemovedResource(.address, "w/b")])
        let second = bench.client(all: false)
        second.subscribe(.address, names: ["*"], not: ["*"], held: first.held[.address, default: [:]])
        bench.settle()
        #expect(Set(second.takeStory()) == ["+w/a", "-w/b", "+w/own"])
        bench.apply([Make.workload("a", policies: ["y"], services: ["shop/s.shop"])])
        bench.settle()
        #expect(second.takeStory() == ["+w/a"])
    }
}
