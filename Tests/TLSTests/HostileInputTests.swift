// SPDX-License-Identifier: Apache-2.0

import TLS
import Testing

@Suite struct HostileInputTests {
    let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    private func server() throws -> OurEnd {
        let context = try TLSContext(role: .server, credential: authority.credential("db"))
        return OurEnd(TLSSession(accepting: context, now: TestAuthority.now))
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\nHost: db\r\n\r\n", "CONNECT db:80 HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0\0\0\0\0\0\0\0\0\0",
    ])
    func `plaintext is answered by an alert`(text: String) throws {
        let server = try server()
        server.receive(Array(text.utf8))
        #expect(server.failure?.reason == "not_tls", "\(String(describing: server.failure))")
        let answer = server.takeOutput()
        #expect(answer == [21, 3, 3, 0, 2, 2, 10], "\(answer)")
    }

    @Test(arguments: [
        // A record longer than TLS allows, one of no type, a hello longer than any, data before keys, a change of ciphers before keys,
        // an empty record.
        [22, 3, 1, 0xff, 0xff], [99, 3, 3, 0, 1, 0], [22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff], [23, 3, 3, 0, 5, 1, 2, 3, 4, 5],
        [20, 3, 3, 0, 1, 1, 20, 3, 3, 0, 1, 1], [22, 3, 1, 0, 0],
    ])
    func `a server takes no lies about records`(bytes: [UInt8]) throws {
        let server = try server()
        server.receive(bytes)
        server.receive([UInt8](repeating: 0, count: 100))
        #expect(server.failure != nil && server.peer == nil)
        #expect(server.takeOutput().first == 21)
    }

    @Test func `garbage of any kind ends in a failure or a wait`() throws {
        for seed in 0..<200 {
            let server = try server()
            server.receive(pattern(300, seed: UInt64(seed)))
            #expect(server.peer == nil)
            #expect(server.session.inputEnded() != nil)
        }
    }

    @Test func `a hello with any byte changed never becomes a session of other people`() throws {
        let hello = try clientHello()
        for index in hello.indices {
            var damaged = hello
            damaged[index] ^= 0xff
            let server = try server()
            server.receive(damaged)
            #expect(server.peer == nil)
        }
    }

    @Test func `a record with any byte changed is refused with an alert`() throws {
        for index in [0, 3, 5, 100, 1021] {
            let pair = try Pair(authority)
            #expect(pair.client.write(pattern(1000, seed: 1)) == nil)
            var record = pair.client.takeOutput()
            record[index] ^= 1
            // Behind a changed length the rest is waited for.
            pair.server.receive(record + [UInt8](repeating: 0, count: 300))
            #expect(pair.server.received.isEmpty && pair.server.failure != nil)
            #expect(pair.server.session.output.pendingCount > 0)
        }
    }

    @Test func `a record that comes twice is refused`() throws {
        let pair = try Pair(authority)
        #expect(pair.client.write([1, 2, 3]) == nil)
        let record = pair.client.takeOutput()
        pair.server.receive(record + record)
        pair.server.proceed()
        #expect(pair.server.received == [1, 2, 3] && pair.server.failure == .badRecord)
    }

    @Test func `a handshake that never ends is cut at a bound`() throws {
        let server = try server()
        // A hello of 16 MB in records of 16 KiB: its length alone is refused, or its bytes are counted.
        let record: [UInt8] = [22, 3, 1, 0x40, 0] + [1, 0xff, 0xff, 0xff] + [UInt8](repeating: 0, count: 16_380)
        for _ in 0..<8 where server.failure == nil { server.receive(record) }
        #expect(server.failure != nil)
    }

    @Test func `a chain of certificates beyond the bound is refused`() throws {
        let papers = try authority.papers("web")
        let filler = try authority.papers { $0.organization = String(repeating: "x", count: 60) }
        var options = ForeignEnd.Options()
        options.papers = Papers(key: papers.key, chain: papers.chain + Array((0..<60).map { _ in filler.chain }.joined()))
        let server = try server()
        let client = ForeignEnd(.client, options)
        pump(client, server)
        #expect(server.failure?.reason == "too_much", "\(String(describing: server.failure))")
        #expect(client.alert == .illegalParameter)
    }

    @Test func `every session fails the same way again after a failure`() throws {
        let server = try server()
        server.receive(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        let first = server.failure
        server.receive(try clientHello())
        #expect(server.failure == first && first != nil)
        server.session.shutdown()
        guard case .failed = server.session.handshake() else {
            Issue.record("a failed session went on")
            return
        }
    }

    @Test func `an alert of the peer is told by its name`() throws {
        let context = try TLSContext(role: .client, credential: authority.credential("web"))
        let client = OurEnd(
            TLSSession(connecting: context, expecting: [try TestAuthority.identity("db")], now: TestAuthority.now))
        client.proceed()
        client.receive([21, 3, 3, 0, 2, 2, 48])
        #expect(client.failure == .alert(.unknownCA))
        #expect(client.failure?.description == "the peer ended the session with alert unknown_ca")
    }

    private func clientHello() throws -> [UInt8] {
        let context = try TLSContext(role: .client, credential: authority.credential("web"))
        let client = OurEnd(
            TLSSession(connecting: context, expecting: [try TestAuthority.identity("db")], now: TestAuthority.now))
        client.proceed()
        return client.takeOutput()
    }
}
