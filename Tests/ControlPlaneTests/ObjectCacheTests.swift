// SPDX-License-Identifier: Apache-2.0

import Documents
import Store
import Testing

@testable import ControlPlane

/// Objects in memory and the texts that they are.
@Suite struct ObjectCacheTests {
    private func change(_ key: StoreKey, _ revision: UInt64, _ text: String?) -> StoreChange {
        StoreChange(key: key, revision: revision, value: text.map { Array($0.utf8) }, previous: nil)
    }

    @Test func `random changes leave what a plain map would hold, in order`() {
        let cache = ObjectCache()
        var model: [StoreKey: UInt64] = [:]
        var generator = SystemRandomNumberGenerator()
        for revision in 1...3000 as ClosedRange<UInt64> {
            let key = StoreKey(
                "r\(Int.random(in: 0..<2, using: &generator))", namespace: ["", "a", "a-b", "b"].randomElement() ?? "",
                "n\(Int.random(in: 0..<40, using: &generator))")
            let isDeletion = Bool.random()
            cache.apply(change(key, revision, isDeletion ? nil : "x"))
            model[key] = isDeletion ? nil : revision
        }
        #expect(cache.revision == 3000)
        for resource in ["r0", "r1", "none"] {
            let keys = model.keys.filter { $0.resource == resource }.sorted()
            #expect(cache.objects(resource).map(\.key) == keys)
            for namespace in ["", "a", "a-b", "b", "c"] {
                #expect(cache.objects(resource, namespace: namespace).map(\.key) == keys.filter { $0.namespace == namespace })
            }
        }
        for (key, revision) in model { #expect(cache.object(key)?.revision == revision) }
    }

    @Test func `objects are gone through by their places, whatever comes and goes meanwhile`() {
        let cache = ObjectCache()
        for (number, name) in ["b", "d", "f"].enumerated() { cache.apply(change(StoreKey("r", name), UInt64(number + 1), "x")) }
        #expect(cache.first(of: "none", after: nil) == nil)
        #expect(cache.first(of: "r", after: nil)?.key.name == "b")
        cache.apply(change(StoreKey("r", "b"), 4, nil))
        cache.apply(change(StoreKey("r", "c"), 5, "x"))
        cache.apply(change(StoreKey("r", "a"), 6, "x"))
        var (names, last): ([String], StoreKey?) = ([], StoreKey("r", "b"))
        while let object = cache.first(of: "r", after: last) {
            names.append(object.key.name)
            last = object.key
        }
        #expect(names == ["c", "d", "f"])
    }

    @Test func `a list that was taken stays as it was`() {
        let cache = ObjectCache()
        cache.apply(change(StoreKey("r", "a"), 1, "x"))
        let before = cache.objects("r")
        cache.apply(change(StoreKey("r", "a"), 2, nil))
        #expect(before.map(\.revision) == [1])
        #expect(cache.objects("r").isEmpty)
    }

    @Test(arguments: [
        #"{"metadata":{"name":"a","labels":{"metadata":"{"}},"kind":"Service","spec":{"x":1},"apiVersion":"v1"}"#,
        #"{"apiVersion":"v1","kind":"Service","metadata":{"resourceVersion":"7"}}"#,
        #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"a","resourceVersion":"7","uid":"u"},"status":{}}"#,
    ]) func `the stored text has no revision, the shown one has its own`(_ text: String) throws {
        let object = try JSON.read(text)
        let stored = ObjectText.stored(object)
        #expect(!String(decoding: stored, as: UTF8.self).contains("resourceVersion"))
        let shown = try JSON.read(ObjectText.shown(stored, revision: 42))
        #expect(shown["metadata"]?["resourceVersion"]?.stringValue == "42")
        #expect(shown["metadata"]?["name"] == object["metadata"]?["name"])
        #expect(shown["spec"] == object["spec"] && shown["kind"] == object["kind"])
    }
}
