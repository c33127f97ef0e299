// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// A session with a delegate that writes down what it is told and sends what it is given.
@safe final class SessionEnd: HTTP2SessionDelegate {
    enum Event: Equatable {
        case request(Int32, HTTP2RequestHead)
        case response(Int32, status: Int, HTTPHeaders)
        case trailers(Int32, HTTPHeaders)
        case end(Int32)
        case closed(Int32, UInt32)
        case goAway(Int32, UInt32)
        case ping(UInt64)
        case settings
    }

    /// What an application still has to send on a stream.
    struct Outgoing {
        var bytes: [UInt8] = []
        /// How many of the bytes are gone.
        var position = 0
        var isEnded = false
        var reset: UInt32?
    }

    let session: HTTP2Session
    var events: [Event] = []
    /// DATA received, by stream.
    var inbox: [Int32: [UInt8]] = [:]
    /// The lengths of what came in one piece, over all streams: which stream and how much.
    var pieces: [(stream: Int32, count: Int)] = []
    var outbox: [Int32: Outgoing] = [:]
    /// Fields that end a stream once its bytes are gone.
    var trailers: [Int32: HTTPHeaders] = [:]
    /// How large the buffers were that `readData` was offered.
    var offers: [Int] = []
    /// The context of the last event, as a number: 0 for nil.
    var contexts: [Int32: UInt] = [:]
    /// The application takes what comes at once.
    var consumesAtOnce = true
    /// Servers: answers each request from within the call.
    var answer: ((SessionEnd, Int32, HTTP2RequestHead) -> Void)?
    var sink = CollectingSink()
    let stage: UnsafeMutableRawBufferPointer

    init(_ role: HTTP2Role, settings: HTTP2Settings? = nil, stageSize: Int = 65536) {
        session = HTTP2Session(role, settings: settings)
        unsafe stage = .allocate(byteCount: stageSize, alignment: 16)
        session.attach(self)
    }

    deinit { unsafe stage.deallocate() }

    /// All that the session has to send now.
    func output() -> [UInt8] {
        while unsafe session.produce(stage: stage, sink: &sink) == .more {}
        return sink.drain()
    }

    @discardableResult
    func receive(_ bytes: [UInt8], second: Int = 0) -> HTTP2Failure? {
        unsafe bytes.withUnsafeBytes { unsafe session.receive($0, second: second) }
    }

    func send(_ stream: Int32, _ bytes: [UInt8], end: Bool = false) {
        outbox[stream, default: Outgoing()].bytes += bytes
        outbox[stream, default: Outgoing()].isEnded = end
        session.resume(stream)
    }

    /// Opens a tunnel, as an HBONE client does.
    func connect(_ authority: String = "10.0.0.2:80", context: UInt = 0, headers: HTTPHeaders = [:]) -> Int32? {
        let head = HTTP2RequestHead(method: "CONNECT", authority: authority, headers: headers)
        return unsafe session.submitRequest(head, context: UnsafeMutableRawPointer(bitPattern: context))
    }

    func closed(_ stream: Int32) -> UInt32? {
        for case .closed(stream, let error) in events { return error }
        return nil
    }

    // MARK: HTTP2SessionDelegate

    func requestReceived(_ stream: Int32, _ head: HTTP2RequestHead) {
        events.append(.request(stream, head))
        answer?(self, stream, head)
    }

    func responseReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, status: Int, headers: HTTPHeaders) {
        contexts[stream] = UInt(bitPattern: context)
        events.append(.response(stream, status: status, headers))
    }

    func trailersReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, headers: HTTPHeaders) {
        events.append(.trailers(stream, headers))
    }

    func dataReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ bytes: UnsafeRawBufferPointer) {
        contexts[stream] = UInt(bitPattern: context)
        unsafe inbox[stream, default: []] += bytes
        pieces.append((stream, bytes.count))
        if consumesAtOnce { session.consume(stream, bytes.count) }
    }

    func endReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32) { events.append(.end(stream)) }

    func streamClosed(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ error: UInt32) {
        contexts[stream] = UInt(bitPattern: context)
        events.append(.closed(stream, error))
    }

    func readData(_ context: UnsafeMutableRawPointer?, _ stream: Int32, into buffer: UnsafeMutableRawBufferPointer)
        -> HTTP2DataRead
    {
        offers.append(buffer.count)
        guard let outgoing = outbox[stream] else { return trailers[stream].map { .trailers($0) } ?? .nothing }
        if let code = outgoing.reset { return .reset(code) }
        let left = outgoing.bytes.count - outgoing.position
        if left == 0, let fields = trailers[stream] { return .trailers(fields) }
        if left == 0 { return outgoing.isEnded ? .end : .nothing }
        let count = min(buffer.count, left)
        unsafe outgoing.bytes.withUnsafeBytes { bytes in
            let part = unsafe UnsafeRawBufferPointer(rebasing: bytes[outgoing.position..<outgoing.position + count])
            unsafe buffer.copyMemory(from: part)
        }
        outbox[stream]?.position += count
        return count == left && outgoing.isEnded ? .bytesAndEnd(count) : .bytes(count)
    }

    func goAwayReceived(lastStream: Int32, error: UInt32) { events.append(.goAway(lastStream, error)) }
    func pingAcknowledged(_ payload: UInt64) { events.append(.ping(payload)) }
    func settingsReceived() { events.append(.settings) }
}

/// Keeps what it is given; says "no more" after `limit` takes.
struct CollectingSink: HTTP2Sink {
    /// The bytes of each take.
    var takes: [[UInt8]] = []
    var limit = Int.max

    mutating func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        unsafe takes.append(Array(bytes))
        return takes.count < limit
    }

    mutating func drain() -> [UInt8] {
        defer { takes = [] }
        return takes.concatenated
    }
}

extension [[UInt8]] {
    /// All of them in one; `joined` goes byte by byte.
    var concatenated: [UInt8] { reduce(into: []) { $0 += $1 } }
}

/// Two ends and the wire between them.
struct Pair {
    let client: SessionEnd
    let server: SessionEnd

    init(client clientSettings: HTTP2Settings? = nil, server serverSettings: HTTP2Settings? = nil) {
        client = SessionEnd(.client, settings: clientSettings)
        server = SessionEnd(.server, settings: serverSettings)
    }

    /// Carries bytes until neither end has any.
    func settle() {
        while true {
            let (up, down) = (client.output(), server.output())
            if up.isEmpty, down.isEmpty { return }
            if !up.isEmpty { server.receive(up) }
            if !down.isEmpty { client.receive(down) }
        }
    }

    /// A pair with one tunnel that the server accepted, and its stream.
    static func tunnel(client: HTTP2Settings? = nil, server: HTTP2Settings? = nil) throws -> (Pair, Int32) {
        let pair = Pair(client: client, server: server)
        pair.server.answer = { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        pair.settle()
        let stream = try #require(pair.client.connect())
        pair.settle()
        return (pair, stream)
    }
}
