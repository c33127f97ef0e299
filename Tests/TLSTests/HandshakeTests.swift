// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import TLS
import Testing

@Suite struct HandshakeTests {
    let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    @Test func `two workloads of one mesh know each other`() throws {
        let pair = try Pair(authority)
        #expect(pair.client.peer?.identity == (try TestAuthority.identity("db")))
        #expect(pair.server.peer?.identity == (try TestAuthority.identity("web")))
        #expect(pair.server.peer?.serial == pair.client.session.context.credential?.serial)
        #expect(pair.server.peer?.notAfter == TestAuthority.now + 24 * TestAuthority.hour)
        #expect(pair.server.peer?.root == authority.root.certificate.fingerprint)
        #expect(pair.client.session.cipherName == "TLS_AES_128_GCM_SHA256")
        #expect(pair.client.session.groupName == "X25519")
        #expect(pair.client.session.versionName == "TLSv1.3")
    }

    @Test(arguments: [1, 2, 7, 100, 4096])
    func `a handshake doesn't care how its bytes are cut`(chunk: Int) throws {
        let pair = try Pair(authority, chunk: chunk)
        #expect(pair.client.peer != nil && pair.server.peer != nil)
    }

    @Test func `a client that prefers AES-256 gets AES-128 all the same`() throws {
        let (server, client) = try serverAndForeignClient { $0.papers = try authority.papers("web") }
        #expect(server.failure == nil && client.isComplete)
        #expect(server.session.cipherName == "TLS_AES_128_GCM_SHA256")
    }

    @Test func `a client that knows only AES-256 and P-256 is served`() throws {
        let (server, _) = try serverAndForeignClient {
            $0.papers = try authority.papers("web")
            $0.ciphersuites = "TLS_AES_256_GCM_SHA384"
            $0.groups = "P-256"
        }
        #expect(server.peer != nil)
        #expect(server.session.cipherName == "TLS_AES_256_GCM_SHA384" && server.session.groupName == "prime256v1")
    }

    @Test func `a client that knows only ChaCha20 is refused`() throws {
        let (server, client) = try serverAndForeignClient {
            $0.papers = try authority.papers("web")
            $0.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256"
        }
        #expect(server.failure?.reason == "no_common_algorithm")
        #expect(client.alert == .handshakeFailure)
    }

    @Test func `a client without a certificate is refused`() throws {
        let (server, client) = try serverAndForeignClient { _ in }
        #expect(server.failure == .noCertificate && server.peer == nil)
        #expect(client.alert == .certificateRequired)
    }

    @Test func `a client of TLS 1·2 is refused`() throws {
        let (server, client) = try serverAndForeignClient {
            $0.papers = try authority.papers("web")
            $0.maximumVersion = TLS1_2_VERSION
        }
        #expect(server.failure == .protocolVersion)
        #expect(client.alert == .protocolVersion)
    }

    @Test func `a server of TLS 1·2 is refused`() throws {
        let (client, server) = try clientAndForeignServer {
            $0.papers = try authority.papers("db")
            $0.maximumVersion = TLS1_2_VERSION
        }
        #expect(client.failure?.reason == "alert" || client.failure == .protocolVersion)
        #expect(client.peer == nil && !server.isComplete)
    }

    @Test func `a client that offers another application protocol is refused`() throws {
        let (server, client) = try serverAndForeignClient {
            $0.papers = try authority.papers("web")
            $0.applicationProtocols = ["http/1.1", "h2c"]
        }
        #expect(server.failure == .noApplicationProtocol)
        #expect(client.alert == .noApplicationProtocol)
    }

    @Test(arguments: [[], ["h2"], ["http/1.1", "h2"]])
    func `a client that offers HTTP 2 or nothing is accepted`(protocols: [String]) throws {
        let (server, client) = try serverAndForeignClient {
            $0.papers = try authority.papers("web")
            $0.applicationProtocols = protocols
        }
        #expect(server.peer != nil && client.isComplete && client.alert == nil)
    }

    @Test func `a server that is silent about HTTP 2 is refused`() throws {
        let (client, _) = try clientAndForeignServer {
            $0.papers = try authority.papers("db")
            $0.applicationProtocols = []
        }
        #expect(client.failure == .noApplicationProtocol && client.session.verifiedPeer == nil)
    }

    @Test func `I08 without an expected identity not a byte leaves`() throws {
        let context = try TLSContext(role: .client, credential: authority.credential("web"))
        let client = OurEnd(TLSSession(connecting: context, expecting: [], now: TestAuthority.now))
        client.proceed()
        #expect(client.failure == .noExpectedIdentity)
        #expect(client.takeOutput().isEmpty)
    }

    @Test func `I08 a server gives nothing that can be resumed`() throws {
        let (_, client) = try serverAndForeignClient { $0.papers = try authority.papers("web") }
        #expect(client.isComplete)
        #expect(unsafe client.resumable == nil)
    }

    @Test func `I08 a client doesn't take up an earlier session`() throws {
        let context = try TLSContext(role: .client, credential: authority.credential("web"))
        for _ in 0..<3 {
            // OpenSSL's server gives two tickets; ours must ignore them.
            var options = ForeignEnd.Options()
            options.papers = try authority.papers("db")
            let server = ForeignEnd(.server, options)
            let client = OurEnd(
                TLSSession(connecting: context, expecting: [try TestAuthority.identity("db")], now: TestAuthority.now))
            pump(client, server)
            #expect(client.peer != nil && !client.session.isResumed && !server.isResumed)
        }
    }

    @Test func `without a time of its own a session goes by the wall clock`() throws {
        let now = copenssl_wall_time()
        let root = try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: now)
        let (web, db) = (try TestAuthority.identity("web"), try TestAuthority.identity("db"))
        for (lifetime, isValid) in [(Int64(600), true), (-60, false)] {
            let key = PrivateKey.generate()
            let leaf = try root.sign(.workload(db, notBefore: now - 600, notAfter: now + lifetime), for: key.publicKey)
            let server = try TLSContext(role: .server, credential: Credential(key: key, chain: [leaf], roots: root.roots))
            let client = try TLSContext(role: .client, credential: root.credential(for: web, now: now, lifetime: 600))
            let (a, b) = (OurEnd(TLSSession(connecting: client, expecting: [db])), OurEnd(TLSSession(accepting: server)))
            pump(a, b)
            #expect((a.peer != nil) == isValid && (b.peer != nil) == isValid)
            #expect(isValid || a.failure?.reason == "certificate_expired")
        }
    }

    @Test func `one context serves sessions on many threads at once`() async throws {
        let client = try TLSContext(role: .client, credential: authority.credential("web"))
        let server = try TLSContext(role: .server, credential: authority.credential("db"))
        let db = try TestAuthority.identity("db")
        let count = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<10).count { _ in
                        let a = OurEnd(TLSSession(connecting: client, expecting: [db], now: TestAuthority.now))
                        let b = OurEnd(TLSSession(accepting: server, now: TestAuthority.now))
                        pump(a, b)
                        return a.peer != nil && b.peer != nil
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(count == 80)
    }

    private func serverAndForeignClient(
        _ configure: (inout ForeignEnd.Options) throws -> Void
    ) throws -> (OurEnd, ForeignEnd) {
        var options = ForeignEnd.Options()
        try configure(&options)
        let context = try TLSContext(role: .server, credential: authority.credential("db"))
        let server = OurEnd(TLSSession(accepting: context, now: TestAuthority.now))
        let client = ForeignEnd(.client, options)
        pump(client, server)
        return (server, client)
    }

    private func clientAndForeignServer(
        _ configure: (inout ForeignEnd.Options) throws -> Void
    ) throws -> (OurEnd, ForeignEnd) {
        var options = ForeignEnd.Options()
        try configure(&options)
        let context = try TLSContext(role: .client, credential: authority.credential("web"))
        let client = OurEnd(
            TLSSession(connecting: context, expecting: [try TestAuthority.identity("db")], now: TestAuthority.now))
        let server = ForeignEnd(.server, options)
        pump(client, server)
        return (client, server)
    }
}
