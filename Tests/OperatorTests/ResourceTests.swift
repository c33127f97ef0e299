// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Support
import Testing

@testable import Operator

@Suite struct ApplyTests {
    @Test func `objects are created, namespaces first, then unchanged, then configured`() throws {
        try withFile(policySample) { desk, file in
            #expect(desk.run("apply", "-f", file) == .ok)
            #expect(desk.output == "namespace/shop created\nauthorizationpolicy.security.istio.io/db created\n")
            let patch = try #require(desk.plane.requests.last)
            #expect(patch.method == .patch && patch.contentType == "application/apply-patch+yaml")
            #expect(
                patch.target
                    == "/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies/db?fieldManager=warren&fieldValidation=Strict"
            )
            let again = Desk()
            again.plane.objects = desk.plane.objects
            #expect(again.run("apply", "-f", file) == .ok)
            #expect(again.output == "namespace/shop unchanged\nauthorizationpolicy.security.istio.io/db unchanged\n")
            try Files.write(policySample.replacing("DENY", with: "ALLOW"), to: file)
            #expect(again.run("apply", "-f", file, "-o", "json") == .ok)
            let results = try JSON.read(String(again.output.drop { $0 != "[" })).sequenceValue ?? []
            #expect(results.map { $0["result"]?.stringValue } == ["unchanged", "configured"])
            #expect(results.last?["line"]?.integerValue == 1)
        }
    }

    @Test func `a dry run stores nothing and still says what would happen`() throws {
        try withFile(policySample) { desk, file in
            #expect(desk.run("apply", "-f", file, "--dry-run", "--force-conflicts") == .ok)
            #expect(desk.output.hasSuffix("authorizationpolicy.security.istio.io/db created (dry run)\n"))
            #expect(desk.plane.objects.isEmpty)
            #expect(desk.plane.requests.last?.target.hasSuffix("&force=true&dryRun=All") == true)
        }
    }

    @Test func `one refused object doesn't keep the others back, and says which field and what to do`() throws {
        try withFile(policySample) { desk, file in
            desk.plane.answers["PATCH /api/v1/namespaces/shop"] = FakePlane.status(
                422, "Invalid", "Namespace \"shop\" is invalid: metadata.labels: is no label\u{1b}[31m",
                causes: [["reason": "FieldValueInvalid", "field": "metadata.labels", "message": "is no label\u{1b}[31m"]])
            #expect(desk.run("apply", "-f", file) == .failed)
            #expect(desk.output == "authorizationpolicy.security.istio.io/db created\n")
            #expect(desk.errors.contains("objects.yaml:6: namespace/shop: Namespace \"shop\" is invalid\n"), "\(desk.errors)")
            #expect(desk.errors.contains("  metadata.labels: is no label?[31m\n"))
        }
    }

    @Test func `a conflict names the way out`() throws {
        try withFile(policySample) { desk, file in
            desk.plane.answers["PATCH /api/v1/namespaces/shop"] = FakePlane.status(
                409, "Conflict", "Apply failed with 1 conflict",
                causes: [
                    ["reason": "FieldManagerConflict", "field": ".metadata.labels.a", "message": "conflict with \"kubectl\""]
                ])
            #expect(desk.run("apply", "-f", file) == .failed)
            #expect(desk.errors.contains(".metadata.labels.a: conflict with \"kubectl\""))
            #expect(desk.errors.contains("--force-conflicts"))
        }
    }

    @Test func `a control plane that isn't there or doesn't know us ends it at once`() throws {
        try withFile(policySample) { desk, file in
            desk.plane.failure = ControlFailure("no control plane", remedy: "Start it.", isUnreachable: true)
            #expect(desk.run("apply", "-f", file) == .unreachable)
            #expect(desk.plane.requests.count == 1)
        }
        try withFile(policySample) { desk, file in
            desk.plane.answers["PATCH /api/v1/namespaces/shop"] = FakePlane.status(401, "Unauthorized", "the token isn't valid")
            #expect(desk.run("apply", "-f", file) == .failed)
            #expect(desk.plane.objects.isEmpty && desk.errors.contains("warren token create"))
        }
    }

    @Test(arguments: [
        ("kind: Service\nmetadata: {name: a}", "apiVersion is missing"),
        ("apiVersion: v1\nkind: Service", "metadata.name is missing"),
        ("apiVersion: v1\nkind: Servise\nmetadata: {name: a}", "Did you mean `Service`?"),
        ("apiVersion: other/v1\nkind: X\nmetadata: {name: a}", "no apiVersion `other/v1`"),
        ("apiVersion: ../../x\nkind: X\nmetadata: {name: a}", "is no apiVersion"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: other}", "but --namespace says `shop`"),
    ])
    func `an object that can't be sent says why, with file and line`(text: String, message: String) throws {
        try withFile(text) { desk, file in
            #expect(desk.run("apply", "-f", file, "-n", "shop") == .failed)
            #expect(desk.errors.contains("objects.yaml:1: ") && desk.errors.contains(message), "\(desk.errors)")
            #expect(!desk.plane.requests.contains { $0.method != .get })
        }
    }

    @Test func `lists are taken apart, and what manages fields isn't sent back`() throws {
        let list: Value = [
            "apiVersion": "v1", "kind": "List",
            "items": [
                [
                    "apiVersion": "v1", "kind": "Service",
                    "metadata": ["name": "../../../api/v1/namespaces/kube", "managedFields": [["manager": "x"]]],
                ]
            ],
        ]
        try withFile(list.json) { desk, file in
            #expect(desk.run("apply", "-f", file) == .ok)
            let patch = try #require(desk.plane.requests.last)
            #expect(patch.target.hasPrefix("/api/v1/namespaces/default/services/..%2F..%2F..%2Fapi%2Fv1%2Fnamespaces%2Fkube?"))
            #expect(!String(decoding: patch.body, as: UTF8.self).contains("managedFields"))
        }
    }

    @Test func `a file without objects, or that is none, is told`() throws {
        try withFile("# nothing\n") { desk, file in
            #expect(desk.run("apply", "-f", file) == .failed)
            #expect(desk.errors.contains("there is no object in"))
            #expect(desk.run("apply") == .usage)
            #expect(desk.run("apply", "-f", "/nowhere") == .failed)
        }
        try withFile("a: [") { desk, file in
            #expect(desk.run("apply", "-f", file) == .failed)
            #expect(desk.errors.contains("objects.yaml:"))
        }
    }
}

@Suite struct GetTests {
    @Test func `the server's table is shown, wide columns on demand, namespaces where there are several`() {
        let desk = Desk()
        desk.plane.store(servicePath, serviceSample)
        #expect(desk.run("get", "svc", "-n", "shop") == .ok)
        #expect(desk.output == "NAME  COUNT\ndb        7\n")
        #expect(desk.plane.requests.last?.accept == "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
        let wide = Desk()
        wide.plane.store(servicePath, serviceSample)
        #expect(wide.run("get", "Service", "-A", "-o", "wide") == .ok)
        #expect(wide.output.hasPrefix("NAMESPACE  NAME  SPEC"))
        #expect(wide.plane.requests.last?.target == "/api/v1/services")
    }

    @Test func `documents are the objects, a list has its kinds`() throws {
        let desk = Desk()
        desk.plane.store(servicePath, serviceSample)
        #expect(desk.run("get", "service/db", "-n", "shop", "-o", "json") == .ok)
        #expect(try JSON.read(desk.output)["metadata"]?["name"]?.stringValue == "db")
        let list = Desk()
        list.plane.store(servicePath, serviceSample)
        #expect(list.run("get", "services", "-n", "shop", "-l", "app=db,x!=y", "-o", "yaml") == .ok)
        let document = try #require(try YAML.read(list.output).first)
        #expect(document["items"]?.sequenceValue?.first?["kind"]?.stringValue == "Service")
        #expect(list.plane.requests.last?.target == "/api/v1/namespaces/shop/services?labelSelector=app%3Ddb,x%21%3Dy")
        #expect(list.run("get", "services", "-n", "shop", "-o", "name") == .ok)
        #expect(list.output.hasSuffix("service/db\n"))
    }

    @Test func `a kind may be called in every way, a wrong one gets a suggestion`() {
        let desk = Desk()
        for name in [
            "authorizationpolicies", "authorizationpolicy", "AuthorizationPolicy", "ap",
            "authorizationpolicies.security.istio.io",
            "authorizationpolicies.v1.security.istio.io",
        ] {
            #expect(desk.run("get", name, "-A") == .ok, "\(name)")
            #expect(desk.plane.requests.last?.target == "/apis/security.istio.io/v1/authorizationpolicies")
        }
        #expect(desk.errors.contains("There are no authorizationpolicies."))
        #expect(desk.run("get", "servises") == .failed)
        #expect(desk.errors.contains("has no kind `servises`") && desk.errors.contains("Did you mean `services`?"))
        #expect(desk.run("get") == .usage)
        #expect(desk.run("get", "service", "gone", "-n", "shop") == .failed)
        #expect(desk.errors.contains("services/gone not found"))
    }

    @Test func `what a server puts into a table can't move the cursor`() {
        let desk = Desk()
        desk.plane.answers["GET /api/v1/namespaces/default/services"] = FakePlane.ok([
            "kind": "Table", "columnDefinitions": [["name": "na\u{1b}me", "type": 5], "no column"],
            "rows": [["cells": ["a\u{9b}2J\nb", ["x": 1], 3, 4]], 5, ["cells": "none"]],
        ])
        #expect(desk.run("get", "services") == .ok)
        #expect(desk.output.contains("NA?ME") && desk.output.contains("a?2J?b"))
        #expect(!desk.output.contains("\u{1b}") && !desk.output.contains("\u{9b}"))
        desk.plane.answers["GET /api/v1/namespaces/default/services"] = FakePlane.ok(["items": [["a": "\u{202e}\u{1b}"]]])
        #expect(desk.run("get", "services", "-o", "yaml") == .ok)
        #expect(desk.run("get", "services", "-o", "json") == .ok)
        #expect(!desk.output.contains("\u{1b}") && !desk.output.contains("\u{202e}"))
    }

    @Test(arguments: ["", "[", "5", "null", "{}", "{\"groups\": 5}", "<html>"])
    func `what isn't a control plane is told so`(body: String) {
        let desk = Desk()
        let answer = ControlAnswer(status: 200, body: Array(body.utf8))
        for path in ["/api", "/apis"] { desk.plane.answers["GET \(path)"] = answer }
        #expect(desk.run("get", "services") == .failed)
        #expect(desk.errors.contains("isn't a control plane") || desk.errors.contains("is no JSON"), "\(desk.errors)")
    }

    @Test func `a watch shows changes, goes on where it was, and lists anew when that is too long ago`() {
        let desk = Desk()
        desk.pictures = 3
        desk.plane.store(servicePath, serviceSample)
        let row = FakePlane.table([["metadata": ["name": "web", "resourceVersion": "107"]]], version: "")
        desk.plane.watches = [
            [
                ["type": "ADDED", "object": row] as Value, ["type": "DELETED", "object": row],
                ["type": "BOOKMARK", "object": ["metadata": ["resourceVersion": "120"]]],
            ].map(\.json),
            [(["type": "ERROR", "object": ["code": 410]] as Value).json], [],
        ]
        #expect(desk.run("get", "services", "-n", "shop", "-w") == .ok)
        #expect(
            desk.output == "NAME  COUNT\ndb        7\nweb       7\nweb       7  (deleted)\nNAME  COUNT\ndb        7\n",
            "\(desk.output)")
        let watches = desk.plane.requests.map(\.target).filter { $0.contains("watch=1") }
        #expect(watches.map { $0.split(separator: "=").last.map(String.init) } == ["101", "120", "101"])
    }
}
