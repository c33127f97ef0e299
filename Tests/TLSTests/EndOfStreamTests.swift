// SPDX-License-Identifier: Apache-2.0

import TLS
import Testing

@Suite struct EndOfStreamTests {
    let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    @Test func `I12 close_notify is an end`() throws {
        let pair = try Pair(authority)
        #expect(pair.client.write(Array("last words".utf8)) == nil)
        pair.client.session.shutdown()
        pump(pair.client, pair.server)
        #expect(pair.server.received == Array("last words".utf8))
        #expect(pair.server.isClosed && pair.server.failure == nil)
        #expect(pair.server.session.inputEnded() == nil)
    }

    @Test func `I12 bytes that end without close_notify are no end`() throws {
        let pair = try Pair(authority)
        #expect(pair.client.write(Array("last words".utf8)) == nil)
        pump(pair.client, pair.server)
        #expect(!pair.server.isClosed)
        #expect(pair.server.session.inputEnded() == .truncated)
        pair.server.proceed()
        #expect(pair.server.failure == .truncated && !pair.server.isClosed)
    }

    @Test func `I12 bytes that end within a record are no end`() throws {
        let pair = try Pair(authority)
        #expect(pair.client.write(pattern(5000, seed: 1)) == nil)
        pair.server.receive(Array(pair.client.takeOutput().dropLast(1)))
        #expect(pair.server.received.isEmpty)
        #expect(pair.server.session.inputEnded() == .truncated)
    }

    @Test func `I12 bytes that end within close_notify are no end`() throws {
        let pair = try Pair(authority)
        pair.client.session.shutdown()
        pair.server.receive(Array(pair.client.takeOutput().dropLast(1)))
        #expect(!pair.server.isClosed)
        #expect(pair.server.session.inputEnded() == .truncated)
    }

    @Test func `I12 a forged close_notify in clear is no end`() throws {
        let pair = try Pair(authority)
        pair.server.receive([21, 3, 3, 0, 2, 1, 0])
        #expect(!pair.server.isClosed && pair.server.failure != nil)
    }

    @Test func `a connection that ends during the handshake says so`() throws {
        let context = try TLSContext(role: .server, credential: authority.credential("db"))
        let server = OurEnd(TLSSession(accepting: context, now: TestAuthority.now))
        server.receive([22, 3, 1])
        #expect(server.session.inputEnded() == .closedInHandshake)
    }

    @Test func `after the peer's close_notify we may still write`() throws {
        let pair = try Pair(authority)
        pair.client.session.shutdown()
        pump(pair.client, pair.server)
        #expect(pair.server.isClosed)
        #expect(pair.server.write(Array("answer".utf8)) == nil)
        pump(pair.client, pair.server)
        #expect(pair.client.received == Array("answer".utf8))
    }

    @Test func `what comes behind close_notify is ignored`() throws {
        let pair = try Pair(authority)
        pair.client.session.shutdown()
        pair.server.receive(pair.client.takeOutput() + pattern(100, seed: 2))
        #expect(pair.server.isClosed)
        pair.server.receive(pattern(100, seed: 3))
        #expect(pair.server.isClosed && pair.server.failure == nil && pair.server.received.isEmpty)
    }

    @Test func `closing twice sends one close_notify`() throws {
        let pair = try Pair(authority)
        pair.client.session.shutdown()
        let count = pair.client.session.output.pendingCount
        pair.client.session.shutdown()
        #expect(count > 0 && pair.client.session.output.pendingCount == count)
    }
}
