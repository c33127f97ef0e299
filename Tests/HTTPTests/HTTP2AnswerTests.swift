// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// Answers of a server that isn't a tunnel's: trailers, and the other half of a request that is answered before it is whole.
@Suite struct HTTP2AnswerTests {
    private static let request = HTTP2RequestHead(method: "POST", authority: "a", scheme: "https", path: "/x")

    /// A pair whose client asks; the body follows.
    private func asked() throws -> (pair: Pair, stream: Int32) {
        let pair = Pair()
        pair.settle()
        let stream = unsafe pair.client.session.submitRequest(Self.request, context: nil)
        pair.settle()
        return (pair, try #require(stream))
    }

    @Test func `trailers follow the body and end the stream`() throws {
        let (pair, stream) = try asked()
        pair.client.send(stream, [1], end: true)
        pair.settle()
        pair.server.session.submitResponse(stream, status: 200, endStream: false)
        pair.server.send(stream, [7, 8, 9])
        pair.server.trailers[stream] = ["grpc-status": "0"]
        pair.settle()
        #expect(pair.client.inbox[stream] == [7, 8, 9])
        #expect(
            pair.client.events.suffix(3) == [
                .trailers(stream, ["grpc-status": "0"]), .end(stream), .closed(stream, HTTP2Code.noError),
            ])
        #expect(pair.server.events.last == .closed(stream, HTTP2Code.noError))
        #expect(pair.server.session.openStreamCount == 0)
    }

    @Test func `trailers alone need no DATA frame`() throws {
        let (pair, stream) = try asked()
        pair.client.send(stream, [1], end: true)
        pair.settle()
        pair.server.session.submitResponse(stream, status: 200, endStream: false)
        pair.server.trailers[stream] = ["grpc-status": "12"]
        let frames = Wire.frames(pair.server.output())
        #expect(!frames.contains { $0.is(.data) && $0.flags & Wire.endStream != 0 })
        #expect(frames.last { $0.is(.headers) }?.flags == Wire.endHeaders | Wire.endStream)
    }

    @Test(arguments: [0, 3])
    func `an early answer arrives whole, and then the request is told to stop`(_ size: Int) throws {
        let (pair, stream) = try asked()
        pair.server.session.submitResponse(stream, status: 401, endStream: size == 0)
        if size > 0 { pair.server.send(stream, [UInt8](repeating: 1, count: size), end: true) }
        let bytes = pair.server.output()
        let frames = Wire.frames(bytes).filter { $0.stream == stream }
        #expect(frames.last?.is(.reset) == true && frames.last?.number == HTTP2Code.noError)
        #expect(frames.first?.is(.headers) == true)
        pair.client.receive(bytes)
        #expect(pair.client.events.contains(.response(stream, status: 401, [:])))
        #expect(pair.client.events.contains(.end(stream)))
        pair.settle()
        #expect(pair.server.events.last == .closed(stream, HTTP2Code.noError))
    }

    @Test func `early trailers arrive, and then the request is told to stop`() throws {
        let (pair, stream) = try asked()
        pair.server.session.submitResponse(stream, status: 200, endStream: false)
        pair.server.trailers[stream] = ["grpc-status": "16"]
        let bytes = pair.server.output()
        let last = Wire.frames(bytes).filter { $0.stream == stream }.last
        #expect(last?.is(.reset) == true && last?.number == HTTP2Code.noError)
        pair.client.receive(bytes)
        #expect(pair.client.events.contains(.trailers(stream, ["grpc-status": "16"])))
    }

    @Test func `a client knows whether its request is out`() throws {
        let (pair, stream) = try asked()
        #expect(!pair.client.session.hasSentEnd(stream))
        pair.client.send(stream, [1], end: true)
        pair.settle()
        #expect(pair.client.session.hasSentEnd(stream))
        #expect(pair.client.session.hasSentEnd(77))
    }

    @Test func `an accepted tunnel isn't reset when one half ends`() throws {
        let pair = Pair()
        pair.settle()
        let stream = try #require(pair.client.connect())
        pair.settle()
        pair.server.session.submitResponse(stream, status: 200, endStream: false)
        pair.server.send(stream, [1], end: true)
        pair.settle()
        #expect(pair.client.events.last == .end(stream))
        pair.client.send(stream, [2], end: true)
        pair.settle()
        #expect(pair.server.inbox[stream] == [2])
        #expect(pair.server.events.suffix(2) == [.end(stream), .closed(stream, HTTP2Code.noError)])
    }
}
