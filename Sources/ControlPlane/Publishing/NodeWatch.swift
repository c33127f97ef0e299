// SPDX-License-Identifier: Apache-2.0

package import Kernel
package import Loop

/// Watches which hosts are there. Absence isn't removal (I21): the workloads of a host that is gone turn unhealthy first, so that services find
/// others; what it registered expires only after a grace that counts while the control plane is up, and begins anew with it; policies never expire.
/// On the API's loop.
package final class NodeWatch: TimerTarget {
    package struct Bounds: Sendable {
        /// A restart of the daemon, or a moved connection, is shorter.
        package var unhealthyAfter = Interval.seconds(30)
        package var expiresAfter = Interval.seconds(600)
        package var tick = Interval.seconds(2)

        package init() {}
    }

    private struct Host {
        /// Nil while it is there.
        var absentSince: Instant?
        var isUnhealthy = false
        var isExpired = false
    }

    private let loop: Loop
    private let bounds: Bounds
    private let now: () -> Instant
    private var hosts: [String: Host] = [:]
    /// A host's workloads turn unhealthy, or healthy again.
    package var onHealth: ((String, Bool) -> Void)?
    /// What a host registered may go. Once, until it comes again.
    package var onExpired: ((String) -> Void)?

    /// - Parameter now: the monotonic clock; tests have one of their own.
    package init(loop: Loop, bounds: Bounds = Bounds(), now: @escaping () -> Instant = { .now() }) {
        self.loop = loop
        self.bounds = bounds
        self.now = now
    }

    /// Begins with the hosts that the store knows: each has the whole grace from here.
    package func start(_ nodes: some Sequence<String>) {
        for node in nodes where hosts[node] == nil { hosts[node] = Host(absentSince: now()) }
        _ = loop.arm(bounds.tick, self, tag: 0)
    }

    package func connected(_ node: String) {
        let wasUnhealthy = hosts[node]?.isUnhealthy == true
        hosts[node] = Host()
        if wasUnhealthy { onHealth?(node, true) }
    }

    package func disconnected(_ node: String) {
        guard hosts[node]?.absentSince == nil else { return }
        hosts[node] = Host(absentSince: now())
    }

    /// The host was turned out: others are sent its workloads' way no more, from now on.
    package func evicted(_ node: String) {
        guard hosts[node]?.isUnhealthy != true else { return }
        hosts[node] = Host(absentSince: hosts[node]?.absentSince ?? now(), isUnhealthy: true)
        onHealth?(node, false)
    }

    /// The host is no member any more; what it held is for others to remove.
    package func forget(_ node: String) {
        if hosts.removeValue(forKey: node)?.isUnhealthy == true { onHealth?(node, true) }
    }

    package func isUnhealthy(_ node: String) -> Bool { hosts[node]?.isUnhealthy ?? false }

    package func timerFired(_ tag: UInt32) {
        check()
        _ = loop.arm(bounds.tick, self, tag: 0)
    }

    func check() {
        // When nobody at all is there it is we who are cut off: nobody would hear of it, and whoever comes first would find everybody else unhealthy.
        guard hosts.values.contains(where: { $0.absentSince == nil }) else { return }
        for (node, host) in hosts {
            guard let since = host.absentSince else { continue }
            let absent = now().since(since)
            if absent >= bounds.unhealthyAfter, !host.isUnhealthy {
                hosts[node]?.isUnhealthy = true
                onHealth?(node, false)
            }
            if absent >= bounds.expiresAfter, !host.isExpired {
                hosts[node]?.isExpired = true
                onExpired?(node)
            }
        }
    }
}
