// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@Suite struct ArrayQueueTests {
    private func take(_ queue: inout ArrayQueue, _ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let taken = unsafe bytes.withUnsafeMutableBytes { unsafe queue.take(into: $0) }
        return Array(bytes.prefix(taken))
    }

    @Test func `bytes leave in the order in which they came, in any pieces`() {
        var queue = ArrayQueue()
        var (sent, received): ([UInt8], [UInt8]) = ([], [])
        for step in 0..<500 {
            let bytes = (0..<step % 37).map { UInt8(truncatingIfNeeded: $0 &+ step) }
            queue.append(bytes)
            sent += bytes
            received += take(&queue, step % 23)
            #expect(queue.count == sent.count - received.count)
        }
        while !queue.isEmpty { received += take(&queue, 100) }
        #expect(received == sent)
        #expect(take(&queue, 10).isEmpty)
    }

    @Test func `what is released is gone`() {
        var queue = ArrayQueue()
        queue.append([1, 2, 3])
        #expect(take(&queue, 1) == [1])
        queue.release()
        #expect(queue.isEmpty && take(&queue, 4).isEmpty)
        queue.append([4])
        #expect(take(&queue, 4) == [4])
    }
}
