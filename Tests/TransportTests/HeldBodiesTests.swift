// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Support
import Testing
import Transport

/// Uploads that never end, of many connections or streams at once: what a server holds of them is bounded, and given back.
@Suite struct HeldBodiesTests {
    /// A server on the test's own loop.
    private final class Bench {
        let loop: Loop
        let server: HTTPServer
        let address: SocketAddress
        var clients: [Application] = []

        init(_ bounds: HTTPServerBounds) throws {
            loop = try Loop()
            let listener = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 64)
            let bound = listener.localAddress()
            address = try #require(bound)
            server = HTTPServer(loop: loop, listener: listener, bounds: bounds) { exchange in
                if exchange.head.target == "/unread" { return }
                if exchange.head.target.hasPrefix("/big/") {
                    let count = Int(exchange.head.target.dropFirst(5)) ?? 0
                    return exchange.respond(HTTP1Response(status: 200, body: [UInt8](repeating: 0x62, count: count)))
                }
                exchange.readBody(limit: 1 << 20) { result in
                    switch result {
                    case .success(let body): exchange.respond(HTTP1Response("\(body.count)\n"))
                    case .failure: exchange.respond(HTTP1Response(status: 413, "too large\n"))
                    }
                }
            }
            try server.start()
        }

        func client(_ text: String) throws -> Application {
            let socket = try Socket.tcp(.v4)
            _ = try socket.connect(to: address)
            let client = Application(socket)
            client.send(text)
            clients.append(client)
            return client
        }

        func run(_ what: String, until condition: () -> Bool) throws {
            let end = Instant.now() + .seconds(20)
            while !condition(), Instant.now() < end {
                for client in clients { client.step() }
                loop.turn(wait: .milliseconds(2))
            }
            try #require(condition(), "\(what): \(server.heldBytes) held, \(clients.map(\.text))")
        }
    }

    private func bounds() -> HTTPServerBounds {
        var bounds = HTTPServerBounds()
        bounds.bodies = 300_000
        bounds.bodiesPerAddress = 250_000
        return bounds
    }

    private func head(_ path: String, _ length: Int) -> String {
        "POST \(path) HTTP/1.1\r\nhost: a\r\ncontent-length: \(length)\r\n\r\n"
    }

    private let part = String(repeating: "x", count: 100_000)

    @Test func `slow uploads have their share, and more are told to come again`() throws {
        let bench = try Bench(bounds())
        let first = try bench.client(head("/", 200_000) + part)
        try bench.run("the first is held") { bench.server.heldBytes >= 100_000 }
        let second = try bench.client(head("/", 200_000) + part)
        try bench.run("the second is held") { bench.server.heldBytes >= 200_000 }
        let third = try bench.client(head("/", 200_000) + part)
        try bench.run("the third is refused") { third.text.contains("HTTP/1.1 503 ") && third.end != nil }
        #expect(bench.server.heldBytes <= 250_000)
        // Small requests are served meanwhile, and whole bodies when there is room again.
        let small = try bench.client(head("/", 3) + "abc")
        try bench.run("a small one") { small.text.hasSuffix("3\n") }
        second.reset()
        try bench.run("the second's room is free") { bench.server.heldBytes <= 110_000 }
        first.send(part)
        try bench.run("the first is whole") { first.text.hasSuffix("200000\n") }
        try bench.run("nothing is held") { bench.server.heldBytes == 0 }
        small.close()
        first.close()
        third.close()
        try bench.run("all have gone") { bench.server.clients == 0 }
    }

    @Test func `bodies that nobody asks for and messages that don't end are counted, too`() throws {
        let bench = try Bench(bounds())
        // As many streams as it takes, each with a window's worth that the handler doesn't read.
        let peer = HTTP2Peer()
        let client = try bench.client("")
        for _ in 0..<6 { peer.post("/unread", 60_000) }
        try bench.run("streams beyond the share are reset") {
            peer.receive(client.head)
            client.send(peer.output())
            return bench.server.heldBytes > 170_000 && bench.server.requests == 6 && peer.resets > 0
        }
        for _ in 0..<50 {
            client.step()
            bench.loop.turn(wait: .milliseconds(2))
        }
        #expect(bench.server.heldBytes <= 250_000)
        client.reset()
        try bench.run("all is given back") { bench.server.heldBytes == 0 && bench.server.clients == 0 }
    }

    @Test func `heads that unpack to far more than they are have their share, too`() throws {
        let bench = try Bench(bounds())
        let peer = HTTP2Peer()
        let client = try bench.client("")
        // One field of 3,000 bytes, named by its number in the table ever after: 15 times in each head.
        let field = String(repeating: "f", count: 3000)
        for _ in 0..<20 { peer.post("/unread", 0, headers: [(String, String)](repeating: ("x", field), count: 15)) }
        try bench.run("those beyond the share are refused") {
            peer.receive(client.head)
            client.send(peer.output())
            return peer.refused == 15
        }
        #expect(bench.server.requests == 5 && bench.server.heldBytes <= 250_000)
        client.reset()
        try bench.run("all is given back") { bench.server.heldBytes == 0 && bench.server.clients == 0 }
    }

    @Test func `who asks ahead over HTTP/1 and reads nothing is asked to read first`() throws {
        let bench = try Bench(HTTPServerBounds())
        let client = try bench.client("")
        client.isReading = false
        for _ in 0..<200 { client.send("GET /big/65536 HTTP/1.1\r\nhost: a\r\n\r\n") }
        // What the kernel takes of it is gone; behind that no more than a little waits.
        let end = Instant.now() + .milliseconds(500)
        while Instant.now() < end {
            client.step()
            bench.loop.turn(wait: .milliseconds(2))
        }
        #expect(bench.server.requests < 190 && bench.server.waitingBytes < 1 << 20, "\(bench.server.requests) served")
        client.isReading = true
        try bench.run("all are answered") { client.received > 200 * 65536 }
        #expect(bench.server.requests == 200)
        try bench.run("nothing waits") { bench.server.waitingBytes == 0 }
        client.close()
        try bench.run("gone") { bench.server.clients == 0 }
    }

    @Test func `answers that nobody takes have their share`() throws {
        var bounds = HTTPServerBounds()
        bounds.answersPerAddress = 5 << 20
        let bench = try Bench(bounds)
        let peer = HTTP2Peer()
        let client = try bench.client("")
        for _ in 0..<8 { peer.post("/big/\(2 << 20)", 0) }
        try bench.run("all were asked for") {
            client.send(peer.output())
            return bench.server.requests == 8
        }
        #expect(bench.server.waitingBytes > 0 && bench.server.waitingBytes <= 5 << 20)
        client.reset()
        try bench.run("all is given back") { bench.server.waitingBytes == 0 && bench.server.clients == 0 }
        // A list that fits is answered again.
        let small = try bench.client("GET /big/\(4 << 20) HTTP/1.1\r\nhost: a\r\n\r\n")
        try bench.run("a whole list") { small.received > 4 << 20 }
        let large = try bench.client("GET /big/\(6 << 20) HTTP/1.1\r\nhost: a\r\n\r\n")
        try bench.run("too large a list") { large.text.hasPrefix("HTTP/1.1 503 ") }
    }

    @Test func `connections beyond an address's share are hung up on and counted`() throws {
        var bounds = HTTPServerBounds()
        bounds.connectionsPerAddress = 1
        let bench = try Bench(bounds)
        let first = try bench.client("")
        try bench.run("one is there") { bench.server.clients == 1 }
        let second = try bench.client("")
        try bench.run("the other is hung up on") { second.end != nil }
        #expect(bench.server.refused == 1)
        first.close()
        try bench.run("gone") { bench.server.clients == 0 }
        let third = try bench.client(head("/", 2) + "ab")
        try bench.run("and there is room again") { third.text.hasSuffix("2\n") }
    }
}

/// The bytes of an HTTP/2 client that posts and never ends.
@safe final class HTTP2Peer: HTTP2SessionDelegate {
    private let session = HTTP2Session(.client, settings: .serviceCaller)
    private var left: [Int32: Int] = [:]
    private let stage = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
    private var sink = Sink()
    private var heard = 0
    private(set) var resets = 0
    private(set) var refused = 0

    private struct Sink: HTTP2Sink {
        var bytes: [UInt8] = []
        mutating func take(_ more: UnsafeRawBufferPointer) -> Bool {
            unsafe bytes += more
            return true
        }
    }

    init() { session.attach(self) }

    deinit { unsafe stage.deallocate() }

    func post(_ path: String, _ count: Int, headers fields: [(String, String)] = []) {
        var headers = HTTPHeaders()
        for (name, value) in fields { headers.append(name, value) }
        let head = HTTP2RequestHead(method: "POST", authority: "a", scheme: "http", path: path, headers: headers)
        guard let stream = unsafe session.submitRequest(head, context: nil) else { return }
        left[stream] = count
    }

    /// All that came so far.
    func receive(_ all: [UInt8]) {
        let more = Array(all.dropFirst(heard))
        heard = all.count
        _ = unsafe more.withUnsafeBytes { unsafe session.receive($0, second: 0) }
    }

    func output() -> [UInt8] {
        while unsafe session.produce(stage: stage, sink: &sink) == .more {}
        defer { sink.bytes = [] }
        return sink.bytes
    }

    func readData(
        _ context: UnsafeMutableRawPointer?, _ stream: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) -> HTTP2DataRead {
        let count = min(buffer.count, left[stream] ?? 0)
        guard count > 0 else { return .nothing }
        left[stream]? -= count
        return .bytes(count)
    }

    func requestReceived(_ stream: Int32, _ head: HTTP2RequestHead) {}
    func responseReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, status: Int, headers: HTTPHeaders) {
        if status == 503 { refused += 1 }
    }
    func dataReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ bytes: UnsafeRawBufferPointer) {}
    func endReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32) {}
    func streamClosed(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ error: UInt32) { resets += 1 }
    func goAwayReceived(lastStream: Int32, error: UInt32) {}
    func pingAcknowledged(_ payload: UInt64) {}
    func settingsReceived() {}
}
