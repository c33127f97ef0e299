// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import HTTP
internal import Kernel
internal import Loop

/// One stream of HTTP/2 as an exchange. Bytes of the body wait, within the stream's window, until somebody asks for them.
final class HTTP2Exchange: HTTPExchange, BodyHolder {
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
    /// What the server knows us to hold.
    private var held = 0
    private var heldAnswer = 0
    private var hasEnded = false
    private var output = ArrayQueue()
    /// What follows the last byte; nil while more may come.
    private var ending: HTTP2DataRead?
    private var isBegun = false
    private var mustTellDrained = false
    /// The end of the answer is with the session.
    private var isComplete = false
    private let began: Instant
    /// When the client took something last, or had nothing to take.
    private var moved: Instant
    var onDrained: (() -> Void)?
    var onGone: (() -> Void)?

    /// What a head costs us besides its own bytes: the exchange, and what the library keeps of a stream.
    private static let overhead = 1024

    /// Nil if there is no room: a head of a few bytes on the wire may unpack to the whole list that we take, on every stream.
    init?(_ engine: HTTP2Engine, _ stream: Int32, _ head: HTTPRequestHead, peer: HTTPPeer) {
        self.engine = engine
        self.stream = stream
        self.head = head
        self.peer = peer
        began = engine.loop.now
        moved = began
        guard hold(head.headers.listSize + head.target.utf8.count + Self.overhead) else { return nil }
    }

    // MARK: - The body

    func readBody(limit: Int, _ done: @escaping (Result<[UInt8], HTTPBodyFailure>) -> Void) {
        guard let engine, case .waiting = body else { return done(.failure(.aborted)) }
        let waited = input
        input = []
        body = .gathering(limit: limit, deadline: engine.loop.now + engine.server.bounds.requestTimeout, done: done)
        if waited.count > 0 { gather(waited, isHeld: true) }
        if hasEnded { whole() }
    }

    func streamBody(_ sink: any HTTPBodySink) {
        guard engine != nil, case .waiting = body else { return }
        body = .streaming(sink)
        let waited = input
        input = []
        release(waited.count)
        if !waited.isEmpty { sink.bodyReceived(waited) }
        if hasEnded { sink.bodyEnded() }
    }

    func hold(_ count: Int) -> Bool {
        guard let engine, engine.server.hold(count, for: peer) else { return false }
        held += count
        return true
    }

    func release(_ count: Int) {
        guard let engine, count > 0 else { return }
        engine.server.release(count, for: peer)
        held -= count
    }

    func consumed(_ count: Int) {
        guard count > 0, let engine else { return }
        engine.http.consume(stream, count)
        engine.queueTurnIfWanted()
    }

    func received(_ bytes: [UInt8]) {
        switch body {
        case .waiting:
            guard hold(bytes.count) else {
                engine?.reset(stream, HTTP2Code.enhanceYourCalm)
                return
            }
            input += bytes
        case .gathering: gather(bytes, isHeld: false)
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

    private func gather(_ bytes: [UInt8], isHeld: Bool) {
        guard case .gathering(let limit, _, _) = body, let engine else { return }
        consumed(bytes.count)
        guard input.count + bytes.count <= limit else { return giveUp(.tooLarge(limit: limit)) }
        guard isHeld || hold(bytes.count) else { return giveUp(.tooLarge(limit: engine.server.bounds.bodiesPerAddress)) }
        input += bytes
    }

    private func whole() {
        guard case .gathering(_, _, let done) = body else { return }
        let bytes = takeInput()
        done(.success(bytes))
    }

    private func giveUp(_ failure: HTTPBodyFailure) {
        guard case .gathering(_, _, let done) = body else { return }
        _ = takeInput()
        done(.failure(failure))
    }

    private func takeInput() -> [UInt8] {
        release(input.count)
        let bytes = input
        input = []
        body = .over
        return bytes
    }

    // MARK: - The answer

    func respond(_ whole: HTTP1Response) {
        guard let engine, !isBegun else { return }
        isBegun = true
        let (response, count) = engine.server.fitting(whole, for: peer)
        heldAnswer = count
        var headers = Self.lowercased(response.headers)
        let hasBody = head.method != "HEAD" && response.status != 204 && response.status != 304 && !response.body.isEmpty
        if response.status != 204, response.status != 304 { headers.set("content-length", "\(response.body.count)") }
        if hasBody { output.append(response.body) }
        ending = .end
        isComplete = !hasBody
        engine.http.submitResponse(stream, status: Self.final(response.status), headers: headers, endStream: !hasBody)
        engine.queueTurn()
    }

    func begin(status: Int, headers: HTTPHeaders) {
        guard let engine, !isBegun else { return }
        isBegun = true
        // The answer to a HEAD has no body, whatever is sent.
        let isHead = head.method == "HEAD"
        if isHead { (ending, isComplete) = (.end, true) }
        engine.http.submitResponse(stream, status: Self.final(status), headers: Self.lowercased(headers), endStream: isHead)
        engine.queueTurn()
    }

    func send(_ bytes: [UInt8]) {
        guard let engine, isBegun, ending == nil, !bytes.isEmpty else { return }
        if output.isEmpty {
            moved = engine.loop.now
            // The session looks by itself for what comes behind.
            engine.http.resume(stream)
        }
        output.append(bytes)
        mustTellDrained = true
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
        guard !output.isEmpty else {
            isComplete = ending != nil
            return ending ?? .nothing
        }
        let count = unsafe output.take(into: buffer)
        releaseAnswer(count)
        if let engine {
            moved = engine.loop.now
            if output.isEmpty, mustTellDrained {
                mustTellDrained = false
                engine.noteDrained(self)
            }
        }
        if output.isEmpty, case .end? = ending {
            isComplete = true
            return .bytesAndEnd(count)
        }
        return .bytes(count)
    }

    /// So many bytes have left for the connection, which waits for its client.
    private func releaseAnswer(_ count: Int) {
        let less = min(count, heldAnswer)
        guard less > 0, let engine else { return }
        heldAnswer -= less
        engine.server.releaseAnswer(less, for: peer)
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
    }

    /// The stream is closed: the last that is heard of it.
    func gone() {
        guard engine != nil else { return }
        // A body that wasn't whole never will be.
        giveUp(.aborted)
        body = .over
        release(held)
        releaseAnswer(heldAnswer)
        engine = nil
        output.release()
        let tell = onGone
        onGone = nil
        onDrained = nil
        if !isComplete { tell?() }
    }
}
