// SPDX-License-Identifier: Apache-2.0

import Bytes
import Mesh
import Testing

/// What goes on and what is made at once have to be the same mesh.
@Suite struct MeshTablesTests {
    private static let namespaces = ["a", "b"]

    private static func workload(_ number: Int, _ random: inout some RandomNumberGenerator) -> Workload {
        var workload = Workload()
        workload.uid = "k/g/W/n/\(number)"
        workload.name = "w\(number)"
        workload.namespace = namespaces.randomElement(using: &random) ?? "a"
        workload.serviceAccount = ["x", "y", ""].randomElement(using: &random) ?? ""
        workload.network = ["", "far"].randomElement(using: &random) ?? ""
        workload.tunnelProtocol = [.none, .hbone].randomElement(using: &random) ?? .none
        workload.networkMode = Int.random(in: 0..<8, using: &random) == 0 ? .hostNetwork : .standard
        // Few addresses, so that many are shared.
        workload.addresses = (0..<Int.random(in: 0..<3, using: &random)).map { _ in
            IPAddress(v4: UInt32.random(in: 1...12, using: &random))
        }
        workload.services = Set((0..<2).map { _ in Int.random(in: 0..<6, using: &random) }).sorted().map {
            ServiceMembership(service: "a/s\($0)", ports: [Port(servicePort: 80, targetPort: UInt16(number % 3 * 1000))])
        }
        workload.authorizationPolicies = Int.random(in: 0..<2, using: &random) == 0 ? [] : ["a/p\(number % 3)"]
        workload.capacity = UInt32.random(in: 1...3, using: &random)
        return workload
    }

    private static func service(_ number: Int, _ random: inout some RandomNumberGenerator) -> Service {
        var service = Service()
        (service.name, service.namespace, service.hostname) = ("s\(number)", "a", "s\(number)")
        let length: UInt8? = Bool.random(using: &random) ? nil : 28
        service.addresses = [
            NetworkAddress(network: "", address: IPAddress(v4: UInt32.random(in: 20...40, using: &random)), length: length)
        ]
        service.ports = [Port(servicePort: 80, targetPort: 8080)]
        return service
    }

    private static func policy(_ number: Int, _ random: inout some RandomNumberGenerator) -> Authorization {
        var match = Authorization.Match()
        match.destinationPorts = [UInt16.random(in: 1...3, using: &random)]
        var policy = Authorization()
        (policy.name, policy.namespace) = ("p\(number)", "a")
        policy.scope = [.global, .namespace, .workloadSelector].randomElement(using: &random) ?? .global
        policy.action = [.allow, .deny].randomElement(using: &random) ?? .deny
        policy.groups = [.init(rules: [.init(matches: [match])])]
        return policy
    }

    /// Everything that a snapshot answers, in words that don't depend on places.
    private static func answers(_ snapshot: MeshSnapshot) -> [String] {
        var answers = ["\(snapshot.workloadCount) \(snapshot.serviceCount) \(snapshot.policies.map(\.key))"]
        answers += snapshot.workloads.map { entry in
            let memberships = snapshot.memberships(of: entry).map { "\(snapshot[$0.service].service.key) \($0.ports)" }
            let found = snapshot.workload(uid: entry.workload.uid).map { snapshot[$0] === entry } ?? false
            return "\(entry.workload) \(found) \(memberships) \(entry.acceptedIdentities)"
        }
        answers += snapshot.workloads.flatMap { entry in
            (1...3).map { port in
                let request = AuthorizationRequest(
                    source: nil, sourceAddress: IPAddress(v4: 1), destinationAddress: IPAddress(v4: 2),
                    destinationPort: UInt16(port))
                return snapshot.authorize(request, destination: entry.id).reason
            }
        }
        answers += snapshot.services.map { entry in
            "\(entry.service) " + entry.endpoints.map { "\(snapshot[$0.workload].workload.uid) \($0.ports)" }.sorted().joined()
        }
        for network in ["", "far"] {
            for number in 1...45 {
                let address = IPAddress(v4: UInt32(number))
                let workload = snapshot.workload(at: address, network: network).map { snapshot[$0].workload.uid }
                let services = [nil, snapshot.workloads.first?.id].map { caller in
                    snapshot.service(at: address, network: network, from: caller).map { snapshot[$0].service.key }
                }
                answers.append("\(network) \(address) \(workload ?? "-") \(services.map { $0 ?? "-" })")
            }
        }
        return answers
    }

    @Test(arguments: 0..<12) func `after any changes a snapshot says what one made at once says`(round: Int) {
        var random = SystemRandomNumberGenerator()
        var tables = MeshTables(options: MeshOptions())
        var workloads: [String: Workload] = [:]
        var (services, policies): ([String: Service], [String: Authorization]) = ([:], [:])
        var kept: [(MeshSnapshot, [String])] = []
        for step in 1...120 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                let service = Self.service(Int.random(in: 0..<6, using: &random), &random)
                services[service.key] = service
                tables.put(service)
            case 1:
                let key = "a/s\(Int.random(in: 0..<6, using: &random))"
                services[key] = nil
                tables.remove(service: key)
            case 2:
                let policy = Self.policy(Int.random(in: 0..<3, using: &random), &random)
                policies[policy.key] = policy
                tables.put(policy)
            case 3:
                let key = "a/p\(Int.random(in: 0..<3, using: &random))"
                policies[key] = nil
                tables.remove(authorization: key)
            case 4, 5:
                let uid = "k/g/W/n/\(Int.random(in: 0..<30, using: &random))"
                workloads[uid] = nil
                tables.remove(workload: uid)
            default:
                let workload = Self.workload(Int.random(in: 0..<30, using: &random), &random)
                workloads[workload.uid] = workload
                tables.put(workload)
            }
            guard step % 10 == 0 else { continue }
            let snapshot = tables.snapshot(revision: UInt64(step))
            let state = MeshState(
                workloads: Array(workloads.values), services: Array(services.values), authorizations: Array(policies.values))
            let answers = Self.answers(snapshot)
            #expect(answers == Self.answers(MeshSnapshot(state: state, options: MeshOptions(), revision: 0)))
            kept.append((snapshot, answers))
        }
        // What was handed out never changes.
        for (snapshot, answers) in kept { #expect(Self.answers(snapshot) == answers) }
    }

    @Test func `what isn't there can be removed, and what hosts are to capture comes and goes`() {
        var tables = MeshTables(options: MeshOptions())
        tables.remove(workload: "x")
        tables.remove(service: "a/x")
        tables.remove(authorization: "a/x")
        tables.remove(local: "x")
        tables.put(LocalWorkload(uid: "x", node: "n", networkNamespace: nil, captured: true, nonTCP: nil))
        let first = tables.snapshot(revision: 1)
        tables.remove(local: "x")
        #expect(first.local.map(\.uid) == ["x"])
        #expect(tables.snapshot(revision: 2).local.isEmpty)
        #expect(tables.workloadCount == 0)
    }
}
