// SPDX-License-Identifier: Apache-2.0

import Documents
import Testing

@testable import ResourceAPI

/// Strategic merge patches, as kubectl makes them for Kubernetes' own kinds.
@Suite struct StrategicMergeTests {
    private let old = """
        {metadata: {finalizers: [a/x, b/y], labels: {l: 1}}, spec: {selector: {app: web}, type: ClusterIP,
        ports: [{name: http, port: 80, targetPort: 8080}, {name: admin, port: 9000}]}}
        """

    private func patched(_ patch: String) throws -> Value {
        try StrategicMerge.apply(try yaml(patch), to: try yaml(old), APIKind.service.schema)
    }

    private static let patches: [(String, String, String)] = [
        (
            "{spec: {ports: [{port: 80, targetPort: 1}]}}", "ports",
            "[{name: http, port: 80, targetPort: 1}, {name: admin, port: 9000}]"
        ),
        (
            "{spec: {ports: [{port: 81, name: new}]}}", "ports",
            "[{name: http, port: 80, targetPort: 8080}, {name: admin, port: 9000}, {name: new, port: 81}]"
        ),
        ("{spec: {ports: [{port: 80, $patch: delete}]}}", "ports", "[{name: admin, port: 9000}]"),
        ("{spec: {ports: [{$patch: replace}, {port: 1}]}}", "ports", "[{port: 1}]"),
        ("{spec: {ports: [{port: 80, targetPort: null}]}}", "ports", "[{name: http, port: 80}, {name: admin, port: 9000}]"),
        (
            "{spec: {$setElementOrder/ports: [{port: 9000}, {port: 80}], ports: [{port: 80, name: h}]}}", "ports",
            "[{name: admin, port: 9000}, {name: h, port: 80, targetPort: 8080}]"
        ), ("{spec: {selector: {tier: front}}}", "selector", "{app: web, tier: front}"),
        ("{spec: {selector: {$patch: replace, tier: front}}}", "selector", "{tier: front}"),
        ("{spec: {$retainKeys: [ports, type], type: ExternalName}}", "selector", "null"),
    ]

    @Test(arguments: patches) func `lists are merged by key, directives are followed`(
        _ patch: String, _ key: String, _ result: String
    ) throws {
        let expected = try YAML.read("v: \(result)").first?["v"] ?? .null
        #expect((try patched(patch)["spec"]?[key] ?? .null) == expected)
    }

    @Test func `sets grow, and shrink by directive`() throws {
        #expect(try patched("{metadata: {finalizers: [c/z, a/x]}}").at("metadata", "finalizers") == ["a/x", "b/y", "c/z"])
        let less = try patched("{metadata: {$deleteFromPrimitiveList/finalizers: [a/x]}}")
        #expect(less.at("metadata", "finalizers") == ["b/y"] && less.at("metadata", "$deleteFromPrimitiveList/finalizers") == nil)
    }

    @Test(arguments: ["{spec: {ports: [{name: x}]}}", "{spec: {ports: [3]}}", "{spec: {$patch: burn}}", "{spec: {$other/x: 1}}"])
    func `what means nothing is refused`(_ patch: String) {
        #expect(failure { _ = try patched(patch) }?.reason == .badRequest)
    }

    @Test func `kubectl label and kubectl apply get through`() throws {
        let world = TestWorld()
        let made = TestWorld.stored(try world.create("/api/v1/namespaces", ["metadata": ["name": "new"]]))
        let patch: Value = ["metadata": ["labels": ["istio.io/dataplane-mode": "ambient"]]]
        let result = try world.patch("/api/v1/namespaces/new?fieldManager=kubectl-label", .strategicMerge, patch, old: made)
        #expect(result.object.at("metadata", "labels")?.mappingValue?.count == 2 && result.change == .updated)
        let wrong: Value = ["metadata": ["labels": ["istio.io/dataplane-mode": "ambiant"]]]
        let refused = failure { _ = try world.patch("/api/v1/namespaces/new", .strategicMerge, wrong, old: made) }
        #expect(refused?.reason == .invalid && refused?.message.contains("Did you mean `ambient`") == true)
    }
}
