// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import HTTP
internal import Kernel
internal import Loop
internal import TLS

/// What speaks one version of HTTP on a connection: requests out of its bytes, and its bytes out of answers.
protocol HTTPEngine: AnyObject {
    /// Bytes of the client.
    func receive(_ bytes: UnsafeRawBufferPointer)
    /// Gives the connection what there is to send. True if more is left for another turn.
    func produce() -> Bool
    /// Everything that was sent has left.
    func drained()
    /// The client or we hung up: whatever is under way is over.
    func lost()
    /// Nothing new is taken.
    func drain()
    /// Looks at the times.
    func tick()
    /// Nothing is under way.
    var isIdle: Bool { get }
    /// Nothing is left to say or to hear.
    var isFinished: Bool { get }
}

/// One client: its socket, its TLS, and what speaks HTTP on it.
///
///     securing (TLS only) ──► choosing (plain only) ──► serving ──► closing: our end is out, the client's awaited ──► closed
final class ServerConnection: EventSource, TurnTarget, TimerTarget {
    enum Security {
        case plain
        case tls(TLSContext)
    }

    private enum State {
        case securing(TLSSession)
        /// So many bytes tell HTTP/2's preface from a request.
        case choosing([UInt8])
        case serving(any HTTPEngine)
        case closing
        case closed
    }

    private enum Tag {
        static let tick: UInt32 = 0
    }

    unowned let server: HTTPServer
    let loop: Loop
    private(set) var peer: HTTPPeer
    private var state: State
    private let tls: TLSSession?
    private var socket: Descriptor?
    private var token: Token?
    private var ticker: Token?
    /// Without TLS: what waits to leave.
    private var plain = ByteQueue()
    private var wantsWrite = false
    /// Nothing more is read while a request of HTTP/1 is answered.
    var isReading = true
    private var isQueued = false
    private let began: Instant
    /// When something was sent last, or began to wait.
    private var moved: Instant
    /// When something was under way last.
    private var used: Instant
    private(set) var received: Instant

    init(_ server: HTTPServer, _ socket: consuming Descriptor, peer: HTTPPeer, security: Security) {
        self.server = server
        loop = server.loop
        self.peer = peer
        self.socket = consume socket
        began = loop.now
        moved = loop.now
        used = loop.now
        received = loop.now
        switch security {
        case .plain:
            tls = nil
            state = .choosing([])
        case .tls(let context):
            let session = TLSSession(accepting: context)
            tls = session
            state = .securing(session)
        }
    }

    func start() {
        guard let number = socket?.number else { return }
        do throws(Errno) {
            token = try loop.watch(number, for: .read, source: self)
            ticker = loop.arm(server.bounds.tick, self, tag: Tag.tick)
        } catch {
            close()
        }
    }

    // MARK: - In

    func ready(_ readiness: Readiness) {
        if case .closing = state { return discard() }
        if readiness.contains(.failed) || (readiness.contains(.hungUp) && !isReading) { return close() }
        if readiness.contains(.write) { queueTurn() }
        // While nothing is read, an end of the client's is all that can come: nobody waits for the answer any more.
        if !isReading, readiness.contains(.peerEnded) { return close() }
        if isReading, !readiness.isDisjoint(with: [.read, .peerEnded, .hungUp]) { receive() }
    }

    private func receive() {
        let buffer = unsafe tls == nil ? loop.plaintext.bytes : loop.ciphertext.bytes
        let transfer: Transfer?
        do throws(Errno) { transfer = try unsafe socket?.receive(into: buffer) } catch { return close() }
        switch transfer {
        case .moved(let count):
            received = loop.now
            let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
            if let tls { unsafe decrypt(bytes, tls) } else { unsafe take(bytes) }
        case .endOfStream: close()
        case .wouldBlock, nil: break
        }
    }

    private func decrypt(_ bytes: UnsafeRawBufferPointer, _ tls: TLSSession) {
        unsafe tls.feed(bytes)
        if case .securing = state {
            switch tls.serviceHandshake() {
            case .wantsBytes: return queueTurn()
            case .failed(let failure):
                if failure.isAboutIdentity { server.onStranger?(peer, failure) }
                return goodbye()
            case .complete: secured(tls)
            }
        }
        while !isOver {
            let buffer = unsafe loop.plaintext.bytes
            switch unsafe tls.read(into: buffer) {
            case .moved(let count): unsafe take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            case .wouldBlock:
                // The engine asks for its own turn; here OpenSSL may have had something to say.
                if pending > 0 { queueTurn() }
                return
            case .closed: return close()
            case .failed: return goodbye()
            }
        }
    }

    private func secured(_ tls: TLSSession) {
        peer = HTTPPeer(address: peer.address, process: peer.process, certificates: tls.provenCertificates)
        used = loop.now
        state = .serving(tls.applicationProtocol == "h2" ? HTTP2Engine(self) : HTTP1Engine(self))
    }

    private func take(_ bytes: UnsafeRawBufferPointer) {
        switch state {
        case .serving(let engine): unsafe engine.receive(bytes)
        case .choosing(let before): unsafe choose(before + Array(bytes))
        case .securing, .closing, .closed: break
        }
    }

    /// In clear nobody says which version it will be: the first bytes do.
    private func choose(_ bytes: [UInt8]) {
        let preface = Array("PRI * HTTP/2.0\r\n".utf8)
        guard bytes.count >= preface.count || !preface.starts(with: bytes) else { return state = .choosing(bytes) }
        let engine: any HTTPEngine = bytes.starts(with: preface) ? HTTP2Engine(self) : HTTP1Engine(self)
        state = .serving(engine)
        unsafe bytes.withUnsafeBytes { unsafe engine.receive($0) }
    }

    // MARK: - Out

    /// Queues bytes; they leave at the end of the turn, or when the client takes them. False if the connection failed.
    @discardableResult
    func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard !isOver else { return false }
        if pending == 0 { moved = loop.now }
        if let tls {
            guard unsafe tls.write(bytes) == nil else { return false }
        } else {
            unsafe plain.append(bytes)
        }
        return true
    }

    /// What waits to leave.
    var pending: Int { tls?.output.pendingCount ?? plain.count }

    func queueTurn() {
        guard !isQueued, !isOver else { return }
        isQueued = true
        loop.atEndOfTurn(self)
    }

    func endTurn() -> Bool {
        isQueued = false
        guard !isOver else { return false }
        guard flush() else { return false }
        guard case .serving(let engine) = state else { return false }
        let isMore = engine.produce()
        guard !isOver else { return false }
        let isOut = flush()
        guard !isOver else { return false }
        if engine.isFinished, pending == 0 {
            goodbye()
            return false
        }
        isQueued = isMore && isOut
        return isQueued
    }

    /// Sends what waits. True when nothing does any more; otherwise the socket tells when it takes more.
    func flush() -> Bool {
        let before = pending
        while pending > 0 {
            var result: Transfer?
            var fault = false
            let send = { (bytes: UnsafeRawBufferPointer) in
                do throws(Errno) { result = try unsafe self.socket?.send(bytes) } catch { fault = true }
            }
            if let tls { unsafe tls.output.withPending(send) } else { unsafe plain.withBytes(send) }
            guard !fault else {
                close()
                return false
            }
            guard case .moved(let count) = result else { break }
            moved = loop.now
            if let tls { tls.output.consume(count) } else { plain.consume(count) }
        }
        wantsWrite = pending > 0
        want()
        if before > 0, pending == 0, case .serving(let engine) = state { engine.drained() }
        return pending == 0
    }

    /// Tells the loop what is wanted now.
    func want() {
        guard let token, !isOver else { return }
        var wanted: Readiness = isReading ? .read : .peerEnded
        if wantsWrite { wanted.insert(.write) }
        loop.want(wanted, token)
    }

    // MARK: - Time

    func timerFired(_ tag: UInt32) {
        ticker = nil
        let bounds = server.bounds
        let now = loop.now
        switch state {
        case .securing, .choosing:
            if now.since(began) >= bounds.handshakeTimeout { return close() }
        case .serving(let engine):
            if pending > 0, now.since(moved) >= bounds.stallTimeout { return close() }
            engine.tick()
            guard !isOver else { return }
            if !engine.isIdle { used = now }
            if now.since(used) >= bounds.idleTimeout { return goodbye() }
        case .closing:
            if now.since(moved) >= bounds.handshakeTimeout { return drop() }
        case .closed: return
        }
        ticker = loop.arm(bounds.tick, self, tag: Tag.tick)
    }

    // MARK: - The end

    var isOver: Bool {
        switch state {
        case .closing, .closed: true
        case .securing, .choosing, .serving: false
        }
    }

    func drain() {
        switch state {
        case .securing, .choosing: close()
        case .serving(let engine):
            engine.drain()
            queueTurn()
        case .closing, .closed: break
        }
    }

    /// Ends in good order: what was said last must arrive, and a close at once would be a reset, which overtakes it.
    func goodbye() {
        guard !isOver else { return }
        let engine: (any HTTPEngine)? = if case .serving(let engine) = state { engine } else { nil }
        tls?.shutdown()
        _ = flush()
        guard !isOver else { return }
        guard pending == 0, let token else { return close() }
        state = .closing
        moved = loop.now
        socket?.shutdownWriting()
        loop.want(.read, token)
        engine?.lost()
    }

    /// What the client still sends is thrown away until its end.
    private func discard() {
        for _ in 0..<4 {
            let buffer = unsafe loop.ciphertext.bytes
            let transfer: Transfer?
            do throws(Errno) { transfer = try unsafe socket?.receive(into: buffer) } catch { transfer = nil }
            switch transfer {
            case .moved: continue
            case .wouldBlock: return
            case .endOfStream, nil: return drop()
            }
        }
    }

    /// Ends now.
    func close() {
        guard !isOver else { return }
        let engine: (any HTTPEngine)? = if case .serving(let engine) = state { engine } else { nil }
        drop()
        engine?.lost()
    }

    private func drop() {
        state = .closed
        if let token = token.take() { loop.unwatch(token) }
        if let ticker = ticker.take() { loop.cancel(ticker) }
        socket = nil
        plain.release()
        server.ended(self)
    }
}
