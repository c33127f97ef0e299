// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Daemon

/// Where the store of several control planes is, as people write it.
@Suite struct StoreAddressTests {
    @Test func `endpoints and prefix are read, and written again`() {
        let address = StoreAddress("etcd://10.0.0.1:2379,etcd-2.example.org:2379,[2001:db8::5]:2379/mesh/one")
        #expect(address?.endpoints.map(\.host) == ["10.0.0.1", "etcd-2.example.org", "2001:db8::5"])
        #expect(address?.prefix == "/mesh/one" && address?.isPlain == false)
        #expect(address?.description == "etcd://10.0.0.1:2379,etcd-2.example.org:2379,[2001:db8::5]:2379/mesh/one")
        #expect(StoreAddress("etcd://h:2379")?.prefix == "/warren")
        #expect(StoreAddress("etcd+http://127.0.0.1:2379,[::1]:2379/w")?.isPlain == true)
    }

    @Test(arguments: [
        "", "etcd://", "http://h:2379", "etcd://h", "etcd://h:2379,", "etcd://h:2379/a//b", "etcd://h:2379/a/", "etcd://h:2379/ä",
        "etcd+http://10.0.0.1:2379/w", "etcd+http://localhost:2379/w", "etcd://h:0/w", "/var/lib/warren/control.db",
    ]) func `what isn't one is refused`(text: String) { #expect(StoreAddress(text) == nil) }

    @Test func `settings that don't fit together are named`() {
        var settings = StoreSettings()
        #expect(settings.problem == nil)
        settings.etcd = "etcd://h:2379/w"
        #expect(settings.problem?.message.contains("store.ca") == true)
        settings.ca = "/ca.pem"
        #expect(settings.problem == nil)
        settings.key = "/key.pem"
        #expect(settings.problem?.message.contains("store.certificate") == true)
        settings.etcd = "etcd+http://127.0.0.1:2379/w"
        settings.key = ""
        settings.ca = ""
        #expect(settings.problem == nil)
    }
}
