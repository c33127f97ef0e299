// SPDX-License-Identifier: Apache-2.0

import Bytes
import Mesh
import Testing

/// The compiled decision against one written down straight from the rules, on random policies and callers.
@Suite struct PolicyPropertyTests {
    private static let namespaces = ["a", "ab", "b", "shop"]
    private static let accounts = ["a", "web", "we", "eb"]
    private static let addresses = ["10.0.0.1", "10.0.1.1", "192.0.2.1", "2001:db8::1", "2001:db8:1::1"].compactMap(
        IPAddress.init)
    private static let blocks = ["10.0.0.0/24", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/48", "::/0", "192.0.2.1/32"].compactMap(
        IPPrefix.init)
    private static let ports: [UInt16] = [22, 80, 443]

    @Test func `compiled policies decide as the rules are written, 20,000 times`() throws {
        var random = SplitMix(seed: 16)
        var seen: [String: Int] = [:]
        for _ in 0..<2000 {
            let state = state(&random)
            let snapshot = MeshSnapshot(state: state, options: MeshOptions(), revision: 1)
            let destination = try #require(snapshot.workload(uid: "w"))
            for _ in 0..<10 {
                let request = request(&random)
                let expected = naive(request, state.workloads[0], state.authorizations)
                let verdict = snapshot.authorize(request.made, destination: destination)
                #expect(verdict.isAllowed == expected, "\(request) \(state)")
                seen["\(expected)", default: 0] += 1
            }
        }
        // Both answers occur often, so that the comparison means something.
        #expect(seen["true", default: 0] > 2000)
        #expect(seen["false", default: 0] > 2000)
    }

    @Test func `a DENY rule that holds denies, whatever else is there`() throws {
        var random = SplitMix(seed: 17)
        for _ in 0..<500 {
            var state = state(&random)
            let request = request(&random)
            var deny = Authorization()
            (deny.name, deny.namespace, deny.scope, deny.action) = ("always", "shop", .namespace, .deny)
            var match = Authorization.Match()
            match.sourceIPs = [IPPrefix(request.source)]
            deny.groups = [.init(rules: [.init(matches: [match])])]
            state.authorizations.append(deny)
            let snapshot = MeshSnapshot(state: state, options: MeshOptions(), revision: 1)
            #expect(!snapshot.authorize(request.made, destination: try #require(snapshot.workload(uid: "w"))).isAllowed)
        }
    }

    // MARK: - Random policies

    struct Request {
        let identity: SPIFFEID?
        let source: IPAddress
        let destination: IPAddress
        let port: UInt16

        var made: AuthorizationRequest {
            AuthorizationRequest(source: identity, sourceAddress: source, destinationAddress: destination, destinationPort: port)
        }
    }

    private func request(_ random: inout SplitMix) -> Request {
        let identity =
            random.chance(4)
            ? nil
            : SPIFFEID(
                trustDomain: random.pick(["cluster.local", "td"]), namespace: random.pick(Self.namespaces),
                serviceAccount: random.pick(Self.accounts))
        return Request(
            identity: identity, source: random.pick(Self.addresses), destination: random.pick(Self.addresses),
            port: random.pick(Self.ports))
    }

    private func state(_ random: inout SplitMix) -> MeshState {
        var workload = Workload()
        (workload.uid, workload.namespace, workload.name) = ("w", "shop", "w")
        var policies: [Authorization] = []
        for number in 0..<Int.random(in: 0...4, using: &random) {
            var policy = Authorization()
            policy.name = "p\(number)"
            policy.namespace = random.pick(["shop", "shop", "other", "istio-system"])
            policy.scope = policy.namespace == "istio-system" ? .global : random.pick([.namespace, .workloadSelector])
            policy.action = random.pick([.allow, .deny])
            policy.groups = (0..<Int.random(in: 0...3, using: &random)).map { _ in group(&random) }
            policies.append(policy)
            if policy.scope == .workloadSelector, random.chance(2) { workload.authorizationPolicies.append(policy.key) }
        }
        if random.chance(20) { workload.authorizationPolicies.append("shop/unknown") }
        return MeshState(workloads: [workload], authorizations: policies)
    }

    private func group(_ random: inout SplitMix) -> Authorization.Group {
        .init(
            rules: (0..<Int.random(in: 0...2, using: &random)).map { _ in
                .init(matches: (0..<Int.random(in: 0...2, using: &random)).map { _ in match(&random) })
            })
    }

    private func match(_ random: inout SplitMix) -> Authorization.Match {
        var match = Authorization.Match()
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            switch Int.random(in: 0..<12, using: &random) {
            case 0: match.namespaces.append(text(Self.namespaces, &random))
            case 1: match.notNamespaces.append(text(Self.namespaces, &random))
            case 2: match.principals.append(principal(&random))
            case 3: match.notPrincipals.append(principal(&random))
            case 4: match.sourceIPs.append(random.pick(Self.blocks))
            case 5: match.notSourceIPs.append(random.pick(Self.blocks))
            case 6: match.destinationIPs.append(random.pick(Self.blocks))
            case 7: match.notDestinationIPs.append(random.pick(Self.blocks))
            case 8: match.destinationPorts.append(random.pick(Self.ports))
            case 9: match.notDestinationPorts.append(random.pick(Self.ports))
            case 10:
                match.serviceAccounts.append(
                    .init(namespace: random.pick(Self.namespaces), serviceAccount: random.pick(Self.accounts)))
            default:
                match.notServiceAccounts.append(
                    .init(namespace: random.pick(Self.namespaces), serviceAccount: random.pick(Self.accounts)))
            }
        }
        return match
    }

    private func text(_ words: [String], _ random: inout SplitMix) -> Authorization.StringMatch {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: .presence
        case 1: .prefix(String(random.pick(words).prefix(1)))
        case 2: .suffix(String(random.pick(words).suffix(1)))
        default: .exact(random.pick(words))
        }
    }

    private func principal(_ random: inout SplitMix) -> Authorization.StringMatch {
        let (namespace, account) = (random.pick(Self.namespaces), random.pick(Self.accounts))
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return .presence
        case 1: return .prefix("cluster.local/ns/\(namespace)")
        case 2: return .suffix("/sa/\(account)")
        default: return .exact("cluster.local/ns/\(namespace)/sa/\(account)")
        }
    }

    // MARK: - The rules as they are written

    private func naive(_ request: Request, _ workload: Workload, _ policies: [Authorization]) -> Bool {
        let applying = policies.filter {
            switch $0.scope {
            case .global: true
            case .namespace: $0.namespace == workload.namespace
            case .workloadSelector: workload.authorizationPolicies.contains($0.key)
            }
        }
        let denies = applying.filter { $0.action == .deny }
        if denies.contains(where: { holds($0, request) }) { return false }
        let known = Set(policies.map(\.key))
        if !workload.authorizationPolicies.allSatisfy(known.contains) { return false }
        let allows = applying.filter { $0.action == .allow }
        return allows.isEmpty || allows.contains { holds($0, request) }
    }

    private func holds(_ policy: Authorization, _ request: Request) -> Bool {
        policy.groups.contains { group in
            group.rules.allSatisfy { rule in
                rule.matches.isEmpty || rule.matches.contains { holds($0, request, policy.action) }
            }
        }
    }

    private func holds(_ match: Authorization.Match, _ request: Request, _ action: Authorization.Action) -> Bool {
        if match == Authorization.Match() { return action == .deny }
        let identity = request.identity
        func like(_ pattern: Authorization.StringMatch, _ text: String?) -> Bool {
            guard let text else { return false }
            switch pattern {
            case .presence: return true
            case .exact(let exact): return text == exact
            case .prefix(let prefix): return text.hasPrefix(prefix)
            case .suffix(let suffix): return text.hasSuffix(suffix)
            }
        }
        func holds(_ positive: [Authorization.StringMatch], _ negative: [Authorization.StringMatch], _ text: String?) -> Bool {
            (positive.isEmpty || positive.contains { like($0, text) }) && !negative.contains { like($0, text) }
        }
        func holds(_ positive: [IPPrefix], _ negative: [IPPrefix], _ address: IPAddress) -> Bool {
            (positive.isEmpty || positive.contains { $0.contains(address) }) && !negative.contains { $0.contains(address) }
        }
        func account(_ wanted: Authorization.ServiceAccountMatch) -> Bool {
            identity?.namespace == wanted.namespace && identity?.serviceAccount == wanted.serviceAccount
        }
        return holds(match.namespaces, match.notNamespaces, identity?.namespace)
            && holds(match.principals, match.notPrincipals, identity?.principal)
            && holds(match.sourceIPs, match.notSourceIPs, request.source)
            && holds(match.destinationIPs, match.notDestinationIPs, request.destination)
            && (match.destinationPorts.isEmpty || match.destinationPorts.contains(request.port))
            && !match.notDestinationPorts.contains(request.port)
            && (match.serviceAccounts.isEmpty || match.serviceAccounts.contains(where: account))
            && !match.notServiceAccounts.contains(where: account)
    }
}
