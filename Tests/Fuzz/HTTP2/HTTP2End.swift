// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel

/// A session with an application behind it that does a bit of everything, and holds the session to what `HTTP2SessionDelegate` promises: the
/// order of events, one last event for each stream, no bytes of a tunnel before its 2xx answer (I13), no end that wasn't received (I12).
final class HTTP2End: HTTP2SessionDelegate {
    struct Stream: Equatable {
        let isConnect: Bool
        /// What is still to be sent.
        var left: Int
        var status = 0
        var received: [UInt8] = []
        var isEnded = false
        var closed: UInt32?
    }

    let session: HTTP2Session
    let role: HTTP2Role
    private let conduct: UInt8
    private(set) var streams: [Int32: Stream] = [:]
    private(set) var output: [UInt8] = []
    private(set) var offered = 0
    private var stage = [UInt8](repeating: 0, count: 16_384)
    private var waiting: [Int32] = []

    init(_ role: HTTP2Role, conduct: UInt8) {
        self.role = role
        self.conduct = conduct
        var settings = HTTP2Settings(role)
        settings.maxConcurrentStreams = 40
        session = HTTP2Session(role, settings: settings)
        session.attach(self)
    }

    func receive(_ bytes: ArraySlice<UInt8>, second: Int) {
        unsafe bytes.withUnsafeBytes { _ = unsafe session.receive($0, second: second) }
    }

    /// Sends what there is to send, at most so many stages; the rest the next time.
    func produce(stages: Int = .max) {
        var sink = Sink(left: stages)
        var more = true
        while more {
            let end = unsafe stage.withUnsafeMutableBytes { unsafe session.produce(stage: $0, budget: 1 << 15, sink: &sink) }
            more = end == .more
        }
        output += sink.bytes
    }

    /// What the application does in its own time: late answers, credit, a word of its own.
    func turn() {
        for stream in waiting { session.submitResponse(stream, status: 200, endStream: false) }
        waiting = []
        if conduct & 0x40 != 0 { session.ping(7) }
    }

    func open(_ head: HTTP2RequestHead, left: Int) {
        guard let id = unsafe session.submitRequest(head, context: nil, endStream: left == 0) else { return }
        invariant(streams[id] == nil, "the stream \(id) is opened twice")
        streams[id] = Stream(isConnect: head.method == "CONNECT", left: left)
    }

    private func live(_ stream: Int32, _ what: String) -> Stream {
        guard let known = streams[stream] else { bug("\(what) on the stream \(stream), which nobody opened") }
        invariant(known.closed == nil, "\(what) on the stream \(stream), which is closed")
        return known
    }

    // MARK: HTTP2SessionDelegate

    func requestReceived(_ stream: Int32, _ head: HTTP2RequestHead) {
        invariant(role == .server && stream % 2 == 1 && streams[stream] == nil, "a request on the stream \(stream)")
        let isConnect = head.method == "CONNECT"
        invariant(isConnect == (head.scheme == nil) && isConnect == (head.path == nil), "a request of two kinds")
        invariant(head.headers.allSatisfy { $0.name == $0.name.lowercased() && !$0.name.hasPrefix(":") }, "an odd header name")
        let ways = (conduct & 0x0f) &+ UInt8(truncatingIfNeeded: stream / 2)
        streams[stream] = Stream(isConnect: isConnect, left: ways % 8 == 2 ? 20_000 : 3)
        answer(stream, ways % 8)
    }

    private func answer(_ stream: Int32, _ way: UInt8) {
        switch way {
        case 0, 2, 5: session.submitResponse(stream, status: 200, headers: ["x": "y"], endStream: false)
        case 1: session.submitResponse(stream, status: 503, endStream: true)
        case 3: waiting.append(stream)
        case 4: session.reset(stream, HTTP2Code.refusedStream)
        case 6:
            session.submitResponse(stream, status: 200, endStream: false)
            streams[stream]?.left = -1
        default:
            session.submitResponse(stream, status: 403, endStream: false)
            if conduct & 0x20 != 0 { session.goAway() }
            if conduct & 0x30 == 0x10 { session.terminate(HTTP2Code.internalError) }
        }
    }

    func responseReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, status: Int, headers: HTTPHeaders) {
        let known = live(stream, "an answer")
        invariant(role == .client && known.status == 0 && (200...599).contains(status), "the answer \(status)")
        streams[stream]?.status = status
        if conduct & 0x80 != 0, status >= 300 { session.reset(stream, HTTP2Code.cancel) }
    }

    func dataReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ bytes: UnsafeRawBufferPointer) {
        let known = live(stream, "data")
        invariant(!known.isEnded && bytes.count > 0, "data behind the end, or none")
        invariant(role == .server || known.status != 0, "data before the answer")
        unsafe streams[stream]?.received += bytes
        if conduct & 0x10 == 0 { session.consume(stream, bytes.count) }
        session.resume(stream)
    }

    func trailersReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, headers: HTTPHeaders) {
        let known = live(stream, "trailers")
        invariant(!known.isConnect && !known.isEnded, "trailers of a tunnel, or behind the end")
    }

    func endReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32) {
        invariant(!live(stream, "an end").isEnded, "two ends")
        streams[stream]?.isEnded = true
    }

    func streamClosed(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ error: UInt32) {
        _ = live(stream, "a close")
        streams[stream]?.closed = error
    }

    func readData(
        _ context: UnsafeMutableRawPointer?, _ stream: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) -> HTTP2DataRead {
        let known = live(stream, "a question for bytes")
        invariant(buffer.count > 0, "no room for bytes")
        invariant(role == .server || !known.isConnect || (200...299).contains(known.status), "I13: bytes before the answer")
        guard known.left >= 0 else { return .reset(HTTP2Code.connectError) }
        if known.left == 0, role == .server, !known.isConnect, conduct & 0x40 != 0 { return .trailers(["x-end": "1"]) }
        guard known.left > 0 else { return conduct & 0x20 != 0 ? .nothing : .end }
        let count = min(known.left, buffer.count)
        unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]).initializeMemory(as: UInt8.self, repeating: 0x2e)
        streams[stream]?.left -= count
        offered += count
        return .bytes(count)
    }

    func goAwayReceived(lastStream: Int32, error: UInt32) { invariant(lastStream >= 0, "a stream below zero") }
    func pingAcknowledged(_ payload: UInt64) { invariant(payload != 0x7761_7272_656e_2121, "the session's own PING") }
    func settingsReceived() {}
}

/// Takes so many stages, then wants no more.
private struct Sink: HTTP2Sink {
    var bytes: [UInt8] = []
    var left: Int

    mutating func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        unsafe self.bytes += bytes
        left -= 1
        return left > 0
    }
}
