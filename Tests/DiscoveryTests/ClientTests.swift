// SPDX-License-Identifier: Apache-2.0

import Documents
import Mesh
import Messages
import Support
import Testing
import Transport
import Wire

@testable import Discovery

/// The client's end of delta discovery, against a control plane that the test plays.
@Suite struct ClientTests {
    private let stream = ClientStream()
    private let keeper = ClientKeeper()
    private let node = DiscoveryNode(id: "node-1", metadata: [("NODE_NAME", "node-1"), ("NAMESPACE", "warren-system")])

    private func client(_ types: [ResourceType] = [.address, .authorization]) -> DeltaClient {
        keeper.held.begin()
        let client = DeltaClient(stream: stream, types: types, delegate: keeper)
        client.begin(DeltaClient.firstRequests(types, node: node, held: keeper.held))
        return client
    }

    @Test func `it asks for everything as a real ztunnel does`() {
        let client = client()
        #expect(stream.sent.map(\.typeURL) == [ResourceType.address.rawValue, ResourceType.authorization.rawValue])
        for request in stream.sent {
            #expect(request.node?.id == "node-1")
            #expect(request.node?.metadata == .object([("NODE_NAME", "node-1"), ("NAMESPACE", "warren-system")]))
            #expect(request.resourceNamesSubscribe.isEmpty && request.initialResourceVersions.isEmpty)
        }
        #expect(stream.taken == 1)
        #expect(!client.isSynchronised)
    }

    @Test func `a response is acknowledged with its nonce and without the node`() {
        let client = client()
        stream.receive(Responses.response(.address, nonce: "a", [Responses.workload("one")]))
        let answer = stream.sent.last
        #expect(answer?.responseNonce == "a" && answer?.typeURL == ResourceType.address.rawValue)
        #expect(answer?.node == nil && answer?.errorDetail == nil)
        #expect(stream.taken == 2 && !client.isSynchronised)
        stream.receive(Responses.response(.authorization, nonce: "b", []))
        #expect(client.isSynchronised && keeper.synchronisations == 1)
    }

    @Test func `the next response waits until the last is dealt with`() {
        let client = client()
        keeper.isSlow = true
        stream.receive(Responses.response(.address, [Responses.workload("one")]))
        #expect(stream.taken == 1 && stream.sent.count == 2)
        keeper.catchUp()
        #expect(stream.taken == 2 && stream.sent.count == 3 && client.responses == 1)
    }

    @Test func `a bad resource is named, and the good ones beside it are held`() {
        let client = client()
        let bad = Responses.workload("two") { $0.addresses = [[1, 2, 3]] }
        let alien = Responses.workload("three") { $0.uid = "another" }
        stream.receive(Responses.response(.address, nonce: "n", [Responses.workload("one"), bad, alien]))
        let answer = stream.sent.last
        #expect(answer?.responseNonce == "n")
        let words = answer?.errorDetail?.message ?? ""
        #expect(words.contains("two") && words.contains("3 bytes are no IP address") && words.contains("three"), "\(words)")
        #expect(!words.contains("one:"))
        #expect(keeper.content[.address]?.keys.sorted() == ["one"])
        #expect(keeper.held.versions(of: .address) == ["one": "v1"])
        #expect(client.responses == 1 && !stream.isCancelled)
    }

    @Test func `a rejected change leaves the resource as it was`() {
        let client = client()
        stream.receive(Responses.response(.address, [Responses.workload("one")]))
        stream.receive(Responses.response(.address, [Responses.workload("one", version: "v2") { $0.status = 77 }]))
        #expect(stream.sent.last?.errorDetail != nil)
        #expect(keeper.held.versions(of: .address) == ["one": "v1"])
        #expect(client.responses == 2)
    }

    @Test func `removals are applied, also of what nobody has`() {
        let client = client()
        stream.receive(Responses.response(.address, [Responses.workload("one"), Responses.workload("two")]))
        stream.receive(Responses.response(.address, nonce: "r", [], removed: ["one", "never"]))
        #expect(keeper.content[.address]?.keys.sorted() == ["two"])
        #expect(keeper.held.count == 1 && stream.sent.last?.errorDetail == nil && stream.sent.last?.responseNonce == "r")
        #expect(client.responses == 2)
    }

    @Test func `a new call says which versions are held`() {
        let first = client()
        stream.receive(Responses.response(.address, [Responses.workload("one"), Responses.workload("two", version: "v7")]))
        stream.receive(Responses.response(.authorization, [Responses.policy("p")]))
        stream.end(GRPCStatus(.unavailable))
        #expect(keeper.ends.map(\.code) == [.unavailable] && first.isSynchronised)
        keeper.held.begin()
        let requests = DeltaClient.firstRequests([.address, .authorization], node: node, held: keeper.held)
        let decoded = requests.compactMap { try? DiscoveryAPI.DeltaRequest(decoding: $0) }
        #expect(decoded.first?.initialResourceVersions == ["one": "v1", "two": "v7"])
        // istiod gives policies no version: there is nothing to say.
        #expect(decoded.last?.initialResourceVersions == [:])
    }

    @Test func `what has no version is gone if a new call's first response doesn't bring it`() {
        let first = client()
        stream.receive(Responses.response(.authorization, [Responses.policy("stays"), Responses.policy("goes")]))
        _ = first
        let second = client()
        stream.receive(Responses.response(.authorization, nonce: "2", [Responses.policy("stays")]))
        #expect(keeper.content[.authorization]?.keys.sorted() == ["shop/stays"])
        stream.receive(Responses.response(.authorization, nonce: "3", [Responses.policy("more")]))
        #expect(keeper.content[.authorization]?.keys.sorted() == ["shop/more", "shop/stays"])
        #expect(second.responses == 2)
    }

    @Test func `a local workload's namespace is a plain name`() {
        let client = client([.local])
        stream.receive(
            Responses.response(.local, [Responses.local("a", namespace: "web"), Responses.local("b", namespace: "../x")]))
        #expect(keeper.content[.local]?.keys.sorted() == ["a"])
        #expect(stream.sent.last?.errorDetail?.message.contains("network_namespace") == true)
        #expect(client.isSynchronised)
    }

    @Test func `a type that nobody asked for is refused`() {
        let client = client()
        var response = DiscoveryAPI.DeltaResponse()
        response.typeURL = "type.googleapis.com/envoy.config.listener.v3.Listener"
        response.nonce = "x"
        stream.receive(response.encoded)
        #expect(stream.sent.last?.errorDetail?.message.contains("not asked for") == true)
        #expect(!stream.isCancelled && client.responses == 1)
    }

    @Test func `garbage ends the call`() {
        let client = client()
        stream.receive([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])
        #expect(stream.isCancelled && keeper.ends.count == 1)
        stream.receive(Responses.response(.address, []))
        #expect(client.responses == 1 && keeper.ends.count == 1)
    }

    @Test func `after its end nothing is heard`() {
        let client = client()
        keeper.isSlow = true
        stream.receive(Responses.response(.address, [Responses.workload("one")]))
        client.cancel()
        keeper.catchUp()
        stream.end(GRPCStatus(.cancelled))
        #expect(stream.isCancelled && keeper.ends.isEmpty && stream.sent.count == 2)
    }
}

/// What a client lets a control plane make it hold.
@Suite struct HeldResourcesTests {
    private func push(_ resources: [DiscoveryAPI.Resource], removed: [String] = [], bounds: DiscoveryBounds) throws -> DecodedPush
    {
        try DecodedPush(Responses.response(.address, resources, removed: removed), bounds: bounds)
    }

    @Test func `no more resources are held than the bound says`() throws {
        var bounds = DiscoveryBounds()
        bounds.resources = 2
        var held = HeldResources(bounds: bounds)
        var first = try push((1...3).map { Responses.workload("w\($0)") }, bounds: bounds)
        held.apply(&first)
        #expect(first.resources.map(\.name) == ["w1", "w2"] && first.rejected.map(\.name) == ["w3"] && held.count == 2)
        var second = try push([Responses.workload("w1", version: "v2")], removed: ["w2"], bounds: bounds)
        held.apply(&second)
        #expect(held.versions(of: .address) == ["w1": "v2"] && second.rejected.isEmpty)
    }

    @Test func `no more bytes are held than the bound says, and all are given back`() throws {
        var bounds = DiscoveryBounds()
        bounds.bytes = 100
        var held = HeldResources(bounds: bounds)
        var first = try push((1...9).map { Responses.workload("w\($0)") }, bounds: bounds)
        held.apply(&first)
        #expect(held.bytes <= 100 && held.count < 9 && held.count + first.rejected.count == 9)
        var second = try push([], removed: (1...9).map { "w\($0)" }, bounds: bounds)
        held.apply(&second)
        #expect(held.bytes == 0 && held.count == 0)
    }

    @Test func `one that is too large is refused alone`() throws {
        var bounds = DiscoveryBounds()
        bounds.resourceBytes = 1000
        let large = Responses.workload("large") { $0.hostname = String(repeating: "x", count: 2000) }
        let decoded = try push([large, Responses.workload("small")], bounds: bounds)
        #expect(decoded.resources.map(\.name) == ["small"] && decoded.rejected.map(\.name) == ["large"])
    }

    @Test(arguments: [("a/12", "a", 12 as UInt64), ("9f-3/0", "9f-3", 0)])
    func `a position is read`(_ text: String, _ identity: String, _ revision: UInt64) {
        #expect(StorePosition(text) == StorePosition(identity: identity, revision: revision))
        #expect(StorePosition(text)?.description == text)
    }

    @Test(arguments: ["", "/", "a/", "/1", "a/b", "a/-1", "a/1/2", "a b/1", "2026-08-22T10:00:00Z/99999999999999999999"])
    func `what is no position isn't taken for one`(_ text: String) { #expect(StorePosition(text) == nil) }
}

/// What a real istiod sent, through the client's eyes.
@Suite struct RecordedResponseTests {
    private static let folder = #filePath.split(separator: "/").dropLast(2).map { "/\($0)" }.joined() + "/MeshTests/Vectors"

    @Test func `every recorded response of istiod is taken whole`() throws {
        let files = try Files.list(Self.folder).filter { $0.hasSuffix(".binpb") }
        #expect(files.count > 50)
        for file in files {
            let stream = ClientStream()
            let keeper = ClientKeeper()
            let type = file.hasSuffix(".addresses.binpb") ? ResourceType.address : .authorization
            let client = DeltaClient(stream: stream, types: [type], delegate: keeper)
            client.begin([])
            let message = try Files.read("\(Self.folder)/\(file)")
            stream.receive(message)
            let response = try DiscoveryAPI.DeltaResponse(decoding: message)
            #expect(stream.sent.count == 1 && stream.sent.first?.errorDetail == nil, "\(file)")
            #expect(stream.sent.first?.responseNonce == "n" || !client.isSynchronised, "\(file)")
            #expect(Set(keeper.content[type]?.keys.sorted() ?? []) == Set(response.resources.map(\.name)), "\(file)")
        }
    }

    /// What the quick way takes is what the general way says, also where bytes were altered; what it doesn't take may be anything.
    @Test func `workloads are read quickly as they are read slowly`() throws {
        var (quick, all) = (0, 0)
        // One for all: what is read of one workload must not be taken for another's.
        var pool = WorkloadPool()
        for file in try Files.list(Self.folder) where file.hasSuffix(".addresses.binpb") {
            let response = try DiscoveryAPI.DeltaResponse(decoding: try Files.read("\(Self.folder)/\(file)"))
            for bytes in response.resources.compactMap({ $0.resource?.value }) {
                let slow = { (bytes: [UInt8]) in try WorkloadAPI.Address(decoding: bytes).workload?.model() }
                guard let expected = try slow(bytes) else { continue }
                all += 1
                if let read = Workload(quickly: bytes[...], &pool) {
                    quick += 1
                    #expect(read == expected, "\(file)")
                }
                for index in bytes.indices {
                    var altered = bytes
                    altered[index] ^= ([0x01, 0x08, 0x80] as [UInt8])[index % 3]
                    if let read = Workload(quickly: ([0xff] + altered).dropFirst(), &pool) {
                        let other = try? slow(altered)
                        #expect(read == other, "\(file), byte \(index)")
                    }
                    let cut = Workload(quickly: bytes.prefix(index), &pool)
                    #expect(cut == nil || index == bytes.count)
                }
            }
        }
        #expect(all > 40 && quick * 10 > all * 8, "\(quick) of \(all)")
    }

    @Test(arguments: ["1c8a", "0", "ffffffffffffffff", "", "01", "FF", "v1", "1234567890123456789", "10000000000000000"])
    func `versions are kept as they are written`(_ text: String) {
        #expect(ResourceVersion(text).description == text && ResourceVersion(text).isEmpty == text.isEmpty)
    }

    @Test func `a response that is cut anywhere traps nobody`() throws {
        let message = try Files.read("\(Self.folder)/service-ports.addresses.binpb")
        for length in 0..<message.count { _ = try? DecodedPush(Array(message.prefix(length))) }
        for index in message.indices {
            var changed = message
            changed[index] ^= 0x55
            _ = try? DecodedPush(changed)
        }
    }
}
