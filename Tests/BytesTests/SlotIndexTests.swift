// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@Suite struct SlotIndexTests {
    /// A dictionary's behaviour, with hashes that collide on purpose.
    @Test(arguments: [0, 0xff, Int.max]) func `what is put in is found, and what is taken out is not`(mask: Int) {
        var index = SlotIndex()
        var keys: [Int?] = []
        var places: [Int: Int32] = [:]
        var random = SystemRandomNumberGenerator()
        let hash = { (key: Int) in key &* 0x9e37_79b9 & mask }
        for _ in 0..<3000 {
            let key = Int.random(in: 0..<400, using: &random)
            #expect(index.find(hash(key)) { keys[Int($0)] == key } == places[key])
            if let slot = places.removeValue(forKey: key) {
                let isGone = index.remove(slot, hash(key))
                #expect(isGone)
                keys[Int(slot)] = nil
            } else {
                places[key] = Int32(keys.count)
                index.insert(Int32(keys.count), hash(key))
                keys.append(key)
            }
        }
        for key in 0..<400 { #expect(index.find(hash(key)) { keys[Int($0)] == key } == places[key]) }
    }

    @Test func `a copy stays as it was`() {
        var index = SlotIndex()
        index.insert(1, 7)
        let before = index
        index.remove(1, 7)
        index.insert(2, 7)
        #expect(before.find(7) { _ in true } == 1)
        #expect(index.find(7) { _ in true } == 2)
        let isGoneAgain = index.remove(1, 7)
        #expect(!isGoneAgain)
    }

    @Test(arguments: [0, Int.max]) func `all that have a hash are candidates for it`(mask: Int) {
        var index = SlotIndex()
        let hash = { (key: Int) in key &* 0x9e37_79b9 & mask }
        for slot in 0..<300 as Range<Int32> { index.insert(slot, hash(Int(slot) % 100)) }
        for key in 0..<100 {
            var found: Set<Int32> = []
            index.candidates(hash(key)) { found.insert($0) }
            #expect(found.isSuperset(of: [key, key + 100, key + 200].map { Int32($0) }))
        }
    }
}
