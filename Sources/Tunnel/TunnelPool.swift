// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import HTTP
package import Kernel

/// The pair that a tunnel belongs to (I08). Two workloads never share one, not even of one service account; nor do two places at which
/// one workload is reached.
package struct TunnelKey: Hashable, Sendable {
    package let source: String
    package let sourceNamespace: NamespaceIdentity
    package let sourceAddress: IPAddress
    /// The other end's address and HBONE port.
    package let remote: SocketAddress
    package let network: String
    /// Who may answer; never empty.
    package let accepted: [SPIFFEID]

    package init(
        source: String, sourceNamespace: NamespaceIdentity, sourceAddress: IPAddress, remote: SocketAddress, network: String,
        accepted: [SPIFFEID]
    ) {
        self.source = source
        self.sourceNamespace = sourceNamespace
        self.sourceAddress = sourceAddress
        self.remote = remote
        self.network = network
        self.accepted = accepted
    }
}

/// Makes tunnels for a pool.
package protocol TunnelDialer: AnyObject {
    /// A tunnel to the key's remote, not yet started, with the pool as its owner.
    func dial(_ key: TunnelKey, owner: any TunnelOwner) -> Result<TunnelConnection, ConnectionFailure>
    /// Who answered has proved who it is. A failure refuses it.
    func secured(_ tunnel: TunnelConnection) -> ConnectionFailure?
    /// A tunnel of the pool is open, or failed; for metrics.
    func dialEnded(_ key: TunnelKey, _ tunnel: TunnelConnection, _ failure: ConnectionFailure?)
    /// A tunnel of the pool ended, and the pool has forgotten it. `wasOpen`: it was told as open by `dialEnded`. Nil: it was time to go.
    func tunnelEnded(_ key: TunnelKey, _ failure: ConnectionFailure?, wasOpen: Bool)
}

/// Who waits for a tunnel with room.
package protocol TunnelWaiter: AnyObject {
    func tunnelReady(_ tunnel: TunnelConnection)
    func tunnelUnavailable(_ failure: ConnectionFailure)
}

/// The client tunnels of one loop, by pair.
///
/// A caller gets a tunnel with room at once, or waits for the one that is being dialled; further ones are dialled when there are more callers than
/// room, and when the ones there are can't keep up. Waiting callers are served in the order in which they came. Tunnels leave by themselves when they
/// are idle; a stale one is left as soon as its streams are done. Lives on one loop.
package final class TunnelPool {
    private final class Lane {
        var tunnels: [TunnelConnection] = []
        var dialling: [TunnelConnection] = []
        var waiters: [any TunnelWaiter] = []
        var next = 0
    }

    private let dialer: any TunnelDialer
    private let settings: TunnelBounds
    private var lanes: [TunnelKey: Lane] = [:]
    private var keys: [ObjectIdentifier: TunnelKey] = [:]

    package init(settings: TunnelBounds, dialer: any TunnelDialer) {
        self.settings = settings
        self.dialer = dialer
    }

    /// Calls the waiter with a tunnel that has room, now or later. `wallSeconds` is the wall time: certificates end by it.
    package func acquire(_ key: TunnelKey, wallSeconds: Int64, for waiter: any TunnelWaiter) {
        let lane = lane(for: key)
        retireExpired(lane, wallSeconds)
        if let tunnel = best(lane) {
            // One more at a time: those who come while it is dialled would each bring another.
            if tunnel.backlog > 0 || wantsSpare(lane), lane.dialling.isEmpty, mayDial(lane) { dial(key, lane) }
            waiter.tunnelReady(tunnel)
            return
        }
        lane.waiters.append(waiter)
        let comingRoom = lane.dialling.count * settings.streamsPerTunnel
        if lane.waiters.count > comingRoom, mayDial(lane) { dial(key, lane) }
    }

    /// The caller waits no longer.
    package func forget(_ waiter: any TunnelWaiter, key: TunnelKey) {
        lanes[key]?.waiters.removeAll { $0 === waiter }
    }

    /// No new streams on tunnels of this workload: its certificate was renewed, or it is going (I09).
    package func retire(source: String) {
        for (key, lane) in lanes where key.source == source {
            for tunnel in lane.tunnels + lane.dialling { retire(tunnel) }
            // Who waited for room in one of them needs another.
            serveWaiters(key, lane)
        }
    }

    /// Ends the workload's tunnels and all that they carry.
    package func close(source: String, _ failure: ConnectionFailure) {
        for (key, lane) in lanes where key.source == source {
            for tunnel in lane.tunnels + lane.dialling { tunnel.close(failure) }
        }
    }

    package func retireAll() {
        for lane in lanes.values { for tunnel in lane.tunnels { retire(tunnel) } }
    }

    /// Every tunnel with its pair, for people who look.
    package func forEach(_ body: (TunnelKey, TunnelConnection) -> Void) {
        for (key, lane) in lanes { for tunnel in lane.tunnels + lane.dialling { body(key, tunnel) } }
    }

    package var isEmpty: Bool { lanes.isEmpty }

    /// How many tunnels there are.
    package var count: Int { keys.count }

    // MARK: -

    /// Callers beyond the last tunnel wait for room in those there are, within their own deadline.
    private func mayDial(_ lane: Lane) -> Bool {
        lane.tunnels.count { !$0.isStale } + lane.dialling.count < settings.tunnelsPerPair
    }

    /// All that there is carries bulk, and there isn't much yet: the next callers shall find one that doesn't.
    private func wantsSpare(_ lane: Lane) -> Bool {
        // Those that are left to finish count for nothing: long streams may keep many of them.
        var fresh = 0
        for tunnel in lane.tunnels where !tunnel.isStale {
            guard tunnel.isBulk else { return false }
            fresh += 1
        }
        return fresh < settings.bulkTunnelsPerPair
    }

    private func lane(for key: TunnelKey) -> Lane {
        if let lane = lanes[key] { return lane }
        let lane = Lane()
        lanes[key] = lane
        return lane
    }

    /// The oldest tunnel with room that keeps up and carries no bulk: streams that share a tunnel share its records and system calls, and what a
    /// burst left behind goes idle and is released. If there is none, the one with the fewest streams.
    private func best(_ lane: Lane) -> TunnelConnection? {
        choose(lane) { $0.hasRoom } ?? (mayDial(lane) ? nil : choose(lane) { $0.mayOpen })
    }

    /// One pass: a pair may have a hundred tunnels, and each new connection asks.
    private func choose(_ lane: Lane, _ hasRoom: (TunnelConnection) -> Bool) -> TunnelConnection? {
        var emptiest: TunnelConnection?
        for tunnel in lane.tunnels where hasRoom(tunnel) {
            if tunnel.backlog == 0 && !tunnel.isBulk { return tunnel }
            if emptiest.map({ tunnel.openStreams < $0.openStreams }) ?? true { emptiest = tunnel }
        }
        return emptiest
    }

    private func dial(_ key: TunnelKey, _ lane: Lane) {
        switch dialer.dial(key, owner: self) {
        case .success(let tunnel):
            keys[ObjectIdentifier(tunnel)] = key
            lane.dialling.append(tunnel)
            tunnel.start()
        case .failure(let failure):
            // With another on its way the callers go on waiting for that.
            if lane.dialling.isEmpty { failWaiters(key, lane, failure) }
        }
    }

    private func failWaiters(_ key: TunnelKey, _ lane: Lane, _ failure: ConnectionFailure) {
        let waiters = lane.waiters
        lane.waiters = []
        if lane.tunnels.isEmpty && lane.dialling.isEmpty { lanes[key] = nil }
        for waiter in waiters { waiter.tunnelUnavailable(failure) }
    }

    private func serveWaiters(_ key: TunnelKey, _ lane: Lane) {
        // One at a time: a waiter that is served may come back, leave, or close the tunnel.
        while !lane.waiters.isEmpty, let tunnel = best(lane) { lane.waiters.removeFirst().tunnelReady(tunnel) }
        if !lane.waiters.isEmpty, lane.dialling.isEmpty, mayDial(lane) { dial(key, lane) }
    }

    private func retire(_ tunnel: TunnelConnection) {
        tunnel.isStale = true
        // One that is coming up is left when it is up: who waits for it then waits for its successor.
        if tunnel.openStreams == 0 { tunnel.leave() }
    }

    /// No stream more on this one: it didn't take the last.
    package func abandon(_ tunnel: TunnelConnection) {
        retire(tunnel)
        if let key = keys[ObjectIdentifier(tunnel)], let lane = lanes[key] { serveWaiters(key, lane) }
    }

    private func retireExpired(_ lane: Lane, _ wallSeconds: Int64) {
        for tunnel in lane.tunnels where !tunnel.isStale && tunnel.expires <= wallSeconds { retire(tunnel) }
    }
}

extension TunnelPool: TunnelOwner {
    package func tunnelSecured(_ tunnel: TunnelConnection) -> ConnectionFailure? { dialer.secured(tunnel) }

    package func tunnelOpened(_ tunnel: TunnelConnection) {
        guard let key = keys[ObjectIdentifier(tunnel)], let lane = lanes[key] else { return }
        lane.dialling.removeAll { $0 === tunnel }
        lane.tunnels.append(tunnel)
        dialer.dialEnded(key, tunnel, nil)
        serveWaiters(key, lane)
    }

    /// The spare is dialled now, since who comes next can't wait for it.
    package func tunnelTurnedBulk(_ tunnel: TunnelConnection) {
        guard let key = keys[ObjectIdentifier(tunnel)], let lane = lanes[key] else { return }
        if wantsSpare(lane), lane.dialling.isEmpty, mayDial(lane) { dial(key, lane) }
    }

    package func tunnelIsSpare(_ tunnel: TunnelConnection) -> Bool {
        guard let key = keys[ObjectIdentifier(tunnel)], let lane = lanes[key] else { return false }
        return lane.tunnels.first !== tunnel
    }

    package func tunnelHasRoom(_ tunnel: TunnelConnection) {
        if tunnel.isStale && tunnel.openStreams == 0 {
            tunnel.leave()
            return
        }
        guard let key = keys[ObjectIdentifier(tunnel)], let lane = lanes[key], !lane.waiters.isEmpty else { return }
        serveWaiters(key, lane)
    }

    package func tunnelRequested(_ tunnel: TunnelConnection, stream: Int32, head: HTTP2RequestHead) {
        invariant(false, "a client tunnel was asked for a stream")
    }

    package func tunnelClosed(_ tunnel: TunnelConnection, _ failure: ConnectionFailure?) {
        guard let key = keys.removeValue(forKey: ObjectIdentifier(tunnel)), let lane = lanes[key] else { return }
        let wasDialling = lane.dialling.contains { $0 === tunnel }
        lane.dialling.removeAll { $0 === tunnel }
        lane.tunnels.removeAll { $0 === tunnel }
        if wasDialling, failure == nil, !lane.waiters.isEmpty, lane.dialling.isEmpty {
            dial(key, lane)
        } else if wasDialling {
            let failure = failure ?? ConnectionFailure(.shutdown, "the tunnel to \(key.remote) was given up")
            dialer.dialEnded(key, tunnel, failure)
            if lane.dialling.isEmpty, best(lane) == nil { failWaiters(key, lane, failure) }
        } else if !lane.waiters.isEmpty, lane.dialling.isEmpty {
            dial(key, lane)
        }
        // Who was told may have begun a lane of the same pair meanwhile.
        if lane.tunnels.isEmpty && lane.dialling.isEmpty && lane.waiters.isEmpty, lanes[key] === lane { lanes[key] = nil }
        dialer.tunnelEnded(key, failure, wasOpen: !wasDialling)
    }
}
