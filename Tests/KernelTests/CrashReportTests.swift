// SPDX-License-Identifier: Apache-2.0

import Glibc
import Kernel
import Testing

/// Faults of a process of the test's own, which is this test program again.
@Suite(.serialized) struct CrashReportTests {
    @Test(arguments: [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT])
    func `a signal is told, then it ends the process`(number: CInt) async throws {
        let result = try await #require(processExitsWith: .signal(number), observing: [\.standardErrorContent]) { [number] in
            CrashReport.install(program: "mole", version: "1.2.3")
            // The thread that runs this blocks SIGABRT; abort() gets through.
            if number == SIGABRT { abort() }
            raise(number)
        }
        let lines = Self.lines(result.standardErrorContent)
        let name = [
            SIGSEGV: "SIGSEGV", SIGBUS: "SIGBUS", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP", SIGFPE: "SIGFPE", SIGABRT: "SIGABRT",
        ][number]
        #expect(lines.first?.contains("mole 1.2.3, \(name ?? "?") sent by process ") == true, "\(lines)")
        #expect(lines.first?.contains(/, build-id ([0-9a-f]{16,40}|none)$/) == true, "\(lines)")
        #expect(lines.count > 5 && lines.last?.contains("end;") == true, "\(lines)")
        #expect(lines.contains { $0.contains("+0x") && $0.contains("libc.so") }, "\(lines)")
    }

    @Test func `a trap of Swift is told with its thread`() async throws {
        let end = Self.trap
        let result = try await #require(processExitsWith: .signal(end), observing: [\.standardErrorContent]) {
            CrashReport.install(program: "mole", version: "1.2.3")
            let thread = try Thread(name: "digger-7") { fatalError("hit a stone") }
            thread.join()
        }
        let lines = Self.lines(result.standardErrorContent)
        #expect(lines.first?.contains("at 0x") == true && lines.first?.contains("thread digger-7,") == true, "\(lines)")
        #expect(lines.contains { $0.contains("crash: #3 mole+0x") }, "the frames of the program: \(lines)")
    }

    @Test func `a stack that overflows is told, and only its innermost frames`() async throws {
        let result = try await #require(processExitsWith: .signal(SIGSEGV), observing: [\.standardErrorContent]) {
            CrashReport.install(program: "mole", version: "1.2.3")
            let thread = try Thread(name: "digger-8") { print(Self.dig(1)) }
            thread.join()
        }
        let lines = Self.lines(result.standardErrorContent)
        #expect(lines.first?.contains("thread digger-8,") == true, "\(lines)")
        #expect(lines.count == 66 && lines.last?.contains("end;") == true, "\(lines)")
    }

    @Test func `standard error that takes nothing doesn't hold the process`() async throws {
        await #expect(processExitsWith: .signal(SIGALRM)) {
            var ends: [CInt] = [0, 0]
            _ = unsafe pipe(&ends)
            _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
            let filler = [UInt8](repeating: 0, count: 4096)
            while unsafe write(ends[1], filler, filler.count) > 0 {}
            _ = fcntl(ends[1], F_SETFL, 0)
            dup2(ends[1], 2)
            CrashReport.install(program: "mole", version: "1.2.3")
            raise(SIGSEGV)
        }
    }

    /// How the processor says that Swift trapped.
    private static let trap: CInt = {
        #if arch(arm64)
            SIGTRAP
        #else
            SIGILL
        #endif
    }()

    /// Recursion without end, with something to do on the way back so that it doesn't become a loop.
    @inline(never)
    private static func dig(_ depth: Int) -> Int { depth > 0 ? dig(depth + 1) &+ depth : 0 }

    private static func lines(_ output: [UInt8]) -> [Substring] {
        String(decoding: output, as: UTF8.self).split(separator: "\n").filter { $0.hasPrefix("mole: crash: ") }
    }
}
