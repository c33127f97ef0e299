// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing

@testable import Kernel

@Suite struct ProcessorWaitTests {
    private func second(_ line: String) -> UInt64? {
        let bytes = Array(line.utf8)
        return ProcessorWait.second(of: bytes.span)
    }

    @Test func `the second number of the line is the wait`() {
        #expect(second("596575 0 3\n") == 0)
        #expect(second("596575 17 3\n") == 17)
        #expect(second("0 18446744073709551615 0") == .max)
        #expect(second("1 2") == 2)
    }

    @Test(arguments: ["", "\n", "5", "5\n", "5 ", "5 x 3", "-5 1 3", "5\t1 3"]) func `another line says nothing`(line: String) {
        #expect(second(line) == nil)
    }

    /// More threads than processors that all want to run: somebody waits.
    @Test func `a thread that shares its processor waits`() throws {
        let until = Instant.now() + .milliseconds(400)
        let grown = Atomic<UInt64>(0)
        let threads = try (0..<64).map { index in
            try Thread(name: "busy-\(index)") {
                guard let wait = try? ProcessorWait(), let before = wait.total() else { return }
                while Instant.now() < until {}
                if let after = wait.total(), after >= before {
                    grown.wrappingAdd(after.nanoseconds - before.nanoseconds, ordering: .relaxed)
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(grown.load(ordering: .relaxed) > 0)
    }
}
