// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@Suite(.serialized) struct ProcessTests {
    /// What a script writes.
    private static func output(
        _ script: String, environment: [String]? = nil, extra: [(ours: CInt, theirs: CInt)] = []
    ) throws -> (text: String, end: ProcessEnd?) {
        var pipe: BlockingPipe? = try BlockingPipe()
        let reader = try pipe?.readEnd.duplicate()
        let number = pipe?.writeEnd.number ?? -1
        var child = try ChildProcess("sh", ["-c", script], environment: environment, descriptors: [(number, 1), (2, 2)] + extra)
        pipe = nil
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while case .moved(let count)? = try reader?.read(into: &chunk) { text += chunk.prefix(count) }
        return (String(decoding: text, as: UTF8.self), try child.wait(atMost: .seconds(10)))
    }

    @Test func `a child has the descriptors it is given, and no others`() throws {
        let pipe = try BlockingPipe()
        let listed = try Self.output("ls /proc/self/fd", extra: [(pipe.readEnd.number, 7), (pipe.writeEnd.number, 1000)])
        #expect(listed.text.split(separator: "\n").filter { $0 != "3" && $0 != "0" } == ["1", "1000", "2", "7"])
    }

    @Test func `descriptors may trade places`() throws {
        let first = try BlockingPipe()
        let second = try BlockingPipe()
        let (a, b) = (first.writeEnd.number, second.writeEnd.number)
        let end = try Self.output("echo one > /proc/self/fd/\(a); echo two > /proc/self/fd/\(b)", extra: [(b, a), (a, b)]).end
        #expect(end == .exited(0))
        var bytes = [UInt8](repeating: 0, count: 10)
        #expect(try first.readEnd.read(into: &bytes) == .moved(4))
        #expect(bytes.prefix(4).elementsEqual("two\n".utf8))
    }

    @Test func `the environment is the given one`() throws {
        #expect(try Self.output("echo $A-$HOME", environment: ["A=1", "PATH=/usr/bin:/bin"]).text == "1-\n")
    }

    @Test func `how a child ended is told`() throws {
        #expect(try Self.output("exit 7").end == .exited(7))
        #expect(try Self.output("kill -9 $$").end == .killed(9))
        #expect(throws: Errno.noSuchFile) { _ = try ChildProcess("/nowhere/at-all", [], descriptors: []) }
    }

    @Test func `a child starts without our blocked and ignored signals`() throws {
        ignoreBrokenPipes()
        let signals = try Self.output("grep -E 'SigBlk|SigIgn' /proc/self/status").text
        #expect(signals.contains("SigBlk:\t0000000000000000"))
        // Bit 13 is SIGPIPE.
        let ignored = signals.split(separator: "\n").first { $0.hasPrefix("SigIgn") }.flatMap {
            UInt64($0.dropFirst(8), radix: 16)
        }
        #expect(ignored.map { $0 & (1 << 12) } == 0)
    }

    @Test func `waiting ends in time, and a forgotten child is killed and reaped`() throws {
        var id: CInt = 0
        do {
            var child = try ChildProcess("sleep", ["1000"], descriptors: [])
            id = child.id
            #expect(try child.wait(atMost: .milliseconds(20)) == nil)
            #expect(try child.poll() == nil)
        }
        #expect(throws: Errno.noSuchFile) { try File.status("/proc/\(id)") }
    }

    @Test func `a signal reaches the child`() throws {
        var child = try ChildProcess("sleep", ["1000"], descriptors: [])
        child.signal(15)
        #expect(try child.wait(atMost: .seconds(10)) == .killed(15))
        // Once it is reaped its number may be another's.
        child.signal(15)
    }
}
