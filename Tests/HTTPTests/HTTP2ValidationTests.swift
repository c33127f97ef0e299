// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// What a server makes of requests that no well-behaved client sends; the rows that a real ztunnel was asked.
@Suite struct HTTP2ValidationTests {
    static let connect = [(":method", "CONNECT"), (":authority", "10.0.0.2:80")]

    struct Row: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var fields: [(String, String)]

        init(_ description: String, _ fields: [(String, String)]) {
            testDescription = description
            self.fields = fields
        }
    }

    static let malformed = [
        Row("CONNECT with :scheme", connect + [(":scheme", "https")]),
        Row("CONNECT with :path", connect + [(":path", "/")]),
        Row("CONNECT with both", connect + [(":scheme", "https"), (":path", "/")]),
        Row("extended CONNECT", connect + [(":scheme", "https"), (":path", "/"), (":protocol", "websocket")]),
        Row("extended CONNECT without the rest", connect + [(":protocol", "connect-udp")]),
        Row("connection", connect + [("connection", "close")]),
        Row("keep-alive", connect + [("keep-alive", "5")]),
        Row("proxy-connection", connect + [("proxy-connection", "close")]),
        Row("transfer-encoding", connect + [("transfer-encoding", "chunked")]),
        Row("upgrade", connect + [("upgrade", "h2c")]),
        Row("te other than trailers", connect + [("te", "gzip")]),
        Row("two :method", connect + [(":method", "CONNECT")]),
        Row("two :authority", connect + [(":authority", "10.0.0.2:80")]),
        Row("pseudo-header behind a field", [(":method", "CONNECT"), ("baggage", "a=b"), (":authority", "10.0.0.2:80")]),
        Row("unknown pseudo-header", connect + [(":status", "200")]),
        Row("empty pseudo-header name", connect + [(":", "x")]),
        Row("upper-case name", connect + [("Baggage", "a=b")]),
        Row("empty name", connect + [("", "x")]),
        Row("space in a name", connect + [("bag gage", "x")]),
        Row("colon in a name", connect + [("x:y", "x")]),
        Row("NUL in a value", connect + [("baggage", "a\0b")]),
        Row("line end in a value", connect + [("baggage", "a\r\nforwarded: for=1")]),
        Row("white space before a value", connect + [("baggage", " a=b")]),
        Row("white space behind a value", connect + [("baggage", "a=b\t")]),
        Row("NUL in :authority", [(":method", "CONNECT"), (":authority", "10.0.0.2\0:80")]),
        Row("no :method", [(":authority", "10.0.0.2:80")]),
        Row("empty :method", [(":method", ""), (":authority", "10.0.0.2:80")]),
        Row("space in :method", [(":method", "GET /"), (":authority", "a"), (":scheme", "https"), (":path", "/")]),
        Row("GET without :path", [(":method", "GET"), (":authority", "a"), (":scheme", "https")]),
        Row("GET without :scheme", [(":method", "GET"), (":authority", "a"), (":path", "/")]),
        Row("GET with empty :path", [(":method", "GET"), (":authority", "a"), (":scheme", "https"), (":path", "")]),
        Row("two content-length", connect + [("content-length", "1"), ("content-length", "1")]),
        Row("content-length that is no number", connect + [("content-length", "+1")]),
        Row("content-length beyond numbers", connect + [("content-length", "99999999999999999999")]),
        Row("nothing at all", []),
    ]

    @Test(arguments: malformed)
    func `a malformed request is reset with PROTOCOL_ERROR and the connection goes on`(_ row: Row) {
        let server = SessionEnd(.server)
        server.answer = { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        #expect(server.receive(Wire.hello() + Wire.headers(1, row.fields)) == nil)
        #expect(server.receive(Wire.connect(3)) == nil)
        let frames = Wire.frames(server.output())
        #expect(frames.resets(1) == [HTTP2Code.protocolError])
        #expect(frames.goAways == [])
        #expect(frames.contains { $0.is(.headers) && $0.stream == 3 })
        #expect(server.events == [.settings, .request(3, HTTP2RequestHead(method: "CONNECT", authority: "10.0.0.2:80"))])
        #expect(server.session.openStreamCount == 1)
    }

    @Test(arguments: ["", "10.0.0.2", "10.0.0.2:99999", "user@10.0.0.2:80", "no such thing", "ö:80", "%:::"])
    func `a CONNECT to something that is no address is told, so that it can be answered`(_ authority: String) {
        let server = SessionEnd(.server)
        server.receive(Wire.hello() + Wire.connect(1, authority))
        #expect(server.events.last == .request(1, HTTP2RequestHead(method: "CONNECT", authority: authority)))
    }

    @Test func `a CONNECT without an authority is told, so that it can be answered`() {
        let server = SessionEnd(.server)
        server.answer = { end, stream, _ in end.session.submitResponse(stream, status: 400, endStream: true) }
        server.receive(Wire.hello() + Wire.headers(1, [(":method", "CONNECT")]))
        #expect(server.events.last == .request(1, HTTP2RequestHead(method: "CONNECT", authority: "")))
        let frames = Wire.frames(server.output())
        #expect(frames.contains { $0.is(.headers) && $0.stream == 1 && $0.flags & Wire.endStream != 0 })
        #expect(frames.resets(1) == [HTTP2Code.noError])
    }

    @Test(arguments: ["GET", "POST", "OPTIONS", "connect", "PRI"])
    func `another method is told, so that it can be answered`(_ method: String) {
        let server = SessionEnd(.server)
        server.receive(
            Wire.hello()
                + Wire.headers(1, [(":method", method), (":scheme", "https"), (":path", "/x"), (":authority", "a:1")], end: true))
        let head = HTTP2RequestHead(method: method, authority: "a:1", scheme: "https", path: "/x")
        #expect(server.events == [.settings, .request(1, head), .end(1)])
    }

    @Test(arguments: [
        Row("another host", [("host", "elsewhere:1")]),
        Row("content-length", [("content-length", "5")]),
        Row("8 kB", [("x-large", String(repeating: "a", count: 8000))]),
        Row("20 kB", [("x-large", String(repeating: "a", count: 20_000))]),
        Row("200 fields", (0..<200).map { ("x-\($0)", "v") }),
        Row("bad baggage", [("baggage", "=;,%zz=\u{7f}".filter { $0 != "\u{7f}" })]),
        Row("forged forwarded", [("forwarded", "for=\"127.0.0.1:1\"")]),
        Row("te: trailers", [("te", "trailers")]),
    ])
    func `what a tunnel doesn't believe does no harm`(_ row: Row) {
        let server = SessionEnd(.server)
        server.answer = { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        server.receive(Wire.hello() + Wire.connect(1, "10.0.0.2:80", row.fields) + Wire.data(1, Array("more than 5".utf8)))
        #expect(Wire.frames(server.output()).resets(1) == [])
        #expect(server.inbox[1] == Array("more than 5".utf8))
    }

    @Test(arguments: [
        Row("65 kB", [("x-large", String(repeating: "a", count: 65_500))]),
        Row("300 fields", (0..<300).map { ("x-\($0)", "v") }),
    ])
    func `a header list beyond the bounds is reset with ENHANCE_YOUR_CALM`(_ row: Row) {
        let server = SessionEnd(.server)
        server.receive(Wire.hello() + Wire.connect(1, "10.0.0.2:80", row.fields) + Wire.connect(3))
        let frames = Wire.frames(server.output())
        #expect(frames.resets(1) == [HTTP2Code.enhanceYourCalm])
        #expect(server.events == [.settings, .request(3, HTTP2RequestHead(method: "CONNECT", authority: "10.0.0.2:80"))])
    }

    @Test func `a header bomb of references costs its stream, not memory`() {
        let server = SessionEnd(.server)
        // One field of 3,000 bytes goes into the table; each further byte on the wire names it once more.
        let large = [0x40, 1, UInt8(ascii: "x"), 127, 0xb9, 0x16] + [UInt8](repeating: 97, count: 3000)
        let bomb = Wire.block(Self.connect) + large + [UInt8](repeating: 0xbe, count: 16_000)
        server.receive(Wire.hello() + Wire.frame(.headers, flags: Wire.endHeaders, 1, bomb))
        #expect(Wire.frames(server.output()).resets(1) == [HTTP2Code.enhanceYourCalm])
        #expect(server.session.failure == nil)
    }

    @Test func `a malformed request in a padded frame with priority is reset as well`() {
        let server = SessionEnd(.server)
        let block = Wire.block([(":method", "CONNECT"), (":path", "/")])
        let payload = [4] + Wire.number(0) + [15] + block + [0, 0, 0, 0]
        server.receive(Wire.hello() + Wire.frame(.headers, flags: Wire.endHeaders | Wire.padded | 0x20, 1, payload))
        #expect(Wire.frames(server.output()).resets(1) == [HTTP2Code.protocolError])
    }

    @Test(arguments: [false, true])
    func `I12 header fields inside a tunnel reset it and are no end`(_ end: Bool) {
        let server = SessionEnd(.server)
        server.answer = { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        server.receive(Wire.hello() + Wire.connect(1) + Wire.data(1, [1]) + Wire.headers(1, [("x", "y")], end: end))
        #expect(Wire.frames(server.output()).resets(1) == [HTTP2Code.protocolError])
        #expect(!server.events.contains(.end(1)))
        #expect(server.closed(1) == HTTP2Code.protocolError)
    }

    @Test(arguments: [(3, true), (4, false), (5, true)])
    func `I12 a body of another length than announced is reset and is no end`(_ length: Int, _ end: Bool) {
        let server = SessionEnd(.server)
        let fields = [(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "a")]
        server.receive(Wire.hello() + Wire.headers(1, fields + [("content-length", "3")]))
        server.receive(Wire.data(1, [UInt8](repeating: 7, count: length), end: end))
        _ = server.output()
        #expect(server.events.contains(.end(1)) == (length == 3))
        #expect(server.closed(1) == (length == 3 ? nil : HTTP2Code.protocolError))
    }

    @Test func `a request that ends before its announced body is reset`() {
        let server = SessionEnd(.server)
        let fields = [(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "a"), ("content-length", "3")]
        server.receive(Wire.hello() + Wire.headers(1, fields, end: true))
        #expect(Wire.frames(server.output()).resets(1) == [HTTP2Code.protocolError])
        #expect(!server.events.contains(.end(1)))
    }

    @Test func `trailers of an ordinary request are told before its end`() {
        let server = SessionEnd(.server)
        let fields = [(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "a")]
        server.receive(Wire.hello() + Wire.headers(1, fields) + Wire.data(1, [1]) + Wire.headers(1, [("sum", "1")], end: true))
        #expect(Array(server.events.suffix(2)) == [.trailers(1, ["sum": "1"]), .end(1)])
    }
}
