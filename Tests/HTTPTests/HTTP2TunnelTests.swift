// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// The life of a tunnel's stream between two sessions of ours.
@Suite struct HTTP2TunnelTests {
    @Test func `a CONNECT reaches the server with its headers, and its answer the client`() throws {
        let pair = Pair()
        pair.server.answer = { end, stream, _ in
            end.session.submitResponse(stream, status: 200, headers: ["baggage": "k8s.namespace.name=default"], endStream: false)
        }
        let headers: HTTPHeaders = ["baggage": "k8s.namespace.name=a", "forwarded": "for=\"10.0.0.1:4711\""]
        let stream = try #require(pair.client.connect("[fd00::2]:443", headers: headers))
        pair.settle()
        let head = HTTP2RequestHead(method: "CONNECT", authority: "[fd00::2]:443", headers: headers)
        #expect(pair.server.events == [.settings, .request(stream, head)])
        #expect(pair.client.events == [.settings, .response(stream, status: 200, ["baggage": "k8s.namespace.name=default"])])
        #expect(pair.client.session.openStreamCount == 1)
        #expect(pair.server.session.openStreamCount == 1)
        #expect(pair.server.session.lastStreamID == stream)
    }

    @Test func `bytes go both ways and halves close one by one`() throws {
        let (pair, stream) = try Pair.tunnel()
        pair.client.send(stream, Array("question".utf8), end: true)
        pair.settle()
        #expect(pair.server.inbox[stream] == Array("question".utf8))
        #expect(pair.server.events.last == .end(stream))
        #expect(pair.client.closed(stream) == nil)
        pair.server.send(stream, Array("answer".utf8), end: true)
        pair.settle()
        #expect(pair.client.inbox[stream] == Array("answer".utf8))
        #expect(Array(pair.client.events.suffix(2)) == [.end(stream), .closed(stream, 0)])
        #expect(pair.server.events.last == .closed(stream, 0))
        #expect(pair.client.session.openStreamCount == 0)
        #expect(pair.server.session.openStreamCount == 0)
    }

    @Test func `I12 an end without bytes is END_STREAM, and only that`() throws {
        let (pair, stream) = try Pair.tunnel()
        pair.client.send(stream, [], end: true)
        let frames = Wire.frames(pair.client.output())
        #expect(frames == [Wire.Frame(kind: 0, flags: Wire.endStream, stream: stream, payload: [])])
    }

    @Test(arguments: [HTTP2Code.cancel, HTTP2Code.connectError, HTTP2Code.noError, HTTP2Code.refusedStream, 4711])
    func `I12 a reset is told with its code, never as an end`(_ code: UInt32) throws {
        let (pair, stream) = try Pair.tunnel()
        pair.client.send(stream, Array("half a mess".utf8))
        pair.settle()
        pair.client.session.reset(stream, code)
        pair.settle()
        #expect(pair.server.closed(stream) == code)
        #expect(pair.client.closed(stream) == code)
        #expect(!pair.server.events.contains(.end(stream)))
        #expect(!pair.client.events.contains(.end(stream)))
    }

    @Test func `I12 an application that is lost while it is read resets its stream`() throws {
        let (pair, stream) = try Pair.tunnel()
        pair.server.outbox[stream] = SessionEnd.Outgoing(reset: HTTP2Code.connectError)
        pair.server.session.resume(stream)
        pair.settle()
        #expect(pair.client.closed(stream) == HTTP2Code.connectError)
        #expect(pair.server.closed(stream) == HTTP2Code.connectError)
        #expect(!pair.client.events.contains(.end(stream)))
    }

    @Test func `I13 a client isn't asked for a byte before the tunnel is accepted`() throws {
        let pair = Pair()
        pair.settle()
        let stream = try #require(pair.client.connect())
        pair.client.send(stream, Array("early".utf8))
        pair.settle()
        #expect(pair.client.offers == [])
        #expect(pair.server.inbox[stream] == nil)
        pair.server.session.submitResponse(stream, status: 200, endStream: false)
        pair.settle()
        #expect(pair.server.inbox[stream] == Array("early".utf8))
    }

    @Test func `a server that wants to speak first may`() throws {
        let pair = Pair()
        pair.server.answer = { end, stream, _ in
            end.outbox[stream] = SessionEnd.Outgoing(bytes: Array("220 ready".utf8))
            end.session.submitResponse(stream, status: 200, endStream: false)
        }
        let stream = try #require(pair.client.connect())
        pair.settle()
        #expect(pair.client.inbox[stream] == Array("220 ready".utf8))
    }

    @Test(arguments: [400, 401, 405, 503])
    func `a refused CONNECT is answered, ended and closed on both sides`(_ status: Int) throws {
        let pair = Pair()
        pair.server.answer = { end, stream, _ in end.session.submitResponse(stream, status: status, endStream: true) }
        let stream = try #require(pair.client.connect())
        pair.client.send(stream, Array("never sent".utf8))
        pair.settle()
        #expect(
            pair.client.events == [
                .settings, .response(stream, status: status, [:]), .end(stream), .closed(stream, HTTP2Code.noError),
            ])
        #expect(pair.server.closed(stream) == HTTP2Code.noError)
        #expect(pair.client.offers == [])
        #expect(pair.server.session.openStreamCount == 0)
    }

    @Test func `a server that refuses streams tells no delegate of them`() throws {
        let pair = Pair()
        pair.server.session.refusesStreams = true
        let stream = try #require(pair.client.connect())
        pair.settle()
        #expect(pair.client.closed(stream) == HTTP2Code.refusedStream)
        #expect(pair.server.events == [.settings])
        #expect(pair.server.session.openStreamCount == 0)
    }

    @Test func `the context comes with each event, from the moment it is set`() throws {
        let (pair, stream) = try Pair.tunnel()
        #expect(pair.client.contexts[stream] == 0)
        unsafe pair.client.session.setContext(stream, UnsafeMutableRawPointer(bitPattern: 0x1000))
        pair.server.send(stream, [1])
        pair.settle()
        #expect(pair.client.contexts[stream] == 0x1000)
        let second = try #require(pair.client.connect(context: 0x2000))
        pair.settle()
        #expect(pair.client.contexts[second] == 0x2000)
    }

    @Test func `a lost connection tells the end of each stream once`() throws {
        let (pair, first) = try Pair.tunnel()
        let second = try #require(pair.client.connect())
        pair.settle()
        pair.client.session.abandonStreams(HTTP2Code.connectError)
        #expect(pair.client.closed(first) == HTTP2Code.connectError)
        #expect(pair.client.closed(second) == HTTP2Code.connectError)
        #expect(pair.client.session.openStreamCount == 0)
        #expect(!pair.client.session.canOpenStream)
        pair.client.session.abandonStreams(HTTP2Code.connectError)
        #expect(pair.client.events.filter { $0 == .closed(first, HTTP2Code.connectError) }.count == 1)
    }

    @Test func `verbs on a stream that is gone do nothing`() throws {
        let (pair, stream) = try Pair.tunnel()
        pair.client.session.reset(stream, HTTP2Code.cancel)
        pair.settle()
        for end in [pair.client, pair.server] {
            end.session.reset(stream, HTTP2Code.cancel)
            end.session.resume(stream)
            end.session.consume(stream, 10)
            end.session.setStreamWindow(stream, to: 1 << 20)
            unsafe end.session.setContext(stream, nil)
        }
        pair.server.session.submitResponse(stream, status: 200, endStream: true)
        #expect(pair.client.output().isEmpty)
        #expect(pair.server.output().isEmpty)
    }

    @Test func `an answer is given once`() throws {
        let (pair, stream) = try Pair.tunnel()
        pair.server.session.submitResponse(stream, status: 503, endStream: true)
        pair.settle()
        #expect(pair.client.closed(stream) == nil)
        #expect(pair.server.closed(stream) == nil)
    }

    @Test func `a PING is answered with its payload`() {
        let pair = Pair()
        pair.settle()
        pair.client.session.ping(0x0102_0304_0506_0708)
        pair.settle()
        #expect(pair.client.events.last == .ping(0x0102_0304_0506_0708))
    }
}
