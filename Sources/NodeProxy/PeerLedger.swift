// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Tunnel

/// What peers have of one worker, by address: so that a limit is reached by the peer that uses it up, and the others don't notice.
///
/// A peer is asked for when it connects and pays for what it costs: a handshake a little, one that comes to nothing more, a flood most. Who has
/// nothing left is closed unheard until time gave some back. Owned by the worker, on its loop; an account is forgotten when it is idle and full.
final class PeerLedger {
    struct Bounds {
        /// Tunnels that one address may have here at once, handshakes among them.
        var tunnels = 500
        /// Handshakes under way that one address may have here.
        var handshakes = 62
        /// What one address may spend at once; a tenth of it comes back each second.
        var allowance = 400
        /// CONNECTs that came to nothing, likewise.
        var failures = 1000
        /// Addresses that are told apart; those beyond share an account.
        var accounts = 10_000
    }

    /// How much of the allowance is spent, in handshakes.
    enum Cost {
        static let handshake = 1
        /// A handshake that failed or timed out, or a tunnel that never carried a stream: all work and no use.
        static let inVain = 10
        /// The tunnel was closed for what the peer did in it.
        static let abuse = 50
    }

    /// One address.
    final class Peer {
        fileprivate(set) var handshakes = 0
        fileprivate(set) var tunnels = 0
        /// What it sent and applications haven't read yet.
        let held = HeldBytes()
        fileprivate var left: Int
        fileprivate var failuresLeft: Int
        fileprivate var second: Int

        fileprivate init(_ bounds: Bounds, _ second: Int) {
            left = bounds.allowance
            failuresLeft = bounds.failures
            self.second = second
        }
    }

    private let bounds: Bounds
    private var peers: [IPAddress: Peer] = [:]
    private let others: Peer
    private var sweptAt = 0

    init(_ bounds: Bounds) {
        self.bounds = bounds
        others = Peer(bounds, 0)
    }

    /// How many addresses have an account.
    var count: Int { peers.count }

    /// Begins a handshake; nil if the address has more than its part. `second` is a monotonic clock's.
    func admit(_ address: IPAddress, second: Int) -> Peer? {
        let peer = peer(address, second)
        refill(peer, second)
        guard peer.left > 0, peer.handshakes < bounds.handshakes, peer.tunnels < bounds.tunnels else { return nil }
        peer.left -= Cost.handshake
        peer.handshakes += 1
        peer.tunnels += 1
        return peer
    }

    func secured(_ peer: Peer) { peer.handshakes -= 1 }

    /// The tunnel is gone.
    func ended(_ peer: Peer, isSecured: Bool, cost: Int) {
        if !isSecured { peer.handshakes -= 1 }
        peer.tunnels -= 1
        // No debt is deeper than what ten seconds give back.
        peer.left = max(peer.left - cost, -bounds.allowance)
    }

    /// A CONNECT of the peer was answered by anything but 200.
    func failed(_ peer: Peer) { peer.failuresLeft = max(peer.failuresLeft - 1, -bounds.failures) }

    /// Whether the peer's next CONNECT may begin now. It has had too many that came to nothing otherwise: the next one waits.
    func mayAsk(_ peer: Peer, second: Int) -> Bool {
        if peer.failuresLeft > 0 { return true }
        refill(peer, second)
        return peer.failuresLeft > 0
    }

    private func refill(_ peer: Peer, _ second: Int) {
        guard second > peer.second else { return }
        let passed = min(second - peer.second, 3600)
        peer.left = min(bounds.allowance, peer.left + passed * max(1, bounds.allowance / 10))
        peer.failuresLeft = min(bounds.failures, peer.failuresLeft + passed * max(1, bounds.failures / 10))
        peer.second = second
    }

    private func peer(_ address: IPAddress, _ second: Int) -> Peer {
        if let known = peers[address] { return known }
        if peers.count >= bounds.accounts { sweep(second) }
        guard peers.count < bounds.accounts else { return others }
        let new = Peer(bounds, second)
        peers[address] = new
        return new
    }

    /// Forgets who has nothing here and would have its whole allowance again. At most once a second: who makes accounts by the thousand
    /// shall not make us look through them each time.
    private func sweep(_ second: Int) {
        guard second > sweptAt else { return }
        sweptAt = second
        let share = max(1, bounds.allowance / 10)
        peers = peers.filter { _, peer in
            peer.tunnels > 0 || peer.left + min(second - peer.second, 3600) * share < bounds.allowance
        }
    }
}
