// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// What is legal once and an attack a thousand times: the session ends with its reason, and not a moment earlier for honest peers.
@Suite struct HTTP2AbuseTests {
    /// Sends until the session fails. How often, the reason, and the GOAWAY.
    private func flood(
        _ end: SessionEnd, most: Int = 20_000, output: Bool = true, _ frames: (Int) -> [UInt8]
    ) -> (count: Int, reason: HTTP2Failure?, goAway: [UInt32]) {
        for count in 1...most {
            if let reason = end.receive(frames(count)) { return (count, reason, Wire.frames(end.output()).goAways) }
            if output { _ = end.output() }
        }
        return (most, nil, [])
    }

    private func server(_ answer: ((SessionEnd, Int32, HTTP2RequestHead) -> Void)? = nil) -> SessionEnd {
        let server = SessionEnd(.server)
        server.answer = answer
        server.receive(Wire.hello())
        return server
    }

    private static func stream(_ count: Int) -> Int32 { Int32(2 * count - 1) }

    @Test func `a thousand rapid resets close the connection`() {
        let server = server()
        let end = flood(server, most: 1000) { Wire.connect(Self.stream($0)) + Wire.reset(Self.stream($0), HTTP2Code.cancel) }
        #expect(end.count == 101)
        #expect(end.reason == .rapidReset)
        #expect(end.goAway == [HTTP2Code.enhanceYourCalm])
        #expect(server.session.isFinished)
    }

    @Test func `a client that ends a connection says so, requests that never left notwithstanding`() throws {
        let client = SessionEnd(.client)
        client.receive(Wire.greeting())
        let stream = try #require(client.connect())
        let pings = (0..<1001).flatMap { _ in Wire.frame(.ping, 0, [UInt8](repeating: 0, count: 8)) }
        #expect(client.receive(pings) == .controlFlood)
        #expect(Wire.frames(client.output()).goAways == [HTTP2Code.enhanceYourCalm])
        #expect(client.closed(stream) == HTTP2Code.refusedStream)
        #expect(client.session.isFinished)
    }

    @Test func `a thousand rapid resets in one piece are cut off within it`() {
        let server = server()
        let all = (1...1000).flatMap { Wire.connect(Self.stream($0)) + Wire.reset(Self.stream($0), HTTP2Code.cancel) }
        #expect(server.receive(all) == .rapidReset)
        #expect(server.events.filter { if case .request = $0 { true } else { false } }.count == 101)
    }

    @Test func `rapid resets of requests that are refused at once count as well`() {
        let server = server { end, stream, _ in end.session.submitResponse(stream, status: 400, endStream: true) }
        let end = flood(server, most: 1000) { Wire.connect(Self.stream($0)) + Wire.reset(Self.stream($0), HTTP2Code.cancel) }
        #expect(end.reason == .rapidReset)
    }

    @Test func `applications that reset their accepted connections by the thousand are served`() {
        let server = server { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        let end = flood(server, most: 5000) {
            Wire.connect(Self.stream($0)) + Wire.data(Self.stream($0), [1]) + Wire.reset(Self.stream($0), HTTP2Code.cancel)
        }
        #expect(end.reason == nil)
        #expect(server.session.openStreamCount == 0)
    }

    @Test func `clients that give up now and then are served for ever`() {
        let server = server()
        for second in 1...2000 {
            let stream = Self.stream(second)
            #expect(server.receive(Wire.connect(stream) + Wire.reset(stream, HTTP2Code.cancel), second: second) == nil)
            _ = server.output()
        }
    }

    @Test func `making the server reset its own streams closes the connection`() {
        let server = server { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        let end = flood(server, most: 1000) { Wire.connect(Self.stream($0)) + Wire.windowUpdate(Self.stream($0), 0x7fff_ffff) }
        #expect(end.reason == .inducedResets)
        #expect(end.count == 102)
        #expect(server.session.isFinished)
    }

    @Test func `overrunning the windows of stream after stream closes the connection`() {
        var settings = HTTP2Settings(.server)
        settings.initialStreamWindow = 10
        let server = SessionEnd(.server, settings: settings)
        server.consumesAtOnce = false
        server.receive(Wire.hello())
        let end = flood(server, most: 1000) {
            Wire.connect(Self.stream($0)) + Wire.data(Self.stream($0), [UInt8](repeating: 1, count: 11))
        }
        #expect(end.reason == .inducedResets)
    }

    @Test func `a peer that never acknowledges the settings can't be refused without end`() {
        let server = SessionEnd(.server)
        server.receive(Wire.preface + Wire.settings())
        let end = flood(server, most: 1000) { Wire.connect(Self.stream($0)) }
        #expect(end.reason == .inducedResets)
        #expect(server.session.openStreamCount <= 200)
    }

    @Test func `malformed requests by the hundred close the connection`() {
        let end = flood(server(), most: 1000) { Wire.headers(Self.stream($0), [(":method", "CONNECT"), (":path", "/")]) }
        #expect(end.reason == .inducedResets)
    }

    @Test func `a flood of PING closes the connection, one in ten seconds never`() {
        let ping = Wire.frame(.ping, 0, [UInt8](repeating: 1, count: 8))
        let end = flood(server()) { _ in ping }
        #expect(end.reason == .controlFlood)
        #expect(end.count < 1010)
        let patient = server()
        for beat in 1...3000 {
            #expect(patient.receive(ping, second: 10 * beat) == nil)
            #expect(Wire.frames(patient.output()).contains { $0.is(.ping) })
        }
    }

    @Test func `a flood of PING in one piece isn't answered a thousand times`() {
        let server = server()
        let flood = [[UInt8]](repeating: Wire.frame(.ping, 0, [UInt8](repeating: 1, count: 8)), count: 3000).concatenated
        #expect(server.receive(flood) == .controlFlood)
        #expect(Wire.frames(server.output()).filter { $0.is(.ping) }.count <= 1000)
    }

    @Test(arguments: [
        Wire.settings([(3, 100)]),
        Wire.frame(.priority, 1, Wire.number(0) + [15]),
        Wire.frame(.ping, flags: Wire.acknowledged, 0, [UInt8](repeating: 1, count: 8)),
    ])
    func `a flood of control frames closes the connection`(_ frame: [UInt8]) {
        let end = flood(server()) { _ in frame }
        #expect(end.reason == .controlFlood)
        #expect(end.count < 1010)
    }

    @Test func `settings of hundreds of entries close the connection`() {
        let server = server()
        server.receive(Wire.settings((0..<100).map { _ in (4, 1000) }))
        _ = server.output()
        #expect(server.session.failure != nil)
        #expect(server.session.isFinished)
    }

    @Test(arguments: [Wire.data(1, []), Wire.frame(.data, flags: Wire.padded, 1, [200] + [UInt8](repeating: 0, count: 200))])
    func `a flood of DATA without data closes the connection`(_ frame: [UInt8]) {
        let server = server { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        server.receive(Wire.connect(1))
        let end = flood(server) { _ in frame }
        #expect(end.reason == .emptyDataFlood)
        #expect(end.count == 101)
    }

    @Test func `WINDOW_UPDATE by the thousand closes a connection on which nothing is sent`() {
        let server = server { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        server.receive(Wire.connect(1))
        let end = flood(server) { _ in Wire.windowUpdate(1, 1) }
        #expect(end.reason == .windowUpdateFlood)
    }

    @Test func `a peer that answers each of our frames with WINDOW_UPDATE is served`() {
        let server = server { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        server.receive(Wire.connect(1))
        for _ in 0..<10_000 {
            server.send(1, [7])
            _ = server.output()
            #expect(server.receive(Wire.windowUpdate(1, 1) + Wire.windowUpdate(0, 1)) == nil)
        }
    }

    @Test func `a peer that answers a large frame of ours piecewise, as Go does, is served`() {
        let server = server { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        server.receive(Wire.connect(1))
        for _ in 0..<2_000 {
            server.send(1, [UInt8](repeating: 7, count: 16_384))
            _ = server.output()
            var answers = Wire.windowUpdate(1, 16_379) + Wire.windowUpdate(0, 16_379)
            for _ in 0..<5 { answers += Wire.windowUpdate(1, 1) + Wire.windowUpdate(0, 1) }
            #expect(server.receive(answers) == nil)
        }
    }

    @Test func `a header block in hundreds of CONTINUATION frames closes the connection`() {
        let server = server()
        server.receive(Wire.frame(.headers, flags: 0, 1, Wire.block([(":method", "CONNECT")])))
        let end = flood(server) { _ in Wire.frame(.continuation, flags: 0, 1, Wire.block([("x", "y")])) }
        #expect(end.reason == .continuationFlood)
        #expect(end.count < 12)
        #expect(end.goAway == [HTTP2Code.enhanceYourCalm])
    }

    @Test func `a header block cut into a few CONTINUATION frames is taken`() {
        let server = server()
        let block = Wire.block([(":method", "CONNECT"), (":authority", "10.0.0.2:80"), ("baggage", "a=b")])
        let parts = [block.prefix(5), block.dropFirst(5).prefix(30), block.dropFirst(35)].map(Array.init)
        server.receive(Wire.frame(.headers, flags: 0, 1, parts[0]) + Wire.frame(.continuation, flags: 0, 1, parts[1]))
        server.receive(Wire.frame(.continuation, flags: Wire.endHeaders, 1, parts[2]))
        let head = HTTP2RequestHead(method: "CONNECT", authority: "10.0.0.2:80", headers: ["baggage": "a=b"])
        #expect(server.events.last == .request(1, head))
    }

    @Test func `CONTINUATION frames are counted, not the pieces in which they arrive`() {
        let block = Wire.block([(":method", "CONNECT"), (":authority", "10.0.0.2:80"), ("baggage", "a=b")])
        for count in [1, 8, 9] {
            let server = server()
            var bytes = Wire.frame(.headers, flags: 0, 1, Array(block.prefix(5)))
            for part in 1..<count { bytes += Wire.frame(.continuation, flags: 0, 1, [block[4 + part]]) }
            bytes += Wire.frame(.continuation, flags: Wire.endHeaders, 1, Array(block.dropFirst(4 + count)))
            for byte in bytes { server.receive([byte]) }
            let head = HTTP2RequestHead(method: "CONNECT", authority: "10.0.0.2:80", headers: ["baggage": "a=b"])
            #expect(server.events.contains(.request(1, head)) == (count <= 8))
            #expect(server.session.failure == (count > 8 ? .continuationFlood : nil))
        }
    }

    @Test func `a header block of a megabyte closes the connection before it is decoded`() {
        let server = server()
        #expect(server.receive(Wire.header(1, Wire.endHeaders, 1, 1 << 20)) == .headerBlockTooLarge)
    }

    @Test func `a peer that asks and never reads is cut off`() {
        let server = server { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        let end = flood(server, most: 20_000, output: false) {
            Wire.connect(Self.stream($0)) + Wire.data(Self.stream($0), [1]) + Wire.reset(Self.stream($0), HTTP2Code.cancel)
        }
        #expect(end.reason == .outputBacklog)
    }

    @Test func `nothing is delivered once the session has failed`() {
        let server = server()
        _ = flood(server, most: 1000) { Wire.connect(Self.stream($0)) + Wire.reset(Self.stream($0), HTTP2Code.cancel) }
        let before = server.events
        #expect(server.receive(Wire.connect(5001)) == .rapidReset)
        #expect(server.events == before)
    }

    @Test func `each reason is a sentence`() {
        let reasons: [HTTP2Failure] = [
            .notHTTP2, .protocolViolation(code: 1, detail: ""), .protocolViolation(code: 99, detail: "x"), .rapidReset,
            .inducedResets,
            .controlFlood, .emptyDataFlood, .windowUpdateFlood, .continuationFlood, .headerBlockTooLarge, .outputBacklog,
            .library(code: -901, detail: "Out of memory"),
        ]
        #expect(Set(reasons.map(\.description)).count == reasons.count)
        #expect("\(HTTP2Failure.protocolViolation(code: 1, detail: "x"))" == "the peer broke HTTP/2: PROTOCOL_ERROR, x")
    }
}
