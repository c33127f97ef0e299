// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import HTTP
internal import Kernel
internal import Loop
internal import TLS
internal import Transport

/// A connection to a control plane: TCP, TLS with the host's certificate, HTTP/2. On the node's loop, which holds it while its socket is watched.
///
///     connecting ─► handshaking ─► settling ─► open ─► over
final class LinkConnection: ControlLink {
    private enum Phase {
        case connecting
        case handshaking
        case settling
        case open
        case over
    }

    private let loop: Loop
    private let remote: SocketAddress
    private let authority: String
    private let silence: Interval
    private var phase = Phase.connecting
    private var socket: Descriptor?
    private var token: Token?
    private let tls: TLSSession
    let http: HTTP2Session
    private let deadline: Alarm
    private let ticker: Alarm
    private var wantsWrite = true
    private var isQueued = false
    private var lastReceived: Instant
    var pingSent: Instant?
    private var toTell: [LinkStream] = []
    private var isWorking = false
    var hasSettings = false
    /// The control plane said goodbye.
    var isLeaving = false
    private var lostWriting: Errno?
    var lastWords: String?
    private var opened: ((Result<any ControlLink, ControlFailure>) -> Void)?
    private var ended: ((String) -> Void)?

    init(
        loop: Loop, socket: consuming Descriptor, remote: SocketAddress, authority: String, tls: TLSSession, silence: Interval,
        opened: @escaping (Result<any ControlLink, ControlFailure>) -> Void, ended: @escaping (String) -> Void
    ) {
        self.loop = loop
        self.remote = remote
        self.authority = authority
        self.tls = tls
        self.silence = silence
        self.opened = opened
        self.ended = ended
        self.socket = consume socket
        var settings = HTTP2Settings(.client)
        settings.initialStreamWindow = 1 << 20
        http = HTTP2Session(.client, settings: settings)
        deadline = Alarm(loop: loop)
        ticker = Alarm(loop: loop)
        lastReceived = loop.now
        http.attach(self)
    }

    func start(within: Interval) {
        guard let number = socket?.number else { return }
        do throws(Errno) {
            token = try loop.watch(number, for: .write, source: self)
        } catch {
            return end("its socket can't be watched: \(error)")
        }
        deadline.set(within) { [weak self] in self?.missedDeadline(within) }
    }

    private func missedDeadline(_ within: Interval) {
        switch phase {
        case .connecting: end("connecting to \(remote): no answer within \(within.seconds) s; a firewall may drop the port")
        case .handshaking: end("TLS with \(remote): not finished within \(within.seconds) s")
        case .settling: end("HTTP/2 with \(remote): no SETTINGS within \(within.seconds) s")
        case .open, .over: break
        }
    }

    // MARK: - What is asked of it

    func call(_ path: String) -> any GRPCStream {
        let call = LinkCall(self)
        let headers: HTTPHeaders = [
            "te": "trailers", "content-type": "application/grpc", "user-agent": "warrend/\(warrenVersion)",
        ]
        if !begin(call, method: "POST", path, headers) {
            call.lostBecause = "the connection takes no more calls"
            call.closed = HTTP2Code.refusedStream
            // Its delegate comes when we return.
            tellLater(call)
        }
        return call
    }

    func ask(_ request: ControlRequest, within: Interval, _ done: @escaping (Result<ControlAnswer, ControlFailure>) -> Void) {
        let alarm = Alarm(loop: loop)
        let stream = LinkRequest(self, limit: request.answerLimit, deadline: alarm, done: done)
        var headers: HTTPHeaders = ["accept": "application/json", "user-agent": "warrend/\(warrenVersion)"]
        if !request.body.isEmpty {
            headers.append("content-type", request.contentType)
            headers.append("content-length", "\(request.body.count)")
        }
        guard begin(stream, method: request.method, request.path, headers) else {
            return stream.fail(ControlFailure("the connection takes no more requests"))
        }
        alarm.set(within) { [weak stream] in stream?.fail(ControlFailure("no answer within \(within.seconds) s")) }
        stream.append(request.body)
        stream.endOutgoing()
    }

    private func begin(_ stream: LinkStream, method: String, _ path: String, _ headers: HTTPHeaders) -> Bool {
        guard phase == .open else { return false }
        let head = HTTP2RequestHead(method: method, authority: authority, scheme: "https", path: path, headers: headers)
        let context = unsafe Unmanaged.passRetained(stream)
        guard let id = unsafe http.submitRequest(head, context: context.toOpaque()) else {
            unsafe context.release()
            return false
        }
        stream.begin(id: id)
        queueTurn()
        return true
    }

    func close() { end(nil) }

    func resume(_ stream: Int32) {
        guard phase == .open, stream > 0 else { return }
        http.resume(stream)
        queueTurn()
    }

    func reset(_ stream: Int32) {
        guard phase == .open, stream > 0 else { return }
        http.reset(stream, HTTP2Code.cancel)
        queueTurn()
    }

    func consume(_ stream: Int32, _ count: Int) {
        guard phase == .open, stream > 0 else { return }
        http.consume(stream, count)
        queueTurn()
    }

    func tellLater(_ stream: LinkStream) {
        toTell.append(stream)
        if !isWorking { queueTurn() }
    }

    private func queueTurn() {
        guard !isQueued else { return }
        isQueued = true
        loop.atEndOfTurn(self)
    }

    // MARK: - Its end

    /// Nil: nobody needs to be told.
    private func end(_ reason: String?) {
        guard phase != .over else { return }
        let wasOpen = phase == .open
        phase = .over
        deadline.cancel()
        ticker.cancel()
        if wasOpen {
            tls.shutdown()
            _ = flush()
        }
        if let token { loop.unwatch(token) }
        token = nil
        socket = nil
        let words = reason ?? "the connection to \(remote) was closed"
        let (opened, ended) = (opened, ended)
        self.opened = nil
        self.ended = nil
        lastWords = words
        http.abandonStreams(HTTP2Code.cancel)
        tell()
        guard let reason else { return }
        if wasOpen { ended?(reason) } else { opened?(.failure(ControlFailure(reason))) }
    }

    /// Whoever is told may do anything: nothing of HTTP/2 is at work now.
    private func tell() {
        while !toTell.isEmpty {
            let streams = toTell
            toTell = []
            for stream in streams { stream.tell() }
        }
    }
}

// MARK: - Bytes

extension LinkConnection: EventSource, TurnTarget {
    func ready(_ readiness: Readiness) {
        if phase == .connecting {
            if let cause = socket?.takeError() { return end("connecting to \(remote): \(cause)") }
            phase = .handshaking
            handshake()
            return queueTurn()
        }
        if readiness.contains(.write) { queueTurn() }
        guard !readiness.isDisjoint(with: [.read, .peerEnded, .hungUp, .failed]) else { return }
        let buffer = unsafe loop.ciphertext.bytes
        let transfer: Transfer?
        do throws(Errno) { transfer = try unsafe socket?.receive(into: buffer) } catch {
            return end("the connection to \(remote): \(error)")
        }
        switch transfer {
        case .moved(let count):
            lastReceived = loop.now
            pingSent = nil
            unsafe tls.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            decrypt()
            tell()
            queueTurn()
        case .endOfStream: end("\(remote) hung up")
        case .wouldBlock, nil: break
        }
    }

    private func handshake() {
        switch tls.handshake() {
        case .wantsBytes: queueTurn()
        case .failed(let failure):
            _ = flush()
            end("TLS with \(remote): \(failure)")
        case .complete:
            phase = .settling
            queueTurn()
        }
    }

    private func decrypt() {
        if phase == .handshaking { handshake() }
        while phase == .settling || phase == .open {
            let buffer = unsafe loop.plaintext.bytes
            switch unsafe tls.read(into: buffer) {
            case .moved(let count):
                isWorking = true
                let failure = unsafe http.receive(
                    UnsafeRawBufferPointer(rebasing: buffer[..<count]), second: Int(loop.now.nanoseconds / 1_000_000_000))
                isWorking = false
                if let failure { return end("HTTP/2 with \(remote): \(failure)") }
                settle()
            case .wouldBlock: return
            case .closed: return end("\(remote) closed the connection")
            case .failed(let failure): return end("TLS with \(remote): \(failure)")
            }
        }
    }

    /// The peer's settings came while its bytes were parsed.
    private func settle() {
        guard phase == .settling, hasSettings else { return }
        phase = .open
        deadline.cancel()
        tick()
        let opened = opened
        self.opened = nil
        opened?(.success(self))
    }

    func endTurn() -> Bool {
        isQueued = false
        guard phase != .over, phase != .connecting else {
            tell()
            return false
        }
        let isMore = write()
        tell()
        if phase == .open, isLeaving || http.isFinished { end("\(remote) said goodbye") }
        if isMore, phase != .over { isQueued = true }
        return isMore && phase != .over
    }

    private func write() -> Bool {
        guard flush(), phase != .handshaking else { return false }
        isWorking = true
        var sink = LinkSink(tls: tls, flush: { [unowned self] in flush() })
        let production = unsafe http.produce(stage: loop.stage.bytes, sink: &sink)
        isWorking = false
        if let failure = sink.failure {
            end("TLS with \(remote): \(failure)")
            return false
        }
        guard phase != .over, flush() else { return false }
        if case .idle = production { return false }
        return true
    }

    /// True when no ciphertext is left. Otherwise the socket tells when it takes more.
    private func flush() -> Bool {
        while tls.output.pendingCount > 0 {
            var result: Transfer?
            unsafe tls.output.withPending { bytes in
                do throws(Errno) { result = try unsafe socket?.send(bytes) } catch { lostWriting = error }
            }
            if lostWriting != nil {
                // Reading says so too, and ends it.
                tls.output.removeAll()
                return false
            }
            guard case .moved(let count) = result else { break }
            tls.output.consume(count)
        }
        let isBlocked = tls.output.pendingCount > 0
        if isBlocked != wantsWrite, let token {
            wantsWrite = isBlocked
            loop.want(isBlocked ? [.read, .write] : .read, token)
        }
        return !isBlocked
    }

    /// Is anybody there?
    private func tick() {
        ticker.set(silence) { [weak self] in
            guard let self, phase == .open else { return }
            if let pingSent, loop.now.since(pingSent) >= silence {
                return end("\(remote) gave no sign of life for \(2 * silence.seconds) s")
            }
            if pingSent == nil, loop.now.since(lastReceived) >= silence {
                pingSent = loop.now
                http.ping(loop.turns & 0xffff_ffff)
                queueTurn()
            }
            tick()
        }
    }
}

/// Takes finished frames, encrypts them and sends what is encrypted.
private struct LinkSink: HTTP2Sink {
    let tls: TLSSession
    let flush: () -> Bool
    var failure: TLSFailure?

    mutating func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard failure == nil else { return false }
        failure = unsafe tls.write(bytes)
        return failure == nil && flush()
    }
}
