// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Mesh
import Store
import Testing

@testable import ControlPlane

/// The tables of what all workloads are, held against plain dictionaries.
@Suite struct FlatTableTests {
    private static func key(_ number: Int) -> StoreKey {
        StoreKey(Registration.resource, namespace: "n\(number % 3)", "w\(number)")
    }

    @Test func `random registrations are found where a plain map has them`() {
        var table = RegistrationTable()
        var model: [StoreKey: (node: String?, account: String)] = [:]
        for round in 0..<4_000 {
            let key = Self.key(Int.random(in: 0..<60))
            // Some name no host, some are gone.
            let node = Int.random(in: 0..<8) == 0 ? nil : "host\(Int.random(in: 0..<5))"
            let isGone = Int.random(in: 0..<4) == 0
            model[key] = isGone ? nil : (node, "a\(round)")
            let object = JoiningGrantsTests.object(key.namespace, key.name, node: node, account: "a\(round)")
            table.set(isGone ? nil : object.jsonBytes, at: key)
            guard round % 50 == 0 else { continue }
            for host in 0..<5 {
                let node = "host\(host)"
                let held = model.filter { $0.value.node == node }
                let found = Array(table.registrations(on: node))
                #expect(found.count == held.count)
                for one in found {
                    #expect(held[StoreKey(key.resource, namespace: one.namespace, one.name)]?.account == one.serviceAccount)
                }
                let own = table.registrations(on: node, namespace: "n1").map(\.name)
                #expect(Set(own) == Set(held.keys.filter { $0.namespace == "n1" }.map(\.name)))
            }
            #expect(table.count == model.values.count { $0.node != nil })
        }
    }

    @Test func `a text that names hosts in two places is of the one that its annotation says`() throws {
        var table = RegistrationTable()
        let key = Self.key(1)
        let text =
            #"{"metadata":{"name":"w1","namespace":"n1","annotations":{"warren.dev/node":"a"}},"x":{"warren.dev/node":"b"}}"#
        table.set(Array(text.utf8), at: key)
        #expect(table.registrations(on: "a").map(\.name) == ["w1"])
        #expect(Array(table.registrations(on: "b")).isEmpty)
        table.set(nil, at: key)
        #expect(Array(table.registrations(on: "a")).isEmpty && table.count == 0)
    }

    @Test func `random places have the holders that a plain map says`() {
        var table = AddressTable()
        var model: [StoreKey: [NetworkAddress]] = [:]
        for round in 0..<4_000 {
            let key = Self.key(Int.random(in: 0..<40))
            let places = (0..<Int.random(in: 0..<4)).map { _ in
                NetworkAddress(network: ["", "b"].randomElement() ?? "", address: IPAddress(v4: UInt32.random(in: 0..<20)))
            }
            model[key] = places
            table.set(places, of: key)
            guard round % 50 == 0 else { continue }
            for network in ["", "b", "c"] {
                for number in 0..<21 as Range<UInt32> {
                    let place = NetworkAddress(network: network, address: IPAddress(v4: number))
                    let holders = model.flatMap { key, places in
                        places.filter { $0 == place }.map { _ in "\(key.namespace)/\(key.name)" }
                    }
                    #expect(table.holders(place).sorted() == holders.sorted())
                }
            }
            #expect(table.count == model.values.reduce(0) { $0 + $1.count })
        }
    }
}
