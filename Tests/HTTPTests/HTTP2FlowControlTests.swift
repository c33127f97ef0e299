// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// Credit: what a slow or hostile peer can make us hold, and what we let it send.
@Suite struct HTTP2FlowControlTests {
    @Test func `a window that never opens is never overrun`() {
        let server = SessionEnd(.server)
        server.answer = { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        server.receive(Wire.hello([(4, 0)]) + Wire.connect(1))
        server.send(1, [UInt8](repeating: 1, count: 100), end: true)
        #expect(!Wire.frames(server.output()).contains { $0.is(.data) })
        #expect(server.offers == [])
        #expect(!server.session.wantsWrite)
    }

    @Test(arguments: [1, 7, 1000])
    func `a tiny window is used in tiny frames, and the stream ends whole`(_ window: UInt32) {
        let server = SessionEnd(.server)
        server.answer = { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        server.receive(Wire.hello([(4, window)]) + Wire.connect(1))
        let sent = (0..<500).map { UInt8(truncatingIfNeeded: $0) }
        server.send(1, sent, end: true)
        var got: [UInt8] = []
        while true {
            let data = Wire.frames(server.output()).filter { $0.is(.data) }
            if data.isEmpty { break }
            #expect(data.map(\.payload.count).reduce(0, +) <= Int(window))
            got += data.map(\.payload).joined()
            server.receive(Wire.windowUpdate(1, window))
        }
        #expect(got == sent)
    }

    @Test func `the connection's window holds all streams together`() {
        let server = SessionEnd(.server)
        server.answer = { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        server.receive(Wire.hello([(4, 1 << 20)]) + Wire.connect(1) + Wire.connect(3))
        for stream: Int32 in [1, 3] { server.send(stream, [UInt8](repeating: 1, count: 100_000)) }
        let first = Wire.frames(server.output()).filter { $0.is(.data) }
        #expect(first.map(\.payload.count).reduce(0, +) == 65535)
        server.receive(Wire.windowUpdate(0, 1 << 20))
        let rest = Wire.frames(server.output()).filter { $0.is(.data) }
        #expect(rest.map(\.payload.count).reduce(0, +) == 200_000 - 65535)
    }

    @Test func `an application that takes nothing stops its stream alone`() throws {
        var settings = HTTP2Settings(.server)
        settings.initialStreamWindow = 65536
        let (pair, stuck) = try Pair.tunnel(server: settings)
        let lively = try #require(pair.client.connect())
        pair.settle()
        pair.server.consumesAtOnce = false
        pair.client.send(stuck, [UInt8](repeating: 1, count: 1_000_000))
        pair.settle()
        #expect(pair.server.inbox[stuck]?.count == 65536)
        pair.server.consumesAtOnce = true
        pair.client.send(lively, [UInt8](repeating: 2, count: 8_000_000))
        pair.settle()
        #expect(pair.server.inbox[lively]?.count == 8_000_000)
        #expect(pair.server.inbox[stuck]?.count == 65536)
        pair.server.session.consume(stuck, 65536)
        pair.settle()
        #expect(pair.server.inbox[stuck]?.count == 1_000_000)
    }

    @Test func `a stream that drains is given a larger window`() throws {
        let (pair, stream) = try Pair.tunnel()
        #expect(pair.server.session.streamWindow(stream) == 256 << 10)
        pair.server.consumesAtOnce = false
        pair.server.session.setStreamWindow(stream, to: 4 << 20)
        #expect(pair.server.session.streamWindow(stream) == 4 << 20)
        pair.client.send(stream, [UInt8](repeating: 1, count: 5 << 20))
        pair.settle()
        #expect(pair.server.inbox[stream]?.count == 4 << 20)
        pair.server.consumesAtOnce = true
        pair.server.session.consume(stream, 4 << 20)
        pair.settle()
        // One that shrinks carries on: what was allowed already comes, and then less ahead.
        pair.server.session.setStreamWindow(stream, to: 1 << 20)
        #expect(pair.server.session.streamWindow(stream) == 1 << 20)
        pair.client.send(stream, [UInt8](repeating: 2, count: 5 << 20))
        pair.settle()
        #expect(pair.server.inbox[stream]?.count == 10 << 20)
    }

    @Test func `credit of data that is dropped comes back to the connection`() throws {
        var settings = HTTP2Settings(.server)
        settings.initialStreamWindow = 1 << 20
        settings.connectionWindow = 1 << 20
        let (pair, first) = try Pair.tunnel(server: settings)
        pair.server.consumesAtOnce = false
        var stream = first
        for _ in 0..<8 {
            pair.client.send(stream, [UInt8](repeating: 1, count: 600_000))
            let late = pair.client.output()
            pair.server.session.reset(stream, HTTP2Code.cancel)
            pair.server.receive(late)
            pair.settle()
            stream = try #require(pair.client.connect())
            pair.settle()
        }
        pair.server.consumesAtOnce = true
        pair.client.send(stream, [UInt8](repeating: 2, count: 3_000_000))
        pair.settle()
        #expect(pair.server.inbox[stream]?.count == 3_000_000)
    }

    @Test func `a peer that overruns its window is cut off or its stream reset`() {
        var settings = HTTP2Settings(.server)
        settings.initialStreamWindow = 1000
        let server = SessionEnd(.server, settings: settings)
        server.consumesAtOnce = false
        server.receive(Wire.hello() + Wire.connect(1) + Wire.data(1, [UInt8](repeating: 1, count: 1001)))
        let frames = Wire.frames(server.output())
        #expect(frames.resets(1) == [HTTP2Code.flowControlError] || frames.goAways == [HTTP2Code.flowControlError])
        let before = server.inbox[1]?.count
        server.receive(Wire.data(1, [1]))
        #expect(server.inbox[1]?.count == before)
    }

    @Test func `padding is credit, too`() throws {
        var settings = HTTP2Settings(.server)
        settings.initialStreamWindow = 1 << 17
        settings.connectionWindow = 1 << 17
        let server = SessionEnd(.server, settings: settings)
        server.answer = { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        server.receive(Wire.hello() + Wire.connect(1))
        _ = server.output()
        var credit = (stream: 1 << 17, connection: 1 << 17)
        let payload = [255, 1] + [UInt8](repeating: 0, count: 255)
        for _ in 0..<2000 {
            credit.stream -= payload.count
            credit.connection -= payload.count
            #expect(credit.stream >= 0 && credit.connection >= 0)
            server.receive(Wire.frame(.data, flags: Wire.padded, 1, payload))
            for frame in Wire.frames(server.output()) where frame.is(.windowUpdate) {
                if frame.stream == 0 { credit.connection += Int(frame.number) } else { credit.stream += Int(frame.number) }
            }
        }
        #expect(server.inbox[1]?.count == 2000)
        #expect(server.session.failure == nil)
    }

    @Test func `a window beyond 31 bits resets the stream or ends the connection`() {
        let server = SessionEnd(.server)
        server.receive(Wire.hello() + Wire.connect(1) + Wire.windowUpdate(1, 0x7fff_ffff))
        #expect(Wire.frames(server.output()).resets(1) == [HTTP2Code.flowControlError])
        server.receive(Wire.windowUpdate(0, 0x7fff_ffff))
        #expect(Wire.frames(server.output()).goAways == [HTTP2Code.flowControlError])
        #expect(server.session.isFinished)
    }
}
