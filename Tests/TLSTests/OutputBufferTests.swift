// SPDX-License-Identifier: Apache-2.0

import TLS
import Testing

/// Counts what a session takes from a pool and gives back.
@safe private final class CountingPool {
    private(set) var acquired: [Int] = []
    private(set) var isOut = 0

    var memory: OutputMemory {
        unsafe OutputMemory(
            acquire: { count in
                self.acquired.append(count)
                self.isOut += 1
                return .allocate(byteCount: count, alignment: 16)
            },
            giveBack: { region in
                self.isOut -= 1
                unsafe region.deallocate()
            })
    }
}

@Suite struct OutputBufferTests {
    let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    @Test func `an idle session holds no memory for output`() throws {
        let pool = CountingPool()
        let pair = try Pair(authority, memory: pool.memory)
        #expect(pair.client.peer != nil && !pool.acquired.isEmpty && pool.isOut == 0)
    }

    @Test func `64 KiB are encrypted into one region of memory`() throws {
        let pool = CountingPool()
        let pair = try Pair(authority, memory: pool.memory)
        let before = pool.acquired.count
        for _ in 0..<10 {
            #expect(pair.client.write(pattern(65_536, seed: 1)) == nil)
            #expect(pool.isOut == 1)
            pump(pair.client, pair.server)
        }
        #expect(pool.acquired.count - before == 10 && pool.isOut == 0)
        #expect(pool.acquired.suffix(10).allSatisfy { $0 < 66_000 })
    }

    @Test func `what the peer doesn't take yet waits in order`() throws {
        let pair = try Pair(authority)
        let output = pair.client.session.output
        var (sent, ciphertext): ([UInt8], [UInt8]) = ([], [])
        for round in 0..<50 {
            let bytes = pattern(3000, seed: UInt64(round))
            sent += bytes
            #expect(pair.client.write(bytes) == nil)
            // A slow peer: less goes than comes.
            let part = unsafe output.withPending { unsafe Array($0.prefix(2000)) }
            output.consume(part.count)
            ciphertext += part
        }
        #expect(output.pendingCount > 50_000)
        pair.server.receive(ciphertext)
        pump(pair.client, pair.server)
        #expect(pair.server.received == sent)
    }

    @Test func `memory goes back when a session ends with output pending`() throws {
        let pool = CountingPool()
        do {
            let pair = try Pair(authority, memory: pool.memory)
            #expect(pair.client.write([1]) == nil)
            #expect(pool.isOut == 1)
        }
        #expect(pool.isOut == 0)
    }

    @Test func `removing everything gives the memory back`() throws {
        let pool = CountingPool()
        let pair = try Pair(authority, memory: pool.memory)
        #expect(pair.client.write([1]) == nil)
        pair.client.session.output.removeAll()
        #expect(pool.isOut == 0 && pair.client.session.output.pendingCount == 0)
        pair.client.session.output.removeAll()
    }
}
