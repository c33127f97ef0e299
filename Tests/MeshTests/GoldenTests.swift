// SPDX-License-Identifier: Apache-2.0

import Documents
import Mesh
import Messages
import Support
import Testing
import Wire

/// The translation and the codec against what a real istiod made and sent.
@Suite struct GoldenTests {
    @Test func `all sets are there`() {
        #expect(VectorSet.all.count == 39)
        #expect(VectorSet.current.count >= 32)
    }

    @Test(arguments: VectorSet.current)
    func `the translation says what istiod says`(set: VectorSet) {
        let (resources, findings) = loadResources(files: [(name: "\(set.name).yaml", text: set.yaml)], purpose: .translate)
        #expect(findings.filter { $0.severity == .error } == [])
        let document = translateDocument(translate(resources))
        #expect(document.normalised.prettyJSON == set.expected.normalised.prettyJSON)
    }

    @Test(arguments: VectorSet.all)
    func `the messages on the wire say what the JSON says`(set: VectorSet) throws {
        try compare(set.addresses, with: set.expected["addresses"], WorkloadAPI.Address.self, WorkloadAPI.addressTypeURL)
        try compare(
            set.authorizations, with: set.expected["authorizations"], SecurityAPI.Authorization.self,
            SecurityAPI.authorizationTypeURL)
    }

    private func compare<Kind: Message>(_ bytes: [UInt8], with expected: Value?, _ type: Kind.Type, _ url: String) throws {
        let response = try DiscoveryAPI.DeltaResponse(decoding: bytes)
        #expect(response.unknownFields == [])
        #expect(response.nonce == "n")
        #expect(response.typeURL == url)
        #expect(try DiscoveryAPI.DeltaResponse(decoding: response.encoded) == response)
        var byName: [String: Value] = [:]
        for resource in response.resources {
            let any = try #require(resource.resource)
            #expect(any.typeURL == url)
            let message = try Kind(decoding: any.value)
            #expect(message.unknownFields == [])
            // What was decoded is encoded to something that means the same, and comes back through JSON as well.
            #expect(try Kind(decoding: message.encoded) == message)
            #expect(try Kind(json: message.json) == message)
            byName[resource.name] = message.json
        }
        for entry in expected?.sequenceValue ?? [] {
            let name = try #require(entry["name"]?.stringValue)
            #expect(byName.removeValue(forKey: name)?.prettyJSON == entry["resource"]?.normalisedKeys.prettyJSON)
        }
        #expect(byName.isEmpty)
    }

    @Test(arguments: VectorSet.all)
    func `the model survives the way over the wire`(set: VectorSet) throws {
        for resource in try DiscoveryAPI.DeltaResponse(decoding: set.addresses).resources {
            let address = try WorkloadAPI.Address(decoding: try #require(resource.resource).value)
            if let workload = address.workload {
                #expect(try WorkloadAPI.Workload(workload.model()) == workload)
                #expect(try workload.model().uid == resource.name)
            } else {
                let service = try #require(address.service)
                #expect(try WorkloadAPI.Service(service.model()) == service)
                #expect(try service.model().key == resource.name)
            }
        }
        for resource in try DiscoveryAPI.DeltaResponse(decoding: set.authorizations).resources {
            let policy = try SecurityAPI.Authorization(decoding: try #require(resource.resource).value)
            #expect(try SecurityAPI.Authorization(policy.model()) == policy)
            #expect(try policy.model().key == resource.name)
        }
    }

    @Test func `the same resources give the same text each time`() throws {
        for set in VectorSet.current {
            let (resources, _) = loadResources(files: [(name: "a", text: set.yaml)], purpose: .translate)
            #expect(translateDocument(translate(resources)).json == translateDocument(translate(resources)).json)
        }
    }
}

extension Value {
    /// Keys sorted, lists as they are.
    fileprivate var normalisedKeys: Value {
        switch content {
        case .mapping(let entries): .object(entries.sorted { $0.key < $1.key }.map { ($0.key, $0.value.normalisedKeys) })
        case .sequence(let values): .array(values.map(\.normalisedKeys))
        case .null, .bool, .integer, .number, .string: self
        }
    }
}
