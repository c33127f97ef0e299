// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Support
import TLS
import Testing
import Transport

/// gRPC between our two ends.
@Suite struct GRPCCallTests {
    /// A client that writes down what it hears, and takes messages as it is told to.
    private final class Client: GRPCStreamDelegate {
        let loop: Loop
        let connection: ServiceConnection
        var messages: [[UInt8]] = []
        var status: GRPCStatus?
        var ends = 0
        var takes = true
        var stream: GRPCClientStream?

        init(_ bench: ServiceBench, isSecure: Bool = false) throws {
            loop = try Loop()
            let context =
                isSecure
                ? try TLSContext(
                    caller: nil, roots: bench.authority.root.roots, check: .host("localhost"), protocols: ["h2"]) : nil
            connection = ServiceConnection(loop: loop, to: .address(bench.address), tls: context)
        }

        func begin(_ path: String = "/test.Echo/Chat", metadata: HTTPHeaders = [:]) -> GRPCClientStream {
            (messages, status, ends) = ([], nil, 0)
            let stream = GRPCClientStream(on: connection, path: path, metadata: metadata)
            stream.delegate = self
            self.stream = stream
            stream.begin()
            return stream
        }

        func run(_ what: String, until condition: () -> Bool) throws {
            let end = Instant.now() + .seconds(30)
            while !condition(), Instant.now() < end { loop.turn(wait: .milliseconds(20)) }
            try #require(condition(), "\(what): \(messages.count) messages, \(String(describing: status))")
        }

        func messageReceived(_ message: [UInt8], on stream: any GRPCStream) {
            messages.append(message)
            if takes { stream.take() }
        }
        func messagesEnded(on stream: any GRPCStream) { ends += 1 }
        func drained(_ stream: any GRPCStream) {}
        func ended(_ status: GRPCStatus, on stream: any GRPCStream) {
            #expect(self.status == nil, "ended twice")
            self.status = status
        }
    }

    @Test(arguments: [false, true])
    func `messages both ways, large ones too, and an end`(_ isSecure: Bool) throws {
        let bench = try ServiceBench(isSecure ? .tls : .plain)
        let client = try Client(bench, isSecure: isSecure)
        let stream = client.begin()
        let large = [UInt8](repeating: 0x7a, count: 3 << 20)
        stream.send(Array("a".utf8))
        stream.send([])
        stream.send(large)
        try client.run("echoes") { client.messages.count == 3 }
        #expect(client.messages == [Array("a".utf8), [], large])
        #expect(client.status == nil && client.ends == 0)
        stream.finish(.ok)
        try client.run("the end") { client.status != nil }
        #expect(client.status == .ok && client.ends == 1)
        #expect(client.connection.isIdle)
        client.connection.close()
    }

    @Test func `a status arrives with its text, and an unknown method as unimplemented`() throws {
        let bench = try ServiceBench()
        let client = try Client(bench)
        let stream = client.begin()
        stream.send(Array("fail".utf8))
        try client.run("the end") { client.status != nil }
        #expect(client.status == GRPCStatus(.failedPrecondition, "as you wish: 100 % größer"))
        _ = client.begin("/test.Echo/None")
        try client.run("the end") { client.status != nil }
        #expect(client.status?.code == .unimplemented)
        client.connection.close()
    }

    @Test func `who doesn't take isn't told more, and loses nothing`() throws {
        let bench = try ServiceBench()
        let client = try Client(bench)
        client.takes = false
        let stream = client.begin()
        stream.send(Array("many".utf8))
        try client.run("the first") { client.messages.count == 1 }
        for _ in 0..<20 { client.loop.turn(wait: .milliseconds(5)) }
        #expect(client.messages.count == 1)
        client.takes = true
        stream.take()
        try client.run("all") { client.messages.count == 1000 }
        #expect(client.messages.allSatisfy { $0.count == 4000 })
        stream.finish(.ok)
        try client.run("the end") { client.status == .ok }
        client.connection.close()
    }

    @Test func `the head of an answer comes before the first message`() throws {
        // A watcher may have nothing to hear for long: that is no failure to answer.
        var bounds = HTTPServerBounds()
        bounds.tick = .milliseconds(20)
        bounds.answerTimeout = .milliseconds(100)
        bounds.requestTimeout = .milliseconds(100)
        let bench = try ServiceBench(.plain, bounds)
        let client = try Client(bench)
        let stream = client.begin()
        let end = Instant.now() + .milliseconds(500)
        while Instant.now() < end { client.loop.turn(wait: .milliseconds(20)) }
        #expect(client.status == nil)
        stream.send([1])
        try client.run("an echo") { client.messages == [[1]] }
        client.connection.close()
    }

    @Test func `a call that is given up says nothing more, and the next one works`() throws {
        let bench = try ServiceBench()
        let client = try Client(bench)
        let stream = client.begin()
        stream.send([1])
        try client.run("an echo") { client.messages.count == 1 }
        stream.cancel()
        stream.send([2])
        stream.finish(.ok)
        for _ in 0..<10 { client.loop.turn(wait: .milliseconds(5)) }
        #expect(client.status == nil && client.messages.count == 1)
        client.begin().send([3])
        try client.run("an echo") { client.messages == [[3]] }
        client.connection.close()
        #expect(client.status?.code == .unavailable)
    }

    @Test func `a call that nobody holds is given up`() throws {
        let bench = try ServiceBench()
        let client = try Client(bench)
        client.begin().send([1])
        try client.run("an echo") { client.messages.count == 1 }
        client.stream = nil
        #expect(client.connection.isIdle)
        client.connection.close()
    }

    @Test func `a server that ends takes its calls with it`() throws {
        var bench: ServiceBench? = try ServiceBench()
        let client = try Client(try #require(bench))
        let stream = client.begin()
        stream.send([1])
        try client.run("an echo") { client.messages.count == 1 }
        bench = nil
        try client.run("the end") { client.status != nil }
        #expect(client.status?.code == .unavailable)
        // A call on a connection that is over fails, and isn't forgotten.
        _ = client.begin()
        try client.run("the end") { client.status != nil }
        #expect(client.status?.code == .unavailable)
        withExtendedLifetime(bench) {}
    }

    @Test func `a call may outlive whoever made the connection`() throws {
        let loop = try Loop()
        let stream = GRPCClientStream(
            on: ServiceConnection(loop: loop, to: .unix("/nonexistent/socket"), tls: nil), path: "/x")
        stream.begin()
        for _ in 0..<5 { loop.turn(wait: .milliseconds(5)) }
        stream.send([1])
        stream.cancel()
    }

    @Test func `gRPC over HTTP/1.1, compressed, or of another type is refused`() throws {
        let bench = try ServiceBench()
        func post(_ arguments: String...) throws -> String {
            try RunningCommand.run(
                ["curl", "--silent", "--max-time", "20", "-i", "-X", "POST"] + arguments
                    + ["http://\(bench.address)/test.Echo/Chat"]
            ).out
        }
        #expect(try post("--http1.1", "-H", "content-type: application/grpc").hasPrefix("HTTP/1.1 505 "))
        #expect(try post("--http2-prior-knowledge", "-H", "content-type: text/plain").hasPrefix("HTTP/2 415 "))
        #expect(try post("--http2-prior-knowledge", "-H", "content-type: application/grpcx").hasPrefix("HTTP/2 415 "))
        let gzip = try post("--http2-prior-knowledge", "-H", "content-type: application/grpc", "-H", "grpc-encoding: gzip")
        #expect(gzip.contains("grpc-status: 12"), "\(gzip)")
        let flagged = try post(
            "--http2-prior-knowledge", "-H", "content-type: application/grpc", "--data-binary", "\u{1}abcdefgh")
        #expect(flagged.contains("grpc-status: 12"), "\(flagged)")
        let cut = try post("--http2-prior-knowledge", "-H", "content-type: application/grpc", "--data-binary", "abc")
        #expect(cut.contains("grpc-status: 13"), "\(cut)")
    }
}
