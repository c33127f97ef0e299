// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import Testing

@testable import Capture

/// Which connections are older than capture, from what the kernel lists.
struct OpenConnectionsTests {
    private static let own = "10.0.0.1:40000"
    private static let other = "10.0.0.2:80"

    private static func entry(
        _ local: String, _ remote: String, _ state: SocketEntry.State = .open, mark: UInt32? = 0
    ) -> SocketEntry {
        SocketEntry(local: address(local), remote: address(remote), state: state, mark: mark)
    }

    private static func address(_ text: String) -> SocketAddress { SocketAddress(text) ?? SocketAddress(.anyV4, 0) }

    private static func foreign(_ first: [SocketEntry], _ second: [SocketEntry]? = nil, isBeginning: Bool = true) -> [String] {
        OpenConnections.foreign(first: first, second: second ?? first, includingBeginning: isBeginning).map(\.description)
    }

    @Test(arguments: [SocketEntry.State.opening, .open, .beingOpened, .ending])
    func `a connection to elsewhere is older, whatever its state`(state: SocketEntry.State) {
        #expect(Self.foreign([Self.entry(Self.own, Self.other, state)]) == ["10.0.0.1 . 40000 . 10.0.0.2 . 80"])
    }

    @Test func `one that is just being opened may be on its way to us once we capture`() {
        #expect(Self.foreign([Self.entry(Self.own, Self.other, .opening)], isBeginning: false) == [])
        #expect(Self.foreign([Self.entry(Self.own, Self.other, .beingOpened)], isBeginning: false).count == 1)
    }

    @Test func `the application's end of a captured connection is found, and nothing else`() {
        let local: Set = [Self.address(Self.own).ip, .loopbackV4]
        let app = Self.entry(Self.own, Self.other)
        let ours = Self.entry(Self.other, Self.own, mark: Mark.outside)
        let own = [Self.entry(Self.own, "10.0.0.1:80"), Self.entry("10.0.0.1:80", Self.own)]
        let loopback = [Self.entry("127.0.0.1:1", "127.0.0.1:2"), Self.entry("127.0.0.1:2", "127.0.0.1:1")]
        let free = Self.entry("10.0.0.1:3", Self.other)
        #expect(OpenConnections.captured([app, ours, free] + own + loopback, local: local) == [app])
        // Another transparent proxy in the namespace.
        #expect(OpenConnections.captured([app, Self.entry(Self.other, Self.own, mark: 7)], local: local) == [])
        #expect(OpenConnections.captured([app, Self.entry(Self.other, Self.own, .over)], local: local) == [])
    }

    @Test func `what is over, or talks over loopback, isn't`() {
        #expect(Self.foreign([Self.entry(Self.own, Self.other, .over)]) == [])
        #expect(Self.foreign([Self.entry("127.0.0.1:1", "127.0.0.1:2"), Self.entry("[::1]:1", "[::1]:2")]) == [])
    }

    @Test(arguments: [Mark.outside, Mark.inside, 0xabcd_e539, 0xabcd_e111])
    func `what bears our mark is ours, whatever else the mark says`(mark: UInt32) {
        #expect(Self.foreign([Self.entry(Self.own, Self.other, mark: mark)]) == [])
    }

    @Test(arguments: [0, 0x1539, 0x112, nil] as [UInt32?])
    func `other marks aren't ours`(mark: UInt32?) {
        let isOurs = mark.map { $0 & Mark.mask == Mark.outside } ?? false
        #expect(Self.foreign([Self.entry(Self.own, Self.other, mark: mark)]).isEmpty == isOurs)
    }

    @Test func `a captured connection, whose other end is in our socket, isn't older`() {
        let captured = [Self.entry(Self.own, Self.other), Self.entry(Self.other, Self.own)]
        #expect(Self.foreign(captured) == [])
        // Even if our end is in only one of the lists, or over already.
        #expect(Self.foreign(captured, [captured[0]]) == [])
        #expect(Self.foreign([captured[0]], captured) == [])
        #expect(Self.foreign([captured[0], Self.entry(Self.other, Self.own, .over)]) == [])
    }

    @Test func `a connection seen only once may be one that we capture`() {
        #expect(Self.foreign([], [Self.entry(Self.own, Self.other)]) == [])
        #expect(Self.foreign([Self.entry(Self.own, Self.other)], []) == [])
    }

    @Test func `no more than the set holds, in a fixed order`() {
        let entries = (0..<70_000).map { Self.entry("10.0.\($0 / 256 % 256).\($0 % 256):\(1 + $0 / 65536)", Self.other) }
        let found = OpenConnections.foreign(first: entries.shuffled(), second: entries.shuffled(), includingBeginning: true)
        #expect(found.count == ConnectionTuple.maximumCount)
        #expect(found.first?.description == "10.0.0.0 . 1 . 10.0.0.2 . 80")
    }
}
