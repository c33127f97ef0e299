// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Each house rule against a sample that breaks it, and one close by that doesn't: a rule that can't fail is worse than none.
struct RulesCanFailTests {
    static let package = """
        .target(name: "CLinux"),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1"),
        .systemLibrary(name: "COrphan", pkgConfig: "x"),
        module("Kernel", "Bytes", "CLinux"),
        module("Documents", "Bytes", "CYAML"),
        module(
            "Mesh", "Bytes",
            "Documents"),
        program("warrend", "Kernel"),
        """

    @Test(arguments: [
        ("Sources/Mesh/A.swift", "import Kernel", false),
        ("Sources/Mesh/A.swift", "package import Documents", true),
        ("Sources/Mesh/A.swift", "internal import CYAML", false),
        ("Sources/Documents/A.swift", "internal import CYAML", true),
        ("Sources/Mesh/A.swift", "import Glibc", false),
        ("Sources/Kernel/A.swift", "import Glibc", true),
        ("Sources/Mesh/A.swift", "// import Kernel", true),
        ("Sources/Mesh/A.swift", "let word = \"import Kernel\"", true),
        ("Sources/Mesh/A.swift", "import struct Kernel.Instant", false),
        ("Sources/warrend/main.swift", "import Documents", false),
        ("Sources/Unknown/A.swift", "import Bytes", false),
        ("Sources/Mesh/A.swift", "import Synchronization", true),
    ])
    func `an import is held against the arrows`(path: String, line: String, fine: Bool) {
        let findings = Arrows(package: Self.package).findings(in: SourceFile(path: path, text: line))
        #expect(findings.isEmpty == fine, "\(report(findings))")
    }

    @Test func `a C module without one owner is named`() {
        #expect(Arrows(package: Self.package).cModulesWithoutOneOwner == ["COrphan"])
        #expect(Arrows(package: Self.package + "module(\"X\", \"CYAML\")").cModulesWithoutOneOwner == ["COrphan", "CYAML"])
    }

    @Test(arguments: ["Foundation", "FoundationEssentials", "Dispatch"])
    func `Foundation and Dispatch are found in tests too`(module: String) {
        #expect(Arrows.bannedImports(in: SourceFile(path: "Tests/A/A.swift", text: "import \(module)")).count == 1)
        #expect(Arrows.bannedImports(in: SourceFile(path: "Tests/A/A.swift", text: "// import \(module)")).isEmpty)
    }

    @Test func `a missing licence is found, behind a shebang too`() {
        #expect(Rules.licenceLine(SourceFile(path: "Sources/A/A.swift", text: "import Bytes")).count == 1)
        #expect(Rules.licenceLine(SourceFile(path: "Sources/A/A.swift", text: "// \(Rules.licence)\n")).isEmpty)
        #expect(Rules.licenceLine(SourceFile(path: "a.sh", text: "#!/usr/bin/env bash\n# \(Rules.licence)")).isEmpty)
        #expect(Rules.licenceLine(SourceFile(path: "a.sh", text: "#!/usr/bin/env bash\nset -e")).count == 1)
    }

    @Test func `line 401 is found and line 400 is not`() {
        let line = "let a = 1\n"
        #expect(Rules.length(SourceFile(path: "Sources/A/A.swift", text: String(repeating: line, count: 400))).isEmpty)
        #expect(Rules.length(SourceFile(path: "Sources/A/A.swift", text: String(repeating: line, count: 401))).first?.line == 401)
        #expect(
            Rules.entryPointLength(SourceFile(path: "Sources/warren/main.swift", text: String(repeating: line, count: 101))).count
                == 1)
    }

    @Test(arguments: ["Sources/A/A.swift", "Tests/A/a.c", "deploy/a.sh", "Tests/A/a.py"])
    func `a line of 151 characters is found and one of 150 is not`(path: String) {
        let fine = "/// " + String(repeating: "ä", count: 146)
        #expect(Rules.lineLength(SourceFile(path: path, text: "a\n\(fine)\n")).isEmpty)
        #expect(Rules.lineLength(SourceFile(path: path, text: "a\n\(fine)b\n")).map(\.line) == [2])
    }

    @Test(arguments: [
        ("import Bytes\n\nstruct A {}", false),
        ("import Bytes\n\n/// What it is.\nstruct A {}", true),
        ("package import Bytes\n\n// A remark.\nstruct A {}", false),
        ("import Bytes\n\nextension Data {\n", true),
    ])
    func `a file without a doc comment is found`(text: String, fine: Bool) {
        #expect(Rules.docHead(SourceFile(path: "Sources/A/A.swift", text: "// \(Rules.licence)\n\n\(text)")).isEmpty == fine)
    }

    @Test(arguments: [
        ("let a = b!", false), ("let a = b![0]", false), ("f(x)!.y", false), ("let a = d[1]!", false), ("try! f()", false),
        ("x as! Y", false), ("var a: Int!", false), ("\"\\(name!)\"", false), ("let a = o.unsafelyUnwrapped", false),
        ("if !a, b != c {", true), ("if a != b {", true), ("\"hello!\"", true), ("// no!", true), ("f(!x)", true),
        ("#\"a\"b!\"#", true),
        ("return [!a, (!b)]", true), ("/* a! */ let b = 1", true), ("\"\\(a ? \"x!\" : \"y\")\"", true),
    ])
    func `a trap in a parser is found`(line: String, fine: Bool) {
        let findings = Rules.noTraps(SourceFile(path: "Sources/Wire/A.swift", text: line))
        #expect(findings.isEmpty == fine, "\(line): \(report(findings))")
        #expect(Rules.noTraps(SourceFile(path: "Sources/Operator/A.swift", text: line)).isEmpty)
    }

    @Test func `words in a multi-line literal are no code`() {
        let text = "let a = \"\"\"\n  b! \\(c!)\n  \"\"\"\nlet d = e!"
        #expect(Rules.noTraps(SourceFile(path: "Sources/Wire/A.swift", text: text)).map(\.line) == [2, 4])
    }

    @Test(arguments: [
        ("unsafe f()", false), ("let a: UnsafeRawPointer", false), ("nonisolated(unsafe) var a = 1", false),
        ("class A: @unchecked Sendable {", false),
        ("let unsafely = 1", true), ("// unsafe", true),
    ])
    func `unsafe is found in a safe module only`(line: String, fine: Bool) {
        #expect(Rules.noUnsafe(SourceFile(path: "Sources/Mesh/A.swift", text: line)).isEmpty == fine)
        #expect(Rules.noUnsafe(SourceFile(path: "Sources/Kernel/A.swift", text: line)).isEmpty)
    }

    @Test func `default in a state machine is found`() {
        let text = "switch state {\ncase .open: break\n    default: break\n}"
        #expect(
            Rules.noDefaultInStateMachines(SourceFile(path: "Sources/A/Tunnel+StateMachine.swift", text: text)).map(\.line) == [3]
        )
        #expect(Rules.noDefaultInStateMachines(SourceFile(path: "Sources/A/Codec.swift", text: text)).isEmpty)
    }

    @Test func `a postponement is found, a longer word is not`() {
        let bad = "// TO" + "DO: later\n// good for" + " now\n// FIX" + "ME"
        #expect(Rules.nothingPostponed(SourceFile(path: "Sources/A/A.swift", text: bad)).map(\.line) == [1, 2, 3])
        #expect(Rules.nothingPostponed(SourceFile(path: "Sources/A/A.swift", text: "// for" + " nowhere; HA" + "CKNEY")).isEmpty)
    }

    @Test func `a path of one machine is found`() {
        let bad = "cd /wo" + "rk/main\n/ho" + "me/someone/x"
        #expect(Rules.noMachinePaths(SourceFile(path: "deploy/a.sh", text: bad)).count == 2)
        #expect(Rules.noMachinePaths(SourceFile(path: "deploy/a.sh", text: "ls net" + "work/here; ls /etc/warren")).isEmpty)
    }

    @Test func `a lax script is found`() {
        #expect(Rules.strictScript(SourceFile(path: "a.sh", text: "#!/bin/bash\nset -e")).count == 1)
        #expect(Rules.strictScript(SourceFile(path: "a.sh", text: "#!/bin/bash\nset -euo pipefail")).isEmpty)
        #expect(Rules.strictScript(SourceFile(path: "postinst", text: "#!/bin/sh\necho")).count == 1)
        #expect(Rules.strictScript(SourceFile(path: "postinst", text: "#!/bin/sh\nset -e")).isEmpty)
    }

    @Test func `dead links are found, to files and to headings`() {
        let text =
            "[a](b.md) [c](../README.md) [d](#here) [e](https://example.org/x)\n```\n[f](nowhere)\n```\n[g](gone.md)\n[h](b.md#absent)\n# Here"
        let file = SourceFile(path: "docs/a.md", text: text)
        let findings = DocumentRules.links(
            file, exists: { ["docs/b.md", "README.md", "docs/a.md"].contains($0) },
            headings: { $0 == "docs/a.md" ? DocumentRules.anchors(file) : [] })
        #expect(findings.map(\.line) == [5, 6])
    }

    @Test(arguments: [
        ("## 0.1.0", "\"0.1.0\"", "let a = 1", 0), ("## 0.2.0", "\"0.1.0\"", "let a = 1", 1),
        ("## 0.1.0", "\"0.1.0\"", "let a = \"0.1.0\"", 1),
        ("## 0.1.0", "\"one\"", "", 1),
    ])
    func `the version is held against the change log`(heading: String, version: String, other: String, count: Int) {
        let holder = SourceFile(path: "Sources/Daemon/Version.swift", text: "package let warrenVersion = \(version)")
        let log = SourceFile(path: "CHANGELOG.md", text: "# Changes\n\n\(heading)\n")
        let sources = [holder, SourceFile(path: "Sources/A/A.swift", text: other)]
        #expect(DocumentRules.version(sources: sources, changeLog: log).count == count)
        #expect(DocumentRules.version(sources: [], changeLog: log).count == 1)
    }

    @Test func `bad formatting is found`() throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        try Files.write("let  a   = 1;\n", to: "\(folder)/Bad.swift")
        #expect(try Formatting.lint([folder]).succeeded == false)
        try Files.write("let a = 1\n", to: "\(folder)/Bad.swift")
        #expect(try Formatting.lint([folder]).succeeded)
    }
}
