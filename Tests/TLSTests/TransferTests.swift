// SPDX-License-Identifier: Apache-2.0

import TLS
import Testing

@Suite struct TransferTests {
    let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    @Test func `10 MB arrive as they were sent, in both directions`() throws {
        let pair = try Pair(authority)
        let (there, back) = (pattern(10_000_000, seed: 1), pattern(10_000_000, seed: 2))
        for start in stride(from: 0, to: there.count, by: 65_536) {
            #expect(pair.client.write(Array(there[start..<min(start + 65_536, there.count)])) == nil)
            #expect(pair.server.write(Array(back[start..<min(start + 65_536, back.count)])) == nil)
            pump(pair.client, pair.server)
        }
        #expect(pair.server.received == there)
        #expect(pair.client.received == back)
        #expect(pair.client.session.bytesWritten == 10_000_000 && pair.client.session.bytesRead == 10_000_000)
    }

    @Test(arguments: [1, 2, 16_383, 16_384, 16_385, 65_536, 1_000_000])
    func `a single write arrives whole`(count: Int) throws {
        let pair = try Pair(authority)
        let bytes = pattern(count, seed: 3)
        #expect(pair.client.write(bytes) == nil)
        pump(pair.client, pair.server)
        #expect(pair.server.received == bytes)
    }

    @Test func `a write of nothing sends nothing`() throws {
        let pair = try Pair(authority)
        #expect(pair.client.write([]) == nil)
        #expect(pair.client.takeOutput().isEmpty)
    }

    @Test(arguments: [1, 3, 1000, 16_406])
    func `it doesn't matter how ciphertext is cut`(chunk: Int) throws {
        let pair = try Pair(authority)
        let bytes = pattern(100_000, seed: 4)
        #expect(pair.client.write(bytes) == nil)
        pump(pair.client, pair.server, chunk: chunk)
        #expect(pair.server.received == bytes)
    }

    @Test(arguments: [1, 100, 16_384, 20_000])
    func `it doesn't matter how much is decrypted at a time`(size: Int) throws {
        let pair = try Pair(authority)
        pair.server.bufferSize = size
        let bytes = pattern(50_000, seed: 5)
        #expect(pair.client.write(bytes) == nil)
        pump(pair.client, pair.server)
        #expect(pair.server.received == bytes)
    }

    @Test func `64 KiB of plaintext leave in four records of 16 KiB`() throws {
        let pair = try Pair(authority)
        #expect(pair.client.write(pattern(65_536, seed: 6)) == nil)
        let bytes = pair.client.takeOutput()
        #expect(bytes.count == 4 * (16_384 + 22))
        #expect(bytes.prefix(3) == [23, 3, 3])
    }

    @Test func `data right behind the client's last handshake message is kept`() throws {
        let clientContext = try TLSContext(role: .client, credential: authority.credential("web"))
        let serverContext = try TLSContext(role: .server, credential: authority.credential("db"))
        let client = OurEnd(
            TLSSession(connecting: clientContext, expecting: [try TestAuthority.identity("db")], now: TestAuthority.now))
        let server = OurEnd(TLSSession(accepting: serverContext, now: TestAuthority.now))
        client.proceed()
        server.receive(client.takeOutput())
        client.receive(server.takeOutput())
        #expect(client.peer != nil && server.peer == nil)
        #expect(client.write(Array("at once".utf8)) == nil)
        server.receive(client.takeOutput())
        #expect(server.peer != nil && server.received == Array("at once".utf8))
    }

    @Test func `keys are renewed on request, and data goes on`() throws {
        let (server, client) = try serverAndForeignClient()
        client.updateKeys()
        client.write(Array("new keys".utf8))
        #expect(server.write(Array("old keys".utf8)) == nil)
        pump(client, server)
        #expect(server.received == Array("new keys".utf8) && client.received == Array("old keys".utf8))
        #expect(server.write(Array("newer keys".utf8)) == nil)
        pump(client, server)
        #expect(client.received == Array("old keysnewer keys".utf8))
    }

    @Test func `a peer that renews its keys without end is refused`() throws {
        let (server, client) = try serverAndForeignClient()
        for _ in 0..<40 { client.updateKeys() }
        pump(client, server)
        #expect(server.failure == .tooMuch(what: "messages after the handshake"))
    }

    @Test(arguments: [true, false])
    func `a ticket that is cut in pieces is waited for, but not written around`(isWhole: Bool) throws {
        var options = ForeignEnd.Options()
        options.papers = try authority.papers("db")
        options.fragment = 512
        let server = ForeignEnd(.server, options)
        let context = try TLSContext(role: .client, credential: authority.credential("web"))
        let client = OurEnd(
            TLSSession(connecting: context, expecting: [try TestAuthority.identity("db")], now: TestAuthority.now))
        client.proceed()
        while client.peer == nil {
            server.receive(client.takeOutput())
            client.receive(server.takeOutput())
        }
        server.receive(client.takeOutput())
        let tickets = server.takeOutput()
        #expect(tickets.count > 1200)
        client.receive(isWhole ? tickets : Array(tickets.prefix(5 + 512 + 17)))
        #expect(client.failure == nil)
        let failure = client.write([1])
        #expect(failure == (isWhole ? nil : .protocolViolation(why: "a message after the handshake came in pieces")))
    }

    @Test func `our key is renewed after so many records, and not before`() throws {
        let pair = try Pair(authority)
        pair.client.session.recordsPerKey = 4
        let record = pattern(16_384, seed: 8)
        var lengths: [Int] = []
        for _ in 0..<10 {
            #expect(pair.client.write(record) == nil)
            lengths.append(pair.client.session.output.pendingCount)
            pump(pair.client, pair.server)
        }
        // A KeyUpdate is a record of its own: five bytes in 22.
        #expect(lengths.map { $0 - 16_406 } == [0, 0, 0, 0, 27, 0, 0, 0, 27, 0])
        #expect(pair.server.received.count == 163_840 && pair.server.failure == nil)
    }

    @Test func `idle buffers are given back, and data goes on`() throws {
        let pair = try Pair(authority)
        for round in 0..<3 {
            pair.client.session.releaseBuffers()
            pair.server.session.releaseBuffers()
            #expect(pair.client.write([UInt8(round)]) == nil)
            pump(pair.client, pair.server)
        }
        #expect(pair.server.received == [0, 1, 2])
    }

    @Test func `a record that is half there survives the release of buffers`() throws {
        let pair = try Pair(authority)
        let bytes = pattern(5000, seed: 7)
        #expect(pair.client.write(bytes) == nil)
        let ciphertext = pair.client.takeOutput()
        pair.server.receive(Array(ciphertext.prefix(1000)))
        pair.server.session.releaseBuffers()
        pair.server.receive(Array(ciphertext.dropFirst(1000)))
        #expect(pair.server.received == bytes)
    }

    private func serverAndForeignClient() throws -> (OurEnd, ForeignEnd) {
        let context = try TLSContext(role: .server, credential: authority.credential("db"))
        let server = OurEnd(TLSSession(accepting: context, now: TestAuthority.now))
        var options = ForeignEnd.Options()
        options.papers = try authority.papers("web")
        let client = ForeignEnd(.client, options)
        pump(client, server)
        return (server, client)
    }
}

/// Bytes that repeat after 4,099, a prime: what is lost, doubled or moved by a whole record or buffer shows.
func pattern(_ count: Int, seed: UInt64) -> [UInt8] {
    var state = seed
    let period = (0..<min(count, 4099)).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
    var bytes = period
    while bytes.count < count { bytes += period }
    bytes.removeLast(bytes.count - count)
    return bytes
}
