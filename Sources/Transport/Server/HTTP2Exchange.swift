// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import HTTP
internal import Kernel
internal import Loop

/// One stream of HTTP/2 as an exchange. Bytes of the body wait, within the stream's window, until somebody asks for them.
final class HTTP2Exchange: HTTPExchange {
    private enum Body {
        /// Nobody has asked; what came waits.
        case waiting
        /// Gathered until it is whole.
        case gathering(limit: Int, deadline: Instant, done: (Result<[UInt8], HTTPBodyFailure>) -> Void)
        case streaming(any HTTPBodySink)
        /// Told whole, or given up: what still comes is thrown away.
        case over
    }

    let head: HTTPRequestHead
    let peer: HTTPPeer
    private let stream: Int32
    /// Nil once it is over.
    private var engine: HTTP2Engine?
    private var body = Body.waiting
    private var input: [UInt8] = []
    private var hasEnded = false
    private var output = ByteQueue()
    /// What follows the last byte; nil while more may come.
    private var ending: HTTP2DataRead?
    private var isBegun = false
    private var mustTellDrained = false
    private let began: Instant
    /// When the client took something last, or had nothing to take.
    private var moved: Instant
    var onDrained: (() -> Void)?
    var onGone: (() -> Void)?

    init(_ engine: HTTP2Engine, _ stream: Int32, _ head: HTTPRequestHead, peer: HTTPPeer) {
        self.engine = engine
        self.stream = stream
        self.head = head
        self.peer = peer
        began = engine.loop.now
        moved = began
    }

    // MARK: - The body

    func readBody(limit: Int, _ done: @escaping (Result<[UInt8], HTTPBodyFailure>) -> Void) {
        guard let engine, case .waiting = body else { return done(.failure(.aborted)) }
        let waited = input
        input = []
        body = .gathering(limit: limit, deadline: engine.loop.now + engine.server.bounds.requestTimeout, done: done)
        if !waited.isEmpty { gather(waited) }
        if hasEnded { whole() }
    }

    func streamBody(_ sink: any HTTPBodySink) {
        guard engine != nil, case .waiting = body else { return }
        body = .streaming(sink)
        let waited = input
        input = []
        if !waited.isEmpty { sink.bodyReceived(waited) }
        if hasEnded { sink.bodyEnded() }
    }

    func consumed(_ count: Int) {
        guard count > 0, let engine else { return }
        engine.http.consume(stream, count)
        engine.queueTurn()
    }

    func received(_ bytes: [UInt8]) {
        switch body {
        case .waiting: input += bytes
        case .gathering: gather(bytes)
        case .streaming(let sink): sink.bodyReceived(bytes)
        case .over: consumed(bytes.count)
        }
    }

    func ended() {
        hasEnded = true
        switch body {
        case .waiting, .over: break
        case .gathering: whole()
        case .streaming(let sink): sink.bodyEnded()
        }
    }

    private func gather(_ bytes: [UInt8]) {
        guard case .gathering(let limit, _, _) = body, let engine else { return }
        guard input.count + bytes.count <= limit else { return giveUp(.tooLarge(limit: limit)) }
        guard engine.server.hold(bytes.count) else { return giveUp(.tooLarge(limit: engine.server.bounds.bodies)) }
        input += bytes
        consumed(bytes.count)
    }

    private func whole() {
        guard case .gathering(_, _, let done) = body else { return }
        let bytes = release()
        done(.success(bytes))
    }

    private func giveUp(_ failure: HTTPBodyFailure) {
        guard case .gathering(_, _, let done) = body else { return }
        _ = release()
        done(.failure(failure))
    }

    private func release() -> [UInt8] {
        if case .gathering = body { engine?.server.release(input.count) }
        let bytes = input
        input = []
        body = .over
        return bytes
    }

    // MARK: - The answer

    func respond(_ response: HTTP1Response) {
        guard let engine, !isBegun else { return }
        isBegun = true
        var headers = Self.lowercased(response.headers)
        let hasBody = head.method != "HEAD" && response.status != 204 && response.status != 304 && !response.body.isEmpty
        if response.status != 204, response.status != 304 { headers.set("content-length", "\(response.body.count)") }
        if hasBody { unsafe response.body.withUnsafeBytes { unsafe output.append($0) } }
        ending = .end
        engine.http.submitResponse(stream, status: Self.final(response.status), headers: headers, endStream: !hasBody)
        engine.queueTurn()
    }

    func begin(status: Int, headers: HTTPHeaders) {
        guard let engine, !isBegun else { return }
        isBegun = true
        engine.http.submitResponse(stream, status: Self.final(status), headers: Self.lowercased(headers), endStream: false)
        engine.queueTurn()
    }

    func send(_ bytes: [UInt8]) {
        guard let engine, isBegun, ending == nil, !bytes.isEmpty else { return }
        if output.isEmpty { moved = engine.loop.now }
        unsafe bytes.withUnsafeBytes { unsafe output.append($0) }
        mustTellDrained = true
        engine.http.resume(stream)
        engine.queueTurn()
    }

    var queued: Int { output.count }

    func finish(trailers: HTTPHeaders) {
        guard let engine, isBegun, ending == nil else { return }
        ending = trailers.isEmpty ? .end : .trailers(Self.lowercased(trailers))
        engine.http.resume(stream)
        engine.queueTurn()
    }

    func abort() { engine?.reset(stream, HTTP2Code.internalError) }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> HTTP2DataRead {
        guard !output.isEmpty else { return ending ?? .nothing }
        let count = unsafe output.withBytes { bytes in
            let part = unsafe UnsafeRawBufferPointer(rebasing: bytes.prefix(buffer.count))
            unsafe buffer.copyMemory(from: part)
            return part.count
        }
        output.consume(count)
        if let engine {
            moved = engine.loop.now
            if output.isEmpty, mustTellDrained {
                mustTellDrained = false
                engine.noteDrained(self)
            }
        }
        if output.isEmpty, case .end? = ending { return .bytesAndEnd(count) }
        return .bytes(count)
    }

    private static func final(_ status: Int) -> Int { (200...599).contains(status) ? status : 500 }

    private static func lowercased(_ headers: HTTPHeaders) -> HTTPHeaders {
        var lowered = HTTPHeaders()
        for (name, value) in headers { lowered.append(name.lowercased(), value) }
        return lowered
    }

    // MARK: - What the engine tells

    func drained() { onDrained?() }

    func tick(_ now: Instant, _ bounds: HTTPServerBounds) {
        if case .gathering(_, let deadline, _) = body, now >= deadline { giveUp(.timeout) }
        if !isBegun, now.since(began) >= max(bounds.answerTimeout, bounds.requestTimeout) {
            respond(HTTP1Response(status: 503, "no answer in time\n"))
        }
        if !output.isEmpty, now.since(moved) >= bounds.stallTimeout { engine?.reset(stream, HTTP2Code.cancel) }
        // The whole answer is out and the request still goes on: nobody reads it.
        if ending != nil, output.isEmpty, !hasEnded { engine?.reset(stream, HTTP2Code.noError) }
    }

    /// The stream is closed: the last that is heard of it.
    func gone() {
        guard engine != nil else { return }
        // A body that wasn't whole never will be.
        let isComplete = ending != nil && output.isEmpty && hasEnded
        giveUp(.aborted)
        body = .over
        engine = nil
        output.release()
        let tell = onGone
        onGone = nil
        onDrained = nil
        if !isComplete { tell?() }
    }
}
