// SPDX-License-Identifier: Apache-2.0

internal import HTTP
internal import Kernel
internal import Loop
internal import TLS

/// HTTP/2 on a connection: each stream is an exchange.
final class HTTP2Engine: HTTPEngine {
    private unowned let connection: ServerConnection
    let http: HTTP2Session
    private var exchanges: [Int32: HTTP2Exchange] = [:]
    /// Whose bytes have all left; told when the session has been left.
    private var drainedExchanges: [HTTP2Exchange] = []
    /// The session is calling us: it can't be told to abandon its streams before that is over.
    private var isInSession = false
    private var isLost = false
    /// When we began to say goodbye.
    private var leaving: Instant?
    private var pinged: Instant?

    init(_ connection: ServerConnection) {
        self.connection = connection
        http = HTTP2Session(.server, settings: connection.server.bounds.http2)
        http.attach(self)
        connection.queueTurn()
    }

    var loop: Loop { connection.loop }
    var server: HTTPServer { connection.server }
    var isIdle: Bool { exchanges.isEmpty }
    var isFinished: Bool { isLost || http.isFinished }

    func queueTurn() { if !isLost { connection.queueTurn() } }

    // MARK: - Bytes

    func receive(_ bytes: UnsafeRawBufferPointer) {
        guard !isLost else { return }
        isInSession = true
        _ = unsafe http.receive(bytes, second: Int(loop.now.nanoseconds / 1_000_000_000))
        leaveSession()
        queueTurnIfWanted()
    }

    /// Most of what comes needs no answer of the session. One that failed still has its GOAWAY to say.
    func queueTurnIfWanted() { if http.wantsWrite || !http.wantsRead { queueTurn() } }

    func produce() -> Bool {
        guard !isLost else { return false }
        isInSession = true
        var sink = ServerSink(connection: connection)
        let end = unsafe http.produce(stage: loop.stage.bytes, sink: &sink)
        leaveSession()
        if sink.isFailed { connection.close() }
        switch end {
        case .idle: return false
        case .more, .blocked: return true
        }
    }

    private func leaveSession() {
        isInSession = false
        if isLost { return abandon() }
        let drained = drainedExchanges
        drainedExchanges = []
        for exchange in drained { exchange.drained() }
    }

    func noteDrained(_ exchange: HTTP2Exchange) { drainedExchanges.append(exchange) }

    func drained() {}

    func lost() {
        guard !isLost else { return }
        isLost = true
        if !isInSession { abandon() }
    }

    private func abandon() {
        http.abandonStreams(HTTP2Code.cancel)
        // The session may have forgotten some that it reset.
        let rest = exchanges.values
        exchanges = [:]
        drainedExchanges = []
        for exchange in rest { exchange.gone() }
    }

    // MARK: - Time

    func drain() {
        guard leaving == nil, !isLost else { return }
        leaving = loop.now
        http.goAway()
    }

    func tick() {
        let (now, bounds) = (loop.now, server.bounds)
        if let leaving, now.since(leaving) >= .seconds(2) { http.finishDrain() }
        for exchange in exchanges.values { exchange.tick(now, bounds) }
        guard !isLost else { return }
        if let pinged, now.since(pinged) >= bounds.pingInterval { return connection.close() }
        if pinged == nil, now.since(connection.received) >= bounds.pingInterval {
            pinged = now
            http.ping(loop.turns & 0xffff_ffff)
        }
        queueTurn()
    }

    func reset(_ stream: Int32, _ code: UInt32) {
        guard !isLost else { return }
        http.reset(stream, code)
        queueTurn()
    }
}

extension HTTP2Engine: HTTP2SessionDelegate {
    func requestReceived(_ stream: Int32, _ head: HTTP2RequestHead) {
        guard !isLost else { return }
        guard head.method != "CONNECT", let path = head.path else {
            return http.submitResponse(stream, status: 405, endStream: true)
        }
        let request = HTTPRequestHead(method: head.method, target: path, authority: head.authority, headers: head.headers)
        guard let exchange = HTTP2Exchange(self, stream, request, peer: connection.peer) else {
            return http.submitResponse(stream, status: 503, endStream: true)
        }
        exchanges[stream] = exchange
        server.handle(exchange)
        queueTurn()
    }

    /// Servers receive none.
    func responseReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, status: Int, headers: HTTPHeaders) {}

    func dataReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ bytes: UnsafeRawBufferPointer) {
        unsafe exchanges[stream]?.received(Array(bytes))
    }

    func endReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32) { exchanges[stream]?.ended() }

    func streamClosed(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ error: UInt32) {
        exchanges.removeValue(forKey: stream)?.gone()
    }

    func readData(
        _ context: UnsafeMutableRawPointer?, _ stream: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) -> HTTP2DataRead {
        unsafe exchanges[stream]?.read(into: buffer) ?? .nothing
    }

    /// A client that leaves closes the connection when its last stream is done; if it doesn't, the idle time ends it.
    func goAwayReceived(lastStream: Int32, error: UInt32) {}

    func pingAcknowledged(_ payload: UInt64) { pinged = nil }

    func settingsReceived() {}
}

/// Takes finished frames, encrypts them and sends what is encrypted.
private struct ServerSink: HTTP2Sink {
    let connection: ServerConnection
    var isFailed = false

    mutating func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard !connection.isOver, !isFailed else { return false }
        isFailed = unsafe !connection.write(bytes)
        return !isFailed && connection.flush()
    }
}
