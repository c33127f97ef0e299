// SPDX-License-Identifier: Apache-2.0

import Kernel
import Messages
import Testing
import Wire

@testable import Discovery

/// What is held once and written for each response, and what is asked of all nodes at once.
@Suite struct EncodedResourceTests {
    private static let resources = [
        Make.workload("a"), Make.workload(String(repeating: "long", count: 60), address: "10.0.0.1", services: ["shop/s.shop"]),
        Make.service("s", address: "2001:db8::1"), Make.policy("p"), Make.local("a", node: "n1"),
    ]

    @Test(arguments: [false, true]) func `a resource is written as its message would be`(_ withAliases: Bool) throws {
        for resource in Self.resources {
            var writer = ProtobufWriter()
            resource.write(to: &writer, field: 2, withAliases: withAliases)
            #expect(writer.bytes.count <= resource.cost || withAliases)
            let response = try DiscoveryAPI.DeltaResponse(decoding: writer.bytes)
            let message = try #require(response.resources.first)
            #expect(response.encoded == writer.bytes)
            #expect(message.name == resource.name && message.version == EncodedResource.text(resource.version))
            #expect(message.aliases == (withAliases ? resource.aliases : []))
            #expect(message.resource?.typeURL == resource.type.rawValue)
        }
    }

    @Test func `the size of a field is known before it is written`() {
        for count in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            var (inner, outer) = (ProtobufWriter(), ProtobufWriter())
            let bytes = [UInt8](repeating: 7, count: count)
            inner.write(bytes: bytes, field: 15)
            #expect(inner.bytes.count == ProtobufWriter.size(ofBytes: count))
            outer.write(message: 1, size: inner.bytes.count) { $0.write(bytes: bytes, field: 15) }
            var usual = ProtobufWriter()
            usual.write(bytes: inner.bytes, field: 1)
            #expect(outer.bytes == usual.bytes)
        }
    }

    @Test func `a survey counts as one asks each node`() {
        let held = (0..<200).map { _ in UInt64.random(in: 0..<50) }
        var survey = AcknowledgementSurvey()
        for revision in held { survey.add(holding: revision) }
        for wanted in 0..<51 as Range<UInt64> {
            let answer = survey.acknowledgement(ofRevision: wanted)
            #expect(answer == Acknowledgement(acknowledged: held.count { $0 >= wanted }, concerned: 200))
        }
        #expect(survey.refusals(of: .address, "w/a", ofRevision: 0).isEmpty)
    }

    @Test func `a survey knows who refuses what, in the node's words`() throws {
        let bench = try ServerBench()
        bench.apply([Make.workload("a"), Make.workload("b")])
        let (refusing, _) = (bench.client(node: "n1"), bench.client(node: "n2"))
        refusing.error = "w/a: no"
        bench.settle()
        let survey = bench.server.survey()
        func who(_ type: ResourceType, _ name: String, ofRevision revision: UInt64 = 1) -> [String] {
            survey.refusals(of: type, name, ofRevision: revision).keys.sorted()
        }
        #expect(who(.address, "w/a") == ["n1"])
        #expect(who(.address, "w/b") == [] && who(.authorization, "w/a") == [])
        // Of what it hasn't answered yet nobody knows whether it refuses that too.
        #expect(who(.address, "w/a", ofRevision: bench.server.revision + 1) == [])
        #expect(survey.acknowledgement(ofRevision: 1) == Acknowledgement(acknowledged: 2, concerned: 2))
    }

    @Test func `a revision that tells nobody anything makes no round, and is told with the next that does`() throws {
        let bench = try ServerBench()
        bench.apply([Make.workload("a")])
        let client = bench.client()
        bench.settle()
        let rounds = bench.server.metrics.rounds
        let answered = client.responses.count
        bench.apply([Make.workload("a")])
        bench.apply([])
        bench.settle()
        #expect(bench.server.metrics.rounds == rounds && client.responses.count == answered)
        #expect(bench.server.acknowledgement(ofRevision: 3).isComplete)
        // Who comes now hears of the newest revision, and so does everybody with the next change.
        let late = bench.client(node: "n2")
        bench.settle()
        #expect(late.responses.allSatisfy { $0.systemVersionInfo == "store-1/3" })
        bench.apply([Make.workload("b")])
        bench.settle()
        #expect(client.responses.last?.systemVersionInfo == "store-1/4")
        #expect(Set(client.held[.address, default: [:]].keys) == ["w/a", "w/b"])
    }
}
