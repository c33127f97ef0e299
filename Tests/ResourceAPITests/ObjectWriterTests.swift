// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Testing

@testable import ResourceAPI

/// What creates, updates and patches make of objects.
@Suite struct ObjectWriterTests {
    private let world = TestWorld()
    private let services = "/api/v1/namespaces/shop/services"
    private let service: Value = [
        "apiVersion": "v1", "kind": "Service", "metadata": ["name": "web"],
        "spec": ["selector": ["app": "web"], "ports": [["port": 80]]],
    ]

    @Test func `a service is filled in as Kubernetes does`() throws {
        let result = try world.create(services, service)
        let object = result.object
        #expect(result.change == .created && result.warnings.isEmpty)
        #expect(object.at("metadata", "namespace") == "shop" && object.at("metadata", "uid") == .string(TestWorld.uid))
        #expect(object.at("metadata", "creationTimestamp") == "2025-11-27T02:00:00Z" && object.at("metadata", "generation") == 1)
        #expect(object.at("spec", "type") == "ClusterIP" && object.at("spec", "sessionAffinity") == "None")
        #expect(object.at("spec", "internalTrafficPolicy") == "Cluster" && object.at("status", "loadBalancer") == [:])
        #expect(object.at("spec", "ports")?.sequenceValue?.first == ["port": 80, "protocol": "TCP", "targetPort": 80])
        let owner = object.at("metadata", "managedFields")?.sequenceValue?.first
        #expect(owner?["manager"] == "kubectl" && owner?["operation"] == "Update")
        #expect(owner?.at("fieldsV1", "f:spec", "f:ports", #"k:{"port":80,"protocol":"TCP"}"#, "f:port") == [:])
    }

    @Test func `addresses are asked for and kept`() throws {
        let made = try world.create(services, service).object
        #expect(ServiceAddresses.wanted(made, served: [.v4, .v6]) == [.v4])
        let address = try #require(IPAddress("10.96.0.7"))
        let stored = ServiceAddresses.assigning([address], to: made).setting(["metadata", "resourceVersion"], "7")
        #expect(stored.at("spec", "clusterIPs") == ["10.96.0.7"] && stored.at("spec", "ipFamilies") == ["IPv4"])
        let kept = try world.update("\(services)/web", service, old: stored)
        #expect(kept.change == .unchanged && kept.object == stored)
        let moved = service.setting(["spec", "clusterIP"], "10.96.0.8")
        let refused = failure { _ = try world.update("\(services)/web", moved, old: stored) }
        #expect(refused?.reason == .invalid && refused?.causes.first?.field == "spec.clusterIP")
        let dual = stored.setting(["spec", "ipFamilyPolicy"], "PreferDualStack")
        #expect(ServiceAddresses.wanted(dual, served: [.v4, .v6]) == [.v6])
        #expect(ServiceAddresses.wanted(made.setting(["spec", "clusterIP"], "None"), served: [.v4]).isEmpty)
    }

    @Test func `a namespace gets its label, finalizer and phase`() throws {
        let object = try world.create("/api/v1/namespaces", ["metadata": ["name": "new"]]).object
        #expect(object.at("metadata", "labels", "kubernetes.io/metadata.name") == "new")
        #expect(object.at("spec", "finalizers") == ["kubernetes"] && object.at("status", "phase") == "Active")
        #expect(object["apiVersion"] == "v1" && object["kind"] == "Namespace" && object.at("metadata", "namespace") == nil)
    }

    @Test func `a name may be generated`() throws {
        let object = try world.create(services, service.setting("metadata", ["generateName": "web-"])).object
        #expect(object.at("metadata", "name") == "web-x7k2p")
    }

    private static let invalid: [(String, String, Int, String)] = [
        ("spec: {ports: [{port: 80}], selektor: {a: b}}", "spec.selektor", 400, "did you mean \"selector\""),
        ("spec: {ports: [{port: eighty}]}", "spec.ports[0].port", 422, "must be of type integer"),
        ("spec: {ports: [{port: 0}]}", "spec.ports[0].port", 422, "1 to 65535"),
        ("spec: {ports: [{port: 80}, {port: 81}]}", "spec.ports[0].name", 422, "Required value"),
        ("spec: {ports: [{name: a, port: 80}, {name: a, port: 81}]}", "spec.ports[1].name", 422, "Duplicate"),
        ("spec: {ports: [{name: a, port: 80}, {name: b, port: 80}]}", "spec.ports[1]", 422, "Duplicate"),
        ("spec: {ports: [{}]}", "spec.ports[0].port", 422, "Required value"), ("spec: {}", "spec.ports", 422, "Required value"),
        ("spec: {type: Cluster, ports: [{port: 80}]}", "spec.type", 422, "supported values: \"ClusterIP\""),
        ("spec: {clusterIP: 1.2.3, ports: [{port: 80}]}", "spec.clusterIPs[0]", 422, "not an IP address"),
        ("spec: {ports: 80}", "spec.ports", 422, "must be of type array"),
        ("metadata: [1]", "metadata", 422, "must be of type object"),
        ("metadata: {name: Web}", "metadata.name", 422, "DNS-1035"), ("metadata: {name: 9a}", "metadata.name", 422, "DNS-1035"),
        ("metadata: {name: a, labels: {a b: c}}", "metadata.labels", 422, "name part"),
        ("metadata: {name: a, labels: {a: 'b c'}}", "metadata.labels", 422, "valid label"),
        ("metadata: {name: a, labels: {a: 1}}", "metadata.labels.a", 422, "in quotes"),
        ("metadata: {name: a, finalizers: ['x y']}", "metadata.finalizers[0]", 422, "qualified"),
        ("metadata: {name: a, resourceVersion: '5'}", "", 400, "should not be set on objects to be created"),
        ("metadata: {name: a, namespace: other}", "", 400, "does not match the namespace"),
        ("kind: Namespace", "", 400, "does not match the expected kind"), ("apiVersion: v2", "", 400, "expected API version"),
    ]

    @Test(arguments: invalid) func `what is wrong is named with its field and what to do`(
        _ change: String, _ field: String, _ code: Int, _ words: String
    ) throws {
        var body = service
        for entry in try yaml(change).mappingValue ?? [] { body = body.setting(entry.key, entry.value) }
        let status = failure { _ = try world.create(services, body) }
        #expect(status?.reason.code == code)
        #expect(status?.message.contains(words) == true && status?.message.contains(field) == true)
        if code == 422 {
            #expect(status?.causes.contains { $0.field == field } == true)
            #expect(status?.document.at("details", "kind") == "Service")
        }
    }

    @Test func `unknown fields are taken out with a warning if the client wants that`() throws {
        let body = service.setting(["spec", "colour"], "red")
        let warned = try world.create("\(services)?fieldValidation=Warn", body)
        #expect(warned.warnings == ["unknown field \"spec.colour\""] && warned.object.at("spec", "colour") == nil)
        let ignored = try world.create("\(services)?fieldValidation=Ignore", body)
        #expect(ignored.warnings.isEmpty && ignored.object.at("spec", "colour") == nil)
    }

    @Test func `a warning is one line, whatever the client wrote`() throws {
        let body = service.setting(["spec", "x\r\nset-cookie: ä"], 1)
        let warned = try world.create("\(services)?fieldValidation=Warn", body)
        #expect(warned.warnings == ["unknown field \"spec.x??set-cookie: ?\""])
    }

    @Test func `fields of a newer version don't keep older ones from patching`() throws {
        let old = TestWorld.stored(try world.create(services, service)).setting(["spec", "futureField"], 1)
        let patched = try world.patch("\(services)/web", .merge, ["metadata": ["labels": ["a": "b"]]], old: old)
        #expect(patched.change == .updated && patched.object.at("metadata", "labels", "a") == "b")
    }

    @Test func `annotations have a size`() {
        let text = String(repeating: "x", count: 300_000)
        let body = service.setting(["metadata", "annotations"], ["a": .string(text)])
        let status = failure { _ = try world.create(services, body) }
        #expect(status?.causes.first?.field == "metadata.annotations" && status?.causes.first?.reason == "FieldValueTooLong")
    }

    @Test func `a namespace that isn't there or is being emptied takes nothing`() throws {
        var world = world
        world.namespaces["old"] = .terminating
        #expect(
            failure { _ = try world.create("/api/v1/namespaces/none/services", service) }?.message
                == "namespaces \"none\" not found")
        let refused = failure { _ = try world.create("/api/v1/namespaces/old/services", service) }
        #expect(refused?.reason == .forbidden && refused?.message.contains("because it is being terminated") == true)
    }

    // MARK: - Updates

    @Test func `an update of something else that came before is a conflict`() throws {
        let old = TestWorld.stored(try world.create(services, service))
        let stale = old.setting(["metadata", "resourceVersion"], "6").setting(["spec", "selector"], ["app": "x"])
        let refused = failure { _ = try world.update("\(services)/web", stale, old: old) }
        let words =
            "Operation cannot be fulfilled on services \"web\": the object has been modified; please apply your changes to the"
        #expect(refused?.reason == .conflict && refused?.message.hasPrefix(words) == true)
        let other = old.setting(["metadata", "uid"], "another")
        #expect(
            failure { _ = try world.update("\(services)/web", other, old: old) }?.message.contains("UID in precondition") == true)
    }

    @Test func `what the server keeps stays, and generations count changes of what is wanted`() throws {
        let old = TestWorld.stored(try world.create(services, service))
        let body = service.setting(["spec", "selector"], ["app": "other"]).setting("status", ["loadBalancer": ["ingress": []]])
            .setting(["metadata", "generation"], 77).setting(["metadata", "creationTimestamp"], "1999-01-01T00:00:00Z")
        let result = try world.update("\(services)/web", body, old: old)
        #expect(result.change == .updated && result.object.at("metadata", "generation") == 2)
        #expect(result.object.at("metadata", "creationTimestamp") == old.at("metadata", "creationTimestamp"))
        #expect(result.object["status"] == old["status"])
        let labelled = try world.update("\(services)/web", service.setting(["metadata", "labels"], ["a": "b"]), old: old)
        #expect(labelled.change == .updated && labelled.object.at("metadata", "generation") == 1)
        #expect(failure { _ = try world.update("\(services)/other", service, old: old) }?.reason == .badRequest)
    }

    @Test func `status is written through its own path alone`() throws {
        let old = TestWorld.stored(try world.create(services, service))
        let condition: Value = ["type": "Programmed", "status": "True", "reason": "Acked", "message": "2 of 2 hosts"]
        let body = service.setting("status", ["conditions": [condition]]).setting(["spec", "selector"], ["app": "x"])
        let result = try world.update("\(services)/web/status", body, old: old)
        #expect(result.object.at("status", "conditions") == [condition] && result.object["spec"] == old["spec"])
        #expect(result.object.at("metadata", "generation") == 1)
        let managers = result.object.at("metadata", "managedFields")?.sequenceValue ?? []
        #expect(managers.contains { $0["subresource"] == "status" } && managers.count == 2)
    }

    @Test func `the last finalizer that goes takes a dying object along`() throws {
        let body = service.setting(["metadata", "finalizers"], ["example.com/a"])
        let old = TestWorld.stored(try world.create(services, body))
        let options = try DeleteOptions(RequestOptions(), body: nil)
        guard case .mark(let dying) = try ObjectDeletion.end(old, .service, options, now: world.now) else {
            Issue.record("it goes though it is held")
            return
        }
        #expect(dying.at("metadata", "deletionTimestamp") == "2025-11-27T02:00:00Z")
        #expect(try ObjectDeletion.end(dying, .service, options, now: world.now) == .waiting)
        let more = dying.setting(["metadata", "finalizers"], ["example.com/a", "example.com/b"])
        #expect(
            failure { _ = try world.update("\(services)/web", more, old: dying) }?.causes.first?.reason == "FieldValueForbidden")
        let patch: Value = ["metadata": ["finalizers": .null]]
        #expect(try world.patch("\(services)/web", .merge, patch, old: dying).change == .removed)
    }

    @Test func `a namespace waits until it is emptied`() throws {
        let old = TestWorld.stored(try world.create("/api/v1/namespaces", ["metadata": ["name": "new"]]))
        let options = try DeleteOptions(RequestOptions(), body: nil)
        guard case .mark(let dying) = try ObjectDeletion.end(old, .namespace, options, now: world.now) else {
            Issue.record("it goes though it is held")
            return
        }
        #expect(dying.at("status", "phase") == "Terminating")
        let done = try world.update(
            "/api/v1/namespaces/new/finalize", ["metadata": ["name": "new"], "spec": ["finalizers": []]], old: dying)
        #expect(done.change == .removed)
        let still = try world.patch("/api/v1/namespaces/new", .merge, ["spec": ["finalizers": []]], old: dying)
        #expect(still.change == .unchanged)
        let standard = try world.create("/api/v1/namespaces", ["metadata": ["name": "default"]]).object
        #expect(failure { _ = try ObjectDeletion.end(standard, .namespace, options, now: world.now) }?.reason == .forbidden)
    }

    @Test func `a deletion may name the object that it means`() throws {
        let old = TestWorld.stored(try world.create(services, service))
        for body in [["preconditions": ["uid": "x"]], ["preconditions": ["resourceVersion": "1"]]] as [Value] {
            let options = try DeleteOptions(RequestOptions(), body: body)
            #expect(failure { _ = try ObjectDeletion.end(old, .service, options, now: world.now) }?.reason == .conflict)
        }
        let right = try DeleteOptions(
            RequestOptions(), body: ["preconditions": ["resourceVersion": "7", "uid": .string(TestWorld.uid)]])
        #expect(try ObjectDeletion.end(old, .service, right, now: world.now) == .remove)
        // Typed clients expect the service itself, and a Status of other kinds.
        #expect(ObjectDeletion.document(old, .service) == old)
        #expect(ObjectDeletion.document(old, .workloadEntry)["status"] == "Success")
    }

    // MARK: - The mesh

    @Test func `a policy that could never mean what it says is refused by the mesh's own decoder`() throws {
        let target = "/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies"
        let body = try yaml(
            """
            metadata: {name: p}
            spec: {action: DENY, rules: [{from: [{source: {principals: ["spiffe://cluster.local/ns/a/sa/b"]}}]}]}
            """)
        let refused = failure { _ = try world.create(target, body) }
        #expect(refused?.causes.first?.field == "spec.rules[0].from[0].source.principals[0]")
        #expect(refused?.message.hasPrefix("AuthorizationPolicy.security.istio.io \"p\" is invalid: spec.rules[0]") == true)
        let http = try yaml("{metadata: {name: p}, spec: {action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}]}}")
        let taken = try world.create(target, http)
        #expect(taken.warnings.count == 1 && taken.warnings.first?.contains("methods") == true)
        #expect(taken.object["apiVersion"] == "security.istio.io/v1")
    }

    @Test func `an address belongs to one captured workload`() throws {
        var world = world
        world.holders["|10.0.0.5"] = ["shop/other"]
        let target = "/apis/networking.istio.io/v1/namespaces/shop/workloadentries"
        let body = try yaml(
            """
            metadata: {name: web-1, annotations: {warren.dev/node: host-1, warren.dev/network-namespace: web}}
            spec: {address: 10.0.0.5, labels: {app: web}}
            """)
        let refused = failure { _ = try world.create(target, body) }
        #expect(refused?.causes.first?.field == "spec.address" && refused?.causes.first?.reason == "FieldValueDuplicate")
        #expect(refused?.message.contains("shop/other") == true)
        world.hidden = ["shop/other"]
        #expect(failure { _ = try world.create(target, body) }?.message.contains("shop/other") == false)
        // Who may not isn't told of addresses at all.
        world.refusal = APIStatus(.forbidden, "not yours")
        #expect(failure { _ = try world.create(target, body) }?.message == "not yours")
        world.refusal = nil
        world.holders["|10.0.0.5"] = ["shop/web-1"]
        #expect(try world.create(target, body).change == .created)
    }

    @Test func `kinds of all groups are taken in all their versions`() throws {
        let bodies: [(String, String)] = [
            ("/api/v1/namespaces/shop/serviceaccounts", "metadata: {name: a}"),
            (
                "/apis/networking.istio.io/v1alpha3/namespaces/shop/workloadgroups",
                "{metadata: {name: g}, spec: {template: {serviceAccount: a}}}"
            ),
            (
                "/apis/networking.istio.io/v1beta1/namespaces/shop/serviceentries",
                """
                metadata: {name: e}
                spec: {hosts: [db.example.org], ports: [{number: 5432, name: tcp}], resolution: STATIC, endpoints: [{address: 10.9.9.9}]}
                """
            ),
            (
                "/apis/security.istio.io/v1beta1/namespaces/shop/peerauthentications",
                "{metadata: {name: p}, spec: {mtls: {mode: STRICT}}}"
            ),
            ("/apis/warren.dev/v1/nodes", "metadata: {name: host-1}"),
            (
                "/apis/warren.dev/v1/nodegrants",
                "{metadata: {name: g}, spec: {nodes: ['*'], namespaces: [shop], addresses: [10.0.0.0/8]}}"
            ),
        ]
        for (target, body) in bodies {
            let result = try world.create(target, try yaml(body))
            #expect(result.change == .created && result.object["apiVersion"]?.stringValue?.hasSuffix("/v1alpha3") != true)
        }
        let open = try yaml("{metadata: {name: g}, spec: {nodes: ['*.x'], serviceAccounts: [shop/*], addresses: [ten]}}")
        let refused = failure { _ = try world.create("/apis/warren.dev/v1/nodegrants", open) }
        #expect(refused?.causes.map(\.field) == ["spec.nodes[0]", "spec.serviceAccounts[0]", "spec.addresses[0]"])
    }

    @Test func `an object has a size`() throws {
        let rules = (0..<20_000).map {
            Value.object([("from", [["source": ["namespaces": [.string("namespace-with-a-long-name-\($0)")]]]])])
        }
        let body: Value = ["metadata": ["name": "p"], "spec": ["rules": .array(rules)]]
        let refused = failure { _ = try world.create("/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies", body) }
        #expect(refused != nil)
    }
}
