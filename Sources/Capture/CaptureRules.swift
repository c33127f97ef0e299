// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// What captures a workload, as a value: the text of one nftables transaction, which holds as a whole or not at all.
///
/// Everything lies in one table, `inet warren`, in the workload's namespace, for IPv4 and IPv6 alike. It works together with the policy
/// rules of `CaptureRouting`: they send whatever TCP the application emits to the loopback device, and these rules hand it to our
/// listener there (TPROXY). No address is translated on the way out, so an established connection needs neither these rules nor
/// connection tracking: if someone empties both, it goes on, and nothing of it reaches the wire (I01, I03). `docs/decisions/0004` has
/// the reasons, and this is what becomes of each kind of connection while captured:
///
///     the application dials …                        it reaches
///     another address, a service's too               15001; our socket's local address is what it dialled
///     a service without endpoints                    15001, which knows and refuses
///     its own address or loopback, any port          what listens there, untouched
///     its own address, 15001, 15006 or 15008         our listener with a local address of its own: refused there
///     a link-local IPv6 address                      nothing: "network unreachable", since the zone would be lost
///     from a socket bound to a device                nothing: IPv4 a reset, IPv6 "network unreachable"; only loopback leads to us
///     something while no daemon runs                 a reset, at once (I07)
///
///     from the wire to the namespace                 it reaches
///     port 15008                                     our tunnel listener
///     every other port, 15001 and 15006 too          15006; SO_ORIGINAL_DST says what was dialled
///     something while no daemon runs                 a reset
///
/// Only a SYN is captured: a connection that was open before stays as it is (I02).
package struct CaptureRules: Equatable, Sendable {
    /// How far capture is, from the rules' view.
    package enum Phase: Equatable, Sendable {
        /// What comes in is captured. What goes out isn't yet, and is noted, so that it stays free when the policy rules take hold.
        case preparing
        case captured
        /// New connections are free. Captured ones still find their way back to us.
        case draining
    }

    /// What happens to protocols other than TCP, which no tunnel carries (I05).
    package enum OtherProtocols: String, Equatable, Sendable {
        case allow
        /// Dropped. Kept are loopback, ICMP and ICMPv6 (errors and neighbour discovery, without which TCP doesn't work either, and echo), and name
        /// lookups: UDP to port 53 and its answers.
        case drop
    }

    /// The table in a workload's namespace; nothing outside it is ever touched.
    package static let table = "inet warren"

    package var phase: Phase
    package var ports: CapturePorts
    package var otherProtocols: OtherProtocols

    package init(phase: Phase, ports: CapturePorts = CapturePorts(), otherProtocols: OtherProtocols = .allow) {
        self.phase = phase
        self.ports = ports
        self.otherProtocols = otherProtocols
    }

    /// The table as a whole, in place of any that is there.
    package var text: String { "add table \(Self.table)\ndelete table \(Self.table)\ntable \(Self.table) {\n\(sets)\(chains)}\n" }

    /// Adds connections that were open before capture: they go on as they are. Empty for none.
    package static func elementsText(_ openBefore: [ConnectionTuple]) -> String {
        let families = [("before4", ConnectionTuple.Family.v4), ("before6", .v6)]
        return families.map { name, family in
            let elements = openBefore.filter { $0.family == family }.map(\.description)
            return elements.isEmpty ? "" : "add element \(table) \(name) {\n    \(elements.joined(separator: ",\n    "))\n}\n"
        }.joined()
    }

    /// Only the chains, in place of those that are there: what the kernel has put into the sets stays.
    package var chainsText: String {
        let flush = Chain.allCases.filter(isPresent).map { "flush chain \(Self.table) \($0.rawValue)\n" }
        return flush.joined() + "table \(Self.table) {\n\(chains)}\n"
    }

    /// Takes the table away, if there is one.
    package static let absentText = "add table \(table)\ndelete table \(table)\n"
}

// MARK: - The table

extension CaptureRules {
    /// The chains by what passes them.
    private enum Chain: String, CaseIterable {
        case zones, arriving, calling, called, leaving
        case guarding = "guard"
        case othersIn = "others-in"
        case othersOut = "others-out"
    }

    private func isPresent(_ chain: Chain) -> Bool {
        switch chain {
        case .zones, .arriving, .calling, .called, .leaving, .guarding: true
        case .othersIn, .othersOut: otherProtocols == .drop
        }
    }

    private var sets: String { tupleSet("before4", "ipv4_addr") + tupleSet("before6", "ipv6_addr") }

    private func tupleSet(_ name: String, _ type: String) -> String {
        """
            set \(name) {
                type \(type) . inet_service . \(type) . inet_service
                size \(ConnectionTuple.maximumCount)
                flags dynamic
            }

        """
    }

    private var chains: String {
        Chain.allCases.filter(isPresent).map { chain in
            let lines = [head(of: chain)].compactMap { $0 } + rules(of: chain)
            return "    chain \(chain.rawValue) {\n" + lines.map { "        \($0)\n" }.joined() + "    }\n"
        }.joined()
    }

    /// Priorities as numbers, since their names differ between hooks and versions of nft. NAT comes one before everybody else's (-100), so that
    /// no other software's rule takes a connection first.
    private func head(of chain: Chain) -> String? {
        switch chain {
        case .zones: "type filter hook output priority -300; policy accept;"
        case .arriving: "type filter hook prerouting priority -150; policy accept;"
        case .calling: nil
        case .called: "type nat hook prerouting priority -101; policy accept;"
        case .leaving: "type route hook output priority -150; policy accept;"
        case .guarding: "type filter hook output priority 0; policy accept;"
        case .othersIn: "type filter hook input priority 0; policy accept;"
        case .othersOut: "type filter hook output priority 0; policy accept;"
        }
    }

    private func rules(of chain: Chain) -> [String] {
        switch chain {
        case .zones: zones
        case .arriving: arriving
        case .calling: calling
        case .called: called
        case .leaving: leaving
        case .guarding: guarding
        case .othersIn: others("iif", "udp sport 53 ct state established")
        case .othersOut: others("oif", "udp dport 53")
        }
    }
}

// MARK: - The rules

extension CaptureRules {
    private static let syn = "tcp flags & (fin|syn|rst|ack) == syn"
    private static let ours = "meta mark & \(hex(Mark.mask)) == { \(hex(Mark.inside)), \(hex(Mark.outside)) }"
    private static let markOutside = "meta mark set meta mark & \(hex(~Mark.mask)) | \(hex(Mark.outside))"
    private static let unmark = "meta mark set meta mark & \(hex(~Mark.mask))"
    private static let remember = "ct mark set ct mark & \(hex(~Mark.mask)) | \(hex(Mark.outside))"
    private static let forget = "ct mark set ct mark & \(hex(~Mark.mask))"
    private static let isRemembered = "ct mark & \(hex(Mark.mask)) == \(hex(Mark.outside))"

    /// The client's address and a port that we choose may be just those of a plain connection that is redirected: without a zone of its own ours
    /// would be taken for that one, and be sent to 15006. Only the original direction is zoned, so answers are found whatever their mark.
    private var zones: [String] {
        ["meta l4proto tcp meta mark & \(hex(Mark.mask)) == \(hex(Mark.inside)) ct original zone set \(Mark.inside)"]
    }

    /// Before routing. What comes from the wire is answered to the wire: the mark passes to the socket that accepts it and to resets, and lets
    /// the source check (`src_valid_mark`) look at the ordinary routes.
    private var arriving: [String] {
        let tcpOnly = "meta l4proto != tcp accept"
        let mark = "iif != \"lo\" \(Self.markOutside) accept"
        switch phase {
        case .preparing, .captured: return [tcpOnly, mark, "\(Self.ours) accept", "\(Self.syn) jump calling"]
        case .draining: return [tcpOnly, "iif != \"lo\" \(Self.syn) \(Self.remember)", mark]
        }
    }

    /// A SYN on loopback for an address that isn't local. Whether it is local is asked with the mark that leads past our own policy rules.
    /// With no listener of ours TPROXY does nothing, and without the reset the SYN could reach a listener of the application's own.
    private var calling: [String] {
        switch phase {
        case .preparing, .captured:
            [
                Self.markOutside,
                "fib daddr . mark type local \(Self.unmark) return",
                "meta l4proto tcp tproxy to :\(ports.outbound) accept",
                "meta l4proto tcp reject with tcp reset",
            ]
        case .draining: []
        }
    }

    /// The base chain stays while draining, though empty: without it the kernel would stop translating what is redirected.
    private var called: [String] {
        switch phase {
        case .preparing, .captured:
            ["iif != \"lo\" tcp dport != \(ports.tunnel) \(Self.syn) redirect to :\(ports.inbound)"]
        case .draining: []
        }
    }

    /// What is to leave by the ordinary routes although the application sends it: connections older than capture, and while
    /// preparing or draining all new ones. All else the application sends is routed to loopback.
    private var leaving: [String] {
        let first = ["meta l4proto != tcp accept", "\(Self.ours) accept"]
        let free = ["\(Self.isRemembered) \(Self.markOutside) accept"]
        switch phase {
        case .preparing: return first + free + ["oif != \"lo\" \(Self.syn) \(Self.remember)"]
        case .captured: return first + forgetting + free + openBefore
        case .draining: return first + free + forgetting + openBefore + ["\(Self.syn) \(Self.remember) \(Self.markOutside)"]
        }
    }

    /// A SYN with the addresses and ports of an old connection is a new one, even where connection tracking takes it for part of the old one that
    /// ended unseen.
    private var forgetting: [String] {
        let mark = phase == .captured ? ["\(Self.syn) \(Self.isRemembered) \(Self.forget)"] : []
        return mark + [
            "\(Self.syn) delete @before4 { \(tuple("ip")) }",
            "\(Self.syn) delete @before6 { \(tuple("ip6")) }",
        ]
    }

    private var openBefore: [String] {
        [
            "\(tuple("ip")) @before4 \(Self.markOutside) accept",
            "\(tuple("ip6")) @before6 \(Self.markOutside) accept",
        ]
    }

    private func tuple(_ family: String) -> String { "\(family) saddr . tcp sport . \(family) daddr . tcp dport" }

    /// If someone takes the policy rules away, or IPv4 assumes a destination to be on the device that a socket is bound to, the application's TCP must
    /// not leave in plain. New connections are refused; open ones wait for the rules to come back.
    private var guarding: [String] {
        switch phase {
        case .captured, .draining:
            [
                "oif \"lo\" accept",
                "meta l4proto != tcp accept",
                "meta mark & \(hex(Mark.mask)) == \(hex(Mark.outside)) accept",
                "\(Self.syn) counter reject with tcp reset",
                "counter drop",
            ]
        case .preparing: []
        }
    }

    private func others(_ device: String, _ lookup: String) -> [String] {
        ["\(device) \"lo\" accept", "meta l4proto { tcp, icmp, ipv6-icmp } accept", "\(lookup) accept", "counter drop"]
    }
}

/// As nft writes marks.
private func hex(_ number: UInt32) -> String { "0x\(String(number, radix: 16))" }
