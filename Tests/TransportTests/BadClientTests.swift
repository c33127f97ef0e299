// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel
import Loop
import Support
import Testing

@testable import Transport

/// Clients that are slow, wrong, gone or too many: each costs its own connection.
@Suite struct BadClientTests {
    private func bounds(_ change: (inout HTTP1ServerBounds) -> Void) -> HTTP1ServerBounds {
        var bounds = HTTP1ServerBounds()
        change(&bounds)
        return bounds
    }

    @Test(arguments: [
        ("nonsense\r\n\r\n", 400), ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        ("GET /\(String(repeating: "a", count: 9000)) HTTP/1.1\r\nhost: a\r\n\r\n", 414),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: \(String(repeating: "a", count: 70_000))\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\nhost: a\r\n\(String(repeating: "x: y\r\n", count: 200))\r\n", 431),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\n", 400),
    ]) func `what can't be a request is answered by why, and the end`(_ text: String, _ status: Int) throws {
        let bench = try ServerBench()
        let client = try bench.client(text)
        try bench.run("the end") { client.end != nil }
        #expect(client.answers(status) == 1, "\(client.text.prefix(40))")
        #expect(bench.requests.isEmpty)
        let next = try bench.client(get())
        try bench.run("the next client") { next.answers(200) == 1 }
    }

    @Test func `a good request in front of nonsense is answered, then the nonsense`() throws {
        let bench = try ServerBench()
        let client = try bench.client(get("/good") + "nonsense\r\n\r\n" + get("/never"))
        try bench.run("the end") { client.end != nil }
        #expect(client.answers(200) == 1 && client.answers(400) == 1)
        #expect(bench.requests.map(\.path) == ["/good"])
    }

    // MARK: - Slow

    @Test func `a request that doesn't become whole in time is answered 408`() throws {
        let bench = try ServerBench(bounds { $0.requestTimeout = .milliseconds(80) })
        let client = try bench.client("GET / HTTP/1.1\r\nhost:")
        let began = Instant.now()
        try bench.run("the end") { client.end != nil }
        #expect(Instant.now().since(began) >= .milliseconds(80))
        #expect(client.answers(408) == 1)
    }

    @Test func `a byte now and then doesn't prolong a request`() throws {
        let bench = try ServerBench(bounds { $0.requestTimeout = .milliseconds(80) })
        let client = try bench.client("GET / HTTP/1.1\r\nhost: a\r\n")
        try bench.run("the end") {
            client.send("x")
            return client.end != nil
        }
        #expect(client.answers(408) == 1)
    }

    @Test func `the second request of a connection has its own time, however long the pause before it may be`() throws {
        let bench = try ServerBench(
            bounds {
                $0.requestTimeout = .milliseconds(80)
                $0.idleTimeout = .seconds(3600)
            })
        let client = try bench.client(get())
        try bench.run("the first answer") { client.answers(200) == 1 }
        client.send("GET / HTTP/1.1\r\n")
        try bench.run("the end") { client.end != nil }
        #expect(client.answers(408) == 1)
    }

    @Test func `a client that says nothing is let go without a word`() throws {
        let bench = try ServerBench(bounds { ($0.requestTimeout, $0.idleTimeout) = (.milliseconds(60), .milliseconds(60)) })
        let (silent, kept) = (try bench.client(), try bench.client(get()))
        try bench.run("both ends") { silent.end != nil && kept.end != nil }
        #expect(silent.received == 0)
        #expect(kept.answers(200) == 1)
        #expect(kept.answers(408) == 0)
    }

    @Test func `a client that doesn't read its answer is let go`() throws {
        let bench = try ServerBench(bounds { $0.idleTimeout = .milliseconds(100) })
        bench.respond = { _ in HTTP1Response(status: 200, body: [UInt8](repeating: 1, count: 40_000_000)) }
        let client = try bench.client(get())
        client.isReading = false
        try bench.run("its request") { bench.requests.count == 1 }
        #expect(bench.server.clients == 1)
        try bench.run("its end") { bench.server.clients == 0 }
    }

    // MARK: - Answers

    @Test func `an answer that doesn't come in time is 503, and one that comes later is nobody's`() throws {
        let bench = try ServerBench(bounds { $0.answerTimeout = .milliseconds(80) })
        bench.isLate = true
        let client = try bench.client(get("/late"))
        try bench.run("the end") { client.end != nil }
        #expect(client.answers(503) == 1)
        bench.owed[0](HTTP1Response("too late\n"))
        bench.settle()
        #expect(!client.text.contains("too late"))
    }

    @Test func `an answer given twice counts once, and never for the next request`() throws {
        let bench = try ServerBench()
        bench.isLate = true
        let client = try bench.client(get("/1") + get("/2"))
        try bench.run("the first") { bench.requests.count == 1 }
        bench.owed[0](HTTP1Response("first\n"))
        try bench.run("the second") { bench.requests.count == 2 }
        bench.owed[0](HTTP1Response("again\n"))
        bench.settle()
        #expect(!client.text.contains("again"))
        bench.owed[1](HTTP1Response("second\n"))
        try bench.run("the answer") { client.text.hasSuffix("second\n") }
        #expect(client.answers(200) == 2)
    }

    @Test(arguments: [true, false]) func `an answer for a client that left is nobody's`(_ isReset: Bool) throws {
        let bench = try ServerBench()
        bench.isLate = true
        let client = try bench.client(get())
        try bench.run("the request") { bench.requests.count == 1 }
        if isReset { client.reset() } else { client.close() }
        bench.settle()
        bench.owed[0](HTTP1Response(status: 200, body: [UInt8](repeating: 1, count: 5_000_000)))
        try bench.run("the connection's end") { bench.server.clients == 0 }
        let next = try bench.client(get())
        try bench.run("the next request") { bench.requests.count == 2 }
        bench.owed[1](HTTP1Response("still here\n"))
        try bench.run("its answer") { next.text.hasSuffix("still here\n") }
    }

    @Test func `a client that ends its side still gets its answer`() throws {
        let bench = try ServerBench()
        bench.isLate = true
        let client = try bench.client(get("/half", "connection: close\r\n"))
        client.finish()
        try bench.run("the request") { bench.requests.count == 1 }
        bench.settle()
        bench.owed[0](HTTP1Response("for you\n"))
        try bench.run("the end") { client.end != nil }
        #expect(client.text.hasSuffix("for you\n"))
    }

    // MARK: - Too many

    @Test func `beyond the limit of connections a client is turned away, and room serves the next`() throws {
        let bench = try ServerBench(bounds { $0.connections = 2 })
        let (first, second) = (try bench.client(get()), try bench.client(get()))
        try bench.run("two") { first.answers(200) == 1 && second.answers(200) == 1 }
        let third = try bench.client()
        try bench.run("the third's end") { third.end != nil }
        #expect(third.received == 0)
        first.close()
        try bench.run("room") { bench.server.clients == 1 }
        let fourth = try bench.client(get())
        try bench.run("the fourth") { fourth.answers(200) == 1 }
        second.send(get())
        try bench.run("the second again") { second.answers(200) == 2 }
    }

    @Test func `a connection is let go when it ends`() throws {
        let bench = try ServerBench()
        let clients = try (0..<20).map { _ in try bench.client(get()) }
        try bench.run("answers") { clients.allSatisfy { $0.answers(200) == 1 } }
        #expect(bench.server.clients == 20)
        for (number, client) in clients.enumerated() { if number % 2 == 0 { client.close() } else { client.reset() } }
        try bench.run("none") { bench.server.clients == 0 }
    }
}
