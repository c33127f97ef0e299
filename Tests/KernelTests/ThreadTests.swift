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
        let which = CInt(PRIO_PROCESS.rawValue)
        nonisolated(unsafe) var inside: [CInt] = []
        let outside = getpriority(which, 0)
        let thread = try Thread(name: "nice", niceness: 3) {
            unsafe inside.append(getpriority(which, 0))
            // It is nicer than whoever makes it, however nice that is.
            let nicer = try? Thread(name: "nicer", niceness: 4) { unsafe inside.append(getpriority(which, 0)) }
            nicer?.join()
        }
        thread.join()
        #expect(unsafe inside == [min(outside + 3, 19), min(outside + 7, 19)])
        #expect(getpriority(which, 0) == outside)
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
