// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Mesh
import Messages
import Testing
import Wire

@Suite struct MessageTests {
    private func policy(_ build: (inout SecurityAPI.Match) -> Void) -> SecurityAPI.Authorization {
        var match = SecurityAPI.Match()
        build(&match)
        var rules = SecurityAPI.Rules()
        rules.matches = [match]
        var group = SecurityAPI.Group()
        group.rules = [rules]
        var policy = SecurityAPI.Authorization()
        (policy.name, policy.namespace, policy.groups) = ("p", "shop", [group])
        return policy
    }

    @Test func `fields that aren't declared are kept and written again`() throws {
        var writer = ProtobufWriter()
        writer.write(string: "db", field: 2)
        writer.write(varint: 7, field: 99)
        writer.write(string: "new", field: 100)
        let address = try WorkloadAPI.NamespacedHostname(decoding: writer.bytes)
        #expect(address.hostname == "db")
        #expect(!address.unknownFields.isEmpty)
        #expect(address.encoded == writer.bytes)
    }

    @Test func `of a oneof the last that came counts`() throws {
        var writer = ProtobufWriter()
        writer.write(string: "a", field: 1)
        writer.write(string: "", field: 2)
        let match = try SecurityAPI.StringMatch(decoding: writer.bytes)
        #expect(match.exact == nil)
        #expect(match.prefix == "")
        #expect(try SecurityAPI.StringMatch(decoding: match.encoded) == match)
    }

    @Test func `numbers are read packed and one by one`() throws {
        var single = ProtobufWriter()
        for port: UInt64 in [80, 443] { single.write(varint: port, field: 9) }
        var packed = ProtobufWriter()
        packed.write(packed: [80, 443], field: 9)
        #expect(try SecurityAPI.Match(decoding: single.bytes).destinationPorts == [80, 443])
        #expect(try SecurityAPI.Match(decoding: packed.bytes).destinationPorts == [80, 443])
    }

    @Test func `a capacity of nought isn't the same as none`() throws {
        var workload = WorkloadAPI.Workload()
        workload.uid = "w"
        #expect(try WorkloadAPI.Workload(decoding: workload.encoded).capacity == nil)
        workload.capacity = 0
        #expect(try WorkloadAPI.Workload(decoding: workload.encoded).capacity == 0)
        #expect(try WorkloadAPI.Workload(json: workload.json).capacity == 0)
        #expect(try WorkloadAPI.Workload(decoding: workload.encoded).model().capacity == 0)
    }

    @Test func `a certificate request looks as istiod expects it`() throws {
        var request = CertificateAPI.Request()
        request.csr = "PEM"
        request.validityDuration = 86_400
        request.metadata = ["ImpersonatedIdentity": "spiffe://cluster.local/ns/shop/sa/web"]
        #expect(try CertificateAPI.Request(decoding: request.encoded) == request)
        #expect(request.encoded.prefix(5) == [0x0a, 3, 0x50, 0x45, 0x4d])
        #expect(request.json["validity_duration"] == "86400")
        #expect(try CertificateAPI.Request(json: request.json) == request)
    }

    @Test func `a structure holds any JSON value, to a depth`() throws {
        var node = DiscoveryAPI.Node()
        node.metadata = ["a": ["b": [1.5, true, .null, "x", [:], []]], "c": -1]
        #expect(try DiscoveryAPI.Node(decoding: node.encoded) == node)
        var deep: Value = 1
        for _ in 0..<100 { deep = .array([deep]) }
        node.metadata = ["deep": deep]
        #expect(throws: WireFailure.tooDeep) { try DiscoveryAPI.Node(decoding: node.encoded) }
    }

    @Test func `what a peer can send is bounded by values as well as bytes`() {
        var writer = ProtobufWriter()
        for _ in 0..<100 { writer.write(bytes: [], field: 5) }
        let bytes = writer.bytes
        #expect(throws: WireFailure.tooManyValues) {
            try SecurityAPI.Authorization(decoding: bytes, budget: ProtobufBudget(depth: 8, values: 50))
        }
        var packed = ProtobufWriter()
        packed.write(packed: Array(repeating: 1, count: 100), field: 9)
        let ports = packed.bytes
        #expect(throws: WireFailure.tooManyValues) {
            try SecurityAPI.Match(decoding: ports, budget: ProtobufBudget(depth: 8, values: 50))
        }
    }

    @Test func `I16 a policy with a field of the future never allows more`() throws {
        for action: Int32 in [0, 1] {
            var policy = policy {
                $0.destinationPorts = [80]
                $0.unknownFields = [0xfa, 0x01, 0x01, 0x61]
            }
            policy.action = action
            let model = try SecurityAPI.Authorization(decoding: policy.encoded).model()
            #expect(model.groups[0].rules[0].matches[0].isPartlyUnknown)
        }
        var unknownKind = policy { $0.namespaces = [SecurityAPI.StringMatch()] }
        #expect(try unknownKind.model().groups[0].rules[0].matches[0].isPartlyUnknown)
        unknownKind.groups[0].rules[0].unknownFields = [0xf8, 0x01, 0x01]
        #expect(try unknownKind.model().groups[0].rules[0].matches.map(\.isPartlyUnknown) == [true])
        var group = policy { $0.destinationPorts = [80] }
        group.groups[0].unknownFields = [0xf8, 0x01, 0x01]
        #expect(try group.model().groups[0].rules.count == 2)
    }

    @Test func `a policy whose action, scope or own fields aren't known is refused`() {
        var strange = policy { _ in }
        strange.action = 2
        #expect(throws: ConversionFailure.self) { try strange.model() }
        strange.action = 0
        strange.scope = 3
        #expect(throws: ConversionFailure.self) { try strange.model() }
        strange.scope = 0
        strange.unknownFields = [0xf8, 0x01, 0x01]
        #expect(throws: ConversionFailure.self) { try strange.model() }
    }

    @Test func `values that mean nothing are refused, one resource at a time`() {
        var workload = WorkloadAPI.Workload()
        #expect(throws: ConversionFailure.self) { try workload.model() }
        workload.uid = "w"
        workload.addresses = [[1, 2, 3, 4, 5]]
        #expect(throws: ConversionFailure.self) { try workload.model() }
        workload.addresses = []
        workload.tunnelProtocol = 9
        #expect(throws: ConversionFailure.self) { try workload.model() }
        workload.tunnelProtocol = 0
        var port = WorkloadAPI.Port()
        port.servicePort = 70_000
        var list = WorkloadAPI.PortList()
        list.ports = [port]
        workload.services = ["a/b": list]
        #expect(throws: ConversionFailure.self) { try workload.model() }
        var service = WorkloadAPI.Service()
        service.hostname = "db"
        var address = WorkloadAPI.NetworkAddress()
        (address.address, address.length) = ([10, 0, 0, 0], 33)
        service.addresses = [address]
        #expect(throws: ConversionFailure.self) { try service.model() }
        var block = SecurityAPI.Block()
        (block.address, block.length) = ([10, 0, 0, 0], 40)
        let ranged = policy { $0.sourceIPs = [block] }
        #expect(throws: ConversionFailure.self) { try ranged.model() }
    }

    @Test func `the model survives the way over the wire with every field set`() throws {
        var workload = Workload()
        workload.uid = "w"
        workload.waypoint = GatewayAddress(destination: .hostname(namespace: "a", hostname: "b"), hboneMTLSPort: 15008)
        workload.networkGateway = GatewayAddress(
            destination: .address(NetworkAddress(network: "n", address: .loopbackV6)), hboneMTLSPort: 15008)
        workload.applicationTunnel = ApplicationTunnel(header: .proxy, port: 15088)
        workload.locality = Locality(region: "r", zone: "z", subzone: "s")
        workload.services = [ServiceMembership(service: "a/b", ports: [Port(servicePort: 1, targetPort: 2)])]
        (workload.networkMode, workload.status, workload.kind, workload.capacity) = (.hostNetwork, .unhealthy, .cronJob, 7)
        #expect(try WorkloadAPI.Workload(decoding: WorkloadAPI.Workload(workload).encoded).model() == workload)
        var service = Service()
        service.hostname = "b"
        service.addresses = [NetworkAddress(network: "n", address: .anyV4, length: 8)]
        service.weightedWaypoints = [
            WeightedWaypoint(
                destination: GatewayAddress(destination: .hostname(namespace: "a", hostname: "w"), hboneMTLSPort: 1), weight: 3)
        ]
        service.loadBalancing = LoadBalancing(routingPreference: [.network, .node], mode: .failover, healthPolicy: .allowAll)
        (service.ipFamilies, service.visibility, service.canonical, service.ingressUseWaypoint) = (.dual, .namespace, true, true)
        #expect(try WorkloadAPI.Service(decoding: WorkloadAPI.Service(service).encoded).model() == service)
        #expect(try WorkloadAPI.Service(json: WorkloadAPI.Service(service).json).model() == service)
    }

    @Test func `random bytes never do more than fail`() {
        var random = SplitMix(seed: 3)
        for set in VectorSet.all {
            for _ in 0..<60 {
                var bytes = random.chance(2) ? set.addresses : set.authorizations
                for _ in 0..<Int.random(in: 1...6, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                if random.chance(3) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
                guard let response = try? DiscoveryAPI.DeltaResponse(decoding: bytes) else { continue }
                for resource in response.resources {
                    let value = resource.resource?.value ?? []
                    _ = try? WorkloadAPI.Address(decoding: value).workload?.model()
                    _ = try? WorkloadAPI.Address(decoding: value).service?.model()
                    _ = try? SecurityAPI.Authorization(decoding: value).model()
                }
            }
        }
    }
}
