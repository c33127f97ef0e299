// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// Settings, limits of streams, and how connections end.
@Suite struct HTTP2ConnectionTests {
    @Test func `a server announces what ztunnel announces, but for the smaller stream window`() {
        let frames = Wire.frames(SessionEnd(.server).output())
        #expect(frames.map(\.kind) == [4, 8])
        #expect(settings(frames[0]) == [3: 200, 4: 256 << 10, 5: 1 << 20, 6: 65536])
        #expect(frames[1].stream == 0 && frames[1].number == 16_711_681)
    }

    @Test func `a client announces what ztunnel announces, and takes no push`() {
        let client = SessionEnd(.client)
        let output = client.output()
        #expect(output.starts(with: Wire.preface))
        let frames = Wire.frames(output)
        #expect(settings(frames[0]) == [2: 0, 4: 256 << 10, 5: 1 << 20, 6: 16384])
        #expect(frames[1].stream == 0 && frames[1].number == 16_711_681)
    }

    private func settings(_ frame: Wire.Frame) -> [Int: Int] {
        var settings: [Int: Int] = [:]
        for start in stride(from: 0, to: frame.payload.count, by: 6) {
            let entry = frame.payload[start..<start + 6]
            settings[Wire.number(of: entry.prefix(2))] = Wire.number(of: entry.suffix(4))
        }
        return settings
    }

    @Test func `a client assumes 100 streams until it is told`() {
        let client = SessionEnd(.client)
        #expect(client.session.peerMaxConcurrentStreams == 100)
        client.receive(Wire.settings([(3, 2), (5, 1 << 20), (4, 1000)]))
        #expect(client.session.peerMaxConcurrentStreams == 2)
        #expect(client.session.peerMaxFrameSize == 1 << 20)
        #expect(client.session.peerInitialStreamWindow == 1000)
        #expect(client.connect() == 1)
        #expect(client.session.canOpenStream)
        #expect(client.connect() == 3)
        #expect(!client.session.canOpenStream)
        #expect(client.connect() == nil)
        client.session.reset(1, HTTP2Code.cancel)
        _ = client.output()
        #expect(client.connect() == 5)
    }

    @Test func `a server opens no streams`() {
        let server = SessionEnd(.server)
        server.receive(Wire.hello())
        #expect(!server.session.canOpenStream)
        #expect(server.connect() == nil)
    }

    @Test func `streams beyond the announced limit aren't taken`() {
        let server = SessionEnd(.server)
        server.receive(Wire.hello())
        for stream in 0..<200 { server.receive(Wire.connect(Int32(2 * stream + 1))) }
        #expect(server.session.failure == nil)
        #expect(server.session.openStreamCount == 200)
        server.receive(Wire.connect(401))
        let frames = Wire.frames(server.output())
        #expect(frames.resets(401) == [HTTP2Code.refusedStream] || frames.goAways == [HTTP2Code.protocolError])
        #expect(server.session.openStreamCount == 200)
    }

    @Test func `a server leaves in two steps, and loses no request that was under way`() throws {
        let (pair, stream) = try Pair.tunnel()
        let late = try #require(pair.client.connect())
        let underWay = pair.client.output()
        pair.server.session.goAway()
        let first = Wire.frames(pair.server.output())
        #expect(first.map(\.kind) == [6, 7])
        #expect(first.last?.number == 0x7fff_ffff)
        pair.server.receive(underWay)
        let ping = try #require(first.first)
        pair.server.receive(Wire.frame(.ping, flags: Wire.acknowledged, 0, ping.payload))
        let second = Wire.frames(pair.server.output()).filter { $0.is(.goAway) }
        #expect(second.map(\.number) == [UInt32(late)])
        #expect(second.map(\.code) == [0])
        #expect(!pair.server.session.isFinished)
        #expect(!pair.server.events.contains { if case .ping = $0 { true } else { false } })
        _ = stream
    }

    @Test func `an answer to the session's own question that was never asked is told to nobody`() {
        let server = SessionEnd(.server)
        let payload = Array("warren!!".utf8)
        #expect(server.receive(Wire.hello() + Wire.frame(.ping, flags: Wire.acknowledged, 0, payload)) == nil)
        #expect(!server.events.contains { if case .ping = $0 { true } else { false } })
        #expect(Wire.frames(server.output()).goAways == [])
    }

    @Test func `a client that is told to leave opens nothing, finishes, and then both are done`() throws {
        let (pair, stream) = try Pair.tunnel()
        pair.server.session.goAway()
        pair.settle()
        #expect(pair.client.events.contains(.goAway(Int32.max, 0)))
        #expect(pair.client.events.contains(.goAway(stream, 0)))
        #expect(!pair.client.session.canOpenStream)
        #expect(!pair.client.session.isFinished)
        pair.client.send(stream, [1, 2, 3], end: true)
        pair.server.send(stream, [4, 5, 6], end: true)
        pair.settle()
        #expect(pair.server.inbox[stream] == [1, 2, 3])
        #expect(pair.client.inbox[stream] == [4, 5, 6])
        #expect(pair.client.session.isFinished)
        #expect(pair.server.session.isFinished)
        #expect(pair.client.session.failure == nil)
        #expect(pair.server.session.failure == nil)
    }

    @Test func `a peer that doesn't answer the PING is left all the same`() {
        let server = SessionEnd(.server)
        server.receive(Wire.hello())
        #expect(!server.session.finishDrain())
        server.session.goAway()
        _ = server.output()
        #expect(server.session.finishDrain())
        #expect(Wire.frames(server.output()).filter { $0.is(.goAway) }.map(\.number) == [0])
        #expect(server.session.isFinished)
    }

    @Test func `I09 a client that ignores GOAWAY gets no stream`() {
        let server = SessionEnd(.server)
        server.receive(Wire.hello() + Wire.connect(1))
        server.session.goAway()
        server.session.finishDrain()
        _ = server.output()
        server.receive(Wire.connect(3) + Wire.connect(5) + Wire.data(3, [1], end: true))
        #expect(server.events == [.settings, .request(1, HTTP2RequestHead(method: "CONNECT", authority: "10.0.0.2:80"))])
        #expect(server.session.openStreamCount == 1)
    }

    @Test func `I13 a stream above the GOAWAY is closed as refused, one below goes on`() throws {
        let client = SessionEnd(.client)
        client.receive(Wire.greeting())
        #expect(client.connect() == 1)
        #expect(client.connect() == 3)
        _ = client.output()
        client.receive(Wire.frame(.goAway, 0, Wire.number(1) + Wire.number(0)))
        #expect(client.closed(3) == HTTP2Code.refusedStream)
        #expect(client.closed(1) == nil)
        client.receive(Wire.headers(1, [(":status", "200")]))
        #expect(client.events.last == .response(1, status: 200, [:]))
    }

    @Test func `I13 a request that never left is closed as refused`() throws {
        let client = SessionEnd(.client)
        client.receive(Wire.greeting())
        #expect(client.connect() == 1)
        client.receive(Wire.frame(.goAway, 0, Wire.number(0) + Wire.number(0)))
        #expect(!Wire.frames(client.output()).contains { $0.is(.headers) })
        #expect(client.closed(1) == HTTP2Code.refusedStream)
        #expect(client.session.isFinished)
    }

    @Test func `a client leaves with one GOAWAY and keeps its open streams`() throws {
        let (pair, stream) = try Pair.tunnel()
        pair.client.session.goAway()
        pair.settle()
        #expect(!pair.client.session.canOpenStream)
        #expect(pair.server.events.contains(.goAway(0, 0)))
        pair.client.send(stream, [1], end: true)
        pair.server.send(stream, [2], end: true)
        pair.settle()
        #expect(pair.server.inbox[stream] == [1])
        #expect(pair.client.inbox[stream] == [2])
        #expect(pair.client.session.isFinished)
        #expect(pair.server.session.isFinished)
    }

    @Test func `a terminated session says GOAWAY and nothing more`() throws {
        let (pair, stream) = try Pair.tunnel()
        pair.server.send(stream, [UInt8](repeating: 1, count: 1000))
        pair.server.session.terminate(HTTP2Code.internalError)
        let frames = Wire.frames(pair.server.output())
        #expect(frames.map(\.kind) == [7])
        #expect(frames.goAways == [HTTP2Code.internalError])
        #expect(pair.server.session.isFinished)
        #expect(pair.server.session.failure == nil)
        #expect(pair.server.output().isEmpty)
    }

    @Test(arguments: [
        (Wire.data(5, [1]), HTTP2Code.protocolError),
        (Wire.windowUpdate(0, 0), HTTP2Code.protocolError),
        (Wire.windowUpdate(1, 0), HTTP2Code.protocolError),
        (Wire.windowUpdate(9, 1), HTTP2Code.protocolError),
        (Wire.reset(9, 8), HTTP2Code.protocolError),
        (Wire.header(0, 0, 1, (1 << 20) + 1), HTTP2Code.frameSizeError),
        (Wire.frame(.ping, 0, [1]), HTTP2Code.frameSizeError),
        (Wire.frame(.settings, 0, [1]), HTTP2Code.frameSizeError),
        (Wire.frame(.settings, 1, []), HTTP2Code.protocolError),
        (Wire.settings([(4, 0x8000_0000)]), HTTP2Code.flowControlError),
        (Wire.settings([(5, 1)]), HTTP2Code.protocolError),
        (Wire.frame(.continuation, flags: 4, 1, []), HTTP2Code.protocolError),
        (Wire.frame(.pushPromise, flags: 4, 1, Wire.number(2)), HTTP2Code.protocolError),
        (Wire.headers(2, [(":method", "CONNECT"), (":authority", "a:1")]), HTTP2Code.protocolError),
        (Wire.frame(.headers, flags: 4, 3, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), HTTP2Code.compressionError),
        (Wire.frame(.headers, flags: 0, 3, []) + Wire.data(1, [1]), HTTP2Code.protocolError),
        (Wire.frame(.headers, flags: 4, 0, []), HTTP2Code.protocolError),
    ])
    func `a broken frame ends the connection with its code, which is told as the reason`(_ bytes: [UInt8], _ code: UInt32) {
        let server = SessionEnd(.server)
        server.receive(Wire.hello() + Wire.connect(1))
        _ = server.output()
        server.receive(bytes)
        #expect(Wire.frames(server.output()).goAways == [code])
        guard case .protocolViolation(code, _) = server.session.failure else {
            Issue.record("\(String(describing: server.session.failure))")
            return
        }
        #expect(server.session.isFinished)
        let before = server.events
        server.receive(Wire.connect(7))
        #expect(server.events == before)
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "\u{16}\u{3}\u{1}",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
    ])
    func `bytes that aren't HTTP 2 are told as such at once`(_ text: String) {
        let server = SessionEnd(.server)
        #expect(server.receive(Array(text.utf8)) == .notHTTP2)
        _ = server.output()
        #expect(server.session.isFinished)
    }

    @Test func `unknown frames and flags are passed over`() throws {
        let server = SessionEnd(.server)
        server.receive(Wire.hello() + Wire.header(0xfa, 0xff, 7, 3) + [1, 2, 3] + Wire.connect(1))
        #expect(server.session.failure == nil)
        #expect(server.session.openStreamCount == 1)
    }
}
