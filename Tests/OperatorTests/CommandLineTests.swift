// SPDX-License-Identifier: Apache-2.0

import Documents
import Testing

@testable import Operator

@Suite struct CommandLineTests {
    private static let commands = [
        Command(
            "ca init", "Make.",
            options: [
                CommandOption("directory", short: "d", value: "PATH", "Where."), CommandOption("force", short: "f", "Anyway."),
                CommandOption("output", short: "o", value: "FORMAT", choices: ["json", "yaml"], "How."),
            ], examples: [], run: { _, _ in .ok }),
        Command("show", "Show.", operands: "THING", examples: [], run: { _, _ in .ok }),
    ]

    private func parse(_ line: String...) throws -> Invocation? {
        var parser = CommandLineParser(line, commands: Self.commands)
        return try parser.parse()
    }

    @Test(arguments: [
        ["ca", "init", "--directory", "/x"], ["ca", "init", "--directory=/x"], ["ca", "init", "-d", "/x"],
        ["ca", "init", "-d/x"],
        ["ca", "init", "-d=/x"], ["ca", "init", "-fd", "/x"], ["ca", "init", "-d", "/y", "-d", "/x"],
    ])
    func `a value may stand in every way that people write it, the last one counts`(line: [String]) throws {
        var parser = CommandLineParser(line, commands: Self.commands)
        let invocation = try #require(try parser.parse())
        #expect(invocation.command.name == "ca init")
        #expect(invocation.value("directory") == "/x")
    }

    @Test func `switches join, operands and options mix, and two dashes end options`() throws {
        #expect(try parse("ca", "init", "-f")?.has("force") == true)
        #expect(try parse("show", "a", "--", "--b")?.operands == ["a", "--b"])
        #expect(try parse("show", "-")?.operands == ["-"])
        #expect(try parse("ca", "init", "--directory", "--odd")?.value("directory") == "--odd")
        #expect(try parse("ca", "init", "--directory=")?.value("directory") == "")
    }

    @Test(arguments: [
        (["shwo"], "there is no command `shwo`", "Did you mean `warren show`?"), (["xyzzy"], "there is no command `xyzzy`", ""),
        (["ca"], "`ca` needs a second word", "There is `warren ca init`."),
        (["--force", "ca"], "--force stands before the command", "Options follow the command's name."),
        (["ca", "init", "--directry", "x"], "there is no option --directry", "Did you mean --directory?"),
        (["ca", "init", "-x"], "there is no option -x", ""), (["ca", "init", "-d"], "-d needs a value: PATH", ""),
        (["ca", "init", "--directory"], "--directory needs a value: PATH", ""),
        (["ca", "init", "--force=yes"], "--force takes no value", ""),
        (["ca", "init", "-o", "jsn"], "--output is `jsn`, not one of json, yaml", "Did you mean `json`?"),
        (["ca", "init", "now"], "`warren ca init` takes no operand, but there is `now`", ""),
        (["a\u{1b}[2J\nb"], "there is no command `a?[2J?b`", ""),
    ])
    func `a line that isn't understood says what and what was meant`(line: [String], message: String, hint: String) {
        var parser = CommandLineParser(line, commands: Self.commands)
        #expect {
            try parser.parse()
        } throws: { error in
            (error as? UsageFailure)?.message == message && (error as? UsageFailure)?.hint == hint
        }
    }

    @Test(arguments: [["help"], ["-h"], ["--help"], []]) func `help without a command lists them`(line: [String]) throws {
        var parser = CommandLineParser(line, commands: Self.commands)
        #expect(try parser.parse() == nil)
    }

    @Test func `help of a command needs nothing else to be right`() throws {
        #expect(try parse("help", "ca", "init")?.has("help") == true)
        #expect(try parse("ca", "init", "--help", "and", "more")?.has("help") == true)
    }
}

@Suite struct WarrenTests {
    @Test func `a wrong line exits with 2, a reached daemon with 0, none with 3`() {
        let desk = Desk()
        #expect(desk.run("tunels") == .usage)
        #expect(desk.errors == "warren: there is no command `tunels`. Did you mean `warren tunnels`?\n")
        #expect(desk.run("tunnels") == .unreachable)
        desk.answers["/tunnels"] = ["tunnels": []]
        #expect(desk.run("tunnels") == .ok)
        #expect(desk.run() == .usage)
        #expect(desk.run("help") == .ok)
        #expect(ExitCode.ok.rawValue == 0 && ExitCode.failed.rawValue == 1)
        #expect(ExitCode.usage.rawValue == 2 && ExitCode.unreachable.rawValue == 3)
    }

    @Test(arguments: Warren.commands.map(\.name))
    func `every command has help with its options and an example`(name: String) throws {
        let desk = Desk()
        let words = name.split(separator: " ").map(String.init)
        #expect(Warren.run(words + ["--help"], desk.session) == .ok)
        let command = try #require(Warren.commands.first { $0.name == name })
        #expect(!command.examples.isEmpty)
        for option in command.allOptions { #expect(desk.output.contains("--\(option.name)")) }
        for example in command.examples {
            #expect(desk.output.contains(example.line))
            #expect(example.line.contains("warren \(name)"))
        }
        #expect(command.summary.hasSuffix("."))
        #expect(desk.output.split(separator: "\n").allSatisfy { $0.count <= 110 })
    }

    @Test func `the overview names every command and the exit codes`() {
        let desk = Desk()
        desk.run("--help")
        for command in Warren.commands { #expect(desk.output.contains("  \(command.name) ")) }
        #expect(desk.output.contains("3 warrend not reachable"))
    }

    /// Help that can't be parsed misleads: each example's own options exist.
    @Test(arguments: Warren.commands.flatMap { $0.examples.map(\.line) }) func `every example is understood`(line: String) throws
    {
        let start = try #require(line.firstRange(of: "warren "))
        let words = line[start.upperBound...].prefix { $0 != ">" && $0 != ")" }.split(separator: " ").map(String.init)
        var parser = CommandLineParser(words, commands: Warren.commands)
        #expect(throws: Never.self) { _ = try parser.parse() }
    }

    @Test func `the socket is the option's, or the standard one`() {
        let desk = Desk()
        desk.run("status", "--socket", "/run/other.sock")
        #expect(desk.requests.last?.socket == "/run/other.sock")
        desk.run("status")
        #expect(desk.requests.last?.socket == AdminSocket.standard)
    }
}
