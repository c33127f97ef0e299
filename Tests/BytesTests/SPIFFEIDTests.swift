// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@Suite struct SPIFFEIDTests {
    @Test func `an identity comes back as written`() throws {
        let identity = try #require(SPIFFEID("spiffe://cluster.local/ns/shop/sa/web"))
        #expect(identity.description == "spiffe://cluster.local/ns/shop/sa/web")
        #expect(identity.principal == "cluster.local/ns/shop/sa/web")
        #expect(identity.namespace == "shop" && identity.serviceAccount == "web")
    }

    @Test(arguments: [
        "", "spiffe://", "spiffe://td/ns/a/sa", "spiffe://td/ns/a/sa/b/", "spiffe://td/ns/a/sa/b/c", "spiffe://td/ns//sa/b",
        "spiffe:///ns/a/sa/b", "https://td/ns/a/sa/b", "spiffe://td/NS/a/sa/b", "spiffe://TD/ns/a/sa/b",
        "spiffe://td/ns/a/sa/b?q",
        "spiffe://td:8/ns/a/sa/b", "spiffe://u@td/ns/a/sa/b", "spiffe://td/ns/../sa/b", "spiffe://td/ns/a/sa/b%2f",
        "spiffe://td/ns/a/sa/b\0",
        "SPIFFE://td/ns/a/sa/b", "spiffe://td/ns/ä/sa/b",
    ])
    func `what is no identity is refused`(text: String) {
        #expect(SPIFFEID(text) == nil)
    }

    @Test func `an overlong identity is refused`() {
        #expect(SPIFFEID("spiffe://td/ns/a/sa/" + String(repeating: "b", count: 2048)) == nil)
    }
}
