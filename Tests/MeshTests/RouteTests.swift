// SPDX-License-Identifier: Apache-2.0

import Bytes
import Mesh
import Testing

@Suite struct RouteTests {
    private func route(
        _ snapshot: MeshSnapshot, _ destination: String, from source: String? = nil, excluding: [EndpointKey] = [],
        seed: UInt64 = 1
    ) throws -> Route {
        var random = SplitMix(seed: seed)
        return snapshot.route(
            to: try #require(SocketAddress(destination)), from: try source.map { try snapshot.id($0) }, random: &random,
            excluding: excluding)
    }

    private func address(_ route: Route) -> String {
        switch route {
        case .tunnel(_, let destination, _, _): "tunnel \(destination)"
        case .plain(let address, _, _): "plain \(address)"
        case .passthrough(let address): "passthrough \(address)"
        case .refused(let refusal): "refused: \(refusal.reason)"
        }
    }

    @Test func `an address that nobody knows is passed through`() throws {
        let snapshot = TestMesh.snapshot(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5"))
        #expect(try address(route(snapshot, "192.0.2.1:443")) == "passthrough 192.0.2.1:443")
        #expect(try address(route(MeshSnapshot.empty, "192.0.2.1:443")) == "passthrough 192.0.2.1:443")
    }

    @Test func `I01 a captured workload is reached by a tunnel that expects its identity`() throws {
        let snapshot = TestMesh.snapshot(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5"))
        let identity = try #require(SPIFFEID("spiffe://cluster.local/ns/shop/sa/db"))
        #expect(
            try route(snapshot, "10.0.0.5:5432")
                == .tunnel(
                    workload: try snapshot.id("db-1"), destination: try #require(SocketAddress("10.0.0.5:5432")), service: nil,
                    acceptedIdentities: [identity]))
    }

    @Test func `I01 an address that two share is a tunnel if one of them speaks HBONE, whichever comes first`() throws {
        for (first, second) in [("a-1", "z-1"), ("z-1", "a-1")] {
            let snapshot = TestMesh.snapshot(
                TestMesh.namespace + TestMesh.workload(first, "10.0.0.5") + TestMesh.plain(second, "10.0.0.5")
                    + TestMesh.service(String(second.prefix(1)), "10.96.0.1"))
            #expect(try address(route(snapshot, "10.0.0.5:80")) == "tunnel 10.0.0.5:80")
            // Through a service too, even if only the other one is its endpoint.
            #expect(try address(route(snapshot, "10.96.0.1:80")) == "tunnel 10.0.0.5:8080")
        }
    }

    @Test func `I01 no way leads in plain to a workload that speaks HBONE, on random meshes`() throws {
        var random = SplitMix(seed: 1)
        for _ in 0..<300 {
            let state = RandomMesh.state(&random)
            let snapshot = MeshSnapshot(state: state, options: MeshOptions(), revision: 1)
            let tunnelled = Set(
                state.workloads.filter { $0.tunnelProtocol == .hbone && $0.networkMode == .standard && $0.network.isEmpty }
                    .flatMap(\.addresses))
            for _ in 0..<40 {
                let source = snapshot.workloads.filter { $0.workload.network.isEmpty }.randomElement(using: &random)?.id
                switch snapshot.route(to: RandomMesh.destination(&random), from: source, random: &random) {
                case .plain(let address, _, _), .passthrough(let address): #expect(!tunnelled.contains(address.ip))
                case .tunnel(_, _, _, let identities): #expect(!identities.isEmpty)
                case .refused: break
                }
            }
        }
    }

    @Test func `a workload outside the mesh is reached in plain`() throws {
        let snapshot = TestMesh.snapshot(
            TestMesh.namespace + TestMesh.plain("db-1", "10.0.0.5") + TestMesh.service("db", "10.96.0.1"))
        #expect(try address(route(snapshot, "10.0.0.5:5432")) == "plain 10.0.0.5:5432")
        #expect(try address(route(snapshot, "10.96.0.1:80")) == "plain 10.0.0.5:8080")
    }

    @Test func `a service spreads over its endpoints by weight`() throws {
        let snapshot = TestMesh.snapshot(
            TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5")
                + TestMesh.workload("db-2", "10.0.0.6", spec: ", weight: 3")
                + TestMesh.service("db", "10.96.0.1"))
        var counts: [String: Int] = [:]
        for seed in UInt64(0)..<4000 { counts[try address(route(snapshot, "10.96.0.1:80", seed: seed)), default: 0] += 1 }
        #expect(Set(counts.keys) == ["tunnel 10.0.0.5:8080", "tunnel 10.0.0.6:8080"])
        #expect((800...1200).contains(counts["tunnel 10.0.0.5:8080", default: 0]), "\(counts)")
    }

    @Test func `an endpoint that was tried is not chosen again, and the refusal says when none is left`() throws {
        let snapshot = TestMesh.snapshot(
            TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5") + TestMesh.workload("db-2", "10.0.0.6")
                + TestMesh.service("db", "10.96.0.1"))
        let (first, second) = (try #require(SocketAddress("10.0.0.5:8080")), try #require(SocketAddress("10.0.0.6:8080")))
        for seed in UInt64(0)..<50 {
            #expect(try address(route(snapshot, "10.96.0.1:80", excluding: [first], seed: seed)) == "tunnel \(second)")
        }
        #expect(
            try address(route(snapshot, "10.96.0.1:80", excluding: [first, second]))
                == "refused: every endpoint of service shop/db.shop.svc.cluster.local refused the connection")
    }

    @Test func `a service without an endpoint, without the port or without a healthy one refuses and says why`() throws {
        let snapshot = TestMesh.snapshot(TestMesh.namespace + TestMesh.service("db", "10.96.0.1"))
        #expect(try address(route(snapshot, "10.96.0.1:80")) == "refused: service shop/db.shop.svc.cluster.local has no endpoint")
        #expect(try address(route(snapshot, "10.96.0.1:81")) == "refused: service shop/db.shop.svc.cluster.local has no port 81")
        var state = TestMesh.state(
            TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5") + TestMesh.service("db", "10.96.0.1"))
        state.workloads[0].status = .unhealthy
        var unhealthy = MeshSnapshot(state: state, options: MeshOptions(), revision: 1)
        #expect(try address(route(unhealthy, "10.96.0.1:80")).contains("no healthy endpoint (1 unhealthy)"))
        state.services[0].loadBalancing = LoadBalancing(healthPolicy: .allowAll)
        unhealthy = MeshSnapshot(state: state, options: MeshOptions(), revision: 1)
        #expect(try address(route(unhealthy, "10.96.0.1:80")) == "tunnel 10.0.0.5:8080")
    }

    @Test(arguments: [
        ("{name: main, port: 80, targetPort: 8080}", "", "8080"), ("{name: main, port: 80}", "", "80"),
        ("{name: main, port: 80, targetPort: 8080}", ", ports: {main: 9000}", "9000"),
        ("{name: main, port: 80, targetPort: web}", ", ports: {web: 7000}", "7000"),
        ("{name: main, port: 80, targetPort: web}", "", nil),
    ])
    func `the port of a service becomes that of the endpoint`(port: String, entry: String, target: String?) throws {
        let snapshot = TestMesh.snapshot(
            TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5", spec: entry)
                + TestMesh.service("db", "10.96.0.1", port: port))
        let route = try route(snapshot, "10.96.0.1:80")
        if let target {
            #expect(address(route) == "tunnel 10.0.0.5:\(target)")
        } else {
            #expect(address(route) == "refused: no endpoint of service shop/db.shop.svc.cluster.local serves port 80")
        }
    }

    @Test func `the family of the address asked for is preferred, another is better than none`() throws {
        let snapshot = TestMesh.snapshot(
            TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5", more: ", warren.dev/additional-addresses: '2001:db8::5'")
                + TestMesh.workload("web-1", "10.0.0.6") + TestMesh.service("web", "2001:db8:1::2")
                + TestMesh.service("db", "2001:db8:1::1", spec: ", clusterIPs: ['2001:db8:1::1', 10.96.0.1]"))
        #expect(try address(route(snapshot, "[2001:db8:1::1]:80")) == "tunnel [2001:db8::5]:8080")
        #expect(try address(route(snapshot, "10.96.0.1:80")) == "tunnel 10.0.0.5:8080")
        #expect(try address(route(snapshot, "[2001:db8:1::2]:80")) == "tunnel 10.0.0.6:8080")
        #expect(try address(route(snapshot, "[2001:db8::5]:80")) == "tunnel [2001:db8::5]:80")
    }

    @Test func `near endpoints come first where the service prefers them, and only they where it insists`() throws {
        let entries =
            TestMesh.namespace + TestMesh.workload("web-1", "10.0.0.1", spec: ", locality: r1/z1")
            + TestMesh.workload("db-1", "10.0.0.5", spec: ", locality: r1/z2")
            + TestMesh.workload("db-2", "10.0.0.6", spec: ", locality: r1/z1")
            + TestMesh.workload("db-3", "10.0.0.7", spec: ", locality: r2/z1").replacing("node-1", with: "node-2")
        let close = TestMesh.snapshot(entries + TestMesh.service("db", "10.96.0.1", spec: ", trafficDistribution: PreferClose"))
        let near = try #require(SocketAddress("10.0.0.6:8080"))
        for seed in UInt64(0)..<40 {
            #expect(try address(route(close, "10.96.0.1:80", from: "web-1", seed: seed)) == "tunnel 10.0.0.6:8080")
            // The same region next, and after that anywhere.
            #expect(
                try address(route(close, "10.96.0.1:80", from: "web-1", excluding: [near], seed: seed)) == "tunnel 10.0.0.5:8080")
        }
        let local = TestMesh.snapshot(entries + TestMesh.service("db", "10.96.0.1", spec: ", internalTrafficPolicy: Local"))
        for seed in UInt64(0)..<40 {
            #expect(try address(route(local, "10.96.0.1:80", from: "web-1", seed: seed)) != "tunnel 10.0.0.7:8080")
        }
        #expect(try address(route(local, "10.96.0.1:80")).contains("no endpoint in the scope"))
    }

    @Test func `a service entry with its own identities accepts them beside the endpoint's`() throws {
        let snapshot = TestMesh.snapshot(
            TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5")
                + """
                apiVersion: networking.istio.io/v1
                kind: ServiceEntry
                metadata: {name: db, namespace: shop}
                spec:
                  hosts: [db.mesh]
                  addresses: [240.0.0.1, 10.50.0.0/16]
                  ports: [{number: 80, name: main, protocol: TCP}]
                  resolution: STATIC
                  workloadSelector: {labels: {app: db}}
                  subjectAltNames: ["spiffe://other/ns/a/sa/b", "not an identity"]
                """)
        for destination in ["240.0.0.1:80", "10.50.3.4:80"] {
            guard case .tunnel(_, let target, let service, let identities) = try route(snapshot, destination) else {
                Issue.record("no tunnel")
                continue
            }
            #expect(target.description == "10.0.0.5:80")
            #expect(service == snapshot.service(key: "shop/db.mesh"))
            #expect(identities.map(\.description) == ["spiffe://cluster.local/ns/shop/sa/db", "spiffe://other/ns/a/sa/b"])
        }
    }

    @Test func `resolution NONE lets callers through to where they wanted, but not to a workload in plain`() throws {
        let snapshot = TestMesh.snapshot(
            TestMesh.namespace + TestMesh.workload("db-1", "10.50.0.5")
                + """
                apiVersion: networking.istio.io/v1
                kind: ServiceEntry
                metadata: {name: out, namespace: shop}
                spec: {hosts: [out.example.com], addresses: [10.50.0.0/16], ports: [{number: 80, name: main, protocol: TCP}], resolution: NONE}
                """)
        #expect(try address(route(snapshot, "10.50.9.9:80")) == "passthrough 10.50.9.9:80")
        #expect(try address(route(snapshot, "10.50.0.5:80")) == "tunnel 10.50.0.5:80")
    }

    @Test func `what only a waypoint may pass is refused`() throws {
        var state = TestMesh.state(
            TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5") + TestMesh.service("db", "10.96.0.1"))
        let gateway = GatewayAddress(destination: .hostname(namespace: "shop", hostname: "waypoint.shop"), hboneMTLSPort: 15008)
        state.services[0].waypoint = gateway
        state.workloads[0].waypoint = gateway
        let snapshot = MeshSnapshot(state: state, options: MeshOptions(), revision: 1)
        #expect(try address(route(snapshot, "10.96.0.1:80")).contains("only reached through its waypoint"))
        #expect(try address(route(snapshot, "10.0.0.5:80")).contains("only reached through its waypoint"))
    }

    @Test func `what speaks another tunnel or has no valid identity is refused`() throws {
        var state = TestMesh.state(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5"))
        state.workloads[0].serviceAccount = "no identity"
        #expect(
            try address(route(MeshSnapshot(state: state, options: MeshOptions(), revision: 1), "10.0.0.5:80"))
                == "refused: workload shop/db-1 has no valid identity")
        state.workloads[0].tunnelProtocol = .legacyIstioMTLS
        #expect(
            try address(route(MeshSnapshot(state: state, options: MeshOptions(), revision: 1), "10.0.0.5:80")).contains(
                "not supported"))
    }

    @Test func `endpoints of another network and those with weight 0 or a name only are no endpoints`() throws {
        var state = TestMesh.state(
            TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5")
                + TestMesh.workload("db-2", "10.0.0.6", spec: ", network: far")
                + TestMesh.plain("db-3", "db.example.com") + TestMesh.workload("db-4", "10.0.0.8")
                + TestMesh.service("db", "10.96.0.1"))
        let index = try #require(state.workloads.firstIndex { $0.name == "db-4" })
        state.workloads[index].capacity = 0
        let snapshot = MeshSnapshot(state: state, options: MeshOptions(), revision: 1)
        for seed in UInt64(0)..<60 { #expect(try address(route(snapshot, "10.96.0.1:80", seed: seed)) == "tunnel 10.0.0.5:8080") }
    }
}

/// Small meshes in which everything meets everything.
enum RandomMesh {
    static func state(_ random: inout SplitMix) -> MeshState {
        var state = MeshState()
        for number in 0..<Int.random(in: 1...5, using: &random) {
            var service = Service()
            (service.name, service.namespace, service.hostname) = ("s\(number)", random.pick(["a", "b"]), "s\(number)")
            service.addresses = [NetworkAddress(network: "", address: address(&random), length: random.chance(4) ? 30 : nil)]
            service.ports = [Port(servicePort: 80, targetPort: random.pick([0, 80, 8080]))]
            service.loadBalancing = random.pick([
                nil, LoadBalancing(mode: .passthrough), LoadBalancing(routingPreference: [.node], mode: .strict),
            ])
            state.services.append(service)
        }
        for number in 0..<Int.random(in: 1...6, using: &random) {
            var workload = Workload()
            workload.uid = random.pick(["x//Pod/a/\(number)", "x/networking.istio.io/WorkloadEntry/a/\(number)"])
            (workload.name, workload.namespace, workload.network) = (
                "w\(number)", random.pick(["a", "b"]), random.pick(["", "", "far"])
            )
            workload.addresses = [address(&random)]
            workload.tunnelProtocol = random.pick([.none, .hbone])
            workload.networkMode = random.chance(6) ? .hostNetwork : .standard
            workload.serviceAccount = random.chance(8) ? "not valid" : ""
            for service in state.services where random.chance(2) {
                workload.services.append(ServiceMembership(service: service.key, ports: [Port(servicePort: 80, targetPort: 81)]))
            }
            state.workloads.append(workload)
        }
        return state
    }

    static func destination(_ random: inout SplitMix) -> SocketAddress { SocketAddress(address(&random), random.pick([80, 81])) }

    private static func address(_ random: inout SplitMix) -> IPAddress {
        IPAddress(v4: 0x0a00_0000 + UInt32.random(in: 0..<8, using: &random))
    }
}
