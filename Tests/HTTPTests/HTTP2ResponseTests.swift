// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// What a client makes of a server that isn't ours.
@Suite struct HTTP2ResponseTests {
    /// A client whose CONNECT is on its way on stream 1.
    private func asked() throws -> SessionEnd {
        let client = SessionEnd(.client)
        client.receive(Wire.greeting())
        #expect(try #require(client.connect()) == 1)
        _ = client.output()
        return client
    }

    @Test(arguments: [200, 204, 299])
    func `any 2xx opens the tunnel`(_ status: Int) throws {
        let client = try asked()
        client.send(1, [42])
        client.receive(Wire.headers(1, [(":status", "\(status)"), ("baggage", "a=b")]))
        #expect(client.events.last == .response(1, status: status, ["baggage": "a=b"]))
        #expect(Wire.frames(client.output()).contains { $0.is(.data) && $0.payload == [42] })
    }

    @Test(arguments: [301, 400, 401, 403, 503])
    func `I13 no application byte follows a refusal`(_ status: Int) throws {
        let client = try asked()
        client.send(1, [42])
        client.receive(Wire.headers(1, [(":status", "\(status)")]))
        #expect(client.events.last == .response(1, status: status, [:]))
        #expect(!Wire.frames(client.output()).contains { $0.is(.data) })
    }

    @Test func `informational answers are passed over`() throws {
        let client = try asked()
        client.send(1, [42])
        client.receive(Wire.headers(1, [(":status", "103"), ("link", "x")]) + Wire.headers(1, [(":status", "100")]))
        #expect(client.events == [.settings])
        #expect(client.output().isEmpty)
        client.receive(Wire.headers(1, [(":status", "200")]))
        #expect(client.events.last == .response(1, status: 200, [:]))
    }

    @Test(arguments: [
        [(":status", "20")], [(":status", "2000")], [(":status", "abc")], [(":status", "101")], [(":status", "999")], [],
        [("x", "y"), (":status", "200")], [(":status", "200"), (":status", "200")], [(":status", "200"), ("Upper", "x")],
        [(":status", "200"), ("connection", "close")], [(":status", "200"), (":path", "/")],
    ])
    func `a malformed answer resets the stream and opens nothing`(_ fields: [(String, String)]) throws {
        let client = try asked()
        client.send(1, [42])
        client.receive(Wire.headers(1, fields))
        let frames = Wire.frames(client.output())
        #expect(frames.resets(1) == [HTTP2Code.protocolError])
        #expect(!frames.contains { $0.is(.data) })
        #expect(client.events == [.settings, .closed(1, HTTP2Code.protocolError)])
        #expect(client.session.failure == nil)
    }

    @Test func `a header list beyond 16 KiB resets the stream`() throws {
        let client = try asked()
        client.receive(Wire.headers(1, [(":status", "200"), ("x", String(repeating: "a", count: 16_400))]))
        #expect(client.closed(1) == nil)
        #expect(Wire.frames(client.output()).resets(1) == [HTTP2Code.enhanceYourCalm])
        #expect(client.closed(1) == HTTP2Code.enhanceYourCalm)
    }

    @Test func `data before the answer resets the stream`() throws {
        let client = try asked()
        client.receive(Wire.headers(1, [(":status", "100")]) + Wire.data(1, [1]))
        #expect(Wire.frames(client.output()).resets(1) == [HTTP2Code.protocolError])
        #expect(client.inbox[1] == nil)
    }

    @Test func `data without any answer ends the connection or the stream, and is never delivered`() throws {
        let client = try asked()
        client.receive(Wire.data(1, [1]))
        let frames = Wire.frames(client.output())
        #expect(!frames.goAways.isEmpty || !frames.resets(1).isEmpty)
        #expect(client.inbox[1] == nil)
    }

    @Test func `I12 header fields behind the answer of a tunnel are no end`() throws {
        let client = try asked()
        client.receive(Wire.headers(1, [(":status", "200")]) + Wire.headers(1, [("x", "y")], end: true))
        #expect(!client.events.contains(.end(1)))
        #expect(Wire.frames(client.output()).resets(1) == [HTTP2Code.protocolError])
    }

    @Test func `trailers of an ordinary answer are told before its end`() throws {
        let client = SessionEnd(.client)
        client.receive(Wire.greeting())
        let head = HTTP2RequestHead(method: "POST", authority: "a", scheme: "https", path: "/")
        #expect(unsafe client.session.submitRequest(head, context: nil, endStream: true) == 1)
        _ = client.output()
        client.receive(
            Wire.headers(1, [(":status", "200")]) + Wire.data(1, [1]) + Wire.headers(1, [("grpc-status", "0")], end: true))
        #expect(Array(client.events.suffix(3)) == [.trailers(1, ["grpc-status": "0"]), .end(1), .closed(1, 0)])
    }

    @Test func `a pushed stream ends the connection`() throws {
        let client = try asked()
        client.receive(Wire.frame(.pushPromise, flags: Wire.endHeaders, 1, Wire.number(2) + Wire.block([(":method", "GET")])))
        #expect(Wire.frames(client.output()).goAways == [HTTP2Code.protocolError])
        #expect(client.session.isFinished)
    }

    @Test func `a server that speaks HTTP 1 is told apart`() {
        let client = SessionEnd(.client)
        client.receive(Array("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".utf8))
        _ = client.output()
        #expect(client.session.failure != nil)
        #expect(client.session.isFinished)
    }
}
