// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@testable import Capture

/// The child that loads rules, and children that do something else.
@Suite(.serialized) struct RulesChildTests {
    private static func failure(of script: Script) throws -> CaptureFailure? {
        // The script's file has to be there until its program has ended.
        try withExtendedLifetime(script) { try failure($0.child) }
    }

    private static func failure(_ child: RulesChild) throws -> CaptureFailure? {
        let here = try NetworkNamespace.current()
        do throws(CaptureFailure) {
            _ = try child.run(.list(table: "inet warren"), in: here)
            return nil
        } catch {
            return error
        }
    }

    @Test func `each job runs in its own namespace, and one that fails holds up no other`() throws {
        let (first, second) = (try LabNamespace(), try LabNamespace())
        let one = try first.open()
        let two = try second.open()
        let numbers = (one.descriptor.number, two.descriptor.number)
        let results = try RulesChild(program: Lab.daemon).run([
            (numbers.0, .apply("table inet one {}")), (numbers.1, .apply("no such thing")),
            (numbers.1, .apply("table inet two {}")),
            (numbers.0, .listAll), (numbers.1, .listAll), (numbers.1, .list(table: "inet one")),
        ])
        #expect(try results[0].get() == "")
        guard case .failure(.rulesRefused(let words)) = results[1] else {
            Issue.record("nonsense was accepted")
            return
        }
        #expect(words.contains("syntax error"))
        #expect(try results[3].get() == "table inet one {\n}\n")
        #expect(try results[4].get() == "table inet two {\n}\n")
        #expect(try results[5].get() == "")
    }

    @Test func `a transaction holds as a whole or not at all`() throws {
        let namespace = try LabNamespace()
        let text = "table inet one {\n chain a {\n }\n}\ndelete table inet nowhere\n"
        let refused = try RulesChild(program: Lab.daemon).run([(namespace.open().descriptor.number, .apply(text))])
        #expect(refused.map { (try? $0.get()) == nil } == [true])
        #expect(try namespace.run("nft", "list", "ruleset") == "")
    }

    @Test func `a check changes nothing`() throws {
        let namespace = try LabNamespace()
        let child = RulesChild(program: Lab.daemon)
        #expect(try child.run(.check(CaptureRules(phase: .captured, otherProtocols: .drop).text), in: namespace.open()) == "")
        #expect(try namespace.run("nft", "list", "ruleset") == "")
        #expect(throws: CaptureFailure.self) {
            try child.run(.check("table inet x { chain a { type nonsense hook } }"), in: namespace.open())
        }
    }

    @Test func `a program that isn't there is a failure to start`() throws {
        #expect(try Self.failure(RulesChild(program: "/nowhere/warrend")) == .childNotStarted(.noSuchFile))
    }

    @Test func `a child that ends early is told with its last words`() throws {
        #expect(try Self.failure(of: Script("echo out of memory >&2; exit 1")) == .childEnded(.exited(1), "out of memory\n"))
        #expect(try Self.failure(of: Script("kill -9 $$")) == .childEnded(.killed(9), ""))
    }

    @Test func `a child that ends after some answers leaves those standing`() throws {
        let script = try Script(#"printf 'done 2\nok'; exit 1"#)
        let here = try NetworkNamespace.current()
        let results = try script.child.run([(here.descriptor.number, .listAll), (here.descriptor.number, .listAll)])
        #expect(results == [.success("ok"), .failure(.childEnded(.exited(1), ""))])
    }

    @Test func `a child that neither reads nor ends is killed in time`() throws {
        let script = try Script("exec sleep 1000")
        let long = String(repeating: "# nothing\n", count: 100_000)
        let here = try NetworkNamespace.current()
        #expect(throws: CaptureFailure.childTimedOut(.milliseconds(300))) {
            try script.child.run([(here.descriptor.number, .apply(long))], timeout: .milliseconds(300))
        }
    }

    @Test func `a child that never stops talking is stopped`() throws {
        #expect(try Self.failure(of: Script("exec cat /dev/zero")) == .childUnreadable)
        guard case .childEnded(.exited(0), let words)? = try Self.failure(of: Script("head -c 10000000 /dev/zero >&2")) else {
            Issue.record("no end")
            return
        }
        #expect(words.utf8.count <= 4096)
    }

    @Test(arguments: [
        "done", "done x\n", "done -1\n", "done 99999999999999999999\n", "done 5\nabc", "what 0\n", "done 0\ndone 0\n", "0\n",
        "\n",
        "done 0 0\n",
    ])
    func `an answer that isn't one is no success`(answer: String) throws {
        #expect(try Self.failure(of: Script("printf '%s' '\(answer)'; exit 0")) != nil)
    }

    @Test func `messages read back as they were written`() {
        let messages = [
            RulesMessage(word: "apply", body: "a\nb 3\n"), RulesMessage(word: "list", body: ""),
            RulesMessage(word: "all", body: "ü"),
        ]
        let bytes = messages.flatMap(\.bytes)
        #expect(RulesMessage.all(in: bytes) == messages)
        for length in 0..<bytes.count { #expect(RulesMessage.all(in: Array(bytes.prefix(length))).count < messages.count) }
    }
}

/// A program that ignores its arguments and runs a script; its file goes with the object.
private final class Script {
    let path: String
    var child: RulesChild { RulesChild(program: path) }

    init(_ body: String) throws {
        path = try run(["mktemp", "/tmp/warren-child-XXXXXX"]).split(separator: "\n").first.map(String.init) ?? ""
        try run(["sh", "-c", "cat > \(path); chmod 755 \(path)"], input: "#!/bin/sh\n\(body)\n")
    }

    deinit { _ = try? run(["rm", "-f", path]) }
}
