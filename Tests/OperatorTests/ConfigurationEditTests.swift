// SPDX-License-Identifier: Apache-2.0

import Documents
import Testing

@testable import Operator

@Suite struct ConfigurationEditTests {
    private func edited(_ text: String, _ changes: [(String, Value?)]) throws -> String {
        var edit = try ConfigurationEdit(Array(text.utf8))
        for (key, value) in changes { edit.set(key, value) }
        return edit.text
    }

    private let control: Value = ["addresses": ["10.0.0.1:15012"]]

    @Test func `sections are added behind, comments and order stay`() throws {
        let text = "# Ours.\nnode: a  # the first\n\nlog:\n  level: info\n"
        #expect(
            try edited(text, [("control", control)])
                == text + "control:\n  addresses:\n  - 10.0.0.1:15012\n")
    }

    @Test func `a section is replaced in its place`() throws {
        let text =
            "node: a # x\n# About control.\ncontrol:\n  # inner\n  addresses: [x:1]\n  retry: 5s\n\n# About logs.\nlog: {level: info}\n"
        #expect(
            try edited(text, [("control", control), ("node", "b")])
                == "node: b\n# About control.\ncontrol:\n  addresses:\n  - 10.0.0.1:15012\n\n# About logs.\nlog: {level: info}\n"
        )
        #expect(try edited(text, [("control", nil)]) == "node: a # x\n# About control.\n\n# About logs.\nlog: {level: info}\n")
    }

    @Test(arguments: [
        "{node: a, log: {level: info}}\n", "{\"node\": \"a\",\n \"log\": {\"level\": \"info\"}}",
        "---\nnode: a\nlog:\n  level: info\n...\n",
    ])
    func `what isn't lines at the margin is written anew, without losing a setting`(text: String) throws {
        let result = try edited(text, [("control", control), ("node", "b")])
        #expect(try YAML.read(result).first == ["node": "b", "log": ["level": "info"], "control": control])
    }

    @Test func `of nothing a file is made, and nothing of a file that had only this`() throws {
        #expect(try edited("", [("node", "a")]) == "node: a\n")
        #expect(try edited("# only words\n", [("node", "a")]) == "# only words\nnode: a\n")
        #expect(try edited("control:\n  addresses: []\n", [("control", nil)]) == "")
    }

    @Test(arguments: ["- a\n", "a: [", "5", "a: 1\n---\nb: 2\n", "a: 1\na: 2\n"])
    func `what is no mapping is refused`(text: String) {
        #expect(throws: ConfigurationEdit.Failure.self) { try ConfigurationEdit(Array(text.utf8)) }
    }

    @Test func `whatever the text is like, what is written says what is meant`() throws {
        let pieces = [
            "node: a\n", "control:\n", "  addresses: [a:1]\n", "# c\n", "\n", "log:\n  level: info\n", "? x\n: y\n",
            "'control' : 1\n", "\"no\\x64e\": q\n", "mesh: |\n  text\n  control: x\n", "a: &x 1\nb: *x\n",
        ]
        var state: UInt64 = 7
        var accepted = 0
        for _ in 0..<3000 {
            var text = ""
            for _ in 0..<5 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += pieces[Int((state >> 33) % UInt64(pieces.count))]
            }
            guard var edit = try? ConfigurationEdit(Array(text.utf8)) else { continue }
            accepted += 1
            let before = edit.document
            edit.set("control", control)
            edit.set("node", "z")
            let read = try YAML.read(edit.text).first ?? [:]
            #expect(read == before.setting("control", control).setting("node", "z"), "\(text)")
            edit.set("control", nil)
            #expect(try YAML.read(edit.text).first ?? [:] == before.without(["control"]).setting("node", "z"), "\(text)")
        }
        #expect(accepted > 200)
    }
}
