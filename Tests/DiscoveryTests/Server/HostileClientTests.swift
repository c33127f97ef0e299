// SPDX-License-Identifier: Apache-2.0

import Kernel
import Loop
import Messages
import Testing
import Transport

@testable import Discovery

/// Clients that do what none should: each costs a bounded amount, and nobody else notices.
@Suite struct HostileClientTests {
    @Test func `a client that never reads holds one response`() throws {
        let bench = try ServerBench()
        bench.apply((0..<4_000).map { Make.workload("w\($0)") })
        let stuck = bench.client(node: "stuck")
        stuck.stream.isStuck = true
        let good = bench.client(node: "good")
        bench.settle()
        for round in 0..<20 {
            bench.apply((0..<50).map { Make.workload("w\($0)", policies: ["p\(round)"]) })
            bench.settle(.milliseconds(20))
        }
        #expect(stuck.stream.queued <= 2 * (PushAssembly.size + 1_024))
        #expect(good.held[.address]?.count == 4_000)
        #expect(bench.server.status(of: "good")?.isSynchronised == true)
        let status = try #require(bench.server.status(of: "stuck"))
        #expect(!status.isSynchronised && status.behindSince != nil)
        #expect(bench.server.acknowledgement(ofRevision: bench.revision) == Acknowledgement(acknowledged: 1, concerned: 2))
        stuck.stream.unstick()
        bench.settle()
        #expect(stuck.held == good.held)
    }

    @Test func `a client that acknowledges nothing is told nothing more, and overtaken in the end`() throws {
        let bench = try ServerBench()
        let mute = bench.client()
        bench.settle()
        mute.answers = false
        bench.apply([Make.workload("first")])
        bench.settle()
        let told = mute.responses.count
        for batch in 0..<3 {
            let names = (0..<(ResourceTable.removalLimit / 2)).map { "x\(batch)-\($0)" }
            bench.apply(names.map { Make.policy($0) })
            bench.apply([], removed: names.map { RemovedResource(.authorization, "shop/\($0)") })
        }
        bench.settle()
        #expect(mute.responses.count <= told + 1)
        mute.answers = true
        mute.answerPending()
        bench.settle()
        #expect(mute.stream.status?.code == .aborted)
        // It comes again with what it holds, and all is well.
        let again = bench.client(held: mute.held)
        bench.settle()
        #expect(again.takeStory() == [])
        #expect(bench.server.status(of: "n1")?.isSynchronised == true)
    }

    @Test func `a client that refuses everything is remembered within bounds`() throws {
        let bench = try ServerBench()
        let client = bench.client()
        bench.settle()
        client.error = String(repeating: "no", count: 10_000)
        for round in 0..<5 { bench.apply((0..<2_000).map { Make.workload("w\($0)", policies: ["p\(round)"]) }) }
        bench.settle()
        let status = try #require(bench.server.status(of: "n1"))
        #expect((1...RefusalList.limit).contains(status.refusals.count))
        #expect(status.refusals.allSatisfy { $0.error.utf8.count <= 4_096 })
        #expect(client.held[.address]?.count == 2_000)
    }

    @Test(
        arguments: [
            [0xff], [0x12, 0x7f, 0x41], [0x0a, 0x02, 0x08], [0x2a, 0x05, 0x0a, 0x7f, 0x41, 0x41, 0x41], [0x12, 0x02, 0xc3, 0x28],
            [0x3a, 0x02, 0x12, 0x7f],
        ] as [[UInt8]])
    func `what isn't a request ends the call with a reason`(bytes: [UInt8]) throws {
        let bench = try ServerBench()
        let client = bench.client(all: false)
        client.stream.receive(Array("\u{12}\u{2a}".utf8) + Array(ResourceType.address.rawValue.utf8) + bytes)
        bench.settle(.milliseconds(20))
        #expect(client.stream.status?.code == .invalidArgument)
        #expect(bench.server.connectedNodes == 0)
        #expect(bench.client().stream.status == nil)
    }

    @Test func `names are bounded in number and length`() throws {
        let bench = try ServerBench()
        let long = bench.client(node: "long", all: false)
        long.subscribe(.address, names: [String(repeating: "x", count: 2_000)])
        #expect(long.stream.status?.code == .invalidArgument)
        let many = bench.client(node: "many", all: false)
        for batch in 0..<10 {
            many.subscribe(.address, names: (0..<10_000).map { "n\(batch)/\($0)" }, not: batch == 0 ? ["*"] : [])
        }
        #expect(many.stream.status?.code == .resourceExhausted)
        let strange = bench.client(node: "strange", all: false)
        var request = DiscoveryAPI.DeltaRequest()
        for number in 0..<100 {
            request.typeURL = "type.googleapis.com/strange.\(number)"
            strange.stream.receive(request.encoded)
        }
        strange.read()
        #expect(strange.responses.count == 16)
        request.typeURL = ""
        strange.stream.receive(request.encoded)
        #expect(strange.stream.status?.code == .invalidArgument)
    }

    private final class Ears: DiscoveryObserver {
        var asked: [String] = []

        func connected(node: String) {}
        func disconnected(node: String) {}
        func refused(node: String, type: ResourceType, error: String) {}
        func acknowledged(revision: UInt64) {}
        func asked(node: String, unknownType: String) { asked.append("\(node) \(unknownType)") }
    }

    @Test func `a type that isn't known is told once for each call, and counted`() throws {
        let bench = try ServerBench()
        let ears = Ears()
        bench.server.observer = ears
        let client = bench.client()
        bench.settle()
        var request = DiscoveryAPI.DeltaRequest()
        for number in 0..<40 {
            request.typeURL = "type.googleapis.com/strange.\(number)"
            client.stream.receive(request.encoded)
        }
        // What it acknowledges it doesn't ask for.
        request.typeURL = "type.googleapis.com/strange.0"
        request.responseNonce = "none"
        client.stream.receive(request.encoded)
        #expect(ears.asked == ["n1 type.googleapis.com/strange.0"])
        #expect(bench.server.metrics.unknownTypes == 40)
        // What is known goes on.
        bench.apply([Make.workload("a")])
        bench.settle()
        #expect(client.held[.address]?.count == 1)
        let again = bench.client()
        request.responseNonce = ""
        again.stream.receive(request.encoded)
        #expect(ears.asked.count == 2)
    }

    @Test func `answers to nothing are counted and have no effect`() throws {
        let bench = try ServerBench()
        let client = bench.client()
        bench.settle()
        for nonce in ["", "never", "1"] {
            var response = DiscoveryAPI.DeltaResponse()
            response.typeURL = ResourceType.address.rawValue
            response.nonce = nonce
            client.answer(response)
        }
        bench.settle()
        #expect(bench.server.metrics.staleAnswers == 2)
        bench.apply([Make.workload("a")])
        bench.settle()
        #expect(client.takeStory() == ["+w/a"])
    }

    @Test func `calls come and go at any moment`() throws {
        let bench = try ServerBench()
        bench.apply((0..<1_000).map { Make.workload("w\($0)") })
        for round in 0..<50 {
            let client = bench.client(node: "n\(round % 7)")
            client.answers = round % 3 != 0
            for _ in 0..<(round % 4) { bench.loop.turn(wait: .milliseconds(1)) }
            bench.apply([Make.workload("w\(round)", policies: ["x"])])
            if round % 2 == 0 { client.stream.clientGoes() }
        }
        let last = bench.client(node: "last")
        bench.settle()
        #expect(last.held[.address]?.count == 1_000)
        for client in bench.clients { client.stream.clientGoes() }
        #expect(bench.server.connectedNodes == 0)
        #expect(bench.server.status().isEmpty)
    }
}
