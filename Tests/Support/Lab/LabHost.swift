// SPDX-License-Identifier: Apache-2.0

import Glibc

/// One host of a lab: its own network and mount namespace, a router between its workloads and the wire.
package final class LabHost: LabPlace {
    package let number: Int
    package let holder: CInt
    private let first: RunningCommand
    private var nextIndex = 10

    package var name: String { "host\(number)" }
    package var address: String { AddressPlan.host(number) }
    package var address6: String { AddressPlan.host6(number) }
    package var entry: [String] { ["nsenter", "--target", "\(holder)", "--mount", "--net", "--pid", "--uts", "--"] }

    init(number: Int, of count: Int, lab: CInt) throws {
        self.number = number
        let command = ["nsenter", "--target", "\(lab)", "--mount", "--net", "--pid", "--uts", "--"]
        first = try RunningCommand(
            command + ["unshare", "--mount", "--net", "--uts", "sh", "-ec", Self.script(number, of: count)], holdsInput: true)
        // It waits for its end of the wire, which only a place that sees both namespaces can lay.
        try waitUntil("host\(number) waits for its wire", seconds: 2, detail: { [first] in first.err }) { [first] in
            if let status = first.status { throw LabFailure(description: "host\(number) ended with \(status): \(first.err)") }
            return first.out.contains("waiting")
        }
        holder = try Lab.onlyChild(of: first)
        let laid = try RunningCommand.run(
            [
                "nsenter", "--target", "\(lab)", "--net", "--", "ip", "link", "add", "wire\(number)", "master", "wire", "up",
                "type", "veth", "peer", "name",
                "eth0", "netns", "\(holder)",
            ])
        guard laid.succeeded else { throw LabFailure(description: "no wire for host\(number): \(laid)") }
        try Lab.waitReady(first, name)
    }

    deinit { first.endInput() }

    private static func script(_ number: Int, of count: Int) -> String {
        let routes = (1...count).filter { $0 != number }.map {
            "route add \(AddressPlan.pods($0)) via \(AddressPlan.host($0))\nroute add \(AddressPlan.pods6($0)) via \(AddressPlan.host6($0))"
        }
        return """
            hostname host\(number)
            \(LabMounts.private)
            sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0
            ip link set lo up
            echo waiting
            until ip link show eth0 >/dev/null 2>&1; do sleep 0.01; done
            ip -batch - <<END
            addr add \(AddressPlan.host(number))/24 dev eth0
            addr add \(AddressPlan.host6(number))/64 dev eth0 nodad
            link set eth0 up
            link add pods type bridge forward_delay 0 mcast_snooping 0
            addr add \(AddressPlan.gateway(number))/24 dev pods
            addr add \(AddressPlan.gateway6(number))/64 dev pods nodad
            link set pods up
            \(routes.joined(separator: "\n"))
            route add default via \(AddressPlan.outside)
            route add default via \(AddressPlan.outside6)
            route add unreachable \(Lab.serviceRange)
            route add unreachable \(Lab.serviceRange6)
            END
            echo ready
            trap '' CHLD
            exec cat >/dev/null
            """
    }

    /// Makes a workload: a named network namespace with an address of each family and a way to everywhere.
    package func addWorkload(_ name: String) throws -> LabWorkload {
        defer { nextIndex += 1 }
        let workload = LabWorkload(name: name, host: self, index: nextIndex)
        try workload.make()
        return workload
    }

    /// Removes a workload's namespace. What still runs in it keeps it alive, as anywhere.
    package func remove(_ workload: LabWorkload) throws { try sh("ip netns delete \(workload.name)") }
}

/// A workload of a host: a network namespace of that name under the host's /run/netns. Files and processes are the host's.
package final class LabWorkload: LabPlace {
    package let name: String
    package let host: LabHost
    private let index: Int

    init(name: String, host: LabHost, index: Int) {
        self.name = name
        self.host = host
        self.index = index
    }

    package var holder: CInt { host.holder }
    package var address: String { AddressPlan.workload(host.number, index) }
    package var address6: String { AddressPlan.workload6(host.number, index) }
    package var entry: [String] { host.entry + ["nsenter", "--net=/run/netns/\(name)", "--"] }

    /// The address of a family.
    package func address(_ family: Family) -> String {
        switch family {
        case .v4: address
        case .v6: address6
        }
    }

    /// Makes the namespace (again, after it was removed, with the same addresses).
    package func make() throws {
        // The kernel takes a deleted namespace apart later, and with it the other end of this wire.
        try waitUntil("the old wire of \(name) is gone") { try !host.run(["ip", "link", "show", "pod\(index)"]).succeeded }
        try host.sh(
            """
            ip netns add \(name)
            nsenter --net=/run/netns/\(name) sysctl -qw net.ipv6.conf.default.accept_dad=0
            ip link add pod\(index) master pods up type veth peer name eth0 netns \(name)
            ip -n \(name) -batch - <<END
            link set lo up
            addr add \(address)/24 dev eth0
            addr add \(address6)/64 dev eth0 nodad
            link set eth0 up
            route add default via \(AddressPlan.gateway(host.number))
            route add default via \(AddressPlan.gateway6(host.number))
            END
            """)
    }
}

/// The two families of the Internet protocol.
package enum Family: String, CaseIterable, Sendable, CustomStringConvertible {
    case v4
    case v6

    package var description: String { self == .v4 ? "IPv4" : "IPv6" }
}
