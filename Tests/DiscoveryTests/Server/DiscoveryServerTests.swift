// SPDX-License-Identifier: Apache-2.0

import Kernel
import Loop
import Messages
import Testing
import Transport

@testable import Discovery

/// Delta discovery, as a client sees it.
@Suite struct DiscoveryServerTests {
    @Test func `a new client is told everything, each type even if there is nothing`() throws {
        let bench = try ServerBench()
        let client = bench.client()
        bench.settle()
        #expect(Set(client.responses.map(\.typeURL)) == Set(ResourceType.allCases.map(\.rawValue)))
        #expect(client.held.values.allSatisfy { $0.isEmpty })
        bench.apply([
            Make.workload("a"), Make.service("s"), Make.policy("p"), Make.local("a", node: "n1"), Make.local("b", node: "n2"),
        ])
        bench.settle()
        #expect(Set(client.held[.address, default: [:]].keys) == ["w/a", "shop/s.shop"])
        #expect(Set(client.held[.authorization, default: [:]].keys) == ["shop/p"])
        #expect(Set(client.held[.local, default: [:]].keys) == ["w/a"])
        #expect(client.responses.last?.systemVersionInfo == "store-1/1")
    }

    @Test func `a call ends with the certificate or token that it was begun with`() throws {
        let bench = try ServerBench()
        let stream = MemoryStream()
        bench.server.attach(stream, node: "n1", until: WallTime.now().seconds + 1)
        let other = MemoryStream()
        bench.server.attach(other, node: "n2", until: WallTime.now().seconds + 1000)
        let end = Instant.now() + .seconds(20)
        while stream.status == nil, Instant.now() < end { bench.loop.turn(wait: .milliseconds(20)) }
        #expect(stream.status?.code == .unauthenticated && bench.server.status(of: "n1") == nil)
        #expect(other.status == nil)
    }

    @Test func `one change is one resource, and the same again is none`() throws {
        let bench = try ServerBench()
        bench.apply((0..<100).map { Make.workload("w\($0)") })
        let client = bench.client()
        bench.settle()
        #expect(client.takeStory().count == 100)
        bench.apply([Make.workload("w7", policies: ["shop/p"])])
        bench.settle()
        #expect(client.takeStory() == ["+w/w7"])
        bench.apply([Make.workload("w7", policies: ["shop/p"])])
        bench.settle()
        #expect(client.takeStory() == [])
        bench.apply([], removed: [RemovedResource(.address, "w/w3"), RemovedResource(.address, "w/never")])
        bench.settle()
        #expect(client.takeStory() == ["-w/w3"])
    }

    @Test func `a large state comes in pieces, each acknowledged before the next`() throws {
        let bench = try ServerBench()
        bench.apply((0..<5_000).map { Make.workload("w\($0)") })
        let client = bench.client()
        client.answers = false
        bench.settle()
        #expect(client.pending.filter { $0.typeURL == ResourceType.address.rawValue }.count == 1)
        #expect(client.responses.allSatisfy { $0.encoded.count <= PushAssembly.size + 1024 })
        client.answers = true
        client.answerPending()
        bench.settle()
        #expect(client.held[.address]?.count == 5_000)
        // Each once.
        #expect(client.takeStory().count == 5_000)
    }

    @Test func `changes while a push is in flight are told together afterwards`() throws {
        let bench = try ServerBench()
        let client = bench.client()
        bench.settle()
        client.answers = false
        bench.apply([Make.workload("a")])
        bench.settle()
        #expect(client.takeStory() == ["+w/a"])
        for port in 1...50 { bench.apply([Make.workload("b", policies: ["p\(port)"]), Make.workload("c\(port % 5)")]) }
        bench.settle()
        #expect(client.takeStory() == [])
        client.answers = true
        client.answerPending()
        bench.settle()
        #expect(client.takeStory().sorted() == ["+w/b", "+w/c0", "+w/c1", "+w/c2", "+w/c3", "+w/c4"])
    }

    @Test func `a reconnect brings the differences alone, and the removals of what vanished meanwhile`() throws {
        let bench = try ServerBench()
        bench.apply([Make.workload("a"), Make.workload("b"), Make.workload("c"), Make.policy("p"), Make.policy("q")])
        let first = bench.client()
        bench.settle()
        first.stream.clientGoes()
        #expect(bench.server.connectedNodes == 0)
        bench.apply(
            [Make.workload("b", policies: ["x"]), Make.workload("d")],
            removed: [RemovedResource(.address, "w/c"), RemovedResource(.authorization, "shop/q")])
        let second = bench.client(held: first.held)
        bench.settle()
        #expect(second.takeStory().sorted() == ["+w/b", "+w/d", "-shop/q", "-w/c"])
        let third = bench.client(held: [.address: ["w/a": "stranger", "gone": "1"]])
        bench.settle()
        #expect(Set(third.takeStory()) == ["+w/a", "+w/b", "+w/d", "+shop/p", "-gone"])
        let same = bench.client(held: third.held)
        bench.settle()
        #expect(same.takeStory() == [])
        #expect(same.responses.count == 4)
    }

    @Test func `what a client held and what changed while it was told are both right`() throws {
        let bench = try ServerBench()
        bench.apply((0..<3_000).map { Make.workload("w\($0)") })
        let first = bench.client()
        bench.settle()
        let second = bench.client(held: [.address: first.held[.address, default: [:]].filter { $0.key.hasSuffix("1") }])
        second.answers = false
        bench.settle()
        // Slots are used again by others while the client is still being told what was.
        bench.apply([Make.workload("w11", policies: ["x"])], removed: [RemovedResource(.address, "w/w21")])
        bench.apply([Make.workload("new")])
        second.answers = true
        second.answerPending()
        bench.settle()
        first.read()
        #expect(
            second.held[.address, default: [:]].filter { !$0.key.hasSuffix("1") }
                == first.held[.address, default: [:]].filter { !$0.key.hasSuffix("1") })
        #expect(second.story.contains("+w/w11") && second.story.contains("-w/w21") && second.story.contains("+w/new"))
        #expect(!second.story.contains("+w/w31"))
    }

    @Test func `I21 policies come before the workloads that name them and go after them`() throws {
        let bench = try ServerBench()
        // More policies than one response holds.
        let policies = (0..<4_000).map { Make.policy("p\($0)") }
        bench.apply([Make.workload("a", policies: ["shop/p3999"])] + policies + [Make.local("a", node: "n1")])
        let client = bench.client()
        bench.settle()
        let story = client.takeStory()
        #expect(story.count == 4_002)
        #expect(story.firstIndex(of: "+w/a") == 4_000)
        bench.apply(
            [Make.workload("a"), Make.policy("new")],
            removed: [RemovedResource(.authorization, "shop/p3999"), RemovedResource(.local, "w/a", owner: "n1")])
        bench.settle()
        #expect(client.takeStory() == ["+shop/new", "+w/a", "-w/a", "-shop/p3999"])
        bench.apply([], removed: [RemovedResource(.authorization, "shop/new"), RemovedResource(.address, "w/a")])
        bench.settle()
        #expect(client.takeStory() == ["-w/a", "-shop/new"])
    }

    @Test func `I21 a policy that isn't acknowledged holds back what comes behind it, not what came before`() throws {
        let bench = try ServerBench()
        let client = bench.client()
        bench.settle()
        client.answers = false
        bench.apply([Make.policy("p1")])
        bench.settle()
        bench.apply([Make.policy("p2"), Make.workload("a", policies: ["shop/p2"])])
        bench.settle()
        #expect(client.takeStory() == ["+shop/p1"])
        client.answers = true
        client.answerPending()
        bench.settle()
        #expect(client.takeStory() == ["+shop/p2", "+w/a"])
    }

    @Test func `a refusal is one push's, and stays visible until the resource changes`() throws {
        let bench = try ServerBench()
        let client = bench.client()
        bench.settle()
        client.error = "w/bad: field 3 has the wrong type"
        bench.apply([Make.workload("good"), Make.workload("bad")])
        bench.settle()
        client.error = nil
        var status = try #require(bench.server.status(of: "n1"))
        #expect(status.refusals.map(\.name) == ["w/bad"])
        #expect(status.refusals.first?.error == "w/bad: field 3 has the wrong type")
        #expect(
            bench.server.acknowledgement(of: .address, "w/bad")
                == Acknowledgement(acknowledged: 0, concerned: 1, refused: ["n1": "w/bad: field 3 has the wrong type"]))
        #expect(bench.server.acknowledgement(of: .address, "w/good")?.isComplete == true)
        bench.apply([Make.workload("other")])
        bench.settle()
        #expect(bench.server.status(of: "n1")?.refusals.count == 1)
        bench.apply([Make.workload("bad", policies: ["x"])])
        bench.settle()
        status = try #require(bench.server.status(of: "n1"))
        #expect(status.refusals.isEmpty)
        #expect(status.isSynchronised)
        #expect(bench.server.metrics.refused == [0, 0, 1, 0])
    }

    @Test func `nobody is told anything before everything is loaded`() throws {
        let bench = try ServerBench(loaded: false)
        let early = bench.client(held: [.address: ["w/a": "1"]])
        #expect(early.stream.status?.code == .unavailable)
        bench.apply([Make.workload("a")])
        bench.server.loaded()
        let client = bench.client()
        bench.settle()
        #expect(client.takeStory() == ["+w/a"])
    }

    @Test func `what is removed while many begin is told to nobody who comes after`() throws {
        let bench = try ServerBench()
        bench.apply((0..<3_000).map { Make.workload("w\($0)") })
        let first = bench.client(node: "first")
        bench.settle()
        #expect(first.held[.address]?.count == 3_000)
        // The round that tells of it is still to come when the next one calls, at the position where the first one began.
        bench.apply([Make.workload("x")])
        bench.settle()
        bench.apply([], removed: [RemovedResource(.address, "w/w7")])
        let second = bench.client(node: "second")
        bench.settle()
        #expect(second.held == first.held)
        #expect(second.held[.address]?["w/w7"] == nil)
    }

    @Test func `a type that nobody knows is empty`() throws {
        let bench = try ServerBench()
        let client = bench.client(all: false)
        var request = DiscoveryAPI.DeltaRequest()
        request.typeURL = "type.googleapis.com/envoy.config.listener.v3.Listener"
        for _ in 0..<3 { client.stream.receive(request.encoded) }
        bench.settle()
        #expect(client.responses.map(\.typeURL) == [request.typeURL])
        #expect(client.responses.first?.resources == [])
        #expect(client.stream.status == nil)
    }

    @Test func `a new call of a node replaces the older ones`() throws {
        let bench = try ServerBench()
        let calls = (0..<4).map { _ in bench.client() }
        bench.settle()
        #expect(calls.map { $0.stream.status?.code } == [.aborted, .aborted, nil, nil])
        #expect(bench.server.connectedNodes == 1)
        #expect(bench.server.status().map(\.calls) == [2])
        bench.server.disconnect(node: "n1", GRPCStatus(.permissionDenied, "evicted"))
        #expect(calls.map { $0.stream.status?.code } == [.aborted, .aborted, .permissionDenied, .permissionDenied])
        #expect(bench.server.connectedNodes == 0)
    }
}
