// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import HTTP
internal import Kernel
internal import Mesh
internal import TLS
internal import Telemetry
internal import Tunnel

// MARK: - Sockets

extension Worker {
    /// A socket that leaves the workload's namespace: redirection lets it pass, and the other side sees the address that the application had,
    /// if the workload has several to choose from.
    func leavingSocket(
        _ workload: EnrolledWorkload, _ family: IPAddress.Family, from source: IPAddress
    ) throws(Errno) -> Descriptor {
        let socket = try makeSocket(in: workload, family)
        try socket.setMark(HBONE.leavingMark)
        if workload.addresses.count > 1, source.family == family, workload.addresses.contains(source) {
            try socket.setBindAddressNoPort()
            try socket.bind(SocketAddress(source, 0))
        }
        settings.tunnel.keepalive.apply(to: socket)
        return socket
    }

    /// A socket towards an application in its namespace, from the client's own address, so that the application sees its client.
    func returningSocket(_ workload: EnrolledWorkload, from client: IPAddress, to target: IPAddress) throws(Errno) -> Descriptor {
        let socket = try makeSocket(in: workload, target.family)
        try socket.setMark(HBONE.returningMark)
        // A workload that calls itself needs no borrowed address, and one of the other family can't be borrowed.
        if client != target, client.family == target.family {
            try socket.setTransparent(target.family)
            try socket.setBindAddressNoPort()
            try socket.bind(SocketAddress(client, 0))
        }
        return socket
    }

    /// Whatever isn't finished in order ends with a reset, also when the process dies (I12).
    private func makeSocket(in workload: EnrolledWorkload, _ family: IPAddress.Family) throws(Errno) -> Descriptor {
        let socket = try workload.place.namespace.enter(from: home) { () throws(Errno) in try Socket.tcp(family) }
        socket.setResetOnClose(true)
        try socket.setNoDelay()
        if let name = settings.tunnel.congestionControl { try socket.setCongestionControl(name) }
        return socket
    }
}

// MARK: - Tunnels of our own

extension Worker: TunnelDialer {
    func dial(_ key: TunnelKey, owner: any TunnelOwner) -> Result<TunnelConnection, ConnectionFailure> {
        guard let workload = workloads[key.source] else {
            return .failure(ConnectionFailure(.shutdown, "the workload is no longer captured here"))
        }
        guard workload.credential.credential.notAfter > WallTime.now().seconds else {
            metrics.handshake(.client, .noOwnCertificate, took: .zero)
            // Of the kind that is tried again: it is being renewed.
            return .failure(ConnectionFailure(.connect, "the certificate of \(workload.shared.identity) has expired"))
        }
        do throws(Errno) {
            let socket = try leavingSocket(workload.shared, key.remote.ip.family, from: key.sourceAddress)
            _ = try socket.connect(to: key.remote)
            let tls = TLSSession(connecting: workload.credential.client, expecting: Set(key.accepted))
            let tunnel = TunnelConnection(
                role: .client, loop: loop, settings: settings.tunnel, socket: socket, remote: key.remote, tls: tls,
                http2: settings.clientHTTP2, owner: owner)
            tunnel.expires = workload.credential.credential.notAfter
            tunnel.holder = workload.held
            return .success(tunnel)
        } catch {
            return .failure(ConnectionFailure(.connect, "connecting to \(key.remote): \(error)"))
        }
    }

    func dialEnded(_ key: TunnelKey, _ tunnel: TunnelConnection, _ failure: ConnectionFailure?) {
        metrics.handshake(.client, HandshakeResult(failure), took: tunnel.handshakeTime ?? .zero)
        if let failure {
            log.debug("no tunnel from \(key.source) to \(key.remote): \(failure.reason)")
        } else {
            metrics.tunnelOpened(.client)
        }
    }

    func tunnelEnded(_ key: TunnelKey, _ failure: ConnectionFailure?, wasOpen: Bool) {
        if wasOpen { metrics.tunnelClosed(.client, TunnelEnd(failure)) }
        tellIfIdle()
    }

    func describeTunnels() -> [TunnelInfo] {
        var all: [TunnelInfo] = []
        pool.forEach { key, tunnel in all.append(TunnelInfo(outbound: tunnel, key, self)) }
        for workload in workloads.values {
            for tunnel in workload.inboundTunnels.values { if let info = TunnelInfo(inbound: tunnel, self) { all.append(info) } }
        }
        return all
    }
}
