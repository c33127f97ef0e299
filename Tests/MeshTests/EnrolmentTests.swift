// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Mesh
import Testing

/// Which workloads are captured, and what is said to hosts and to people about it.
@Suite struct EnrolmentTests {
    @Test func `a workload on a host of the mesh in an enrolled namespace speaks HBONE there`() throws {
        let state = TestMesh.state(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5"))
        let workload = try #require(state.workloads.first)
        #expect(workload.tunnelProtocol == .hbone)
        #expect(workload.node == "node-1")
        #expect(!workload.nativeTunnel)
        #expect(
            state.local == [
                LocalWorkload(uid: workload.uid, node: "node-1", networkNamespace: "db-1", captured: true, nonTCP: nil)
            ])
    }

    @Test func `without the label of the namespace it is known, but not captured`() throws {
        let namespace = TestMesh.namespace.replacing("labels: {istio.io/dataplane-mode: ambient}", with: "labels: {}")
        let state = TestMesh.state(namespace + TestMesh.workload("db-1", "10.0.0.5"))
        #expect(state.workloads.first?.tunnelProtocol == Workload.TunnelProtocol.none)
        #expect(state.local.map(\.captured) == [false])
        let none = TestMesh.namespace.replacing("ambient", with: "none")
        #expect(TestMesh.state(none + TestMesh.workload("db-1", "10.0.0.5")).local.map(\.captured) == [false])
    }

    @Test(arguments: [("none", true, false), ("ambient", false, true)])
    func `a workload's own label outranks that of its namespace`(label: String, enrolled: Bool, captured: Bool) {
        let namespace = enrolled ? TestMesh.namespace : TestMesh.namespace.replacing("ambient", with: "none")
        let workload = TestMesh.workload("db-1", "10.0.0.5").replacing(
            "labels: {app: db}", with: "labels: {app: db, istio.io/dataplane-mode: \(label)}")
        let state = TestMesh.state(namespace + workload)
        #expect(state.local.map(\.captured) == [captured])
        #expect(state.workloads.map(\.tunnelProtocol) == [captured ? .hbone : .none])
    }

    @Test func `a captured workload isn't native, whatever its label says`() throws {
        let workload = TestMesh.workload("db-1", "10.0.0.5").replacing(
            "{app: db}", with: "{app: db, networking.istio.io/tunnel: http}")
        let state = TestMesh.state(TestMesh.namespace + workload)
        #expect(state.workloads.map(\.nativeTunnel) == [false])
        #expect(TestMesh.findings(TestMesh.namespace + workload).map(\.severity) == [.warning])
    }

    @Test(arguments: [("allow", LocalWorkload.NonTCP.allow), ("drop", .drop)])
    func `I05 the namespace says what happens to other traffic`(word: String, expected: LocalWorkload.NonTCP) {
        let namespace = TestMesh.namespace.replacing(
            "metadata: {", with: "metadata: {annotations: {warren.dev/capture-non-tcp: \(word)}, ")
        #expect(TestMesh.state(namespace + TestMesh.workload("db-1", "10.0.0.5")).local.map(\.nonTCP) == [expected])
    }

    @Test func `further addresses belong to the same workload`() {
        let state = TestMesh.state(
            TestMesh.namespace
                + TestMesh.workload(
                    "db-1", "10.0.0.5", more: ", warren.dev/additional-addresses: '2001:db8::5, 10.0.0.6,10.0.0.5'"))
        #expect(state.workloads.first?.addresses.map(\.description) == ["10.0.0.5", "2001:db8::5", "10.0.0.6"])
    }

    @Test(arguments: [
        "..", ".", "a/b", "/run/netns/a", "''", "' '", "'a b'", "\"a\\tb\"", "'\u{e9}'", String(repeating: "x", count: 256),
    ])
    func `I04 a network namespace is a name, never a path`(name: String) {
        let text =
            TestMesh.namespace
            + TestMesh.workload("db-1", "10.0.0.5").replacing("network-namespace: db-1", with: "network-namespace: \(name)")
        let findings = TestMesh.findings(text)
        #expect(
            findings.contains { $0.severity == .error && $0.field == "metadata.annotations[warren.dev/network-namespace]" },
            "\(findings)")
    }

    @Test func `I04 two workloads of one host can't share a network namespace`() {
        let second = TestMesh.workload("db-2", "10.0.0.6").replacing("network-namespace: db-2", with: "network-namespace: db-1")
        let findings = TestMesh.findings(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5") + second)
        #expect(findings.map(\.code) == [MeshCode.sharedNetworkNamespace])
        #expect(findings.map(\.severity) == [.error])
        let elsewhere = second.replacing("node-1", with: "node-2")
        #expect(TestMesh.findings(TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5") + elsewhere) == [])
    }

    @Test(arguments: [
        (", warren.dev/network-namespace: db-1", "", "names no network namespace"),
        ("warren.dev/node: node-1, ", "", "a network namespace without a host"),
        ("warren.dev/node", "warren.dev/nodes", "warren.dev/nodes means nothing"),
        ("warren.dev/network-namespace", "warren.dev/netns", "warren.dev/netns means nothing"),
        ("node-1", "Node_1", "is no name of a host"), ("10.0.0.5", "db.example.com", "needs an IP address"),
        ("{app: db}", "{app: db, warren.dev/node: node-1}", "among the labels"),
        ("{app: db}", "{app: db, istio.io/dataplane-mode: Ambient}", "not one of"),
    ])
    func `a slip that would leave a workload uncaptured is an error`(slip: String, instead: String, message: String) {
        let text = TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5").replacing(slip, with: instead)
        #expect(
            TestMesh.findings(text).contains { $0.severity == .error && $0.message.contains(message) },
            "\(TestMesh.findings(text))")
    }

    @Test func `a misspelt label is a warning with the right one`() {
        let text = TestMesh.namespace.replacing("dataplane-mode", with: "dataplane_mode")
        #expect(TestMesh.findings(text).map(\.remedy) == ["Did you mean `istio.io/dataplane-mode`?"])
    }

    @Test func `I16 what only a waypoint could do is refused, and translate only warns`() {
        let waypointLabel = TestMesh.service("db", "10.96.0.1").replacing(
            "namespace: shop}", with: "namespace: shop, labels: {istio.io/use-waypoint: w}}")
        for text in [
            TestMesh.policy("p", "{action: CUSTOM, provider: {name: x}, rules: [{}]}"),
            TestMesh.policy("p", "{targetRefs: [{kind: Service, name: db}], rules: [{}]}"), waypointLabel,
            TestMesh.plain("a", "10.0.0.5").replacing("{app: a}", with: "{istio.io/use-waypoint: w}"),
        ] {
            let refused = TestMesh.findings(TestMesh.namespace + text)
            #expect(refused.map(\.code) == [MeshCode.needsWaypoint])
            #expect(refused.map(\.severity) == [.error])
            #expect(TestMesh.findings(TestMesh.namespace + text, purpose: .translate).map(\.severity) == [.warning])
        }
        #expect(
            TestMesh.findings(TestMesh.namespace + waypointLabel.replacing("use-waypoint: w", with: "use-waypoint: none")) == [])
        let namespace = TestMesh.namespace.replacing("ambient", with: "ambient, istio.io/use-waypoint: w")
        #expect(TestMesh.findings(namespace).map(\.severity) == [.error])
    }

    @Test func `I16 AUDIT and dry-run are taken with a finding`() {
        let audit = TestMesh.policy("p", "{action: AUDIT, rules: [{}]}")
        let dry = TestMesh.policy("p", "{action: DENY, rules: [{}]}").replacing(
            "namespace: shop}", with: "namespace: shop, annotations: {istio.io/dry-run: 'true'}}")
        for text in [audit, dry] {
            let findings = TestMesh.findings(TestMesh.namespace + text)
            #expect(findings.map(\.code) == [MeshCode.notEnforced])
            #expect(findings.map(\.severity) == [.warning])
            #expect(TestMesh.state(TestMesh.namespace + text).authorizations == [])
        }
    }

    @Test func `I16 an HTTP attribute is a finding with rule and effect`() {
        let text = TestMesh.policy("p", "{action: DENY, rules: [{}, {to: [{operation: {methods: [GET], paths: [/a]}}]}]}")
        let findings = TestMesh.findings(TestMesh.namespace + text)
        #expect(findings.map(\.code) == [MeshCode.httpAttribute])
        #expect(
            findings.first?.message
                == "rule 2 asks for what only HTTP can tell (methods, paths), so it denies as if they were not there, which is more"
        )
        #expect(findings.first?.field == "spec.rules[1]")
    }

    @Test func `names of the mesh come from the options`() throws {
        var options = MeshOptions()
        (options.clusterName, options.clusterDomain, options.trustDomain, options.network) = (
            "c1", "mesh.example", "example.org", "n1"
        )
        let state = TestMesh.state(
            TestMesh.namespace + TestMesh.workload("db-1", "10.0.0.5") + TestMesh.service("db", "10.96.0.1"), options: options)
        let workload = try #require(state.workloads.first)
        #expect(workload.uid == "c1/networking.istio.io/WorkloadEntry/shop/db-1")
        #expect(workload.trustDomain == "example.org")
        #expect(workload.network == "n1")
        #expect(workload.identity(options: options)?.description == "spiffe://example.org/ns/shop/sa/db")
        #expect(state.services.map(\.hostname) == ["db.shop.svc.mesh.example"])
        let snapshot = MeshSnapshot(state: state, options: options, revision: 1)
        let address = try #require(IPAddress("10.96.0.1"))
        #expect(snapshot.service(at: address) != nil)
        #expect(snapshot.service(at: address, network: "n2") != nil)
    }

    @Test func `the names of the application come from the labels in their order`() throws {
        let labels = [
            ("version", "v1", "app", "a", "a", "v1"),
            ("app.kubernetes.io/version", "v2", "app.kubernetes.io/name", "b", "b", "v2"),
            ("service.istio.io/canonical-revision", "v3", "service.istio.io/canonical-name", "c", "c", "v3"),
        ]
        var text = ""
        for (revisionKey, revision, nameKey, name, canonicalName, canonicalRevision) in labels {
            text += ", \(revisionKey): \(revision), \(nameKey): \(name)"
            let entry = TestMesh.plain("x-1", "10.0.0.5").replacing("labels: {app: x}", with: "labels: {\(text.dropFirst(2))}")
            let workload = try #require(TestMesh.state(TestMesh.namespace + entry).workloads.first)
            #expect(workload.canonicalName == canonicalName)
            #expect(workload.canonicalRevision == canonicalRevision)
        }
        let named = TestMesh.plain("x-1", "10.0.0.5").replacing("{app: x}", with: "{service.istio.io/workload-name: web}")
        let workload = try #require(TestMesh.state(TestMesh.namespace + named).workloads.first)
        #expect(workload.workloadName == "web")
        #expect(workload.canonicalName == "web")
        #expect(workload.canonicalRevision == "latest")
    }
}
