// SPDX-License-Identifier: Apache-2.0

internal import HTTP
internal import Kernel
internal import Loop

/// HTTP/1.1 on a connection: one request at a time, read whole within bounds, answered before the next is looked at.
///
///     reading ──request──► answering ──answer──► reading, or the end
final class HTTP1Engine: HTTPEngine {
    private unowned let connection: ServerConnection
    private var parser: HTTP1RequestParser
    private var exchange: HTTP1Exchange?
    /// When the request that is coming in began.
    private var began: Instant?
    private(set) var isLeaving = false
    private(set) var isFinished = false
    /// `next` is at work further up the stack.
    private var isServing = false
    /// What the server knows us to hold: of the request that is coming in, and of the one that is answered.
    private var held = 0
    private var heldAnswers = 0
    /// With so much that waits to be taken no further request is served: a client that asks ahead and reads nothing must not fill the memory.
    private static let backlog = 256 << 10

    init(_ connection: ServerConnection) {
        self.connection = connection
        parser = HTTP1RequestParser(limits: connection.server.bounds.http1)
    }

    var isIdle: Bool { exchange == nil && !parser.isWithinRequest }

    func receive(_ bytes: UnsafeRawBufferPointer) {
        guard !isFinished else { return }
        do throws(HTTP1Failure) { try unsafe parser.feed(bytes) } catch { return refuse(error) }
        guard account() else {
            write(HTTP1Response(status: 503, "too many bodies are under way: try again\n").serialized(keepsAlive: false))
            return finish()
        }
        next()
        _ = account()
    }

    /// What waits in the parser, or with a request that isn't answered, takes room of all. False if there is none; serving takes no more of it.
    private func account() -> Bool {
        guard !isFinished else { return true }
        let now = parser.held + (exchange?.bodyCount ?? 0)
        if now > held, !connection.server.hold(now - held, for: connection.peer) { return false }
        connection.server.release(held - now, for: connection.peer)
        held = now
        return true
    }

    private func forgetHeld() {
        connection.server.release(held, for: connection.peer)
        held = 0
    }

    /// Serves what has come, one request after the other, without calling itself however many there are.
    private func next() {
        guard !isServing else { return }
        isServing = true
        defer { isServing = false }
        while exchange == nil, !isFinished, connection.pending < Self.backlog, serveNext() {}
    }

    private func serveNext() -> Bool {
        do throws(HTTP1Failure) {
            if let request = try parser.next() {
                serve(request)
                return true
            }
        } catch {
            refuse(error)
            return false
        }
        if parser.isWithinRequest { began = began ?? connection.loop.now } else if isLeaving { finish() }
        if parser.takeContinue() { write(HTTP1Response.continuing) }
        return false
    }

    private func serve(_ request: HTTP1Request) {
        began = nil
        let exchange = HTTP1Exchange(
            self, request, target: parser.target, isVersion11: parser.isVersion11, peer: connection.peer, now: connection.loop.now
        )
        self.exchange = exchange
        // Nothing is read meanwhile: the client can't pile up requests.
        connection.isReading = false
        connection.want()
        connection.server.handle(exchange)
    }

    private func refuse(_ failure: HTTP1Failure) {
        write(HTTP1Response(failure).serialized(keepsAlive: false))
        finish()
    }

    private func finish() {
        isFinished = true
        forgetHeld()
        connection.queueTurn()
    }

    // MARK: - What the exchange asks

    func write(_ bytes: [UInt8]) {
        if unsafe !bytes.withUnsafeBytes({ unsafe connection.write($0) }) { return connection.close() }
        connection.queueTurn()
    }

    var pending: Int { connection.pending }

    /// The answer, or one that says that too much waits.
    func fitting(_ whole: HTTP1Response) -> HTTP1Response {
        let (response, count) = connection.server.fitting(whole, for: connection.peer)
        heldAnswers += count
        return response
    }

    private func releaseAnswers() {
        connection.server.releaseAnswer(heldAnswers, for: connection.peer)
        heldAnswers = 0
    }

    /// The answer is complete.
    func completed(keepsAlive: Bool) {
        exchange = nil
        guard keepsAlive, !isLeaving else { return finish() }
        resume()
    }

    /// Goes on reading, unless too much waits to be taken. The next request may be here already.
    private func resume() {
        guard exchange == nil, !isFinished, connection.pending < Self.backlog else { return }
        connection.isReading = true
        connection.want()
        next()
        _ = account()
    }

    func abort() { connection.close() }

    // MARK: - What the connection tells

    func produce() -> Bool { false }

    func drained() {
        releaseAnswers()
        if let exchange { exchange.drained() } else { resume() }
    }

    func lost() {
        isFinished = true
        forgetHeld()
        releaseAnswers()
        let lost = exchange.take()
        lost?.gone()
    }

    func drain() {
        isLeaving = true
        if isIdle { finish() }
    }

    func tick() {
        let (now, bounds) = (connection.loop.now, connection.server.bounds)
        if let began, now.since(began) >= bounds.requestTimeout {
            self.began = nil
            write(HTTP1Response(status: 408, "the request took too long\n").serialized(keepsAlive: false))
            finish()
        }
        if let exchange, !exchange.isBegun, now.since(exchange.began) >= bounds.answerTimeout {
            exchange.respond(HTTP1Response(status: 503, "no answer in time\n"))
        }
    }
}

/// One request of HTTP/1.1. Its body is whole before it is told.
final class HTTP1Exchange: HTTPExchange {
    let head: HTTPRequestHead
    let peer: HTTPPeer
    let began: Instant
    private let request: HTTP1Request
    private let isVersion11: Bool
    /// Nil once it is over.
    private var engine: HTTP1Engine?
    private(set) var isBegun = false
    /// How long the body is that is held until the answer is complete.
    var bodyCount: Int { request.body.count }
    private var mustTellDrained = false
    var onDrained: (() -> Void)?
    var onGone: (() -> Void)?

    init(
        _ engine: HTTP1Engine, _ request: HTTP1Request, target: String, isVersion11: Bool, peer: HTTPPeer, now: Instant
    ) {
        self.isVersion11 = isVersion11
        self.engine = engine
        self.request = request
        self.peer = peer
        began = now
        head = HTTPRequestHead(
            method: request.method, target: target, authority: request.headers["host"] ?? "", headers: request.headers)
    }

    func readBody(limit: Int, _ done: @escaping (Result<[UInt8], HTTPBodyFailure>) -> Void) {
        guard engine != nil else { return done(.failure(.aborted)) }
        done(request.body.count <= limit ? .success(request.body) : .failure(.tooLarge(limit: limit)))
    }

    func streamBody(_ sink: any HTTPBodySink) {
        if !request.body.isEmpty { sink.bodyReceived(request.body) }
        sink.bodyEnded()
    }

    func consumed(_ count: Int) {}

    func respond(_ whole: HTTP1Response) {
        guard let engine, !isBegun else { return }
        isBegun = true
        let response = engine.fitting(whole)
        let keepsAlive = request.keepsAlive && !engine.isLeaving
        engine.write(response.serialized(isHead: request.method == "HEAD", keepsAlive: keepsAlive))
        complete(keepsAlive: keepsAlive)
    }

    func begin(status: Int, headers: HTTPHeaders) {
        guard let engine, !isBegun else { return }
        isBegun = true
        engine.write(HTTP1Response.streamingHead(status: status, headers: headers, isChunked: isVersion11))
        if request.method == "HEAD" { finish(trailers: [:]) }
    }

    func send(_ bytes: [UInt8]) {
        guard let engine, isBegun, !bytes.isEmpty else { return }
        mustTellDrained = true
        engine.write(isVersion11 ? HTTP1Response.chunk(bytes) : bytes)
    }

    var queued: Int { engine?.pending ?? 0 }

    func finish(trailers: HTTPHeaders) {
        guard let engine, isBegun else { return }
        if isVersion11, request.method != "HEAD" { engine.write(HTTP1Response.chunk([])) }
        complete(keepsAlive: request.keepsAlive && isVersion11 && request.method != "HEAD")
    }

    private func complete(keepsAlive: Bool) {
        let engine = engine.take()
        forget()
        engine?.completed(keepsAlive: keepsAlive)
    }

    func abort() { engine?.abort() }

    func drained() {
        guard mustTellDrained else { return }
        mustTellDrained = false
        onDrained?()
    }

    func gone() {
        guard engine.take() != nil else { return }
        let tell = onGone
        forget()
        tell?()
    }

    /// Whoever answered may be held by these.
    private func forget() {
        onDrained = nil
        onGone = nil
    }
}
