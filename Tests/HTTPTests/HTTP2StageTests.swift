// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// How output fills the caller's stage: whole TLS records, nothing lost, nothing beyond the budget.
@Suite struct HTTP2StageTests {
    /// A server with an accepted tunnel on stream 1, nothing left to send, and a peer with this frame size and large windows.
    private func accepted(frameSize: UInt32, streamWindow: UInt32 = 1 << 24, stageSize: Int = 65536, streams: Int32 = 1)
        -> SessionEnd
    {
        let server = SessionEnd(.server, stageSize: stageSize)
        server.answer = { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        server.receive(Wire.hello([(5, frameSize), (4, streamWindow)]) + Wire.windowUpdate(0, 1 << 30))
        for stream in 0..<streams { server.receive(Wire.connect(2 * stream + 1)) }
        _ = server.output()
        server.offers = []
        return server
    }

    @Test(arguments: [65527, 65536, 1 << 20])
    func `a peer that allows it gets frames of four full records`(_ frameSize: UInt32) {
        let server = accepted(frameSize: frameSize)
        server.send(1, [UInt8](repeating: 1, count: 4 * 65527))
        #expect(unsafe server.session.produce(stage: server.stage, sink: &server.sink) == .idle)
        #expect(server.sink.takes.map(\.count) == [65536, 65536, 65536, 65536])
        #expect(Array(server.offers.prefix(4)) == [65527, 65527, 65527, 65527])
    }

    @Test func `a peer with the smallest frame size gets a frame to a record, four to a stage`() {
        let server = accepted(frameSize: 16384)
        server.send(1, [UInt8](repeating: 1, count: 8 * 16375))
        #expect(unsafe server.session.produce(stage: server.stage, sink: &server.sink) == .idle)
        #expect(server.sink.takes.map(\.count) == [65536, 65536])
        #expect(Array(server.offers.prefix(8)) == [Int](repeating: 16375, count: 8))
    }

    @Test(arguments: [16384, 32768, 65536, 131_072], [16384, 20_000, 65527, 1 << 20])
    func `bulk output hands on whole records whatever the stage and the frame size`(_ stageSize: Int, _ frameSize: UInt32) {
        let server = accepted(frameSize: frameSize, stageSize: stageSize)
        let sent = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        server.send(1, sent, end: true)
        while unsafe server.session.produce(stage: server.stage, sink: &server.sink) == .more {}
        let takes = server.sink.takes
        #expect(takes.dropLast().allSatisfy { $0.count.isMultiple(of: 16384) })
        let frames = Wire.frames(takes.concatenated)
        #expect(frames.allSatisfy { $0.payload.count <= Int(frameSize) })
        #expect(frames.map(\.payload).concatenated == sent)
        #expect(frames.filter { $0.flags & Wire.endStream != 0 }.count == 1)
    }

    @Test func `control frames in front push the payload, not the record's end`() {
        let server = accepted(frameSize: 1 << 20)
        server.send(1, [UInt8](repeating: 1, count: 200_000))
        server.receive(Wire.frame(.ping, 0, [UInt8](repeating: 0, count: 8)))
        #expect(unsafe server.session.produce(stage: server.stage, sink: &server.sink) == .idle)
        #expect(server.offers.first == 65536 - 17 - 9)
        #expect(server.sink.takes.dropLast().allSatisfy { $0.count == 65536 })
    }

    @Test func `small frames of many streams share a stage and a hand-over`() {
        let server = accepted(frameSize: 1 << 20, streams: 50)
        for stream in 0..<50 { server.send(Int32(2 * stream + 1), [UInt8](repeating: 7, count: 100)) }
        #expect(unsafe server.session.produce(stage: server.stage, sink: &server.sink) == .idle)
        #expect(server.sink.takes.map(\.count) == [50 * 109])
    }

    @Test func `a full sink stops output, and nothing is lost`() {
        let server = accepted(frameSize: 1 << 20)
        let sent = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
        server.send(1, sent, end: true)
        server.sink.limit = 2
        #expect(unsafe server.session.produce(stage: server.stage, sink: &server.sink) == .blocked)
        #expect(server.sink.takes.count == 2)
        server.sink.limit = .max
        #expect(unsafe server.session.produce(stage: server.stage, sink: &server.sink) == .idle)
        #expect(Wire.frames(server.sink.drain()).map(\.payload).concatenated == sent)
    }

    @Test func `a header block larger than the stage arrives whole`() {
        let client = SessionEnd(.client, stageSize: 16384)
        client.receive(Wire.greeting())
        let long = String(repeating: "é", count: 20_000)
        #expect(client.connect(headers: ["x-long": long]) == 1)
        client.sink.limit = 1
        while client.session.wantsWrite { _ = unsafe client.session.produce(stage: client.stage, sink: &client.sink) }
        let server = SessionEnd(.server)
        server.receive(client.sink.drain())
        guard case .request(1, let head) = server.events.last else {
            Issue.record("no request")
            return
        }
        #expect(head.headers["x-long"] == long)
    }

    @Test func `the budget ends a call, and the next goes on`() {
        let server = accepted(frameSize: 1 << 20)
        server.send(1, [UInt8](repeating: 1, count: 1_000_000))
        #expect(unsafe server.session.produce(stage: server.stage, budget: 131_072, sink: &server.sink) == .more)
        #expect(server.sink.takes.map(\.count) == [65536, 65536])
        var calls = 1
        while unsafe server.session.produce(stage: server.stage, budget: 131_072, sink: &server.sink) == .more { calls += 1 }
        #expect(calls == 7)
        #expect(Wire.frames(server.sink.drain()).map(\.payload.count).reduce(0, +) == 1_000_000)
    }

    @Test func `streams take turns, a frame each`() {
        let server = accepted(frameSize: 1 << 20, streams: 3)
        for stream: Int32 in [1, 3, 5] { server.send(stream, [UInt8](repeating: 1, count: 10 * 65527)) }
        var given: [Int32: Int] = [:]
        for _ in 0..<5 {
            _ = unsafe server.session.produce(stage: server.stage, budget: 6 * 65536, sink: &server.sink)
            for frame in Wire.frames(server.sink.drain()) { given[frame.stream, default: 0] += frame.payload.count }
            let least = [1, 3, 5].map { given[$0] ?? 0 }.min() ?? 0
            let most = given.values.max() ?? 0
            #expect(most - least <= 65527)
            #expect(least > 0)
        }
    }

    @Test func `a stream with little to say isn't kept behind one with much`() {
        let server = accepted(frameSize: 1 << 20, streams: 2)
        server.send(1, [UInt8](repeating: 1, count: 50 * 65527))
        _ = unsafe server.session.produce(stage: server.stage, budget: 20 * 65536, sink: &server.sink)
        _ = server.sink.drain()
        server.send(3, [9])
        _ = unsafe server.session.produce(stage: server.stage, budget: 2 * 65536, sink: &server.sink)
        #expect(Wire.frames(server.sink.drain()).contains { $0.stream == 3 && $0.payload == [9] })
    }

    @Test func `nothing to send costs no hand-over`() {
        let server = accepted(frameSize: 16384)
        #expect(unsafe server.session.produce(stage: server.stage, sink: &server.sink) == .idle)
        #expect(server.sink.takes.isEmpty)
        #expect(!server.session.wantsWrite)
    }
}
