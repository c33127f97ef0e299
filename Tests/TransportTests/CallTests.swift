// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Support
import TLS
import Testing
import Transport

/// Our client of services with our server of them: whom it believes, whole requests, and what goes wrong.
@Suite struct CallTests {
    /// A loop for the client, and what it has heard.
    private final class Caller {
        let loop: Loop
        var answer: ServiceRequest.Answer?
        var lost: ServiceFailure?
        var isReady = false

        init() throws { loop = try Loop() }

        func connect(_ place: ServicePlace, _ context: TLSContext? = nil, _ bounds: ServiceBounds = ServiceBounds())
            -> ServiceConnection
        {
            let connection = ServiceConnection(loop: loop, to: place, tls: context, bounds: bounds)
            connection.onReady = { [unowned self] in isReady = true }
            connection.onLost = { [unowned self] in lost = $0 }
            return connection
        }

        func ask(
            _ connection: ServiceConnection, _ path: String, method: String = "GET", body: [UInt8] = [], limit: Int = 1 << 20,
            timeout: Interval = .seconds(20)
        ) throws -> ServiceRequest.Answer {
            answer = nil
            ServiceRequest(on: connection, method: method, path: path, body: body, limit: limit, timeout: timeout) {
                [unowned self] in answer = $0
            }
            try run("an answer to \(path)") { answer != nil }
            return try #require(answer)
        }

        func run(_ what: String, until condition: () -> Bool) throws {
            let end = Instant.now() + .seconds(30)
            while !condition(), Instant.now() < end { loop.turn(wait: .milliseconds(20)) }
            try #require(condition(), "\(what): \(String(describing: lost))")
        }
    }

    private func text(_ answer: ServiceRequest.Answer) throws -> String {
        String(decoding: try answer.get().body, as: UTF8.self)
    }

    private func context(
        _ bench: ServiceBench, _ check: ServiceCheck, shown: ShownCertificates? = nil, roots: [Certificate]? = nil
    ) throws -> TLSContext {
        try TLSContext(
            caller: shown, roots: roots ?? bench.authority.root.roots, check: check, protocols: ["h2"])
    }

    private func identity(_ text: String) throws -> SPIFFEID { try #require(SPIFFEID(text)) }

    @Test func `a service is known by its name, its identity or its root's digest`() throws {
        let bench = try ServiceBench(.tls)
        let digest = try #require(bench.authority.root.roots.first).fingerprint
        let checks: [(ServiceCheck, [Certificate]?)] = [
            (.host("localhost"), nil), (.host("127.0.0.1"), nil),
            (.identity(try identity(ServiceBench.Authority.service)), nil), (.root(digest), []),
        ]
        for (check, roots) in checks {
            let caller = try Caller()
            let connection = caller.connect(.address(bench.address), try context(bench, check, roots: roots))
            #expect(try text(caller.ask(connection, "/hello")) == "hello\n", "\(check)")
            #expect(connection.provenCertificates.last?.fingerprint == digest)
            connection.close()
        }
    }

    @Test func `another service is refused before it hears a word`() throws {
        let bench = try ServiceBench(.tls)
        let stranger = try ServiceBench.Authority()
        let foreign = try #require(stranger.root.roots.first).fingerprint
        let other = try identity("spiffe://cluster.local/ns/warren-system/sa/other")
        let cases: [(ServiceCheck, [Certificate]?)] = [
            (.host("example.org"), nil), (.host("127.0.0.2"), nil), (.host("localhos"), nil), (.identity(other), nil),
            (.root(foreign), []), (.host("localhost"), stranger.root.roots), (.host("localhost"), []),
            (.identity(try identity(ServiceBench.Authority.service)), stranger.root.roots),
        ]
        for (check, roots) in cases {
            let caller = try Caller()
            let connection = caller.connect(.address(bench.address), try context(bench, check, roots: roots))
            guard case .failure(let failure) = try caller.ask(connection, "/hello") else {
                Issue.record("taken: \(check)")
                continue
            }
            #expect(failure.kind == .refused, "\(check): \(failure)")
            #expect(caller.lost?.kind == .refused && !caller.isReady)
        }
    }

    @Test func `a client shows its certificate, and a bad one is refused`() throws {
        let bench = try ServiceBench(.tls)
        let caller = try Caller()
        let good = caller.connect(
            .address(bench.address), try context(bench, .host("localhost"), shown: bench.authority.client("db")))
        #expect(try text(caller.ask(good, "/peer")) == "spiffe://cluster.local/ns/shop/sa/db -\n")
        good.close()
        let bad = caller.connect(
            .address(bench.address), try context(bench, .host("localhost"), shown: ServiceBench.Authority().client()))
        guard case .failure(let failure) = try caller.ask(bad, "/peer") else {
            Issue.record("a foreign certificate was taken")
            return
        }
        #expect(failure.kind == .refused, "\(failure)")
    }

    @Test func `whole requests and answers, also over a Unix socket`() throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        let bench = try ServiceBench(.unix("\(folder)/socket"))
        let caller = try Caller()
        let connection = caller.connect(.unix("\(folder)/socket"))
        #expect(try text(caller.ask(connection, "/hello")) == "hello\n")
        #expect(try text(caller.ask(connection, "/stream")) == "one\ntwo\nthree\n")
        #expect(try text(caller.ask(connection, "/peer")) == "none \(Limits.userID)\n")
        let body = [UInt8](repeating: 0x78, count: 1 << 20)
        #expect(try caller.ask(connection, "/echo", method: "POST", body: body).get().body == body)
        #expect(try caller.ask(connection, "/echo", method: "POST", body: body + body).get().status == 413)
        #expect(try caller.ask(connection, "/none").get().status == 404)
        // The connection outlives all that went wrong on it.
        guard case .failure(let large) = try caller.ask(connection, "/flood") else {
            Issue.record("8 MiB fitted into one")
            return
        }
        #expect(large.kind == .tooLarge)
        guard case .failure(let cut) = try caller.ask(connection, "/abort") else {
            Issue.record("half an answer was taken for a whole one")
            return
        }
        #expect(cut.kind == .lost)
        guard case .failure(let late) = try caller.ask(connection, "/never", timeout: .milliseconds(100)) else {
            Issue.record("an answer that never came")
            return
        }
        #expect(late.kind == .timeout)
        #expect(try text(caller.ask(connection, "/hello")) == "hello\n")
        #expect(connection.isIdle && caller.lost == nil)
        connection.close()
        withExtendedLifetime(bench) {}
    }

    @Test func `nobody there, and somebody who doesn't answer`() throws {
        let caller = try Caller()
        let listener = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 8)
        let bound = listener.localAddress()
        let address = try #require(bound)
        var bounds = ServiceBounds()
        bounds.handshakeTimeout = .milliseconds(200)
        let silent = caller.connect(.address(address), nil, bounds)
        guard case .failure(let timeout) = try caller.ask(silent, "/") else {
            Issue.record("silence was an answer")
            return
        }
        #expect(timeout.kind == .timeout && caller.lost == timeout)
        listener.close()
        let nobody = caller.connect(.address(address))
        guard case .failure(let refused) = try caller.ask(nobody, "/") else {
            Issue.record("nobody answered")
            return
        }
        #expect(refused.kind == .unreachable && caller.lost == refused, "\(refused)")
        let nowhere = caller.connect(.unix("/nonexistent/socket"))
        guard case .failure(let missing) = try caller.ask(nowhere, "/") else {
            Issue.record("nothing answered")
            return
        }
        #expect(missing.kind == .unreachable)
    }

    @Test func `a service that falls silent is given up by PING`() throws {
        let listener = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 8)
        let bound = listener.localAddress()
        let address = try #require(bound)
        let caller = try Caller()
        var bounds = ServiceBounds()
        bounds.pingInterval = .milliseconds(100)
        bounds.pingTimeout = .milliseconds(100)
        let connection = caller.connect(.address(address), nil, bounds)
        try caller.run("accepted") { connection.isIdle }
        var taken = try listener.accept()
        while taken == nil { taken = try listener.accept() }
        guard let accepted = taken.take() else { return }
        let peer = Application(accepted.take())
        // Its SETTINGS, and not a word more.
        peer.send([0, 0, 0, 4, 0, 0, 0, 0, 0])
        let begun = Instant.now()
        try caller.run("lost") {
            peer.step()
            return caller.lost != nil
        }
        #expect(caller.isReady && caller.lost?.kind == .timeout, "\(String(describing: caller.lost))")
        #expect(Instant.now().since(begun) < .seconds(2))
    }

    @Test func `who isn't a service is told apart`() throws {
        let listener = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 8)
        let bound = listener.localAddress()
        let address = try #require(bound)
        let bench = try ServiceBench.Authority()
        let context = try TLSContext(caller: nil, roots: bench.root.roots, check: .host("localhost"), protocols: ["h2"])
        for isSecure in [true, false] {
            let caller = try Caller()
            let connection = caller.connect(.address(address), isSecure ? context : nil)
            var taken = try listener.accept()
            while taken == nil { taken = try listener.accept() }
            guard let accepted = taken.take() else { return }
            let peer = Application(accepted.take())
            peer.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            try caller.run("lost") {
                peer.step()
                return caller.lost != nil
            }
            #expect(!caller.isReady && caller.lost?.kind == (isSecure ? .refused : .lost), "\(String(describing: caller.lost))")
            connection.close()
        }
    }

    @Test func `calls beyond what the service allows at once wait`() throws {
        var bounds = HTTPServerBounds()
        bounds.http2.maxConcurrentStreams = 2
        let bench = try ServiceBench(.plain, bounds)
        let caller = try Caller()
        let connection = caller.connect(.address(bench.address))
        var answers = 0
        for _ in 0..<50 {
            ServiceRequest(on: connection, method: "GET", path: "/hello") { answer in
                if case .success(let response) = answer, response.status == 200 { answers += 1 }
            }
        }
        try caller.run("all answered") { answers == 50 }
        connection.close()
    }
}
