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
    /// A stream ended or the peer changed its limits: there may be room for another. Or the peer says goodbye: who waits for room here needs another
    /// tunnel.
    func tunnelHasRoom(_ tunnel: TunnelConnection)
    /// A stream began to move in bulk here: others would do better elsewhere.
    func tunnelTurnedBulk(_ tunnel: TunnelConnection)
    /// Whether there is another for the same: an idle one is then let go sooner.
    func tunnelIsSpare(_ tunnel: TunnelConnection) -> Bool
    /// The last event. Every stream was told already. Nil: it was time to go.
    func tunnelClosed(_ tunnel: TunnelConnection, _ failure: ConnectionFailure?)
}

extension TunnelOwner {
    /// Only who chooses between tunnels has use for these.
    package func tunnelTurnedBulk(_ tunnel: TunnelConnection) {}
    package func tunnelIsSpare(_ tunnel: TunnelConnection) -> Bool { false }
}

/// One HBONE connection, either end: a TCP socket, TLS over it, HTTP/2 in that, and the streams that it carries.
///
///     connecting ──► handshaking ──► settling ──SETTINGS──► open ──goAway──► leaving ──last stream──► closing ──► closed
///      (client)          └──────────────┴───────failed───────┴────────────────┴────────────────────────────────►
///
/// Reading: one receive into the loop's ciphertext, decrypted to the loop's plaintext, parsed; stream bytes go straight to the applications.
/// Writing: once per turn, from the applications' sockets through the loop's stage to ciphertext, one send for all streams. Lives on one loop; its
/// owner holds it, and so does the loop while its socket is watched.
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
    package internal(set) var state: State
    /// Who the peer is, once it proved that.
    package internal(set) var peer: PeerCertificate?
    /// How long the TLS handshake took.
    package internal(set) var handshakeTime: Interval?
    /// No new stream is to begin here (I09).
    package var isStale = false
    /// When the first of both ends' certificates ends, in seconds of wall time. Set by the owner for ours, by the handshake for the peer's.
    package var expires = Int64.max

    /// Whose the bytes are that wait in this tunnel's streams. Set by the owner before the tunnel starts, where several tunnels count together.
    package var holder = HeldBytes()

    let loop: Loop
    let settings: TunnelBounds
    var owner: (any TunnelOwner)?
    var socket: Descriptor?
    var token: Token?
    let tls: TLSSession
    let http: HTTP2Session
    var streams = 0
    var deadline: Token?
    var ticker: Token?
    var isQueued = false
    var wantsWrite = false
    var phaseBegan: Instant
    var lastReceived: Instant
    var lastUsed: Instant
    var pingSent: Instant?
    var bulk = BulkWatch()
    /// When a stream last said something that doesn't move in bulk.
    var talk: Instant?
    var way: (time: Interval, at: Instant)?
    /// To be told when the session isn't at work.
    var mustTellBulk = false
    /// Streams so far, those open included.
    package internal(set) var streamsOpened: UInt64 = 0
    package internal(set) var bytesReceived: UInt64 = 0
    package internal(set) var bytesSent: UInt64 = 0
    /// Why streams of this tunnel end, once it is closed.
    var abandoned: ConnectionFailure?
    /// The session is calling us; it can't be told to abandon its streams before that is over.
    var isInSession = false
    var mustAbandon = false
    var lastFailure: ConnectionFailure?

    enum Tag {
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

    func setDeadline(_ time: Interval?) {
        if let deadline = deadline.take() { loop.cancel(deadline) }
        phaseBegan = Instant.now()
        if let time { deadline = loop.arm(time, self, tag: Tag.deadline) }
    }

    func connected() {
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
    func handshake() -> Bool {
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

    func settled() {
        guard state == .settling else { return }
        state = .open
        setDeadline(nil)
        ticker = loop.arm(settings.pingInterval, self, tag: Tag.tick)
        owner?.tunnelOpened(self)
        // It went stale while it came up.
        if isStale, streams == 0 { leave() }
    }
}
