// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Support
import Testing

@testable import Operator

@Suite struct DeleteTests {
    @Test func `objects go by name, by file, last first, and what isn't there may be no error`() throws {
        try withFile(policySample) { desk, file in
            #expect(desk.run("apply", "-f", file) == .ok)
            #expect(desk.run("delete", "-f", file) == .ok)
            #expect(desk.output.hasSuffix("namespace/shop deleted\nauthorizationpolicy.security.istio.io/db deleted\n"))
            #expect(desk.run("delete", "namespace", "shop") == .failed)
            #expect(desk.run("delete", "namespace", "shop", "--ignore-not-found") == .ok)
            #expect(desk.run("delete") == .usage)
        }
    }

    @Test func `what the server warns of is told once, harmless and no more than a person reads`() {
        let desk = Desk()
        let many = (0..<100).map { "299 - \"number \($0)\"" }
        desk.plane.answers["DELETE /api/v1/namespaces/shop"] = ControlAnswer(
            status: 200, body: Array("{}".utf8),
            warnings: ["299 - \"old\u{1b}[2J\"", "299 - \"old\u{1b}[2J\"", "110 - \"stale\""] + many)
        #expect(desk.run("delete", "namespace", "shop", "--no-wait") == .ok)
        let lines = desk.errors.split(separator: "\n")
        #expect(lines.first == "Warning: old?[2J" && lines.count == WarningList.limit + 1)
        #expect(lines.last == "Warning: 69 more of the control plane's warnings aren't shown")
        #expect(!desk.errors.contains("stale") && desk.output == "namespace/shop deleted\n")
    }

    @Test func `with a selector what fits goes`() {
        let desk = Desk()
        desk.plane.store(servicePath, serviceSample)
        #expect(desk.run("delete", "services", "-n", "shop", "-l", "app=db") == .ok)
        #expect(desk.plane.objects.isEmpty)
        #expect(desk.run("delete", "services", "-n", "shop", "-l", "app=db") == .ok)
        #expect(desk.errors == "Nothing fits the selector.\n")
    }

    @Test func `it waits until the object is gone, and says when it stays`() {
        let desk = Desk()
        desk.pictures = 3
        desk.plane.store("/api/v1/namespaces/shop", ["metadata": ["name": "shop"]])
        let terminating: Value = [
            "metadata": ["name": "shop", "deletionTimestamp": "2027-01-15T08:00:00Z", "uid": "u-/api/v1/namespaces/shop"]
        ]
        desk.plane.answers["DELETE /api/v1/namespaces/shop"] = FakePlane.ok(terminating)
        desk.beforePause = { if $0 == 2 { desk.plane.objects = [:] } }
        #expect(desk.run("delete", "namespace", "shop") == .ok)
        #expect(desk.pauses.count == 2 && desk.output == "namespace/shop deleted\n")
        desk.plane.store("/api/v1/namespaces/shop", ["metadata": ["name": "shop"]])
        #expect(desk.run("delete", "namespace", "shop") == .failed)
        #expect(desk.errors.contains("still there"))
        #expect(desk.run("delete", "namespace", "shop", "--no-wait") == .ok)
    }
}

@Suite struct LabelTests {
    @Test func `labels are set, kept from being overwritten, and removed`() {
        let desk = Desk()
        desk.plane.store(servicePath, serviceSample)
        #expect(desk.run("label", "service", "db", "tier=data", "-n", "shop") == .ok)
        #expect(desk.run("label", "service", "db", "tier=data", "-n", "shop") == .ok)
        #expect(desk.output == "service/db labels set\nservice/db unchanged\n")
        #expect(desk.run("label", "service/db", "tier=other", "-n", "shop") == .failed)
        #expect(desk.errors.contains("has the label tier=data already"))
        #expect(desk.run("label", "service/db", "tier=other", "app-", "--overwrite", "-n", "shop") == .ok)
        #expect(desk.plane.objects[servicePath]?["metadata"]?["labels"] == ["tier": "other"])
        #expect(desk.run("annotate", "service", "db", "team=x", "-n", "shop") == .ok)
        #expect(desk.plane.objects[servicePath]?["metadata"]?["annotations"] == ["team": "x"])
        for line in [["label", "service", "db"], ["label", "tier=x"], ["label", "service", "db", "=x"]] {
            #expect(Warren.run(line, desk.session) == .usage)
        }
    }

    @Test func `namespaces have words of their own`() {
        let desk = Desk()
        #expect(desk.run("namespace", "create", "shop") == .ok)
        #expect(desk.run("namespace", "enrol", "shop") == .ok)
        #expect(desk.run("namespace", "enrol", "shop") == .ok)
        #expect(desk.run("namespace", "list") == .ok)
        #expect(desk.output.contains("namespace/shop created\nnamespace/shop enrolled\nnamespace/shop unchanged\n"))
        #expect(desk.output.contains("shop  ambient  Active"))
        #expect(desk.run("namespace", "release", "shop") == .ok)
        #expect(desk.run("namespace", "create", "shop") == .failed)
        #expect(desk.errors.contains("already exists") && desk.errors.contains("warren apply"))
        #expect(desk.run("namespace", "delete", "shop") == .ok)
        #expect(desk.plane.objects.isEmpty)
        #expect(desk.run("namespace", "create") == .usage)
    }
}

@Suite struct EditTests {
    /// A desk with a service, whose editor rewrites the file.
    private func desk(_ edit: @escaping (String) -> String) -> Desk {
        let desk = Desk()
        desk.environment = ["EDITOR": "ed -s"]
        desk.plane.store(servicePath, serviceSample)
        desk.execute = { words in
            guard words.count == 3, let path = words.last, let text = try? Files.text(path) else { return nil }
            try? Files.write(edit(text), to: path)
            return .exited(0)
        }
        return desk
    }

    /// The file that was told to be kept, removed after looking.
    private func kept(_ desk: Desk) throws -> String {
        let path = try #require(desk.programs.last?.last)
        #expect(desk.errors.contains("What you wrote is kept in \(path)."))
        defer { Files.remove(path) }
        return try Files.text(path)
    }

    @Test(arguments: ["yaml", "json"]) func `what was changed is stored, bound to the version that was seen`(format: String)
        throws
    {
        let desk = desk { $0.replacing("80", with: "81") }
        #expect(desk.run("edit", "service", "db", "-n", "shop", "-o", format) == .ok)
        #expect(desk.plane.objects[servicePath]?["spec"]?["ports"]?.sequenceValue?.first?["port"]?.integerValue == 81)
        #expect(desk.output == "service/db configured\n")
        #expect(!Files.exists(try #require(desk.programs.last?.last)))
    }

    @Test func `without a change nothing is sent`() {
        let desk = desk { $0 }
        #expect(desk.run("edit", "service/db", "-n", "shop") == .ok)
        #expect(desk.output == "service/db unchanged\n")
        #expect(!desk.plane.requests.contains { $0.method != .get })
    }

    @Test func `what is refused, broken or changed by others meanwhile is kept`() throws {
        let broken = desk { _ in "a: [" }
        #expect(broken.run("edit", "service/db", "-n", "shop") == .failed)
        #expect(try kept(broken) == "a: [")
        let refused = desk { $0.replacing("80", with: "81") }
        refused.plane.answers["PUT \(servicePath)"] = FakePlane.status(422, "Invalid", "no such port")
        #expect(refused.run("edit", "service/db", "-n", "shop") == .failed)
        #expect(try kept(refused).contains("81"))
        let late = desk { $0.replacing("80", with: "81") }
        let execute = late.execute
        late.execute = { words in
            late.plane.store(servicePath, serviceSample)
            return execute(words)
        }
        #expect(late.run("edit", "service/db", "-n", "shop") == .failed)
        #expect(late.errors.contains("run `warren edit` again"))
        _ = try kept(late)
        let failing = desk { $0 }
        failing.execute = { _ in .exited(1) }
        #expect(failing.run("edit", "service/db", "-n", "shop") == .failed)
        _ = try kept(failing)
        #expect(failing.run("edit", "service", "-n", "shop") == .usage)
    }
}

@Suite struct DescribeTests {
    @Test func `an object is told in full, its conditions as a table`() {
        let desk = Desk()
        desk.now = WallTime(seconds: 1_800_000_000)
        desk.plane.store(
            servicePath,
            [
                "apiVersion": "v1", "kind": "Service",
                "metadata": [
                    "name": "db", "namespace": "shop", "labels": ["a": "1", "b": "\u{1b}2"],
                    "managedFields": [["manager": "warren", "operation": "Apply"]],
                ],
                "spec": ["ports": [["port": 80]]],
                "status": [
                    "conditions": [
                        [
                            "type": "Programmed", "status": "False", "reason": "Pending", "message": "1 of 2 hosts",
                            "lastTransitionTime": "2027-01-15T07:59:00Z",
                        ]
                    ]
                ],
            ])
        #expect(desk.run("describe", "service", "db", "-n", "shop") == .ok)
        for part in [
            "Name:          db\nNamespace:     shop\nKind:          Service, v1\nLabels:        a=1\n               b=?2\n",
            "(1h00m ago)\n", "Managers:      warren (Apply)\n", "\nspec:\n  ports:\n  - port: 80\n",
            "Programmed  False   1m00s  Pending  1 of 2 hosts\n",
        ] { #expect(desk.output.contains(part), "\(part) in \(desk.output)") }
        #expect(desk.run("describe", "service", "-n", "shop") == .usage)
    }

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2027-01-15T08:00:00Z", 1_800_000_000), ("2024-02-29T23:59:59.123456Z", 1_709_251_199),
        ("2000-03-01T00:00:00Z", 951_868_800),
    ])
    func `a time is read as the calendar says`(text: String, seconds: Int64) { #expect(Timestamp(text)?.seconds == seconds) }

    @Test(arguments: [
        "", "2027-01-15", "2027-13-15T08:00:00Z", "2027-01-15T08:00:00+01:00", "2027-01-15T08:00:00.xZ", "éééé-01-15T08:00:00Z",
    ])
    func `what is no time is none`(text: String) { #expect(Timestamp(text) == nil) }
}
