// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Discovery

/// The names of what is handed out.
@Suite struct ResourceTypeTests {
    @Test func `types are known by their URLs, and others aren't`() {
        #expect(ResourceType(rawValue: "type.googleapis.com/istio.workload.Address") == .address)
        #expect(ResourceType(rawValue: "type.googleapis.com/istio.security.Authorization") == .authorization)
        #expect(ResourceType(rawValue: "type.googleapis.com/envoy.config.listener.v3.Listener") == nil)
    }
}
