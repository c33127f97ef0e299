// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import HTTP
package import Kernel
package import Loop
package import TLS

/// Who started a tunnel and hears of its life.
package protocol TunnelOwner: AnyObject {
    /// The peer proved who it is. A failure refuses it.
    func tunnelSecured(_ tunnel: TunnelConnection) -> ConnectionFailure?
    /// HTTP/2 stands: streams may be opened.
    func tunnelOpened(_ tunnel: TunnelConnection)
    /// Server: a request. The owner answers with `accept` or `refuse`, now or later.
    func tunnelRequested(_ tunnel: TunnelConnection, stream: Int32, head: HTTP2RequestHead)
    /// A stream ended or the peer changed its limits: there may be room for another.
    func tunnelHasRoom(_ tunnel: TunnelConnection)
    /// The last event. Every stream was told already. Nil: it was time to go.
    func tunnelClosed(_ tunnel: TunnelConnection, _ failure: ConnectionFailure?)
}

/// One HBONE connection, either end: a TCP socket, TLS over it, HTTP/2 in that, and the streams that it carries.
///
///     connecting ──► handshaking ──► settling ──SETTINGS──► open ──goAway──► leaving ──last stream──► closing ──► closed
///      (client)          └──────────────┴───────failed───────┴────────────────┴────────────────────────────────►
///
/// Reading: one receive into the loop's ciphertext, decrypted to the loop's plaintext, parsed; stream bytes go straight to the applications.
/// Writing: once per turn, from the applications' sockets through the loop's stage to ciphertext, one send for all streams. Lives on one loop; its owner
/// holds it, and so does the loop while its socket is watched.
package final class TunnelConnection {
    package enum State: Sendable {
        case connecting
        case handshaking
        case settling
        case open
        case leaving
        /// The owner was told that it is over; what was said last is on its way, and the peer's end is awaited.
        case closing
        case closed
    }

    package let role: HTTP2Role
    /// The other end's TCP address.
    package let remote: SocketAddress
    package let opened: Instant
    package private(set) var state: State
    /// Who the peer is, once it proved that.
    package private(set) var peer: PeerCertificate?
    /// How long the TLS handshake took.
    package private(set) var handshakeTime: Interval?
    /// No new stream is to begin here (I09).
    package var isStale = false
    /// When the first of both ends' certificates ends, in seconds of wall time. Set by the owner for ours, by the handshake for the peer's.
    package var expires = Int64.max

    let loop: Loop
    let settings: TunnelBounds
    private var owner: (any TunnelOwner)?
    private var socket: Descriptor?
    private var token: Token?
    private let tls: TLSSession
    private let http: HTTP2Session
    private var streams = 0
    private var deadline: Token?
    private var ticker: Token?
    private var isQueued = false
    private var wantsWrite = false
    private var phaseBegan: Instant
    private var lastReceived: Instant
    private var lastUsed: Instant
    private var pingSent: Instant?
    /// Streams so far, those open included.
    package private(set) var streamsOpened: UInt64 = 0
    package private(set) var bytesReceived: UInt64 = 0
    package private(set) var bytesSent: UInt64 = 0

    private enum Tag {
        static let deadline: UInt32 = 0
        static let tick: UInt32 = 1
    }

    /// A tunnel over a socket that is connected (server) or connecting (client).
    package init(
        role: HTTP2Role, loop: Loop, settings: TunnelBounds, socket: consuming Descriptor, remote: SocketAddress,
        tls: TLSSession, http2: HTTP2Settings, owner: any TunnelOwner
    ) {
        self.role = role
        self.loop = loop
        self.settings = settings
        self.remote = remote
        self.tls = tls
        self.owner = owner
        self.socket = consume socket
        http = HTTP2Session(role, settings: http2)
        initialWindow = Int(http2.initialStreamWindow)
        state = role == .client ? .connecting : .handshaking
        opened = loop.now
        phaseBegan = loop.now
        lastReceived = loop.now
        lastUsed = loop.now
        http.attach(self)
    }

    /// What each stream's peer may send ahead at first.
    let initialWindow: Int

    /// Begins; on failure the owner is told by `tunnelClosed`.
    package func start() {
        guard let number = socket?.number else { return }
        do throws(Errno) {
            token = try loop.watch(number, for: role == .client ? .write : .read, source: self)
        } catch {
            close(ConnectionFailure(.limit, "watching a tunnel: \(error)"))
            return
        }
        wantsWrite = role == .client
        setDeadline(role == .client ? settings.connectTimeout : settings.handshakeTimeout)
    }

    // MARK: - Phases

    private func setDeadline(_ time: Interval?) {
        if let deadline = deadline.take() { loop.cancel(deadline) }
        phaseBegan = Instant.now()
        if let time { deadline = loop.arm(time, self, tag: Tag.deadline) }
    }

    private func connected() {
        if let cause = socket?.takeError() {
            close(ConnectionFailure(.connect, "connecting to \(remote): \(cause)"))
            return
        }
        state = .handshaking
        setDeadline(settings.handshakeTimeout)
        handshake()
        queueTurn()
    }

    /// True when the handshake is complete.
    @discardableResult
    private func handshake() -> Bool {
        switch tls.handshake() {
        case .wantsBytes:
            queueTurn()
            return false
        case .failed(let failure):
            let kind: ConnectionFailure.Kind = failure.isAboutIdentity ? .identity : .tls
            end(ConnectionFailure(kind, "TLS with \(remote): \(failure)", handshake: failure.reason), isOrderly: true)
            return false
        case .complete(let peer):
            self.peer = peer
            expires = min(expires, peer.notAfter)
            handshakeTime = Instant.now().since(phaseBegan)
            if let refusal = owner?.tunnelSecured(self) {
                close(refusal)
                return false
            }
            state = .settling
            setDeadline(settings.settingsTimeout)
            queueTurn()
            return true
        }
    }

    private func settled() {
        guard state == .settling else { return }
        state = .open
        setDeadline(nil)
        ticker = loop.arm(settings.pingInterval, self, tag: Tag.tick)
        owner?.tunnelOpened(self)
        // It went stale while it came up.
        if isStale, streams == 0 { leave() }
    }

    // MARK: - Closing

    /// Says goodbye: open streams finish, no new one begins, then the connection ends. One that isn't up yet says it when it is.
    package func leave() {
        isStale = true
        switch state {
        case .open:
            state = .leaving
            http.goAway()
            setDeadline(settings.goodbyeTimeout)
            queueTurn()
        case .connecting, .handshaking, .settling, .leaving, .closing, .closed: break
        }
    }

    /// Ends the tunnel and every stream in it, now. With a failure the applications see a reset.
    package func close(_ failure: ConnectionFailure?) { end(failure, isOrderly: false) }

    /// The owner was told, and nothing more is expected of the tunnel.
    private var isOver: Bool { state == .closing || state == .closed }

    /// - Parameter isOrderly: what was said last (the end of the last stream, GOAWAY, an alert) must arrive: a close at once would be a reset,
    ///   which overtakes it.
    private func end(_ failure: ConnectionFailure?, isOrderly: Bool) {
        guard !isOver else { return }
        let wasUp = state == .open || state == .leaving || state == .settling
        state = .closed
        isStale = true
        if let deadline = deadline.take() { loop.cancel(deadline) }
        if let ticker = ticker.take() { loop.cancel(ticker) }
        abandoned = failure ?? ConnectionFailure(.shutdown, "the tunnel to \(remote) was closed")
        if !isInSession { http.abandonStreams(HTTP2Code.cancel) } else { mustAbandon = true }
        if wasUp, isOrderly || failure == nil { tls.shutdown() }
        sendLastWords()
        if isOrderly, token != nil, tls.output.pendingCount == 0 { linger() } else { drop() }
        if !mustAbandon { tellClosed(failure) } else { lastFailure = failure }
    }

    /// Alerts and GOAWAYs that stand ready leave if the kernel takes them; nobody waits for that.
    private func sendLastWords() { _ = flush() }

    /// Our end goes out; the peer's is awaited for a while, and whatever it still sends is thrown away.
    private func linger() {
        guard let token else { return }
        state = .closing
        socket?.setResetOnClose(false)
        socket?.shutdownWriting()
        loop.want(.read, token)
        setDeadline(settings.goodbyeTimeout)
    }

    private func drop() {
        state = .closed
        if let deadline = deadline.take() { loop.cancel(deadline) }
        if let token = token.take() { loop.unwatch(token) }
        socket = nil
    }

    private func discard() {
        for _ in 0..<4 {
            let buffer = unsafe loop.ciphertext.bytes
            do throws(Errno) {
                guard case .moved = try unsafe socket?.receive(into: buffer) else {
                    drop()
                    return
                }
            } catch {
                drop()
                return
            }
        }
    }

    private func tellClosed(_ failure: ConnectionFailure?) {
        if let owner = owner.take() { owner.tunnelClosed(self, failure) }
    }

    /// Why streams of this tunnel end, once it is closed.
    private var abandoned: ConnectionFailure?
    /// The session is calling us; it can't be told to abandon its streams before that is over.
    private var isInSession = false
    private var mustAbandon = false
    private var lastFailure: ConnectionFailure?

    private func leaveSession() {
        isInSession = false
        guard mustAbandon else { return }
        mustAbandon = false
        http.abandonStreams(HTTP2Code.cancel)
        tellClosed(lastFailure)
    }
}

// MARK: - Streams

extension TunnelConnection {
    package var openStreams: Int { streams }

    /// A stream may be opened here now.
    package var hasRoom: Bool { streams < settings.streamsPerTunnel && mayOpen }

    /// The peer would take one more, though we would rather have another tunnel.
    var mayOpen: Bool { state == .open && !isStale && http.canOpenStream }

    /// How many bytes wait for the kernel: a tunnel with a backlog is busy.
    package var backlog: Int { tls.output.pendingCount }

    package var cipher: String { tls.cipherName }

    /// Server: the settings of the peer's requests; for the log.
    package var peerIdentity: SPIFFEID? { peer?.identity }

    /// Client: sends a CONNECT for the relay. False if there is no room after all.
    package func open(_ relay: StreamRelay, head: HTTP2RequestHead) -> Bool {
        guard mayOpen else { return false }
        let context = unsafe Unmanaged.passRetained(relay)
        guard let stream = unsafe http.submitRequest(head, context: context.toOpaque()) else {
            unsafe context.release()
            return false
        }
        streams += 1
        streamsOpened += 1
        lastUsed = loop.now
        relay.attach(to: self, stream: stream)
        queueTurn()
        return true
    }

    /// Server: a relay takes the request's stream; its answer follows by `respond`.
    package func accept(_ stream: Int32, _ relay: StreamRelay) {
        let context = unsafe Unmanaged.passRetained(relay)
        unsafe http.setContext(stream, context.toOpaque())
        relay.attach(to: self, stream: stream)
    }

    /// Server: 200, the application is reached.
    package func respond(_ stream: Int32, headers: HTTPHeaders) {
        http.submitResponse(stream, status: 200, headers: headers, endStream: false)
        queueTurn()
    }

    /// Server: anything but 200. The stream is over by that.
    package func refuse(_ stream: Int32, status: Int, headers: HTTPHeaders = [:]) {
        http.submitResponse(stream, status: status, headers: headers, endStream: true)
        queueTurn()
    }

    /// Server: requests that come from now on are refused so that the client may repeat them elsewhere, and it is told to go. For an expired
    /// certificate; a renewed one says goodbye by `leave`, which takes what is under way.
    package func expire() {
        guard !isOver else { return }
        http.refusesStreams = true
        leave()
    }

    func resume(_ stream: Int32) {
        http.resume(stream)
        queueTurn()
    }

    func consumed(_ stream: Int32, _ count: Int) {
        guard !isOver else { return }
        http.consume(stream, count)
        queueTurn()
    }

    func growWindow(_ stream: Int32, to bytes: Int) { http.growStreamWindow(stream, to: bytes) }

    package func reset(_ stream: Int32, _ code: UInt32) {
        guard !isOver else { return }
        http.reset(stream, code)
        queueTurn()
    }

    private func queueTurn() {
        guard !isQueued, !isOver else { return }
        isQueued = true
        loop.atEndOfTurn(self)
    }
}

// MARK: - Reading

extension TunnelConnection: EventSource {
    package func ready(_ readiness: Readiness) {
        if state == .connecting {
            connected()
            return
        }
        if state == .closing {
            discard()
            return
        }
        if readiness.contains(.write) { queueTurn() }
        guard !readiness.isDisjoint(with: [.read, .peerEnded, .hungUp, .failed]) else { return }
        receive()
    }

    /// One receive per event, two if the first filled the buffer: more would let one tunnel hold up the loop.
    private func receive() {
        for _ in 0..<2 {
            let buffer = unsafe loop.ciphertext.bytes
            let transfer: Transfer?
            do throws(Errno) { transfer = try unsafe socket?.receive(into: buffer) } catch {
                close(ConnectionFailure(.tunnelLost, "the tunnel to \(remote): \(error)"))
                return
            }
            switch transfer {
            case .moved(let count):
                lastReceived = loop.now
                pingSent = nil
                bytesReceived &+= UInt64(count)
                unsafe tls.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                decrypt()
                if count < buffer.count || isOver { return }
            case .endOfStream:
                peerHungUp()
                return
            case .wouldBlock, nil: return
            }
        }
    }

    private func peerHungUp() {
        let phase = state == .handshaking ? " during the TLS handshake" : ""
        // A connection that ends between two streams is how tunnels end.
        let isQuiet = streams == 0 && (state == .open || state == .leaving)
        close(isQuiet ? nil : ConnectionFailure(.tunnelLost, "\(remote) hung up\(phase)"))
    }

    private func decrypt() {
        if state == .handshaking && !handshake() { return }
        while !isOver {
            let buffer = unsafe loop.plaintext.bytes
            switch unsafe tls.read(into: buffer) {
            case .moved(let count): unsafe parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            case .wouldBlock: return
            case .closed:
                peerHungUp()
                return
            case .failed(let failure):
                close(ConnectionFailure(.tunnelLost, "TLS with \(remote): \(failure)"))
                return
            }
        }
    }

    private func parse(_ bytes: UnsafeRawBufferPointer) {
        isInSession = true
        let failure = unsafe http.receive(bytes, second: Int(loop.now.nanoseconds / 1_000_000_000))
        leaveSession()
        guard !isOver else { return }
        if let failure {
            write()
            end(ConnectionFailure(.http2, "HTTP/2 with \(remote): \(failure)"), isOrderly: true)
        } else {
            queueTurn()
        }
    }
}

// MARK: - Writing

extension TunnelConnection: TurnTarget {
    package func endTurn() -> Bool {
        isQueued = false
        guard !isOver, state != .connecting else { return false }
        let isMore = write()
        guard !isOver else { return false }
        if state != .handshaking, http.isFinished, tls.output.pendingCount == 0 {
            let failure = http.failure.map { ConnectionFailure(.http2, "HTTP/2 with \(remote): \($0)") }
            end(failure, isOrderly: true)
            return false
        }
        isQueued = isMore
        return isMore
    }

    /// Sends what stands ready and produces more while the kernel takes it. True if more is left for the next turn.
    @discardableResult
    private func write() -> Bool {
        guard flush() else { return false }
        guard state != .handshaking else { return false }
        isInSession = true
        var sink = TunnelSink(tunnel: self)
        let end = unsafe http.produce(stage: loop.stage.bytes, sink: &sink)
        leaveSession()
        guard !isOver, flush() else { return false }
        if let failure = sink.failure {
            close(ConnectionFailure(.tls, "TLS with \(remote): \(failure)"))
            return false
        }
        switch end {
        case .idle: return false
        // Blocked although everything left: the backlog of a moment ago is gone.
        case .more, .blocked: return true
        }
    }

    /// True when no ciphertext is left. Otherwise the socket tells when it takes more.
    fileprivate func flush() -> Bool {
        while tls.output.pendingCount > 0 {
            var result: Transfer?
            var fault: Errno?
            unsafe tls.output.withPending { bytes in
                do throws(Errno) { result = try unsafe socket?.send(bytes) } catch { fault = error }
            }
            if let fault {
                // Closing flushes for the last time: it can't fail twice.
                tls.output.removeAll()
                close(ConnectionFailure(.tunnelLost, "the tunnel to \(remote): \(fault)"))
                return false
            }
            guard case .moved(let count) = result else { break }
            bytesSent &+= UInt64(count)
            tls.output.consume(count)
        }
        let isBlocked = tls.output.pendingCount > 0
        if isBlocked != wantsWrite, let token {
            wantsWrite = isBlocked
            loop.want(isBlocked ? [.read, .write] : .read, token)
        }
        return !isBlocked
    }

    fileprivate func encrypt(_ bytes: UnsafeRawBufferPointer) -> TLSFailure? { unsafe tls.write(bytes) }
}

/// Takes finished frames, encrypts them and sends what is encrypted: a stage at a time.
private struct TunnelSink: HTTP2Sink {
    let tunnel: TunnelConnection
    var failure: TLSFailure?

    mutating func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard failure == nil, tunnel.state != .closed, tunnel.state != .closing else { return false }
        failure = unsafe tunnel.encrypt(bytes)
        return failure == nil && tunnel.flush()
    }
}

// MARK: - Time

extension TunnelConnection: TimerTarget {
    package func timerFired(_ tag: UInt32) {
        if tag == Tag.deadline {
            deadline = nil
            missedDeadline()
        } else {
            tick()
        }
    }

    private func missedDeadline() {
        switch state {
        case .connecting:
            let reason =
                "connecting to \(remote): no answer within \(settings.connectTimeout.seconds) s; a firewall between the hosts may drop port \(remote.port)"
            close(ConnectionFailure(.timeout, reason))
        case .handshaking:
            close(ConnectionFailure(.timeout, "TLS with \(remote): not finished within \(settings.handshakeTimeout.seconds) s"))
        case .settling:
            close(ConnectionFailure(.timeout, "HTTP/2 with \(remote): no SETTINGS within \(settings.settingsTimeout.seconds) s"))
        case .leaving:
            http.finishDrain()
            queueTurn()
        case .closing: drop()
        case .open, .closed: break
        }
    }

    /// The client's end decides when a tunnel was idle for too long; a client that never does is told to go in the end.
    private var idleTimeout: Interval {
        role == .client ? settings.idleTimeout : Interval(nanoseconds: 2 * settings.idleTimeout.nanoseconds)
    }

    /// Once per interval: is the peer there, and is the tunnel of use?
    private func tick() {
        ticker = loop.arm(settings.pingInterval, self, tag: Tag.tick)
        let silence = loop.now.since(lastReceived)
        if let pingSent, loop.now.since(pingSent) >= settings.pingTimeout {
            close(ConnectionFailure(.tunnelLost, "\(remote) didn't answer a PING for \(settings.pingTimeout.seconds) s"))
        } else if streams == 0, state == .open, loop.now.since(lastUsed) >= idleTimeout {
            leave()
        } else if pingSent == nil, silence >= settings.pingInterval {
            pingSent = loop.now
            http.ping(loop.turns & 0xffff_ffff)
            queueTurn()
        }
    }
}

// MARK: - What the session tells

extension TunnelConnection: HTTP2SessionDelegate {
    package func requestReceived(_ stream: Int32, _ head: HTTP2RequestHead) {
        streams += 1
        streamsOpened += 1
        lastUsed = loop.now
        owner?.tunnelRequested(self, stream: stream, head: head)
    }

    package func responseReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, status: Int, headers: HTTPHeaders) {
        guard let relay = unsafe Self.relay(context) else { return }
        if status == 200 { relay.accepted(headers) } else { relay.refused(status) }
    }

    package func dataReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ bytes: UnsafeRawBufferPointer) {
        guard let context = unsafe context else { return }
        unsafe Unmanaged<StreamRelay>.fromOpaque(context)._withUnsafeGuaranteedRef { unsafe $0.dataReceived(bytes) }
    }

    package func endReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32) { unsafe Self.relay(context)?.endReceived() }

    package func streamClosed(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ error: UInt32) {
        streams -= 1
        lastUsed = loop.now
        if let context = unsafe context {
            let relay = unsafe Unmanaged<StreamRelay>.fromOpaque(context).takeRetainedValue()
            if let abandoned { relay.tunnelFailed(abandoned) } else { relay.streamClosed(error) }
        }
        if state == .open { owner?.tunnelHasRoom(self) }
    }

    package func readData(
        _ context: UnsafeMutableRawPointer?, _ stream: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) -> HTTP2DataRead {
        guard let context = unsafe context else { return .nothing }
        return unsafe Unmanaged<StreamRelay>.fromOpaque(context)._withUnsafeGuaranteedRef { unsafe $0.readData(into: buffer) }
    }

    package func goAwayReceived(lastStream: Int32, error: UInt32) {
        isStale = true
        // What is open goes on; the peer closes when it is done, or we do when nothing is left.
        if streams == 0 { leave() }
    }

    package func pingAcknowledged(_ payload: UInt64) { pingSent = nil }

    package func settingsReceived() {
        settled()
        owner?.tunnelHasRoom(self)
    }

    private static func relay(_ context: UnsafeMutableRawPointer?) -> StreamRelay? {
        guard let context = unsafe context else { return nil }
        return unsafe Unmanaged<StreamRelay>.fromOpaque(context).takeUnretainedValue()
    }
}
