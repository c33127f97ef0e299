// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Workloads of this host that are enrolled but not captured now, as a value: what is remembered of them on disk, and the text of the nftables
/// transactions that keep them off the network meanwhile (I07).
///
/// The rules lie in the host's own namespace, where what workloads send and receive is forwarded or ends. They drop connections that begin, so
/// that loading them cuts nothing; 15008 is free, for there is only mutual TLS, and a tunnel that is refused at once is tried again at once. A
/// namespace whose device leads past the host (macvlan, SR-IOV) is out of their reach.
package struct GuardRules: Equatable, Sendable {
    /// The tables in the host's namespace: for what is routed, and for what is bridged.
    package static let table = "inet warren-guard"
    package static let bridgeTable = "bridge warren-guard"

    /// More than a host has; a file that says more isn't ours.
    package static let maximumCount = 100_000

    /// The addresses, and whether everything but TCP is kept off too (`capture.nonTCP: drop`).
    private var addresses: [IPAddress: Bool] = [:]

    package init() {}

    package var count: Int { addresses.count }

    package func contains(_ address: IPAddress) -> Bool { addresses[address] != nil }

    package mutating func insert(_ address: IPAddress, dropsNonTCP: Bool) { addresses[address] = dropsNonTCP }

    // MARK: - On disk

    private static let everything = "all"

    /// One address per line, behind it `all` where nothing may pass.
    package var document: String {
        addresses.sorted { $0.key < $1.key }.map { $1 ? "\($0) \(Self.everything)\n" : "\($0)\n" }.joined()
    }

    /// Nil if it isn't such a document.
    package init?(document: String) {
        for line in document.split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            guard let address = words.first.flatMap({ IPAddress(String($0)) }),
                words.count == 1 || words[1...] == [Self.everything[...]]
            else { return nil }
            addresses[address] = words.count == 2
            guard addresses.count <= Self.maximumCount else { return nil }
        }
    }

    // MARK: - Rules

    /// The table for what is routed, in place of any that is there; none where there is nobody to guard.
    package var text: String { text(Self.table, hooks: ["forward", "input", "output"]) }

    /// The same for what a bridge of this host passes between its ports. Not every kernel can.
    package var bridgeText: String { text(Self.bridgeTable, hooks: ["forward"]) }

    /// Takes the tables away, if they are there.
    package static let absentText = absent(table) + absent(bridgeTable)

    private static func absent(_ table: String) -> String { "add table \(table)\ndelete table \(table)\n" }

    private func text(_ table: String, hooks: [String]) -> String {
        guard !addresses.isEmpty else { return Self.absent(table) }
        let chains = hooks.map { hook in
            """
                chain \(hook) {
                    type filter hook \(hook) priority -10; policy accept;
                    jump closed
                }

            """
        }.joined()
        return Self.absent(table) + """
            table \(table) {
            \(sets)    chain closed {
            \(rules.map { "        \($0)\n" }.joined())    }
            \(chains)}

            """
    }

    private static let families = [(family: IPAddress.Family.v4, name: "ip", type: "ipv4_addr"), (.v6, "ip6", "ipv6_addr")]

    private func members(_ family: IPAddress.Family, all: Bool) -> [String] {
        addresses.filter { $0.key.family == family && (!all || $0.value) }.keys.sorted().map(\.description)
    }

    private var sets: String {
        Self.families.flatMap { family, name, type in
            [("tcp-\(name)", members(family, all: false)), ("all-\(name)", members(family, all: true))].filter { !$0.1.isEmpty }
                .map {
                    "    set \($0) {\n        type \(type)\n        elements = { \($1.joined(separator: ", ")) }\n    }\n"
                }
        }.joined()
    }

    /// What is dropped besides TCP is what capture drops (CaptureRules): not ICMP, not DNS that the workload asks.
    private var rules: [String] {
        Self.families.flatMap { family, name, _ in
            guard !members(family, all: false).isEmpty else { return [String]() }
            let beginning = "tcp dport != \(CapturePorts().tunnel) tcp flags & (fin|syn|rst|ack) == syn counter drop"
            let tcp = ["saddr", "daddr"].map { "\(name) \($0) @tcp-\(name) \(beginning)" }
            guard !members(family, all: true).isEmpty else { return tcp }
            return tcp + [
                "\(name) saddr @all-\(name) udp dport != 53 counter drop",
                "\(name) daddr @all-\(name) udp sport != 53 counter drop",
                "\(name) saddr @all-\(name) meta l4proto != { tcp, udp, icmp, ipv6-icmp } counter drop",
                "\(name) daddr @all-\(name) meta l4proto != { tcp, udp, icmp, ipv6-icmp } counter drop",
            ]
        }
    }
}
