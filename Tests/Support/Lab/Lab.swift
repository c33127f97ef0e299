// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A small data centre in one machine: hosts with workloads, joined by a wire, made of namespaces that nothing else knows.
///
///     lab (its own pid, mount and network namespace)
///       │  bridge `wire` 10.66.0.0/24, fd66::/64 · the lab's own end, `outside`, is .254
///       ├─ host1 (own network and mount namespace) 10.66.0.1
///       │     │  bridge `pods` 10.66.1.1/24, fd66:0:0:1::1/64
///       │     ├─ web  (ip netns) 10.66.1.10, fd66:0:0:1::10
///       │     └─ db   (ip netns) 10.66.1.11, …
///       └─ host2 …
///
/// All of it lives as long as the lab's first process, which reads a pipe from the test process: however that ends, kill -9 too, the
/// pipe ends, the first process with it, and the kernel ends every process of its pid namespace; namespaces and mounts go with the last.
/// The machine's own network namespace is never touched. Used from one thread at a time.
package final class Lab {
    package let hosts: [LabHost]
    /// The wire's own namespace: what is outside of every host.
    package let outside: LabOutside
    private let first: RunningCommand
    var captures = 0

    package init(hosts count: Int = 2) throws {
        let first = try RunningCommand(
            [
                "unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc", "sh", "-ec",
                Self.script(hosts: count),
            ],
            holdsInput: true)
        try Self.waitReady(first, "the lab")
        let holder = try Self.onlyChild(of: first)
        self.first = first
        outside = LabOutside(holder: holder)
        hosts = try (1...count).map { try LabHost(number: $0, of: count, lab: holder) }
    }

    deinit {
        first.endInput()
        if first.wait(seconds: 10) == nil { first.signal(SIGKILL) }
    }

    /// The service addresses of every lab lie in here; only captured workloads reach them.
    package static let serviceRange = "10.96.0.0/16"
    package static let serviceRange6 = "fd96::/112"

    /// Own mounts, so that nothing is written to the machine; then the wire. At the end the shell becomes `cat`, which reaps what
    /// its namespace leaves (SIGCHLD ignored) and ends with the pipe.
    private static func script(hosts count: Int) -> String {
        let routes = (1...count).map {
            "route add \(AddressPlan.pods($0)) via \(AddressPlan.host($0))\nroute add \(AddressPlan.pods6($0)) via \(AddressPlan.host6($0))"
        }
        return """
            \(LabMounts.private)
            sysctl -qw net.ipv6.conf.default.accept_dad=0
            ip -batch - <<END
            link set lo up
            link add wire type bridge forward_delay 0 mcast_snooping 0
            addr add \(AddressPlan.outside)/24 dev wire
            addr add \(AddressPlan.outside6)/64 dev wire nodad
            link set wire up
            \(routes.joined(separator: "\n"))
            END
            echo ready
            trap '' CHLD
            exec cat >/dev/null
            """
    }

    static func waitReady(_ command: RunningCommand, _ what: String) throws {
        try waitUntil("\(what) is made", seconds: 2, detail: { command.err }) {
            if let status = command.status { throw TimedOut(description: "\(what) ended with \(status): \(command.err)") }
            return command.out.contains("ready")
        }
    }

    /// The process proper behind a wrapper that forks (unshare, nsenter).
    static func onlyChild(of command: RunningCommand) throws -> CInt {
        var found: CInt?
        try waitUntil("the child is there", seconds: 1, detail: { command.err }) {
            found = command.children.first
            return found != nil || command.status != nil
        }
        guard let found else { throw TimedOut(description: "ended before it began: \(command.err)") }
        return found
    }
}

/// Addresses of a lab with hosts from 1.
package enum AddressPlan {
    package static let outside = "10.66.0.254"
    package static let outside6 = "fd66::254"
    package static func host(_ number: Int) -> String { "10.66.0.\(number)" }
    package static func host6(_ number: Int) -> String { "fd66::\(number)" }
    package static func pods(_ number: Int) -> String { "10.66.\(number).0/24" }
    package static func pods6(_ number: Int) -> String { "fd66:0:0:\(number)::/64" }
    package static func gateway(_ number: Int) -> String { "10.66.\(number).1" }
    package static func gateway6(_ number: Int) -> String { "fd66:0:0:\(number)::1" }
    package static func workload(_ number: Int, _ index: Int) -> String { "10.66.\(number).\(index)" }
    package static func workload6(_ number: Int, _ index: Int) -> String { "fd66:0:0:\(number)::\(index)" }
}

/// Shell text that gives a mount namespace its own, empty places for what programs write.
enum LabMounts {
    /// /run is empty; /etc, /var/lib and /var/log are the machine's with a layer of our own above.
    static let `private` = """
        mount -t tmpfs -o mode=755 tmpfs /run
        mkdir -p /run/netns /run/lock /run/layers
        for place in /etc /var/lib /var/log; do
          mkdir -p /run/layers$place/up /run/layers$place/work
          mount -t overlay -o lowerdir=$place,upperdir=/run/layers$place/up,workdir=/run/layers$place/work overlay $place
        done
        """
}
