// SPDX-License-Identifier: Apache-2.0

import Documents
import Testing

@testable import ResourceAPI

/// Server-side apply: who owns what, and what happens when two want the same.
@Suite struct ApplyTests {
    private let world = TestWorld()

    private func target(_ manager: String, force: Bool = false) -> String {
        "/api/v1/namespaces/shop/services/web?fieldManager=\(manager)&force=\(force)"
    }

    private func apply(_ manager: String, _ text: String, _ old: Value?, force: Bool = false, later: Int64 = 0) throws
        -> ObjectWriter.Result
    {
        var world = world
        world.now = Timestamp(seconds: world.now.seconds + later)
        return try world.patch(target(manager, force: force), .apply, try yaml(text), old: old)
    }

    private let config = """
        apiVersion: v1
        kind: Service
        metadata: {name: web, labels: {team: a}}
        spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
        """

    @Test func `the first to apply makes the object and owns what it said`() throws {
        let result = try apply("alice", config, nil)
        #expect(result.change == .created && result.object.at("spec", "type") == "ClusterIP")
        let fields = result.object.at("metadata", "managedFields")?.sequenceValue ?? []
        #expect(fields.count == 1 && fields.first?["operation"] == "Apply" && fields.first?["manager"] == "alice")
        let expected = try read(
            #"{"f:metadata":{"f:labels":{"f:team":{}}},"f:spec":{"f:selector":{},"f:ports":"#
                + #"{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{}}}}}"#
        )
        #expect(fields.first?["fieldsV1"] == expected)
    }

    @Test func `applying the same again changes nothing`() throws {
        let old = TestWorld.stored(try apply("alice", config, nil))
        let again = try apply("alice", config, old, later: 60)
        #expect(again.change == .unchanged && again.object == old)
    }

    @Test func `what another manager owns is a conflict, unless forced`() throws {
        let old = TestWorld.stored(try apply("alice", config, nil))
        let other = config.replacing("team: a", "team: b")
        let refused = failure { _ = try apply("bob", other, old) }
        #expect(refused?.reason == .conflict)
        #expect(refused?.message == "Apply failed with 1 conflict: conflict with \"alice\": .metadata.labels.team")
        let cause = refused?.causes.first
        #expect(cause?.reason == "FieldManagerConflict" && cause?.field == ".metadata.labels.team")
        let forced = try apply("bob", other, old, force: true)
        #expect(forced.object.at("metadata", "labels", "team") == "b")
        let mine = failure { _ = try apply("alice", config, TestWorld.stored(forced)) }
        #expect(mine?.message == "Apply failed with 1 conflict: conflict with \"bob\": .metadata.labels.team")
    }

    @Test func `several conflicts are listed by manager`() throws {
        let old = TestWorld.stored(try apply("alice", config, nil))
        let other = config.replacing("team: a", "team: b").replacing("app: web", "app: x").replacing("name: http", "name: h2")
        let message = failure { _ = try apply("bob", other, old) }?.message
        #expect(
            message
                == "Apply failed with 3 conflicts: conflicts with \"alice\":\n- .metadata.labels.team\n"
                + "- .spec.ports[port=80,protocol=\"TCP\"].name\n- .spec.selector")
    }

    @Test func `the same value may have two owners, and goes when both gave it up`() throws {
        let first = TestWorld.stored(try apply("alice", config, nil))
        let both = TestWorld.stored(try apply("bob", config, first))
        #expect(both.at("metadata", "managedFields")?.sequenceValue?.count == 2)
        let without = config.replacing(", labels: {team: a}", "")
        let one = TestWorld.stored(try apply("alice", without, both))
        #expect(one.at("metadata", "labels", "team") == "a")
        let none = try apply("bob", without, one)
        #expect(none.object.at("metadata", "labels") == nil)
    }

    @Test func `elements of keyed lists belong to who wrote them`() throws {
        let first = TestWorld.stored(try apply("alice", config, nil))
        let second = "{metadata: {name: web}, spec: {ports: [{name: admin, port: 9000}]}}"
        let both = TestWorld.stored(try apply("bob", second, first))
        #expect(both.at("spec", "ports")?.sequenceValue?.map { $0["name"] } == ["http", "admin"])
        let left = try apply("alice", config.replacing("ports: [{name: http, port: 80}]", "ports: []"), both)
        #expect(left.object.at("spec", "ports")?.sequenceValue?.map { $0["name"] } == ["admin"])
        let twice = "{metadata: {name: web}, spec: {ports: [{port: 80, name: a}, {port: 80, name: b, protocol: TCP}]}}"
        #expect(failure { _ = try apply("bob", twice, both) }?.causes.first?.field == "spec.ports[1]")
    }

    @Test func `an update takes what it changes, with its time in later conflicts`() throws {
        let old = TestWorld.stored(try apply("alice", config, nil))
        let patch: Value = ["metadata": ["labels": ["team": "c"]]]
        let patched = TestWorld.stored(try world.patch("/api/v1/namespaces/shop/services/web", .merge, patch, old: old))
        let refused = failure { _ = try apply("alice", config, patched) }
        #expect(
            refused?.message
                == "Apply failed with 1 conflict: conflict with \"kubectl\" using v1 at 2025-11-27T02:00:00Z: .metadata.labels.team"
        )
    }

    @Test func `what nobody kept account of belongs to a manager of its own`() throws {
        let old = TestWorld.stored(try apply("alice", config, nil)).setting(["metadata", "managedFields"], nil)
        let refused = failure { _ = try apply("bob", config.replacing("team: a", "team: b"), old) }
        #expect(refused?.message.contains("\"before-first-apply\" using v1") == true)
        let taken = try apply("bob", config, old)
        #expect(taken.object.at("metadata", "managedFields")?.sequenceValue?.count == 2)
    }

    @Test func `status is applied through its own path`() throws {
        let old = TestWorld.stored(try apply("alice", config, nil))
        let status = try yaml("{metadata: {name: web}, status: {conditions: [{type: Programmed, status: 'True'}]}}")
        let path = "/api/v1/namespaces/shop/services/web/status?fieldManager=hosts"
        let result = try world.patch(path, .apply, status, old: old)
        #expect(result.object.at("status", "conditions")?.sequenceValue?.count == 1 && result.object["spec"] == old["spec"])
        let entry = result.object.at("metadata", "managedFields")?.sequenceValue?.first { $0["manager"] == "hosts" }
        #expect(entry?["subresource"] == "status")
        #expect(failure { _ = try world.patch(path, .apply, status, old: nil) }?.reason == .notFound)
    }

    @Test func `an apply needs a manager, and no managed fields`() throws {
        let path = "/api/v1/namespaces/shop/services/web"
        #expect(failure { _ = try world.patch(path, .apply, try yaml(config), old: nil) }?.reason == .badRequest)
        let with = "{metadata: {name: web, managedFields: [{manager: x}]}, spec: {ports: [{port: 80}]}}"
        #expect(failure { _ = try apply("a", with, nil) }?.message == "metadata.managedFields must be nil")
        #expect(failure { _ = try world.patch("\(path)?force=true", .merge, [:], old: [:]) }?.reason == .badRequest)
    }

    @Test func `unreadable accounts count as none, many updaters become one`() throws {
        let old = TestWorld.stored(try apply("alice", config, nil))
        let broken = old.setting(
            ["metadata", "managedFields"], [["manager": "x", "operation": "Update", "fieldsV1": ["q:": 3]]])
        #expect(ManagedFields(of: broken).entries.isEmpty)
        var object = old
        var world = world
        for number in 0..<14 {
            world.now = Timestamp(seconds: world.now.seconds + 1)
            let patch: Value = ["metadata": ["annotations": .object([("k\(number)", "v")])]]
            object = TestWorld.stored(
                try world.patch("/api/v1/namespaces/shop/services/web?fieldManager=m\(number)", .merge, patch, old: object))
        }
        let names = (object.at("metadata", "managedFields")?.sequenceValue ?? []).compactMap { $0["manager"]?.stringValue }
        #expect(names.contains("ancient-changes") && names.contains("m13") && names.count <= ManagedFields.maximumUpdates + 1)
    }

    @Test func `field sets read back as they were written`() throws {
        let text = #"{"f:a":{".":{},"f:b":{},"v:\"x\"":{}},"f:l":{"k:{\"name\":\"a\",\"port\":80}":{".":{},"f:c":{}}},"i:3":{}}"#
        let set = try #require(FieldSet(try read(text)))
        #expect(set.document == (try read(text)))
        for wrong in [#"{"f:a":3}"#, #"{"x":{}}"#, #"{"k:{":{}}"#, #"{"i:-1":{}}"#, "[]"] {
            #expect(FieldSet(try read(wrong)) == nil)
        }
        #expect(set.subtracting(set).isEmpty && set.union(set) == set && set.intersection(set) == set)
    }
}

extension String {
    /// With one text in place of another.
    func replacing(_ text: String, _ other: String) -> String {
        guard let range = firstRange(of: text) else { return self }
        return replacingCharacters(in: range, with: other)
    }

    private func replacingCharacters(in range: Range<String.Index>, with other: String) -> String {
        String(self[..<range.lowerBound]) + other + String(self[range.upperBound...])
    }
}
