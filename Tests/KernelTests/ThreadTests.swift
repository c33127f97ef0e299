// SPDX-License-Identifier: Apache-2.0

import Glibc
import Kernel
import Testing

@Suite struct ThreadTests {
    /// How much address space this process has, in MiB.
    private func addressSpace() throws -> Int {
        let text = String(decoding: try File.read("/proc/self/statm", limit: 4096), as: UTF8.self)
        let pages = text.split(separator: " ").first.flatMap { Int($0) }
        return try #require(pages) * 4096 >> 20
    }

    @Test func `who waits for a thread finds its work done`() throws {
        nonisolated(unsafe) var done = false
        let thread = try Thread(name: "worker") { unsafe done = true }
        thread.join()
        #expect(unsafe done)
    }

    @Test func `niceness is of one thread alone`() throws {
        nonisolated(unsafe) var inside: CInt = -1
        let outside = getpriority(CInt(PRIO_PROCESS.rawValue), 0)
        let thread = try Thread(name: "nice", niceness: 7) { unsafe inside = getpriority(CInt(PRIO_PROCESS.rawValue), 0) }
        thread.join()
        #expect(unsafe inside == 7 && getpriority(CInt(PRIO_PROCESS.rawValue), 0) == outside)
    }

    @Test func `a thread that nobody waits for leaves no stack behind`() throws {
        let before = try addressSpace()
        for _ in 0..<400 {
            let ended = Semaphore()
            _ = try Thread(name: "errand") { ended.signal() }
            #expect(ended.wait(until: .now() + .seconds(10)))
        }
        // A stack has 8 MiB; the C library keeps 40 MiB of them for the next threads.
        #expect(try addressSpace() - before < 1000)
    }
}
