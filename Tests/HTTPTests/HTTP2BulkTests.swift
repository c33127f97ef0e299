// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// Much data both ways on several streams, whole and in order, with small windows and small hand-overs in between.
@Suite struct HTTP2BulkTests {
    @Test(arguments: [16384, 1 << 20])
    func `50 MB each way arrive as they were sent`(_ frameSize: UInt32) throws {
        var settings = (client: HTTP2Settings(.client), server: HTTP2Settings(.server))
        settings.client.maxFrameSize = frameSize
        settings.server.maxFrameSize = frameSize
        let (up, down) = (BulkEnd(.client, settings.client), BulkEnd(.server, settings.server))
        var (toServer, toClient) = (BulkSink(peer: down.session), BulkSink(peer: up.session))
        let stage = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
        defer { unsafe stage.deallocate() }
        func turn() {
            _ = unsafe up.session.produce(stage: stage, budget: 200_000, sink: &toServer)
            _ = unsafe down.session.produce(stage: stage, budget: 150_000, sink: &toClient)
        }
        turn()
        let lengths = [1, 999_983, 17_000_017, 32_000_000]
        for length in lengths {
            let stream = try #require(up.open())
            up.expect(stream, sending: length, receiving: 50_000_001 - length)
            down.expect(stream, sending: 50_000_001 - length, receiving: length)
        }
        var turns = 0
        while up.session.openStreamCount > 0, turns < 100_000 {
            turn()
            turns += 1
        }
        for end in [up, down] {
            #expect(end.session.openStreamCount == 0)
            #expect(end.finished.count == lengths.count)
            #expect(end.faults == [])
            #expect(end.session.failure == nil)
        }
    }
}

/// Sends a known pattern and holds what comes against it.
private final class BulkEnd: HTTP2SessionDelegate {
    private struct Flow {
        var sent = 0
        var toSend: Int
        var received = 0
        var toReceive: Int
    }

    /// A prime, so that no frame or record begins where the pattern does.
    private static let period = 65_521
    private static let pattern: [UInt8] = (0..<4 * period).map {
        UInt8(truncatingIfNeeded: ($0 % period) &* 167 ^ ($0 % period) >> 5)
    }

    let session: HTTP2Session
    private(set) var finished: Set<Int32> = []
    private(set) var faults: [String] = []
    private var flows: [Int32: Flow] = [:]

    init(_ role: HTTP2Role, _ settings: HTTP2Settings) {
        session = HTTP2Session(role, settings: settings)
        session.attach(self)
    }

    func open() -> Int32? {
        unsafe session.submitRequest(HTTP2RequestHead(method: "CONNECT", authority: "10.0.0.2:80"), context: nil)
    }

    func expect(_ stream: Int32, sending toSend: Int, receiving toReceive: Int) {
        flows[stream] = Flow(toSend: toSend, toReceive: toReceive)
    }

    func requestReceived(_ stream: Int32, _ head: HTTP2RequestHead) {
        session.submitResponse(stream, status: 200, endStream: false)
        session.setStreamWindow(stream, to: 1 << 20)
    }

    func responseReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, status: Int, headers: HTTPHeaders) {}

    func readData(_ context: UnsafeMutableRawPointer?, _ stream: Int32, into buffer: UnsafeMutableRawBufferPointer)
        -> HTTP2DataRead
    {
        guard let flow = flows[stream] else { return .nothing }
        let count = min(buffer.count, flow.toSend - flow.sent)
        unsafe Self.pattern.withUnsafeBytes { pattern in
            let start = flow.sent % Self.period
            unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: pattern[start..<start + count]))
        }
        flows[stream]?.sent += count
        return flow.sent + count == flow.toSend ? .bytesAndEnd(count) : .bytes(count)
    }

    func dataReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ bytes: UnsafeRawBufferPointer) {
        let received = flows[stream]?.received ?? 0
        if unsafe !Self.matches(bytes, at: received % Self.period) {
            faults.append("stream \(stream) differs behind \(received)")
        }
        flows[stream]?.received += bytes.count
        session.consume(stream, bytes.count)
    }

    /// By words: byte by byte takes seconds without optimisation.
    private static func matches(_ bytes: UnsafeRawBufferPointer, at start: Int) -> Bool {
        unsafe pattern.withUnsafeBytes { pattern in
            var place = 0
            while place + 8 <= bytes.count {
                let word = unsafe bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
                if unsafe word != pattern.loadUnaligned(fromByteOffset: start + place, as: UInt64.self) { return false }
                place += 8
            }
            return (place..<bytes.count).allSatisfy { unsafe bytes[$0] == pattern[start + $0] }
        }
    }

    func endReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32) {
        if let flow = flows[stream], flow.received == flow.toReceive { finished.insert(stream) }
    }

    func streamClosed(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ error: UInt32) {
        if error != HTTP2Code.noError { faults.append("stream \(stream) closed with \(error)") }
    }

    func goAwayReceived(lastStream: Int32, error: UInt32) { faults.append("GOAWAY") }
    func pingAcknowledged(_ payload: UInt64) {}
    func settingsReceived() {}
}

private struct BulkSink: HTTP2Sink {
    let peer: HTTP2Session

    mutating func take(_ bytes: UnsafeRawBufferPointer) -> Bool { unsafe peer.receive(bytes) == nil }
}
