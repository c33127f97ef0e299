// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Store

/// The order in which lists come.
@Suite struct StoreKeyTests {
    @Test func `keys are ordered by resource, namespace, name`() {
        let keys = [
            StoreKey("namespaces", "shop"), StoreKey("services", namespace: "a", "z"), StoreKey("services", namespace: "b", "a"),
            StoreKey("services", namespace: "b", "b"),
        ]
        #expect(keys.reversed().sorted() == keys)
    }
}
