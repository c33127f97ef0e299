// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Store

/// Names as keys, and events as changes.
@Suite struct EtcdKeysTests {
    private static let keys = EtcdKeys(prefix: "/warren")

    @Test func `an object's key says in clear what it is`() {
        let key = StoreKey("authorizationpolicies.security.istio.io", namespace: "shop", "web-1")
        #expect(
            String(decoding: Self.keys.key(key), as: UTF8.self)
                == "/warren/objects/authorizationpolicies.security.istio.io/shop/web-1")
        #expect(Self.keys.object(Self.keys.key(key)[...]) == key)
    }

    @Test(arguments: ["", "/", "a/b", "%2F", "..", "ü\0\n", "%"]) func `no name is another's place`(name: String) {
        let key = StoreKey("x", namespace: name, name)
        let bytes = Self.keys.key(key)
        #expect(Self.keys.object(bytes[...]) == key)
        #expect(bytes.filter { $0 == UInt8(ascii: "/") }.count == 5)
        let span = Self.keys.objects("x", namespace: name)
        #expect(!bytes.lexicographicallyPrecedes(span.key) && bytes.lexicographicallyPrecedes(span.end))
        #expect(Self.keys.leaseName(Self.keys.lease(name)[...]) == name)
    }

    @Test func `a resource's span leaves out those whose names begin alike`() {
        let span = Self.keys.objects("services", namespace: nil)
        let other = Self.keys.key(StoreKey("services.x", namespace: "a", "b"))
        #expect(other.lexicographicallyPrecedes(span.key) || !other.lexicographicallyPrecedes(span.end))
    }

    @Test(arguments: [
        "/warren/objects/a/b", "/warren/objects/a/b/c/d", "/warren/objects/a/b/%zz", "/warren/objects/a/b/%4", "/other",
    ])
    func `what isn't ours is no object`(text: String) {
        #expect(Self.keys.object(Array(text.utf8)[...]) == nil)
    }
}
