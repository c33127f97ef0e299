// SPDX-License-Identifier: Apache-2.0

import Documents
import Mesh
import Testing

/// What a mesh file may have wrong, and what is said about it: file, line, field and remedy.
@Suite struct BadInputTests {
    private func only(_ text: String, purpose: ResourcePurpose = .apply) throws -> Finding {
        let findings = TestMesh.findings(text, purpose: purpose)
        return try #require(findings.count == 1 ? findings.first : nil, "\(findings)")
    }

    @Test func `a file that is no YAML is named with its line, and the others are read all the same`() throws {
        let good = TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5")
        let (resources, findings) = loadResources(files: [
            (name: "bad.yaml", text: Array("kind: Service\n  spec: [\n".utf8)), (name: "good.yaml", text: Array(good.utf8)),
        ])
        #expect(resources.workloadEntries.count == 1)
        let finding = try #require(findings.count == 1 ? findings.first : nil)
        #expect(finding.file == "bad.yaml")
        #expect(finding.line == 2)
        #expect(finding.code == DocumentCode.unreadable)
        #expect(finding.description.hasPrefix("bad.yaml:2:7: error WR0001: this is not YAML"))
    }

    @Test(arguments: ["just text", "- a\n- b", "a: 1", "kind: Service", "apiVersion: v1", "kind: 5\napiVersion: v1"])
    func `a document that is no resource is an error`(text: String) {
        #expect(TestMesh.findings(text).contains { $0.severity == .error && $0.line >= 1 })
    }

    @Test func `an unknown kind is an error with what was probably meant`() throws {
        let finding = try only("apiVersion: networking.istio.io/v1\nkind: WorkloadEntri\nmetadata: {name: x}\n")
        #expect(finding.code == MeshCode.unknownKind)
        #expect(finding.line == 2)
        #expect(finding.remedy == "Did you mean `WorkloadEntry`?")
        #expect(finding.severity == .error)
    }

    @Test func `a kind in a version that isn't known is an error that names the known ones`() throws {
        let finding = try only("apiVersion: networking.istio.io/v2\nkind: ServiceEntry\nmetadata: {name: x}\n")
        #expect(finding.remedy.contains("networking.istio.io/v1 or "))
        #expect(finding.field == "apiVersion")
    }

    @Test(arguments: ["v1", "v1beta1"])
    func `older versions are taken`(version: String) {
        let text = TestMesh.namespace + TestMesh.policy("p", "{rules: [{}]}") + TestMesh.peers("q", "{}")
        #expect(TestMesh.findings(text.replacing("security.istio.io/v1", with: "security.istio.io/\(version)")) == [])
    }

    @Test(arguments: [
        ("gateway.networking.k8s.io/v1", "Gateway"), ("gateway.networking.k8s.io/v1", "GatewayClass"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"), ("networking.istio.io/v1", "DestinationRule"),
        ("security.istio.io/v1", "RequestAuthentication"), ("v1", "ServiceAccount"),
        ("networking.istio.io/v1beta1", "WorkloadGroup"),
    ])
    func `I18 a kind that the design names but nothing uses is taken with a finding`(version: String, kind: String) throws {
        let finding = try only("apiVersion: \(version)\nkind: \(kind)\nmetadata: {name: x}\nspec: {whatever: [1]}\n")
        #expect(finding.severity == .warning)
        #expect(finding.code == MeshCode.unusedKind)
    }

    @Test func `an unknown field is named with its path, its line and what was probably meant`() throws {
        let text = """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: p}
            spec:
              rules:
              - from:
                - source:
                    ipBlock: [10.0.0.0/8]
            """
        let finding = try only(text)
        #expect(finding.field == "spec.rules[0].from[0].source.ipBlock")
        #expect(finding.line == 8)
        #expect(finding.remedy == "Did you mean `ipBlocks`?")
        #expect(finding.resource == "AuthorizationPolicy default/p")
    }

    @Test func `a wrong element of a list is named with its own line`() throws {
        let text = """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: p}
            spec:
              rules:
              - from:
                - source:
                    ipBlocks:
                    - 10.0.0.0/8
                    - 10.0.0.0/33
            """
        let finding = try only(text)
        #expect(finding.field == "spec.rules[0].from[0].source.ipBlocks[1]")
        #expect(finding.position == Position(line: 10, column: 11))
    }

    @Test(arguments: ["y", "no", "1.0", "0x10"])
    func `a label value that YAML reads as no string is refused, and the field is named`(value: String) throws {
        let finding = try only(
            TestMesh.namespace.replacing("dataplane-mode: ambient", with: "dataplane-mode: ambient, version: \(value)"))
        #expect(finding.severity == .error)
        #expect(finding.field == "metadata.labels.version")
        #expect(finding.remedy.contains("quotes"))
    }

    @Test func `a name that stands twice is an error that says where the first is`() throws {
        let text = TestMesh.namespace + TestMesh.plain("db-1", "10.0.0.5") + TestMesh.plain("db-1", "10.0.0.6")
        let finding = try only(text)
        #expect(finding.code == MeshCode.duplicateResource)
        #expect(finding.severity == .error)
        #expect(finding.message.contains("mesh.yaml line 5"))
        #expect(finding.line > 5)
    }

    @Test func `I18 an address in use twice is a warning, and an error for two captured workloads of one network`() throws {
        let shared = try only(TestMesh.namespace + TestMesh.plain("db-1", "10.0.0.5") + TestMesh.plain("db-2", "10.0.0.5"))
        #expect(shared.severity == .warning)
        #expect(shared.code == MeshCode.sharedAddress)
        let captured = TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5")
        #expect(try only(captured + TestMesh.workload("db-2", "10.0.0.5")).severity == .error)
        #expect(try only(captured + TestMesh.plain("db-2", "10.0.0.5")).severity == .warning)
        #expect(try only(captured + TestMesh.service("web", "10.0.0.5")).severity == .warning)
        #expect(TestMesh.findings(captured + TestMesh.workload("db-2", "10.0.0.5", spec: ", network: far")) == [])
        let entry = """
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {name: old, namespace: shop}
            spec: {hosts: [a.b], resolution: STATIC, endpoints: [{address: 10.0.0.5}]}
            """
        #expect(try only(captured + entry).code == MeshCode.sharedAddress)
    }

    @Test func `a resource in a namespace that nobody declared is a warning, a captured one an error`() throws {
        let plain = try only(TestMesh.plain("db-1", "10.0.0.5"))
        #expect(plain.severity == .warning)
        #expect(plain.code == MeshCode.undeclaredNamespace)
        let captured = try only(TestMesh.workload("db-1", "10.0.0.5"))
        #expect(captured.severity == .error)
        #expect(captured.message == "there is no Namespace shop, so nothing in it is enrolled")
        #expect(captured.remedy.contains("istio.io/dataplane-mode: ambient"))
    }

    @Test(arguments: [
        "a: &a [*a]\n", "apiVersion: v1\nkind: &k Namespace\nmetadata: {name: *k}\n",
        "a: &a {b: &b [*a, *b]}\n",
    ])
    func `a cyclic file is refused`(text: String) throws {
        #expect(try only(text).message.contains("aliases"))
    }

    @Test func `a huge file is refused before it is parsed`() throws {
        let text = [UInt8](repeating: UInt8(ascii: " "), count: 100 << 20)
        let (_, findings) = loadResources(files: [(name: "huge.yaml", text: text)])
        let finding = try #require(findings.count == 1 ? findings.first : nil)
        #expect(finding.message == "the text has 104857600 bytes; at most 16777216 are read")
        #expect(finding.severity == .error)
    }

    @Test(arguments: [
        ("metadata: {name: Db_1}", "metadata.name"), ("metadata: {}", "metadata.name"),
        ("metadata: {name: a, namespace: Shop}", "metadata.namespace"),
        ("metadata: {name: a, namespace: a.b}", "metadata.namespace"),
        ("metadata: {name: a, labels: {x: 'a b'}}", "metadata.labels.x"),
        ("metadata: {name: a, label: {}}", "metadata.label"), ("metadata: {name: 7}", "metadata.name"),
        ("metadata: {name: a, labels: [x]}", "metadata.labels"),
        ("metadata: {name: a, namespace: '../etc'}", "metadata.namespace"),
    ])
    func `metadata is checked`(metadata: String, field: String) {
        let text = "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\(metadata)\nspec: {address: 10.0.0.5}\n"
        #expect(TestMesh.findings(text).contains { $0.severity == .error && $0.field == field && $0.line == 3 })
    }

    @Test(arguments: [
        ("{}", "spec.address"), ("{address: ''}", "spec.address"), ("{address: 10.0.0.256}", "spec.address"),
        ("{address: 'unix:///run/x'}", "spec.address"), ("{address: a_b}", "spec.address"),
        ("{address: 10.0.0.5/24}", "spec.address"),
        ("{address: 10.0.0.5, ports: {web: 0}}", "spec.ports.web"),
        ("{address: 10.0.0.5, ports: {web: 70000}}", "spec.ports.web"),
        ("{address: 10.0.0.5, ports: {web: '80'}}", "spec.ports.web"), ("{address: 10.0.0.5, weight: -1}", "spec.weight"),
        ("{address: 10.0.0.5, serviceAccount: 'a/b'}", "spec.serviceAccount"),
        ("{address: 10.0.0.5, serviceAccount: x y}", "spec.serviceAccount"),
        ("{address: 10.0.0.5, labels: {a: 1}}", "spec.labels.a"), ("{address: 10.0.0.5, adress: x}", "spec.adress"),
        ("[]", "spec"),
    ])
    func `a WorkloadEntry is checked`(spec: String, field: String) {
        let text =
            TestMesh.namespace
            + "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: a, namespace: shop}\nspec: \(spec)\n"
        #expect(
            TestMesh.findings(text).contains { $0.severity == .error && $0.field == field && $0.line == 8 },
            "\(TestMesh.findings(text))")
    }

    @Test(arguments: [
        ("{clusterIP: x}", "spec.clusterIP"), ("{clusterIPs: [10.0.0.1, x]}", "spec.clusterIPs[1]"),
        ("{type: Cluster}", "spec.type"),
        ("{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.2]}", "spec.clusterIP"), ("{ports: [{name: a}]}", "spec.ports[0].port"),
        ("{ports: [{port: 0}]}", "spec.ports[0].port"), ("{ports: [{port: 80, targetPort: 0}]}", "spec.ports[0].targetPort"),
        ("{ports: [{port: 80, protocol: tcp}]}", "spec.ports[0].protocol"), ("{ports: {port: 80}}", "spec.ports"),
        ("{ipFamilies: [IPv5]}", "spec.ipFamilies[0]"), ("{internalTrafficPolicy: local}", "spec.internalTrafficPolicy"),
        ("{selector: {app: 1}}", "spec.selector.app"), ("{type: ExternalName}", "spec.externalName"),
        ("{selectors: {}}", "spec.selectors"),
    ])
    func `a Service is checked`(spec: String, field: String) {
        let text = TestMesh.namespace + "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\nspec: \(spec)\n"
        #expect(
            TestMesh.findings(text).contains { $0.severity == .error && $0.field == field && $0.line == 8 },
            "\(TestMesh.findings(text))")
    }

    @Test(arguments: [
        ("{}", "spec.hosts"), ("{hosts: [a b]}", "spec.hosts[0]"), ("{hosts: [a.b], addresses: [x]}", "spec.addresses[0]"),
        ("{hosts: [a.b], ports: [{number: 80}]}", "spec.ports[0].name"),
        ("{hosts: [a.b], ports: [{name: x}]}", "spec.ports[0].number"),
        ("{hosts: [a.b], ports: [{number: 80, name: x, protocol: UDP}]}", "spec.ports[0].protocol"),
        ("{hosts: [a.b], resolution: static}", "spec.resolution"), ("{hosts: [a.b], resolution: DYNAMIC_DNS}", "spec.resolution"),
        ("{hosts: [a.b], resolution: STATIC, endpoints: [{address: a.c}]}", "spec.endpoints"),
        ("{hosts: [a.b], resolution: STATIC, endpoints: [{address: 1.2.3.4}, {address: 1.2.3.4}]}", "spec.endpoints[1]"),
        ("{hosts: [a.b], endpoints: [{address: 1.2.3.4}]}", "spec.endpoints"),
        (
            "{hosts: [a.b], resolution: STATIC, endpoints: [{address: 1.2.3.4}], workloadSelector: {labels: {a: b}}}",
            "spec.endpoints"
        ),
        ("{hosts: [a.b], resolution: STATIC, endpoints: [{adress: 1.2.3.4}]}", "spec.endpoints[0].adress"),
        ("{hosts: [a.b], location: x}", "spec.location"),
    ])
    func `a ServiceEntry is checked`(spec: String, field: String) {
        let text =
            TestMesh.namespace
            + "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a, namespace: shop}\nspec: \(spec)\n"
        #expect(
            TestMesh.findings(text).contains { $0.severity == .error && $0.field == field && $0.line == 8 },
            "\(TestMesh.findings(text))")
    }

    @Test(arguments: [
        ("{action: Deny}", "spec.action"), ("{rules: [{from: [{}]}]}", "spec.rules[0].from[0].source"),
        ("{rules: [{from: [{source: {}}]}]}", "spec.rules[0].from[0].source"),
        ("{rules: [{to: [{operation: {}}]}]}", "spec.rules[0].to[0].operation"),
        ("{rules: [{from: [{source: {principals: ['spiffe://a/ns/b/sa/c']}}]}]}", "spec.rules[0].from[0].source.principals[0]"),
        ("{rules: [{from: [{source: {principals: ['a*b']}}]}]}", "spec.rules[0].from[0].source.principals[0]"),
        ("{rules: [{from: [{source: {namespaces: ['*a*']}}]}]}", "spec.rules[0].from[0].source.namespaces[0]"),
        ("{rules: [{from: [{source: {namespaces: ['**']}}]}]}", "spec.rules[0].from[0].source.namespaces[0]"),
        ("{rules: [{from: [{source: {namespaces: ['']}}]}]}", "spec.rules[0].from[0].source.namespaces[0]"),
        ("{rules: [{from: [{source: {ipBlocks: [10.0.0.0/8, 10.0.0.0/33]}}]}]}", "spec.rules[0].from[0].source.ipBlocks[1]"),
        ("{rules: [{from: [{source: {serviceAccounts: ['a/b/c']}}]}]}", "spec.rules[0].from[0].source.serviceAccounts[0]"),
        ("{rules: [{from: [{source: {serviceAccounts: ['a/*']}}]}]}", "spec.rules[0].from[0].source.serviceAccounts[0]"),
        ("{rules: [{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}]}", "spec.rules[0].from[0].source.namespaces"),
        ("{rules: [{to: [{operation: {ports: [80]}}]}]}", "spec.rules[0].to[0].operation.ports[0]"),
        ("{rules: [{to: [{operation: {ports: ['+80']}}]}]}", "spec.rules[0].to[0].operation.ports[0]"),
        ("{rules: [{to: [{operation: {ports: ['65536']}}]}]}", "spec.rules[0].to[0].operation.ports[0]"),
        ("{rules: [{when: [{key: source.adress, values: [a]}]}]}", "spec.rules[0].when[0].key"),
        ("{rules: [{when: [{key: source.ip}]}]}", "spec.rules[0].when[0].values"),
        ("{rules: [{when: [{values: [a]}]}]}", "spec.rules[0].when[0].key"),
        ("{selector: {labels: {a: b}}}", "spec.selector.labels"),
        ("{selector: {matchLabels: {a: 'b*'}}}", "spec.selector.matchLabels.a"),
        ("{provider: {name: x}}", "spec.provider"),
    ])
    func `an AuthorizationPolicy is checked`(spec: String, field: String) {
        let findings = TestMesh.findings(TestMesh.namespace + TestMesh.policy("p", spec))
        #expect(findings.contains { $0.severity == .error && $0.field == field && $0.line == 8 }, "\(findings)")
    }

    @Test(arguments: [
        ("{mtls: {mode: strict}}", "spec.mtls.mode"), ("{portLevelMtls: {80: {mode: STRICT}}}", "spec.portLevelMtls"),
        ("{selector: {matchLabels: {a: b}}, portLevelMtls: {x: {mode: STRICT}}}", "spec.portLevelMtls.x"),
        ("{selector: {matchLabels: {a: b}}, portLevelMtls: {80: STRICT}}", "spec.portLevelMtls.80"),
        ("{mtls: STRICT}", "spec.mtls"),
    ])
    func `a PeerAuthentication is checked`(spec: String, field: String) {
        let findings = TestMesh.findings(TestMesh.namespace + TestMesh.peers("p", spec))
        #expect(findings.contains { $0.severity == .error && $0.field == field && $0.line == 8 }, "\(findings)")
    }

    @Test func `a selector in the root namespace selects nothing and is an error`() throws {
        let text = TestMesh.peers("p", "{selector: {matchLabels: {a: b}}, mtls: {mode: STRICT}}", namespace: "istio-system")
        #expect(try only(text).code == MeshCode.selectsNothing)
    }

    @Test func `two PeerAuthentications of one namespace are a warning`() throws {
        #expect(
            try only(TestMesh.namespace + TestMesh.peers("p", "{}") + TestMesh.peers("q", "{}")).code == MeshCode.ambiguousPolicy)
    }

    @Test func `findings come in the order of files and lines`() {
        let (_, findings) = loadResources(files: [
            (name: "z", text: Array("apiVersion: v1\nkind: A\n---\napiVersion: v1\nkind: B\n".utf8)),
            (name: "a", text: Array("x: 1".utf8)),
        ])
        #expect(findings.map { "\($0.file)\($0.line)" } == ["z2", "z5", "a1"])
    }

    @Test func `what kubectl prints is taken`() {
        let text = """
            apiVersion: v1
            kind: List
            metadata: {resourceVersion: ""}
            items:
            - apiVersion: v1
              kind: Namespace
              metadata:
                name: shop
                uid: 0a1b
                creationTimestamp: 2026-01-01T00:00:00Z
                resourceVersion: "12"
                labels: {kubernetes.io/metadata.name: shop}
              spec: {finalizers: [kubernetes]}
              status: {phase: Active}
            - apiVersion: v1
              kind: Service
              metadata: {name: db, namespace: shop, annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}}
              spec:
                clusterIP: 10.96.0.1
                clusterIPs: [10.96.0.1]
                internalTrafficPolicy: Cluster
                ipFamilies: [IPv4]
                ipFamilyPolicy: SingleStack
                ports: [{name: pg, port: 5432, protocol: TCP, targetPort: 5432}]
                selector: {app: db}
                sessionAffinity: None
                type: ClusterIP
              status: {loadBalancer: {}}
            """
        #expect(TestMesh.findings(text) == [])
    }
}
