// SPDX-License-Identifier: Apache-2.0

/// The rules of each chain, by phase.
extension CaptureRules {
    private static let syn = "tcp flags & (fin|syn|rst|ack) == syn"
    private static let ours = "meta mark & \(hex(Mark.mask)) == { \(hex(Mark.inside)), \(hex(Mark.outside)) }"
    private static let markOutside = "meta mark set meta mark & \(hex(~Mark.mask)) | \(hex(Mark.outside))"
    private static let unmark = "meta mark set meta mark & \(hex(~Mark.mask))"
    private static let remember = "ct mark set ct mark & \(hex(~Mark.mask)) | \(hex(Mark.outside))"
    private static let forget = "ct mark set ct mark & \(hex(~Mark.mask))"
    private static let isRemembered = "ct mark & \(hex(Mark.mask)) == \(hex(Mark.outside))"

    static let towardsApplications = "meta l4proto tcp meta mark & \(hex(Mark.zoneMask)) == \(hex(Mark.inside))"

    /// The client's address and a port that we choose may be just those of a plain connection that is redirected: without a zone of its own ours
    /// would be taken for that one, and be sent to 15006. Only the original direction is zoned, so answers are found whatever their mark.
    var zones: [String] {
        ["\(Self.towardsApplications) ct original zone set \(Mark.inside)"]
    }

    /// Before routing. What comes from the wire is answered to the wire: the mark passes to the socket that accepts it and to resets, and lets
    /// the source check (`src_valid_mark`) look at the ordinary routes.
    var arriving: [String] {
        let tcpOnly = "meta l4proto != tcp accept"
        let mark = "iif != \"lo\" \(Self.markOutside) accept"
        switch phase {
        case .preparing, .captured: return [tcpOnly, mark, "\(Self.ours) accept", "\(Self.syn) jump calling"]
        case .draining: return [tcpOnly, "iif != \"lo\" \(Self.syn) \(Self.remember)", mark]
        }
    }

    /// A SYN on loopback for an address that isn't local. Whether it is local is asked with the mark that leads past our own policy rules.
    /// With no listener of ours TPROXY does nothing, and without the reset the SYN could reach a listener of the application's own.
    var calling: [String] {
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
    var called: [String] {
        switch phase {
        case .preparing, .captured:
            ["iif != \"lo\" tcp dport != \(ports.tunnel) \(Self.syn) redirect to :\(ports.inbound)"]
        case .draining: []
        }
    }

    /// What is to leave by the ordinary routes although the application sends it: connections older than capture, and while
    /// preparing or draining all new ones. All else the application sends is routed to loopback.
    var leaving: [String] {
        let first = ["meta l4proto != tcp accept", "\(Self.ours) accept"]
        let free = ["\(Self.isRemembered) \(Self.markOutside) accept"]
        switch phase {
        case .preparing: return first + free + forgetting + openBefore + ["oif != \"lo\" \(Self.syn) \(Self.remember)"]
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

    /// If someone takes the policy rules away, or IPv4 assumes a destination to be on the device that a socket is bound to, the application's TCP
    /// must not leave in plain. New connections are refused; open ones wait for the rules to come back.
    var guarding: [String] {
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

    func others(_ device: String, _ lookup: String) -> [String] {
        ["\(device) \"lo\" accept", "meta l4proto { tcp, icmp, ipv6-icmp } accept", "\(lookup) accept", "counter drop"]
    }
}

/// As nft writes marks.
private func hex(_ number: UInt32) -> String { "0x\(String(number, radix: 16))" }
