// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// The rules of the house held against the whole repository. `RulesCanFailTests` shows that each can fail.
struct HouseRulesTests {
    let repository = Repository.current

    private func check(_ files: [SourceFile], at location: SourceLocation = #_sourceLocation, _ rule: (SourceFile) -> [Finding]) {
        #expect(files.count > 0, "nothing to check: the rule looks in the wrong place", sourceLocation: location)
        let findings = report(files.flatMap(rule))
        #expect(findings == "", sourceLocation: location)
    }

    @Test func `modules import only what Package.swift allows, and only Kernel imports Glibc`() throws {
        let arrows = Arrows(package: try Files.text("\(Repository.root)/Package.swift"))
        #expect(arrows.allowed.count > 15, "Package.swift was not understood")
        #expect(arrows.cModules.count >= 5, "Package.swift was not understood")
        check(repository.sources) { arrows.findings(in: $0) }
    }

    @Test func `each C library has one module that owns it`() throws {
        let arrows = Arrows(package: try Files.text("\(Repository.root)/Package.swift"))
        #expect(arrows.cModulesWithoutOneOwner == [], "a C module must be allowed to exactly one module of Package.swift")
    }

    @Test func `nothing imports Foundation or Dispatch`() { check(repository.swift, Arrows.bannedImports) }

    @Test func `every file opens with the licence`() {
        check(repository.swift + repository.headers + repository.scripts + repository.python, Rules.licenceLine)
    }

    @Test func `no source file is above 400 lines`() { check(repository.swift + repository.headers) { Rules.length($0) } }

    @Test func `no line is above 150 characters, comments neither`() {
        check(repository.swift + repository.c + repository.scripts + repository.python, Rules.lineLength)
    }

    @Test func `entry points are short`() { check(repository.sources, Rules.entryPointLength) }

    @Test func `every file says what it is`() { check(repository.sources.filter { $0.name != "main.swift" }, Rules.docHead) }

    @Test func `parsers have no traps`() { check(repository.sources, Rules.noTraps) }

    @Test func `unsafe stands only where C is near`() { check(repository.sources, Rules.noUnsafe) }

    @Test func `state machines name their states`() { check(repository.sources, Rules.noDefaultInStateMachines) }

    @Test func `nothing is postponed in a comment`() { check(repository.files, Rules.nothingPostponed) }

    @Test func `no path of one machine stands in the repository`() { check(repository.files, Rules.noMachinePaths) }

    @Test func `scripts stop at the first failure and parse`() throws {
        check(repository.scripts, Rules.strictScript)
        for script in repository.scripts {
            let outcome = try RunningCommand.run(["bash", "-n", "\(Repository.root)/\(script.path)"])
            #expect(outcome.succeeded, "\(script.path): \(outcome.err)")
        }
    }

    @Test func `links in documents lead somewhere`() {
        check(repository.documents) { file in
            DocumentRules.links(
                file, exists: { Files.exists("\(Repository.root)/\($0)") },
                headings: { path in repository.file(path).map(DocumentRules.anchors) ?? [] })
        }
    }

    @Test func `the version stands once and is the newest in the change log`() throws {
        let changeLog = try #require(repository.file("CHANGELOG.md"))
        #expect(report(DocumentRules.version(sources: repository.sources, changeLog: changeLog)) == "")
    }

    @Test func `the sources are formatted`() throws {
        let outcome = try Formatting.lint(["Sources", "Tests", "Package.swift"])
        #expect(outcome.succeeded, "run: swift format format --configuration .swift-format -i FILE\n\(outcome.err)")
    }
}

/// `swift format` from the toolchain that builds us.
enum Formatting {
    static func lint(_ paths: [String]) throws -> Outcome {
        let tool = ["swift-format"]
        let places = paths.map { $0.hasPrefix("/") ? $0 : "\(Repository.root)/\($0)" }
        return try RunningCommand.run(
            tool + ["lint", "--strict", "--configuration", "\(Repository.root)/.swift-format", "--parallel", "--recursive"]
                + places,
            seconds: 120)
    }
}
