// SPDX-License-Identifier: Apache-2.0

import Bytes
import Mesh
import Testing

@Suite struct PolicyTests {
    private func snapshot(_ policies: String...) -> MeshSnapshot {
        TestMesh.snapshot(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5") + policies.joined())
    }

    @Test func `without a policy everything is allowed`() throws {
        let snapshot = snapshot()
        #expect(try snapshot.judge("db-1", from: "web") == .allowed(by: nil))
        #expect(try snapshot.judge("db-1", from: nil).reason == "no ALLOW policy applies")
    }

    @Test func `an ALLOW policy lets in whom it names and nobody else, and the refusal names it`() throws {
        let snapshot = snapshot(
            TestMesh.policy(
                "p",
                "{rules: [{to: [{operation: {ports: ['1']}}]}, {from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]}"
            ))
        let allowed = try snapshot.judge("db-1", from: "web")
        #expect(allowed.isAllowed)
        #expect(allowed.reason == "allowed by: shop/p rule 2")
        let denied = try snapshot.judge("db-1", from: "api")
        #expect(denied == .denied(.byNoAllow(policies: ["shop/p"])))
        #expect(denied.reason == "allow policies exist, but none allowed: shop/p")
        #expect(try !snapshot.judge("db-1", from: nil).isAllowed)
    }

    @Test func `DENY wins over ALLOW, and names policy, rule and line`() throws {
        let snapshot = snapshot(
            TestMesh.policy("a", "{rules: [{}]}"),
            TestMesh.policy(
                "d",
                "\n  action: DENY\n  rules:\n  - to: [{operation: {ports: ['22']}}]\n  - from: [{source: {namespaces: [evil]}}]"))
        let denied = try snapshot.judge("db-1", from: "web", namespace: "evil")
        #expect(denied.reason == "explicitly denied by: shop/d rule 2")
        #expect(denied.policy == "shop/d")
        guard case .denied(.byRule(let rule)) = denied else {
            Issue.record("\(denied)")
            return
        }
        #expect(rule.origin == RuleOrigin(rule: 2, file: "mesh.yaml", line: 26))
        #expect(try snapshot.judge("db-1", from: "web").isAllowed)
        #expect(try !snapshot.judge("db-1", from: "web", port: 22).isAllowed)
    }

    @Test(arguments: [
        ("namespaces: [shop]", true, false), ("namespaces: [sho*]", true, false), ("namespaces: ['*op']", true, false),
        ("namespaces: ['*']", true, false), ("namespaces: [sh]", false, false), ("notNamespaces: [shop]", false, true),
        ("notNamespaces: [other]", true, true), ("principals: ['*']", true, false), ("principals: ['*/sa/web']", true, false),
        ("principals: ['cluster.local/ns/shop/*']", true, false), ("principals: [cluster.local/ns/shop/sa/we]", false, false),
        ("notPrincipals: ['*']", false, true), ("notPrincipals: ['*/sa/web']", false, true),
        ("serviceAccounts: [web]", true, false),
        ("serviceAccounts: [shop/web]", true, false), ("serviceAccounts: [pay/web]", false, false),
        ("notServiceAccounts: [web]", false, true), ("ipBlocks: [10.0.0.0/24]", true, true), ("ipBlocks: [10.0.0.9]", true, true),
        ("ipBlocks: ['2001:db8::/32']", false, false), ("notIpBlocks: [10.0.0.0/8]", false, false),
        ("notIpBlocks: [10.1.0.0/16]", true, true),
        ("namespaces: [shop], notPrincipals: ['*/sa/web']", false, false),
        ("namespaces: [a, shop], ipBlocks: [10.0.0.9, 1.2.3.4]", true, false),
    ])
    func `a source matches by identity and address`(source: String, identified: Bool, anonymous: Bool) throws {
        let snapshot = snapshot(TestMesh.policy("p", "{rules: [{from: [{source: {\(source)}}]}]}"))
        #expect(try snapshot.judge("db-1", from: "web").isAllowed == identified)
        #expect(try snapshot.judge("db-1", from: nil).isAllowed == anonymous)
    }

    @Test(arguments: [
        ("{key: destination.port, values: ['80']}", true), ("{key: destination.port, notValues: ['80']}", false),
        ("{key: destination.ip, values: [10.0.0.5]}", true), ("{key: destination.ip, values: [10.0.0.6]}", false),
        ("{key: destination.ip, notValues: [10.0.0.0/24]}", false),
        ("{key: source.ip, values: [10.0.0.0/24], notValues: [10.0.0.9]}", false),
        ("{key: source.serviceAccount, values: [shop/web]}", true), ("{key: source.serviceAccount, notValues: [web]}", false),
        ("{key: source.namespace, values: [shop]}, {key: source.principal, values: ['*/sa/web']}", true),
        ("{key: source.namespace, values: [shop]}, {key: source.principal, values: ['*/sa/api']}", false),
    ])
    func `conditions must all hold`(conditions: String, expected: Bool) throws {
        let snapshot = snapshot(TestMesh.policy("p", "{rules: [{when: [\(conditions)]}]}"))
        #expect(try snapshot.judge("db-1", from: "web").isAllowed == expected)
    }

    @Test func `I16 an HTTP rule in a DENY denies everything, in an ALLOW it allows nothing`() throws {
        let http = "{to: [{operation: {methods: [GET]}}]}"
        #expect(try !snapshot(TestMesh.policy("p", "{action: DENY, rules: [\(http)]}")).judge("db-1", from: "web").isAllowed)
        #expect(try !snapshot(TestMesh.policy("p", "{rules: [\(http)]}")).judge("db-1", from: "web").isAllowed)
        let narrowed = "{action: DENY, rules: [{from: [{source: {namespaces: [evil]}}], to: [{operation: {paths: [/a]}}]}]}"
        #expect(try snapshot(TestMesh.policy("p", narrowed)).judge("db-1", from: "web").isAllowed)
        #expect(try !snapshot(TestMesh.policy("p", narrowed)).judge("db-1", from: "web", namespace: "evil").isAllowed)
        let header = "{action: DENY, rules: [{when: [{key: 'request.headers[x]', values: [v1]}]}]}"
        #expect(try !snapshot(TestMesh.policy("p", header)).judge("db-1", from: "web").isAllowed)
    }

    @Test func `I16 an empty match that came over the wire denies in a DENY and allows nothing in an ALLOW`() throws {
        for action in Authorization.Action.allCases {
            var state = TestMesh.state(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5"))
            var policy = Authorization()
            (policy.name, policy.namespace, policy.scope, policy.action) = ("p", "shop", .namespace, action)
            policy.groups = [.init(rules: [.init(matches: [.init()])])]
            state.authorizations = [policy]
            let snapshot = MeshSnapshot(state: state, options: MeshOptions(), revision: 1)
            #expect(try !snapshot.judge("db-1", from: "web").isAllowed)
        }
    }

    @Test func `I16 a policy that is named but not known denies, and is named`() throws {
        var state = TestMesh.state(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5"))
        state.workloads[0].authorizationPolicies = ["shop/late"]
        let snapshot = MeshSnapshot(state: state, options: MeshOptions(), revision: 1)
        let verdict = try snapshot.judge("db-1", from: "web")
        #expect(verdict == .denied(.byUnknownPolicy("shop/late")))
        #expect(verdict.reason.contains("shop/late"))
    }

    @Test func `I16 what is partly unknown denies as far as the rest holds and never allows`() throws {
        var match = Authorization.Match()
        match.namespaces = [.exact("shop")]
        match.isPartlyUnknown = true
        for (action, namespace, expected) in [
            (Authorization.Action.allow, "shop", false), (.allow, "pay", false), (.deny, "shop", false), (.deny, "pay", true),
        ] {
            var state = TestMesh.state(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5"))
            var policy = Authorization()
            (policy.name, policy.namespace, policy.scope, policy.action) = ("p", "shop", .namespace, action)
            policy.groups = [.init(rules: [.init(matches: [match])])]
            state.authorizations = [policy]
            let snapshot = MeshSnapshot(state: state, options: MeshOptions(), revision: 1)
            #expect(try snapshot.judge("db-1", from: "web", namespace: namespace).isAllowed == expected)
        }
    }

    @Test func `an ALLOW policy without rules denies all, a DENY policy without rules denies nothing`() throws {
        #expect(try !snapshot(TestMesh.policy("p", "{}")).judge("db-1", from: "web").isAllowed)
        #expect(try snapshot(TestMesh.policy("p", "{action: DENY}")).judge("db-1", from: "web").isAllowed)
    }

    @Test func `policies apply by namespace, by mesh and by selector`() throws {
        let deny = "action: DENY, rules: [{from: [{source: {namespaces: [evil]}}]}]"
        let mesh = snapshot(TestMesh.policy("p", "{\(deny)}", namespace: "istio-system"))
        #expect(try !mesh.judge("db-1", from: "x", namespace: "evil").isAllowed)
        let other = snapshot(
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n---\n",
            TestMesh.policy("p", "{\(deny)}", namespace: "other"))
        #expect(try other.judge("db-1", from: "x", namespace: "evil").isAllowed)
        for (label, expected) in [("db", false), ("web", true)] {
            let selected = snapshot(TestMesh.policy("p", "{selector: {matchLabels: {app: \(label)}}, \(deny)}"))
            #expect(try selected.judge("db-1", from: "x", namespace: "evil").isAllowed == expected)
            let everywhere = snapshot(
                TestMesh.policy("p", "{selector: {matchLabels: {app: \(label)}}, \(deny)}", namespace: "istio-system"))
            #expect(try everywhere.judge("db-1", from: "x", namespace: "evil").isAllowed == expected)
        }
        let empty = snapshot(TestMesh.policy("p", "{selector: {matchLabels: {}}, \(deny)}"))
        #expect(try !empty.judge("db-1", from: "x", namespace: "evil").isAllowed)
    }

    @Test func `the policies that decide about a workload can be listed`() throws {
        let snapshot = snapshot(
            TestMesh.policy("a", "{rules: [{}]}"), TestMesh.policy("d", "{action: DENY}"),
            TestMesh.policy("other", "{selector: {matchLabels: {app: web}}, rules: [{}]}"))
        #expect(snapshot.policies(applyingTo: try snapshot.id("db-1")).map(\.key) == ["shop/d", "shop/a"])
    }

    @Test func `a dry-run policy of the wire decides nothing`() throws {
        var state = TestMesh.state(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5"))
        var policy = Authorization()
        (policy.name, policy.namespace, policy.scope, policy.action, policy.dryRun) = ("p", "shop", .namespace, .deny, true)
        policy.groups = [.init(rules: [])]
        state.authorizations = [policy]
        #expect(try MeshSnapshot(state: state, options: MeshOptions(), revision: 1).judge("db-1", from: "web").isAllowed)
        state.authorizations[0].dryRun = false
        #expect(try !MeshSnapshot(state: state, options: MeshOptions(), revision: 1).judge("db-1", from: "web").isAllowed)
    }
}

/// Who is let in without an identity.
@Suite struct PeerAuthenticationTests {
    private func open(_ policies: String..., port: UInt16 = 80) throws -> Bool {
        let snapshot = TestMesh.snapshot(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5") + policies.joined())
        #expect(try snapshot.judge("db-1", from: "web", port: port).isAllowed)
        return try snapshot.judge("db-1", from: nil, port: port).isAllowed
    }

    private let strict = "{mtls: {mode: STRICT}}"
    private let permissive = "{mtls: {mode: PERMISSIVE}}"
    private let unset = "{mtls: {mode: UNSET}}"

    private func selected(_ rest: String) -> String { TestMesh.peers("w", "{selector: {matchLabels: {app: db}}, \(rest)}") }

    private func mesh(_ spec: String) -> String { TestMesh.peers("m", spec, namespace: "istio-system") }

    @Test func `the narrower policy counts, and UNSET inherits`() throws {
        #expect(try open())
        #expect(try !open(mesh(strict)))
        #expect(try !open(TestMesh.peers("wide", strict)))
        #expect(try open(mesh(strict), TestMesh.peers("wide", permissive)))
        #expect(try !open(mesh(strict), TestMesh.peers("wide", unset)))
        #expect(try !open(mesh(strict), TestMesh.peers("wide", "{}")))
        #expect(try open(mesh(strict), selected("mtls: {mode: PERMISSIVE}")))
        #expect(try !open(mesh(strict), selected("mtls: {mode: UNSET}")))
        #expect(try !open(mesh(permissive), selected("mtls: {mode: STRICT}")))
        #expect(try open(mesh(strict), TestMesh.peers("wide", strict), selected("mtls: {mode: DISABLE}")))
    }

    @Test func `ports are exceptions, whatever is inherited`() throws {
        for inherited in ["", mesh(strict), mesh(permissive)] {
            let opened = selected("mtls: {mode: STRICT}, portLevelMtls: {9090: {mode: PERMISSIVE}, 9091: {mode: DISABLE}}")
            #expect(try !open(inherited, opened))
            #expect(try open(inherited, opened, port: 9090))
            #expect(try open(inherited, opened, port: 9091))
            let closed = selected("mtls: {mode: PERMISSIVE}, portLevelMtls: {5432: {mode: STRICT}, 9090: {mode: UNSET}}")
            #expect(try open(inherited, closed))
            #expect(try !open(inherited, closed, port: 5432))
        }
        let unset = selected("portLevelMtls: {9090: {mode: PERMISSIVE}, 5432: {mode: STRICT}}")
        #expect(try !open(mesh(strict), unset))
        #expect(try open(mesh(strict), unset, port: 9090))
        #expect(try !open(mesh(strict), unset, port: 5432))
        #expect(try open(mesh(permissive), unset))
        #expect(try !open(mesh(permissive), unset, port: 5432))
    }

    @Test func `a refusal says that plaintext is refused`() throws {
        let snapshot = TestMesh.snapshot(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5") + mesh(strict))
        #expect(
            try snapshot.judge("db-1", from: nil).reason
                == "explicitly denied by: istio-system/istio_converted_static_strict rule 1 (a PeerAuthentication refuses plaintext)"
        )
    }

    @Test func `of two policies the older counts`() throws {
        let old = """
            apiVersion: security.istio.io/v1
            kind: PeerAuthentication
            metadata: {name: z, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z"}
            spec: {mtls: {mode: STRICT}}
            ---

            """
        let new = old.replacing("name: z", with: "name: a").replacing("2026-01-01", with: "2026-01-02").replacing(
            "STRICT", with: "PERMISSIVE")
        #expect(try !open(old, new))
        #expect(try !open(new, old))
    }
}
