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

    init(_ worker: Worker, _ workload: WorkerWorkload, _ remote: SocketAddress) {
        self.worker = worker
        self.workload = workload
        self.remote = remote
        began = Instant.now()
    }

    func start(_ socket: consuming Descriptor) {
        guard workload.credential.credential.notAfter > WallTime.now().seconds else {
            worker.metrics.handshake(.server, .noOwnCertificate, took: .zero)
            worker.log.error("refused a tunnel from \(remote): the certificate of \(workload.shared.identity) has expired")
            return
        }
        guard worker.handshakes < worker.settings.handshakes, worker.limitReached(workload) == nil else {
            // The peer's connect is taken and closed: it comes again, later than those who are being served.
            worker.metrics.refused(.handshakes)
            return
        }
        worker.handshakes += 1
        worker.settings.tunnel.keepalive.apply(to: socket)
        local = socket.localAddress()?.ip
        let tls = TLSSession(accepting: workload.credential.server)
        let tunnel = TunnelConnection(
            role: .server, loop: worker.loop, settings: worker.settings.tunnel, socket: socket, remote: remote, tls: tls,
            http2: worker.settings.serverHTTP2, owner: self)
        tunnel.expires = workload.credential.credential.notAfter
        self.tunnel = tunnel
        worker.inboundTunnels += 1
        workload.inboundTunnels[ObjectIdentifier(self)] = self
        tunnel.start()
    }

    func retire() { tunnel?.leave() }
    func close(_ failure: ConnectionFailure) { tunnel?.close(failure) }
}

extension InboundTunnel: TunnelOwner {
    func tunnelSecured(_ tunnel: TunnelConnection) -> ConnectionFailure? {
        worker.handshakes -= 1
        return nil
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
        if tunnel.peer == nil { worker.handshakes -= 1 }
        if isOpen {
            worker.metrics.tunnelClosed(.server, TunnelEnd(failure))
        } else {
            let failure = failure ?? ConnectionFailure(.shutdown, "given up")
            worker.metrics.handshake(.server, HandshakeResult(failure), took: Instant.now().since(began))
        }
        if let failure {
            worker.log.scoped(.tunnel).info("tunnel from \(remote) to \(workload.shared.name) ended: \(failure.reason)")
        }
    }

    func tunnelRequested(_ tunnel: TunnelConnection, stream: Int32, head: HTTP2RequestHead) {
        if tunnel.expires <= WallTime.now().seconds {
            // The client may not have heard the GOAWAY, or may not want to (I09).
            tunnel.reset(stream, HTTP2Code.refusedStream)
            tunnel.expire()
            return
        }
        InboundStream(worker, workload, self, tunnel, stream).start(head, local: local)
    }
}
