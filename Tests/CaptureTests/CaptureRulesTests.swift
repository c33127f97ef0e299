// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@testable import Capture

/// The rules as text. What they do is shown in `OnTheKernel`; here is what is loaded, to the letter.
struct CaptureRulesTests {
    @Test func `a captured namespace`() {
        #expect(CaptureRules(phase: .captured).text == Self.captured)
    }

    @Test func `while preparing what goes out is noted, not captured`() {
        let text = CaptureRules(phase: .preparing).text
        #expect(
            text
                == Self.captured.replacing(Self.leaving, with: Self.leavingPrepared).replacing(
                    Self.guarding, with: Self.guardingNothing))
    }

    @Test func `while draining nothing new is captured, and the NAT chain stays`() {
        let text = CaptureRules(phase: .draining).text
        let changes = [
            (Self.arriving, Self.arrivingFree), (Self.calling, Self.callingNothing), (Self.called, Self.calledNothing),
            (Self.leaving, Self.leavingFree),
        ]
        #expect(text == changes.reduce(Self.captured) { $0.replacing($1.0, with: $1.1) })
    }

    @Test func `other protocols are dropped if wished, but loopback, ICMP and name lookups`() {
        var rules = CaptureRules(phase: .captured)
        rules.otherProtocols = .drop
        #expect(rules.text == Self.captured.dropLast(2) + Self.others + "\n}\n")
    }

    /// Otherwise a SYN in between would be taken by nobody, and refused.
    @Test func `whoever captures first learns to take, whoever drains first learns to let go`() {
        #expect(CaptureRules(phase: .captured).updates == [Self.takingCaptured, Self.lettingGoCaptured])
        let draining = CaptureRules(phase: .draining).updates
        #expect(draining.map { $0.contains("flush chain inet warren leaving") } == [true, false])
        #expect(draining.map { $0.contains("flush chain inet warren arriving") } == [false, true])
        #expect(draining.first?.contains(Self.leavingFree) == true)
        #expect(draining.last?.contains("\(Self.arrivingFree)\n\(Self.callingNothing)\n\(Self.calledNothing)\n}\n") == true)
    }

    @Test func `an update keeps the chains for other protocols only if they are to be dropped`() {
        var rules = CaptureRules(phase: .captured)
        #expect(rules.updates.last?.contains("delete chain inet warren others-in\ndelete chain inet warren others-out\n") == true)
        rules.otherProtocols = .drop
        #expect(rules.updates.last?.contains("delete chain") == false)
        #expect(rules.updates.last?.contains(Self.others) == true)
    }

    @Test func `a listing with anything beside our sets and chains isn't ours`() {
        let own =
            "table inet warren {\n\tset before4 {\n\t\ttype a\n\t}\n\n\tset before6 {\n\t}\n\n\tchain guard {\n\t\tcounter drop\n\t}\n}\n"
        #expect(CaptureRules.isOurs(own))
        for strange in ["chain others {", "set before4x {", "map m {", "flowtable f {", "counter c {", "ct helper h {"] {
            #expect(!CaptureRules.isOurs(own.replacing("chain guard {", with: strange)))
        }
        #expect(!CaptureRules.isOurs(own.replacing("before6", with: "before4")))
        #expect(!CaptureRules.isOurs(""))
    }

    @Test func `ports can be others`() {
        var ports = CapturePorts()
        (ports.outbound, ports.inbound, ports.tunnel) = (1, 2, 3)
        let text = CaptureRules(phase: .captured, ports: ports).text
        #expect(text == Self.captured.replacing("15001", with: "1").replacing("15006", with: "2").replacing("15008", with: "3"))
    }

    @Test func `open connections become elements of the set of their family`() throws {
        let pairs = [("10.0.0.1:80", "10.0.0.2:40000"), ("[fd00::1]:80", "[fd00::2]:40000"), ("10.0.0.1:80", "10.0.0.3:40001")]
        let tuples = try pairs.map {
            ConnectionTuple(local: try #require(SocketAddress($0)), remote: try #require(SocketAddress($1)))
        }
        #expect(
            CaptureRules.elementsText(tuples) == """
                add element inet warren before4 {
                    10.0.0.1 . 80 . 10.0.0.2 . 40000,
                    10.0.0.1 . 80 . 10.0.0.3 . 40001
                }
                add element inet warren before6 {
                    fd00::1 . 80 . fd00::2 . 40000
                }

                """)
        #expect(CaptureRules.elementsText([]) == "")
    }

    @Test func `nothing is left of an absent table`() {
        #expect(CaptureRules.absentText == "add table inet warren\ndelete table inet warren\n")
    }
}

// MARK: - Texts

extension CaptureRulesTests {
    private static let captured = """
        add table inet warren
        delete table inet warren
        table inet warren {
            set before4 {
                type ipv4_addr . inet_service . ipv4_addr . inet_service
                size 65535
                flags dynamic
            }
            set before6 {
                type ipv6_addr . inet_service . ipv6_addr . inet_service
                size 65535
                flags dynamic
            }
            chain zones {
                type filter hook output priority -300; policy accept;
                meta l4proto tcp meta mark & 0x1fff == 0x111 ct original zone set 273
            }
            chain arriving {
                type filter hook prerouting priority -150; policy accept;
                meta l4proto != tcp accept
                iif != "lo" meta mark set meta mark & 0xfffff000 | 0x539 accept
                meta mark & 0xfff == { 0x111, 0x539 } accept
                tcp flags & (fin|syn|rst|ack) == syn jump calling
            }
            chain calling {
                meta mark set meta mark & 0xfffff000 | 0x539
                fib daddr . mark type local meta mark set meta mark & 0xfffff000 return
                meta l4proto tcp tproxy to :15001 accept
                meta l4proto tcp reject with tcp reset
            }
            chain called {
                type nat hook prerouting priority -101; policy accept;
                iif != "lo" tcp dport != 15008 tcp flags & (fin|syn|rst|ack) == syn redirect to :15006
            }
            chain leaving {
                type route hook output priority -150; policy accept;
                meta l4proto != tcp accept
                meta mark & 0xfff == { 0x111, 0x539 } accept
                tcp flags & (fin|syn|rst|ack) == syn ct mark & 0xfff == 0x539 ct mark set ct mark & 0xfffff000
                tcp flags & (fin|syn|rst|ack) == syn delete @before4 { ip saddr . tcp sport . ip daddr . tcp dport }
                tcp flags & (fin|syn|rst|ack) == syn delete @before6 { ip6 saddr . tcp sport . ip6 daddr . tcp dport }
                ct mark & 0xfff == 0x539 meta mark set meta mark & 0xfffff000 | 0x539 accept
                ip saddr . tcp sport . ip daddr . tcp dport @before4 meta mark set meta mark & 0xfffff000 | 0x539 accept
                ip6 saddr . tcp sport . ip6 daddr . tcp dport @before6 meta mark set meta mark & 0xfffff000 | 0x539 accept
            }
            chain guard {
                type filter hook output priority 0; policy accept;
                oif "lo" accept
                meta l4proto != tcp accept
                meta mark & 0xfff == 0x539 accept
                tcp flags & (fin|syn|rst|ack) == syn counter reject with tcp reset
                counter drop
            }
        }

        """

    private static let arriving = """
            chain arriving {
                type filter hook prerouting priority -150; policy accept;
                meta l4proto != tcp accept
                iif != "lo" meta mark set meta mark & 0xfffff000 | 0x539 accept
                meta mark & 0xfff == { 0x111, 0x539 } accept
                tcp flags & (fin|syn|rst|ack) == syn jump calling
            }
        """

    private static let arrivingFree = """
            chain arriving {
                type filter hook prerouting priority -150; policy accept;
                meta l4proto != tcp accept
                iif != "lo" tcp flags & (fin|syn|rst|ack) == syn ct mark set ct mark & 0xfffff000 | 0x539
                iif != "lo" meta mark set meta mark & 0xfffff000 | 0x539 accept
            }
        """

    private static let calling = """
            chain calling {
                meta mark set meta mark & 0xfffff000 | 0x539
                fib daddr . mark type local meta mark set meta mark & 0xfffff000 return
                meta l4proto tcp tproxy to :15001 accept
                meta l4proto tcp reject with tcp reset
            }
        """

    private static let callingNothing = """
            chain calling {
            }
        """

    private static let called = """
            chain called {
                type nat hook prerouting priority -101; policy accept;
                iif != "lo" tcp dport != 15008 tcp flags & (fin|syn|rst|ack) == syn redirect to :15006
            }
        """

    private static let calledNothing = """
            chain called {
                type nat hook prerouting priority -101; policy accept;
            }
        """

    private static let leaving = """
            chain leaving {
                type route hook output priority -150; policy accept;
                meta l4proto != tcp accept
                meta mark & 0xfff == { 0x111, 0x539 } accept
                tcp flags & (fin|syn|rst|ack) == syn ct mark & 0xfff == 0x539 ct mark set ct mark & 0xfffff000
                tcp flags & (fin|syn|rst|ack) == syn delete @before4 { ip saddr . tcp sport . ip daddr . tcp dport }
                tcp flags & (fin|syn|rst|ack) == syn delete @before6 { ip6 saddr . tcp sport . ip6 daddr . tcp dport }
                ct mark & 0xfff == 0x539 meta mark set meta mark & 0xfffff000 | 0x539 accept
                ip saddr . tcp sport . ip daddr . tcp dport @before4 meta mark set meta mark & 0xfffff000 | 0x539 accept
                ip6 saddr . tcp sport . ip6 daddr . tcp dport @before6 meta mark set meta mark & 0xfffff000 | 0x539 accept
            }
        """

    private static let leavingPrepared = """
            chain leaving {
                type route hook output priority -150; policy accept;
                meta l4proto != tcp accept
                meta mark & 0xfff == { 0x111, 0x539 } accept
                ct mark & 0xfff == 0x539 meta mark set meta mark & 0xfffff000 | 0x539 accept
                tcp flags & (fin|syn|rst|ack) == syn delete @before4 { ip saddr . tcp sport . ip daddr . tcp dport }
                tcp flags & (fin|syn|rst|ack) == syn delete @before6 { ip6 saddr . tcp sport . ip6 daddr . tcp dport }
                ip saddr . tcp sport . ip daddr . tcp dport @before4 meta mark set meta mark & 0xfffff000 | 0x539 accept
                ip6 saddr . tcp sport . ip6 daddr . tcp dport @before6 meta mark set meta mark & 0xfffff000 | 0x539 accept
                oif != "lo" tcp flags & (fin|syn|rst|ack) == syn ct mark set ct mark & 0xfffff000 | 0x539
            }
        """

    private static let leavingFree = """
            chain leaving {
                type route hook output priority -150; policy accept;
                meta l4proto != tcp accept
                meta mark & 0xfff == { 0x111, 0x539 } accept
                ct mark & 0xfff == 0x539 meta mark set meta mark & 0xfffff000 | 0x539 accept
                tcp flags & (fin|syn|rst|ack) == syn delete @before4 { ip saddr . tcp sport . ip daddr . tcp dport }
                tcp flags & (fin|syn|rst|ack) == syn delete @before6 { ip6 saddr . tcp sport . ip6 daddr . tcp dport }
                ip saddr . tcp sport . ip daddr . tcp dport @before4 meta mark set meta mark & 0xfffff000 | 0x539 accept
                ip6 saddr . tcp sport . ip6 daddr . tcp dport @before6 meta mark set meta mark & 0xfffff000 | 0x539 accept
                tcp flags & (fin|syn|rst|ack) == syn ct mark set ct mark & 0xfffff000 | 0x539 meta mark set meta mark & 0xfffff000 | 0x539
            }
        """

    private static let guarding = """
            chain guard {
                type filter hook output priority 0; policy accept;
                oif "lo" accept
                meta l4proto != tcp accept
                meta mark & 0xfff == 0x539 accept
                tcp flags & (fin|syn|rst|ack) == syn counter reject with tcp reset
                counter drop
            }
        """

    private static let guardingNothing = """
            chain guard {
                type filter hook output priority 0; policy accept;
            }
        """

    private static let others = """
            chain others-in {
                type filter hook input priority 0; policy accept;
                iif "lo" accept
                meta l4proto { tcp, icmp, ipv6-icmp } accept
                udp sport 53 ct state established accept
                counter drop
            }
            chain others-out {
                type filter hook output priority 0; policy accept;
                oif "lo" accept
                meta l4proto { tcp, icmp, ipv6-icmp } accept
                udp dport 53 accept
                counter drop
            }
        """

    private static let takingCaptured = """
        table inet warren {
            chain arriving {
                type filter hook prerouting priority -150; policy accept;
            }
            chain calling {
            }
            chain called {
                type nat hook prerouting priority -101; policy accept;
            }
        }
        flush chain inet warren arriving
        flush chain inet warren calling
        flush chain inet warren called
        table inet warren {
            chain arriving {
                type filter hook prerouting priority -150; policy accept;
                meta l4proto != tcp accept
                iif != "lo" meta mark set meta mark & 0xfffff000 | 0x539 accept
                meta mark & 0xfff == { 0x111, 0x539 } accept
                tcp flags & (fin|syn|rst|ack) == syn jump calling
            }
            chain calling {
                meta mark set meta mark & 0xfffff000 | 0x539
                fib daddr . mark type local meta mark set meta mark & 0xfffff000 return
                meta l4proto tcp tproxy to :15001 accept
                meta l4proto tcp reject with tcp reset
            }
            chain called {
                type nat hook prerouting priority -101; policy accept;
                iif != "lo" tcp dport != 15008 tcp flags & (fin|syn|rst|ack) == syn redirect to :15006
            }
        }

        """

    private static let lettingGoCaptured = """
        table inet warren {
            chain zones {
                type filter hook output priority -300; policy accept;
            }
            chain leaving {
                type route hook output priority -150; policy accept;
            }
            chain guard {
                type filter hook output priority 0; policy accept;
            }
            chain others-in {
                type filter hook input priority 0; policy accept;
            }
            chain others-out {
                type filter hook output priority 0; policy accept;
            }
        }
        flush chain inet warren zones
        flush chain inet warren leaving
        flush chain inet warren guard
        flush chain inet warren others-in
        flush chain inet warren others-out
        delete chain inet warren others-in
        delete chain inet warren others-out
        table inet warren {
            chain zones {
                type filter hook output priority -300; policy accept;
                meta l4proto tcp meta mark & 0x1fff == 0x111 ct original zone set 273
            }
            chain leaving {
                type route hook output priority -150; policy accept;
                meta l4proto != tcp accept
                meta mark & 0xfff == { 0x111, 0x539 } accept
                tcp flags & (fin|syn|rst|ack) == syn ct mark & 0xfff == 0x539 ct mark set ct mark & 0xfffff000
                tcp flags & (fin|syn|rst|ack) == syn delete @before4 { ip saddr . tcp sport . ip daddr . tcp dport }
                tcp flags & (fin|syn|rst|ack) == syn delete @before6 { ip6 saddr . tcp sport . ip6 daddr . tcp dport }
                ct mark & 0xfff == 0x539 meta mark set meta mark & 0xfffff000 | 0x539 accept
                ip saddr . tcp sport . ip daddr . tcp dport @before4 meta mark set meta mark & 0xfffff000 | 0x539 accept
                ip6 saddr . tcp sport . ip6 daddr . tcp dport @before6 meta mark set meta mark & 0xfffff000 | 0x539 accept
            }
            chain guard {
                type filter hook output priority 0; policy accept;
                oif "lo" accept
                meta l4proto != tcp accept
                meta mark & 0xfff == 0x539 accept
                tcp flags & (fin|syn|rst|ack) == syn counter reject with tcp reset
                counter drop
            }
        }

        """

    @Test func `I03 before a table that somebody took away comes back, segments towards applications pass untracked`() {
        let ground = """
            add table inet warren
            delete table inet warren
            table inet warren {
                chain zones {
                    type filter hook output priority -300; policy accept;
                    meta l4proto tcp meta mark & 0x1fff == 0x111 notrack
                }
            }

            """
        #expect(CaptureRules(phase: .captured).groundText == ground)
        #expect(!CaptureRules.isOurs(ground), "what a crash left of it is replaced")
    }
}
