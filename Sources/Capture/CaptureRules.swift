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

    /// Goes before `text` where somebody took the table away under connections that it had captured. Connection tracking and translation start to
    /// work when a transaction is prepared, the rule on zones when it is put into force: in between, a segment of ours towards an application would
    /// be taken for a new connection, whose answers' addresses are those of the old one's, and be given another port. Not tracked, it passes.
    package var groundText: String {
        let chain = text(of: .zones, rules: ["\(Self.towardsApplications) notrack"])
        return "add table \(Self.table)\ndelete table \(Self.table)\ntable \(Self.table) {\n\(chain)}\n"
    }

    /// Adds connections that were open before capture: they go on as they are. Empty for none.
    package static func elementsText(_ openBefore: [ConnectionTuple]) -> String {
        let families = [("before4", ConnectionTuple.Family.v4), ("before6", .v6)]
        return families.map { name, family in
            let elements = openBefore.filter { $0.family == family }.map(\.description)
            return elements.isEmpty ? "" : "add element \(table) \(name) {\n    \(elements.joined(separator: ",\n    "))\n}\n"
        }.joined()
    }

    /// What turns a table of ours, whatever its phase, into this one: two transactions to be run in this order. The sets stay as they are.
    ///
    /// The kernel puts a transaction's chains into force one after the other, so those that take a SYN in and those that let it go change apart:
    /// whoever captures first learns to take, whoever drains first learns to let go.
    package var updates: [String] {
        let taking: [Chain] = [.arriving, .calling, .called]
        let lettingGo: [Chain] = [.zones, .leaving, .guarding, .othersIn, .othersOut]
        switch phase {
        case .preparing, .captured: return [update(taking), update(lettingGo)]
        case .draining: return [update(lettingGo), update(taking)]
        }
    }

    /// Each chain's new rules come into force at once; one that isn't there is made, one that isn't wanted goes.
    private func update(_ chains: [Chain]) -> String {
        let present = chains.filter(isPresent)
        let absent = chains.filter { !isPresent($0) }
        let made = "table \(Self.table) {\n\(chains.map { text(of: $0, rules: []) }.joined())}\n"
        let flushed = chains.map { "flush chain \(Self.table) \($0.rawValue)\n" }.joined()
        let deleted = absent.map { "delete chain \(Self.table) \($0.rawValue)\n" }.joined()
        return made + flushed + deleted
            + "table \(Self.table) {\n\(present.map { text(of: $0, rules: rules(of: $0)) }.joined())}\n"
    }

    /// Whether a listing has our sets and chains and nothing else, so that `updates` make of it what `text` makes of nothing.
    package static func isOurs(_ listing: String) -> Bool {
        let known = Set(["set before4", "set before6"] + Chain.allCases.map { "chain \($0.rawValue)" })
        let blocks = listing.split(separator: "\n").filter { $0.hasSuffix(" {") && !$0.hasPrefix("table ") }
        let names = blocks.map { String($0.drop { $0 == "\t" || $0 == " " }.dropLast(2)) }
        return names.contains("set before4") && names.contains("set before6") && names.allSatisfy(known.contains)
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

    private var chains: String { Chain.allCases.filter(isPresent).map { text(of: $0, rules: rules(of: $0)) }.joined() }

    private func text(of chain: Chain, rules: [String]) -> String {
        let lines = [head(of: chain)].compactMap { $0 } + rules
        return "    chain \(chain.rawValue) {\n" + lines.map { "        \($0)\n" }.joined() + "    }\n"
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
