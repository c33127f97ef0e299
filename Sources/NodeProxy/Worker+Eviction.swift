// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Mesh
internal import TLS
internal import Tunnel

/// Tunnels of hosts that were turned out (I22): cut when the mesh says so, and never made again.
extension Worker {
    /// Called with each tunnel when both ends have proved who they are; a failure refuses it.
    func secured(_ tunnel: TunnelConnection) -> ConnectionFailure? {
        guard let peer = tunnel.peer else { return nil }
        return evicted(peer)
    }

    private func evicted(_ peer: PeerCertificate) -> ConnectionFailure? {
        guard !snapshot.evicted.isEmpty, let tag = HostTag(serial: peer.serial), let host = snapshot.evicted[tag] else {
            return nil
        }
        return ConnectionFailure(
            .identity, "the certificate of \(peer.identity) (serial \(peer.serial)) is of host \(host), which is evicted")
    }

    /// Ends every tunnel whose other end is such a host, and with it all that it carries.
    func cutEvicted() {
        var lost: [(TunnelConnection, ConnectionFailure)] = []
        let look = { (tunnel: TunnelConnection) in
            if let peer = tunnel.peer, let failure = self.evicted(peer) { lost.append((tunnel, failure)) }
        }
        pool.forEach { _, tunnel in look(tunnel) }
        for workload in workloads.values {
            for inbound in workload.inboundTunnels.values { if let tunnel = inbound.tunnel { look(tunnel) } }
        }
        for (tunnel, failure) in lost { tunnel.close(failure) }
    }
}
