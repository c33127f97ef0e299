// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@Suite struct IPAddressTests {
    @Test(arguments: [
        "0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1:2:3:4", "1:2:3:4:5:6:7:8", "1:0:0:2::",
        "2001:db8:0:1:1:1:1:1",
    ])
    func `a canonical address comes back as written`(text: String) throws {
        #expect(try #require(IPAddress(text)).description == text)
    }

    @Test(arguments: [
        ("::ffff:10.0.0.1", "10.0.0.1"), ("2001:DB8::0:1", "2001:db8::1"), ("0:0:0:0:0:0:0:1", "::1"),
        ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
    ])
    func `other spellings mean the same address`(text: String, canonical: String) throws {
        #expect(try #require(IPAddress(text)).description == canonical)
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1.2.3.4 ", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "12345::",
        "::1%eth0",
        "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "g::", "1:", ":1", "1:2:3:4:5:6:7:1.2.3.4", String(repeating: "1:", count: 40),
    ])
    func `what is no address is refused`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func `bytes go both ways`() throws {
        let v6 = try #require(IPAddress("2001:db8::5"))
        #expect(v6.bytes == [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5])
        #expect(IPAddress(bytes: v6.bytes) == v6)
        #expect(IPAddress(bytes: [10, 0, 0, 5])?.description == "10.0.0.5")
        #expect(IPAddress(bytes: [1, 2, 3]) == nil)
        #expect(IPAddress(bytes: Array(repeating: 0, count: 17)) == nil)
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("0.0.0.0/0", "1.2.3.4", true),
        ("0.0.0.0/0", "::1", false), ("::/0", "1.2.3.4", false), ("2001:db8::/33", "2001:db8:7fff::1", true),
        ("2001:db8::/33", "2001:db8:8000::1", false), ("192.0.2.7", "192.0.2.7", true),
        ("2001:db8::/65", "2001:db8::8000:0:0:1", false),
    ])
    func `a block holds its addresses`(block: String, address: String, expected: Bool) throws {
        #expect(try #require(IPPrefix(block)).contains(#require(IPAddress(address))) == expected)
    }

    @Test(arguments: ["10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/", "/8", "10.0.0.0/8/8"])
    func `what is no block is refused`(text: String) {
        #expect(IPPrefix(text) == nil)
    }

    @Test(arguments: ["10.0.0.1:80", "[2001:db8::1]:15008", "0.0.0.0:0"])
    func `a socket address comes back as written`(text: String) throws {
        #expect(try #require(SocketAddress(text)).description == text)
    }

    @Test(arguments: [
        "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:080", "2001:db8::1:80", "[10.0.0.1]:80", "db:80", "u@1.2.3.4:5",
    ])
    func `what is no socket address is refused`(text: String) {
        #expect(SocketAddress(text) == nil)
    }
}
