// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import HTTP
package import Kernel
package import Loop
package import TLS

/// Where a service is.
package enum ServicePlace: Hashable, Sendable, CustomStringConvertible {
    case address(SocketAddress)
    case unix(String)

    package var description: String {
        switch self {
        case .address(let address): address.description
        case .unix(let path): path
        }
    }
}

/// Why a service can't be reached, or a call of it failed before it was answered: a sentence.
package struct ServiceFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// Nobody answers there.
        case unreachable
        /// It isn't who it should be, or doesn't take us for who we are.
        case refused
        case timeout
        /// The connection ended, or something that isn't HTTP/2 came.
        case lost
        /// More than was asked for.
        case tooLarge
    }

    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

/// The bounds of a connection to a service.
package struct ServiceBounds: Sendable {
    package var connectTimeout = Interval.seconds(5)
    /// For TLS and the first SETTINGS together.
    package var handshakeTimeout = Interval.seconds(10)
    /// After so much silence the service is asked whether it is there; it has `pingTimeout` to answer.
    package var pingInterval = Interval.seconds(10)
    package var pingTimeout = Interval.seconds(5)
    package var http2 = HTTP2Settings.serviceCaller

    package init() {}
}

/// One connection to a service, on a loop: HTTP/2 over TLS, or in clear over a Unix socket. Calls are made when it is ready; when it is lost they all
/// fail, and it is over: whoever wants another makes one.
///
///     connecting ──► securing ──► settling ──ready──► open ──lost──► over
package final class ServiceConnection: TimerTarget {
    enum State {
        case connecting, securing, settling, open, over
    }

    enum Tag {
        static let deadline: UInt32 = 0
        static let tick: UInt32 = 1
    }

    package let place: ServicePlace
    let loop: Loop
    let http: HTTP2Session
    let bounds: ServiceBounds
    let tls: TLSSession?
    var state = State.connecting
    var socket: Descriptor?
    var token: Token?
    var deadline: Token?
    var ticker: Token?
    var plain = ByteQueue()
    var isQueued = false
    var isInSession = false
    var received: Instant
    var pinged: Instant?
    var calls: [Int32: ServiceCall] = [:]
    /// Calls whose stream isn't open yet, oldest first.
    var waiting: [ServiceCall] = []
    var drained: [ServiceCall] = []
    var failure: ServiceFailure?
    /// The service takes no more calls here.
    package internal(set) var isLeaving = false
    /// It can be called. Called once.
    package var onReady: (() -> Void)?
    /// It is over. Called once, on a turn of its own.
    package var onLost: ((ServiceFailure) -> Void)?

    /// Begins to connect; whatever goes wrong is told by `onLost`, later.
    /// - Parameter context: a caller's; nil: in clear.
    package init(loop: Loop, to place: ServicePlace, tls context: TLSContext?, bounds: ServiceBounds = ServiceBounds()) {
        self.loop = loop
        self.place = place
        self.bounds = bounds
        tls = context.map { TLSSession(calling: $0) }
        http = HTTP2Session(.client, settings: bounds.http2)
        received = Instant.now()
        http.attach(self)
        do throws(Errno) { try connect() } catch {
            failure = ServiceFailure(.unreachable, "\(place) can't be reached: \(error)")
            // Told from the loop, so that whoever makes this has it before it fails.
            deadline = loop.arm(.zero, self, tag: Tag.deadline)
        }
    }

    private func connect() throws(Errno) {
        let isDone: Bool
        switch place {
        case .unix(let path):
            let socket = try UnixSocket.connect(path: path)
            try socket.setNonBlocking()
            self.socket = consume socket
            isDone = true
        case .address(let address):
            let socket = try Socket.tcp(address.ip.family)
            try? socket.setNoDelay()
            isDone = try socket.connect(to: address)
            self.socket = consume socket
        }
        guard let number = socket?.number else { return }
        token = try loop.watch(number, for: isDone ? .read : .write, source: self)
        deadline = loop.arm(bounds.connectTimeout, self, tag: Tag.deadline)
        if isDone { connected() }
    }

    func connected() {
        if let cause = socket?.takeError() {
            return lose(ServiceFailure(.unreachable, "\(place) can't be reached: \(cause)"))
        }
        if let token { loop.want(.read, token) }
        if let deadline { loop.cancel(deadline) }
        deadline = loop.arm(bounds.handshakeTimeout, self, tag: Tag.deadline)
        state = tls == nil ? .settling : .securing
        if tls != nil { handshake() }
        queueTurn()
    }

    func handshake() {
        guard let tls else { return }
        switch tls.serviceHandshake() {
        case .wantsBytes: queueTurn()
        case .complete:
            state = .settling
            queueTurn()
        case .failed(let failure):
            _ = flush()
            lose(ServiceFailure(.refused, "TLS with \(place): \(failure)"))
        }
    }

    var isSecure: Bool { tls != nil }

    /// What the service is called in requests: how it was called, where that is a name.
    var authority: String {
        switch place {
        case .unix: "localhost"
        case .address(let address): address.description
        }
    }

    /// The certificates that the service proved, leaf first. Once it is ready.
    package var provenCertificates: [Certificate] { tls?.provenCertificates ?? [] }

    // MARK: - Calls

    /// Makes a call; it begins when the connection is ready and the service allows one more.
    func begin(_ call: ServiceCall) {
        guard state != .over, !isLeaving else {
            let why = failure ?? ServiceFailure(.lost, "\(place) takes no more calls on this connection")
            return call.failed(why)
        }
        waiting.append(call)
        queueTurn()
    }

    func openWaiting() {
        guard state == .open else { return }
        while let call = waiting.first, http.canOpenStream {
            waiting.removeFirst()
            guard let stream = unsafe http.submitRequest(call.head, context: nil, endStream: call.hasNoBody) else {
                call.failed(ServiceFailure(.lost, "\(place) takes no more calls on this connection"))
                continue
            }
            calls[stream] = call
            call.opened(stream)
        }
    }

    func cancel(_ call: ServiceCall) {
        waiting.removeAll { $0 === call }
        guard let stream = call.stream, state != .over else { return }
        http.reset(stream, HTTP2Code.cancel)
        calls[stream] = nil
        queueTurn()
    }

    func noteDrained(_ call: ServiceCall) { drained.append(call) }

    /// Nothing is under way here.
    package var isIdle: Bool { calls.isEmpty && waiting.isEmpty }

    // MARK: - The end

    package func timerFired(_ tag: UInt32) {
        if tag == Tag.deadline {
            deadline = nil
            if let failure { return lose(failure) }
            switch state {
            case .connecting:
                lose(ServiceFailure(.timeout, "\(place): no answer within \(bounds.connectTimeout.seconds) s"))
            case .securing, .settling:
                lose(ServiceFailure(.timeout, "\(place): TLS and HTTP/2 took longer than \(bounds.handshakeTimeout.seconds) s"))
            case .open, .over: break
            }
            return
        }
        ticker = loop.arm(bounds.pingInterval, self, tag: Tag.tick)
        if let pinged, loop.now.since(pinged) >= bounds.pingTimeout {
            return lose(ServiceFailure(.timeout, "\(place) didn't answer a PING for \(bounds.pingTimeout.seconds) s"))
        }
        guard pinged == nil, loop.now.since(received) >= bounds.pingInterval else { return }
        pinged = loop.now
        http.ping(loop.turns & 0xffff_ffff)
        if let ticker { loop.cancel(ticker) }
        ticker = loop.arm(bounds.pingTimeout, self, tag: Tag.tick)
        queueTurn()
    }

    /// Ends the connection and every call on it.
    package func close() {
        onLost = nil
        lose(ServiceFailure(.lost, "the connection to \(place) was closed"))
    }

    func lose(_ why: ServiceFailure) {
        guard state != .over else { return }
        let wasOpen = state == .open
        state = .over
        failure = why
        if wasOpen {
            tls?.shutdown()
            sendLastWords()
        }
        for timer in [deadline.take(), ticker.take()] { if let timer { loop.cancel(timer) } }
        if let token = token.take() { loop.unwatch(token) }
        socket = nil
        plain.release()
        if !isInSession { abandon() }
    }

    /// A close_notify leaves if the kernel takes it; nobody waits for that.
    private func sendLastWords() {
        guard let tls else { return }
        var result: Transfer?
        unsafe tls.output.withPending { bytes in
            do throws(Errno) { result = try unsafe socket?.send(bytes) } catch { result = nil }
        }
        if case .moved(let count) = result { tls.output.consume(count) }
    }

    func abandon() {
        http.abandonStreams(HTTP2Code.cancel)
        let why = failure ?? ServiceFailure(.lost, "the connection to \(place) is over")
        let (open, queue) = (calls.values, waiting)
        calls = [:]
        waiting = []
        for call in open { call.failed(why) }
        for call in queue { call.failed(why) }
        onReady = nil
        let tell = onLost.take()
        tell?(why)
    }
}
