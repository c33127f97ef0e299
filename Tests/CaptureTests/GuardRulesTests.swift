// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import Testing

@testable import Capture

/// I07: what keeps workloads off the network that aren't captured.
struct GuardRulesTests {
    private static func rules(_ addresses: [(String, Bool)]) throws -> GuardRules {
        var rules = GuardRules()
        for (text, all) in addresses { rules.insert(try #require(IPAddress(text)), dropsNonTCP: all) }
        return rules
    }

    @Test func `connections that begin are dropped both ways, tunnels and open ones aren't`() throws {
        let rules = try Self.rules([("10.0.0.7", false), ("10.0.0.5", true)])
        #expect(
            rules.bridgeText == """
                add table bridge warren-guard
                delete table bridge warren-guard
                table bridge warren-guard {
                    set tcp-ip {
                        type ipv4_addr
                        elements = { 10.0.0.5, 10.0.0.7 }
                    }
                    set all-ip {
                        type ipv4_addr
                        elements = { 10.0.0.5 }
                    }
                    chain closed {
                        ip saddr @tcp-ip tcp dport != 15008 tcp flags & (fin|syn|rst|ack) == syn counter drop
                        ip daddr @tcp-ip tcp dport != 15008 tcp flags & (fin|syn|rst|ack) == syn counter drop
                        ip saddr @all-ip udp dport != 53 counter drop
                        ip daddr @all-ip udp sport != 53 counter drop
                        ip saddr @all-ip meta l4proto != { tcp, udp, icmp, ipv6-icmp } counter drop
                        ip daddr @all-ip meta l4proto != { tcp, udp, icmp, ipv6-icmp } counter drop
                    }
                    chain forward {
                        type filter hook forward priority -10; policy accept;
                        jump closed
                    }
                }

                """)
        for hook in ["forward", "input", "output"] { #expect(rules.text.contains("type filter hook \(hook) priority -10")) }
    }

    @Test func `nobody to guard leaves no table`() {
        #expect(GuardRules().text == "add table inet warren-guard\ndelete table inet warren-guard\n")
        #expect(GuardRules.absentText == GuardRules().text + GuardRules().bridgeText)
    }

    @Test func `what is remembered is read again as it was`() throws {
        let rules = try Self.rules([("10.0.0.7", false), ("fd00::5", true), ("10.0.0.5", true)])
        #expect(rules.document == "10.0.0.5 all\n10.0.0.7\nfd00::5 all\n")
        #expect(GuardRules(document: rules.document) == rules)
        #expect(GuardRules(document: "") == GuardRules())
    }

    @Test(arguments: [
        "10.0.0.300\n", "10.0.0.1 some\n", "10.0.0.1 all more\n", "10.0.0.1  all\n", " 10.0.0.1\n", "\u{0}\n",
        "10.0.0.1; flush ruleset\n",
    ])
    func `what isn't ours isn't read`(document: String) { #expect(GuardRules(document: document) == nil) }

    @Test func `more than a host can have isn't read`() {
        let lines = (0...GuardRules.maximumCount).map {
            "fd00::\(String($0 >> 16, radix: 16)):\(String($0 & 0xffff, radix: 16))\n"
        }
        #expect(GuardRules(document: lines.joined()) == nil)
        #expect(GuardRules(document: lines.dropLast().joined())?.count == GuardRules.maximumCount)
    }
}
