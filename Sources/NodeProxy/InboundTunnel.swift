// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import HTTP
internal import Kernel
internal import Loop
internal import Mesh
internal import TLS
internal import Telemetry
internal import Tunnel

/// A tunnel that ends at a captured workload: another host's workload proved who it is, and asks for connections to this one.
final class InboundTunnel {
    let workload: WorkerWorkload
    let remote: SocketAddress
    private let worker: Worker
    private(set) var tunnel: TunnelConnection?
    /// The address at which the tunnel arrived: the only one that a CONNECT in it may name.
    private(set) var local: IPAddress?
    private let began: Instant
    /// HTTP/2 stands, and the tunnel is counted.
    private var isOpen = false
    private var peer: PeerLedger.Peer?
    private let requests: RequestQueue
    private var isQueued = false
    private var rest: Token?
    /// How long CONNECTs of a peer wait that has had too many in vain.
    private static let pause = Interval.milliseconds(100)
    /// How long they wait at most where others need the loop: by chance, since of many tunnels to one workload those that ask first would have all
    /// that may begin, in each tick again.
    private static let longestTurn: UInt64 = 64

    init(_ worker: Worker, _ workload: WorkerWorkload, _ remote: SocketAddress) {
        self.worker = worker
        self.workload = workload
        self.remote = remote
        began = Instant.now()
        requests = RequestQueue(worker.loop, worker.windows)
    }

    func start(_ socket: consuming Descriptor) {
        guard workload.credential.credential.notAfter > WallTime.now().seconds else {
            worker.metrics.handshake(.server, .noOwnCertificate, took: .zero)
            worker.log.error("refused a tunnel from \(remote): the certificate of \(workload.shared.identity) has expired")
            return
        }
        guard admit() else { return }
        local = socket.localAddress()?.ip
        let tls = TLSSession(accepting: workload.credential.server)
        let tunnel = TunnelConnection(
            role: .server, loop: worker.loop, settings: worker.settings.tunnel, socket: socket, remote: remote, tls: tls,
            http2: worker.settings.serverHTTP2, owner: self)
        tunnel.expires = workload.credential.credential.notAfter
        if let peer {
            tunnel.holder = peer.held
            requests.holder = peer.held
        }
        self.tunnel = tunnel
        worker.inboundTunnels += 1
        workload.inboundTunnels[ObjectIdentifier(self)] = self
        tunnel.start()
    }

    /// Takes a place for the handshake. The limits are looked at from the smallest to the largest holder: who floods meets its own first. A peer that
    /// is not admitted is closed unheard; it comes again, later than those who are being served.
    private func admit() -> Bool {
        let settings = worker.settings
        let isFull = worker.handshakes >= settings.handshakes || workload.handshakes >= settings.handshakesPerWorkload
        if isFull || worker.limitReached(workload) != nil {
            worker.refuse(.handshakes, "a tunnel from \(remote) to \(workload.shared.name): too many handshakes are under way")
            return false
        }
        guard let peer = worker.peers.admit(remote.ip, second: worker.second) else {
            worker.refuse(.peer, "a tunnel from \(remote) to \(workload.shared.name): this address has more than its part")
            return false
        }
        self.peer = peer
        worker.handshakes += 1
        workload.handshakes += 1
        worker.loop.began(workload.tenant, .tunnel)
        return true
    }

    private func handshakeEnded() {
        worker.handshakes -= 1
        workload.handshakes -= 1
    }

    func retire() { tunnel?.leave() }
    func close(_ failure: ConnectionFailure) { tunnel?.close(failure) }
}

extension InboundTunnel: TunnelOwner {
    func tunnelSecured(_ tunnel: TunnelConnection) -> ConnectionFailure? {
        handshakeEnded()
        if let peer { worker.peers.secured(peer) }
        return worker.secured(tunnel)
    }

    func tunnelOpened(_ tunnel: TunnelConnection) {
        isOpen = true
        worker.metrics.handshake(.server, .ok, took: tunnel.handshakeTime ?? .zero)
        worker.metrics.tunnelOpened(.server)
    }

    func tunnelHasRoom(_ tunnel: TunnelConnection) {}

    func tunnelClosed(_ tunnel: TunnelConnection, _ failure: ConnectionFailure?) {
        workload.inboundTunnels[ObjectIdentifier(self)] = nil
        self.tunnel = nil
        defer { worker.inboundTunnels -= 1 }
        if tunnel.peer == nil { handshakeEnded() }
        if let peer = peer.take() { worker.peers.ended(peer, isSecured: tunnel.peer != nil, cost: cost(of: tunnel, failure)) }
        requests.clear()
        if let rest = rest.take() { worker.loop.cancel(rest) }
        if isOpen {
            worker.metrics.tunnelClosed(.server, TunnelEnd(failure))
        } else {
            let failure = failure ?? ConnectionFailure(.shutdown, "given up")
            worker.metrics.handshake(.server, HandshakeResult(failure), took: Instant.now().since(began))
        }
        if let failure, let more = worker.tunnelLines.take(second: worker.second) {
            worker.log.scoped(.tunnel).info("tunnel from \(remote) to \(workload.shared.name) ended: \(failure.reason)\(more)")
        }
    }

    /// What the peer is charged for a tunnel that ended.
    private func cost(of tunnel: TunnelConnection, _ failure: ConnectionFailure?) -> Int {
        if let failure, failure.kind == .flood || failure.kind == .http2 { return PeerLedger.Cost.abuse }
        return tunnel.streamsOpened == 0 ? PeerLedger.Cost.inVain : 0
    }

    func tunnelRequested(_ tunnel: TunnelConnection, stream: Int32, head: HTTP2RequestHead) {
        switch requests.place(stream, head, mayBegin: mayBegin) {
        case .begins: begin(stream, head, tunnel)
        case .refused: tunnel.reset(stream, HTTP2Code.refusedStream)
        case .waits:
            guard !isQueued else { return }
            isQueued = true
            worker.loop.atEndOfTurn(self)
        }
    }

    /// By what the peer asked for in vain, and by what others need of the loop.
    private var mayBegin: Bool { mayAsk && worker.mayBegin(workload, .request) }
    private var mayAsk: Bool { peer.map { worker.peers.mayAsk($0, second: worker.second) } ?? true }

    /// A CONNECT was refused, for whatever reason.
    func answeredInVain() { if let peer { worker.peers.failed(peer) } }

    private func begin(_ stream: Int32, _ head: HTTP2RequestHead, _ tunnel: TunnelConnection) {
        if tunnel.expires <= WallTime.now().seconds {
            // The client may not have heard the GOAWAY, or may not want to (I09).
            tunnel.reset(stream, HTTP2Code.refusedStream)
            tunnel.expire()
            return
        }
        worker.loop.began(workload.tenant, .request)
        InboundStream(worker, workload, self, tunnel, stream).start(head, local: local)
    }
}

extension InboundTunnel: TurnTarget, TimerTarget {
    func endTurn() -> Bool {
        var isHeldUp = false
        while let tunnel, !requests.isEmpty {
            isHeldUp = !mayBegin
            guard !isHeldUp, let (stream, head) = requests.take() else { break }
            // What its peer gave up meanwhile costs nothing more.
            if tunnel.isOpen(stream) { begin(stream, head, tunnel) }
        }
        isQueued = tunnel != nil && !requests.isEmpty
        guard isQueued, isHeldUp else { return isQueued }
        let turn = Interval.milliseconds(.random(in: 1...Self.longestTurn, using: &worker.random))
        rest = worker.loop.arm(mayAsk ? turn : Self.pause, self, tag: 0)
        return false
    }

    func timerFired(_ tag: UInt32) {
        rest = nil
        worker.loop.atEndOfTurn(self)
    }
}
