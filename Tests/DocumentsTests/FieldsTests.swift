// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Testing

@Suite struct FieldsTests {
    private enum Mode: String, CaseIterable { case strict, permissive }

    private let findings = FindingList()

    private func fields(_ text: String) throws -> Fields {
        let documents = try YAML.read(text)
        return Fields(try #require(documents.first), findings: findings)
    }

    @Test func `fields of the right type leave no finding`() throws {
        let fields = try fields(
            """
            name: web
            on: true
            port: 80
            ratio: 2
            wait: 1m30s
            mode: strict
            address: 10.0.0.1
            names: [a, b]
            labels: {app: web, "istio.io/rev": ""}
            inner: {x: 1}
            rules: [{y: 2}, {y: 3}]
            gone: null
            """)
        #expect(fields.string("name") == "web")
        #expect(fields.bool("on") == true)
        #expect(fields.integer("port", in: UInt16(1)...65535) == 80)
        #expect(fields.number("ratio", in: 0...10) == 2)
        #expect(fields.duration("wait") == .seconds(90))
        #expect(fields.choice("mode", Mode.self) == .strict)
        #expect(
            fields.parsed("address", as: IPAddress.self, expected: "an IP address", remedy: "Write one.")
                == IPAddress(v4: 0x0a00_0001))
        #expect(fields.strings("names") == ["a", "b"])
        #expect(fields.stringMap("labels") == ["app": "web", "istio.io/rev": ""])
        #expect(fields.fields("inner")?.integer("x", in: 0...1) == 1)
        #expect(fields.list("rules").map { $0.integer("y", in: 0...9) } == [2, 3])
        #expect(fields.value("gone") == nil)
        #expect(fields.string("absent") == nil)
        fields.finish()
        #expect(findings.findings == [])
    }

    @Test(arguments: ["y", "no", "1.0", "0x10", "5"])
    func `a label that YAML reads as no string is named with its remedy`(value: String) throws {
        let fields = try fields("metadata:\n  labels: {app: web, v: \(value)}\n")
        #expect(try #require(fields.fields("metadata")).stringMap("labels") == ["app": "web"])
        let finding = try #require(findings.findings.first)
        #expect(finding.field == "metadata.labels.v")
        #expect(finding.position == Position(line: 2, column: 25))
        #expect(finding.remedy.contains("quotes"))
        #expect(finding.severity == .error)
    }

    @Test func `an unknown field is named with what was probably meant`() throws {
        let fields = try fields("spec:\n  workloadSelektor: {}\n  zzz: 1\n")
        let spec = try #require(fields.fields("spec"))
        _ = spec.fields("workloadSelector")
        spec.finish()
        #expect(findings.findings.map(\.field) == ["spec.workloadSelektor", "spec.zzz"])
        #expect(findings.findings.map(\.remedy) == ["Did you mean `workloadSelector`?", "Known here: workloadSelector."])
        #expect(findings.findings.first?.position == Position(line: 2, column: 3))
        #expect(findings.findings.allSatisfy { $0.code == DocumentCode.unknownField })
    }

    @Test(arguments: [
        ("name: [1]", "name is a sequence, not a string"), ("port: 70000", "port is 70000, not within 1 to 65535"),
        ("port: '80'", "port is a string, not an integer"), ("wait: 5", "wait is an integer, not a string"),
        ("wait: 5x", "wait is \"5x\", which is not a duration"),
        ("mode: Strict", "mode is \"Strict\", not one of strict, permissive"),
        ("names: a", "names is a string, not a sequence"), ("names: [[]]", "names[0] is a sequence, not a string"),
        ("inner: 5", "inner is an integer, not a mapping"), ("rules: [5]", "rules[0] is an integer, not a mapping"),
        ("address: web", "address is \"web\", which is not an IP address"), ("on: 'true'", "on is a string, not a boolean"),
    ])
    func `a field of the wrong kind is said in words`(text: String, message: String) throws {
        let fields = try fields(text)
        _ = fields.string("name")
        _ = fields.bool("on")
        _ = fields.integer("port", in: UInt16(1)...65535)
        _ = fields.duration("wait")
        _ = fields.choice("mode", Mode.self)
        _ = fields.strings("names")
        _ = fields.fields("inner")
        _ = fields.list("rules")
        _ = fields.parsed("address", as: IPAddress.self, expected: "an IP address", remedy: "Write one.")
        fields.finish()
        #expect(findings.findings.map(\.message) == [message])
    }

    @Test func `a required string has to be there`() throws {
        let fields = try fields("b: ''\n")
        #expect(fields.requiredString("a") == "")
        #expect(fields.requiredString("b") == "")
        #expect(findings.findings.map(\.message) == ["`a` is missing", "b is empty"])
    }

    @Test(arguments: [("250ms", 250), ("5s", 5000), ("1m30s", 90_000), ("24h", 86_400_000), ("1.5s", 1500), ("0", 0), ("0s", 0)])
    func `durations are read`(text: String, milliseconds: Int) throws {
        #expect(try fields("d: '\(text)'").duration("d") == .milliseconds(milliseconds))
    }

    @Test(arguments: ["", "s", "5", "-5s", "5 s", "1h ", "1..5s", "5d", "99999999999h", "999999h999999h999999h", "1e3s", "٣s"])
    func `what is no duration is refused`(text: String) throws {
        #expect(try fields("d: '\(text)'").duration("d") == nil)
        #expect(findings.findings.count == 1)
    }

    @Test func `the number of findings is bounded`() throws {
        let list = FindingList(limit: 3)
        let value: Value = .object((0..<100).map { ("k\($0)", 1) })
        Fields(value, findings: list).finish()
        #expect(list.findings.count == 3)
        #expect(list.hasErrors)
    }

    @Test func `an error that comes behind too many hints to keep is kept all the same`() {
        let list = FindingList(limit: 3)
        let fields = Fields(.object((0..<5).map { ("k\($0)", 1) }), findings: list)
        for key in fields.keys { fields.unused(key, because: "of no use here") }
        #expect(list.findings.count == 3 && !list.hasErrors)
        #expect(fields.string("k0") == nil)
        #expect(fields.string("k1") == nil)
        #expect(list.findings.map(\.severity) == [.info, .info, .info, .error])
        #expect(list.hasErrors)
    }

    // Searched one after the other this took minutes.
    @Test func `labels by the ten thousand are found, each by its name`() {
        let labels = (0..<20_000).map { ("l\($0)", Value.string("v\($0)")) }
        let fields = Fields(.object([("labels", .object(labels + [("l7", "again")]))]), findings: findings)
        let map = fields.stringMap("labels")
        #expect(map.count == 20_000)
        #expect(map["l7"] == "v7" && map["l19999"] == "v19999")
        #expect(findings.findings.isEmpty)
    }
}
