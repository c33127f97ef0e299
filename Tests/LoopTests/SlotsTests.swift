// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Loop

/// A slab by slot and generation: what a token finds, and what an old one doesn't.
@Suite struct SlotsTests {
    @Test func `an element is found by its token until it is removed, once`() {
        var slots = Slots<String>()
        let token = slots.insert("a")
        #expect(slots[token] == "a")
        #expect(slots.count == 1)
        #expect(slots.remove(token) == "a")
        #expect(slots[token] == nil)
        #expect(slots.remove(token) == nil)
        #expect(slots.count == 0)
    }

    @Test func `a slot that is used again answers to its new token alone`() {
        var slots = Slots<Int>()
        var old: [Token] = []
        for round in 0..<100 {
            let token = slots.insert(round)
            #expect(token.slot == 0, "a freed slot is used before a new one is made")
            #expect(old.allSatisfy { slots[$0] == nil })
            #expect(slots[token] == round)
            slots.remove(token)
            old.append(token)
        }
        #expect(Set(old).count == 100, "every use has a token of its own")
    }

    @Test func `a token of an old use removes and changes nothing`() {
        var slots = Slots<Int>()
        let old = slots.insert(1)
        slots.remove(old)
        let new = slots.insert(2)
        #expect(slots.remove(old) == nil)
        slots.update(old) { $0 = 99 }
        #expect(slots[new] == 2)
        #expect(slots.count == 1)
    }

    @Test func `tokens that were never given out find nothing`() {
        var slots = Slots<Int>()
        #expect(slots[Token(slot: 0, generation: 1)] == nil)
        _ = slots.insert(1)
        #expect(slots[Token(slot: 0, generation: 0)] == nil)
        #expect(slots[Token(slot: 1, generation: 1)] == nil)
        #expect(slots[Token(slot: .max, generation: .max)] == nil)
        #expect(slots.remove(Token(slot: .max, generation: 1)) == nil)
    }

    @Test func `what a burst took is given back, and its tokens find nothing in what comes after`() {
        var slots = Slots<Int>()
        let lasting = (0..<10).map { slots.insert($0) }
        var old: [Token] = []
        for round in 0..<3 {
            let burst = (0..<20_000).map { slots.insert($0) }
            #expect(slots.capacity >= 20_010)
            // From the first to the last in one round, the other way in the next.
            for token in round == 1 ? burst.reversed() : burst { #expect(slots.remove(token) != nil) }
            slots.giveBack()
            #expect(slots.capacity == 1_024, "\(slots.capacity)")
            old += burst
        }
        #expect(slots.count == 10)
        let new = (0..<20_000).map { slots.insert($0) }
        #expect(Set(new).isDisjoint(with: old))
        #expect(old.allSatisfy { slots[$0] == nil })
        for (index, token) in new.enumerated() { #expect(slots[token] == index) }
        for (index, token) in lasting.enumerated() { #expect(slots[token] == index) }
    }

    @Test func `an element at the end keeps what lies before it`() {
        var slots = Slots<Int>()
        let all = (0..<10_000).map { slots.insert($0) }
        for token in all.dropLast() { slots.remove(token) }
        slots.giveBack()
        #expect(slots.capacity == 10_000)
        #expect(slots[all[9_999]] == 9_999)
        slots.remove(all[9_999])
        #expect(slots.count == 0)
        slots.giveBack()
        let new = slots.insert(1)
        #expect(slots[new] == 1)
    }

    @Test func `a token survives as the word that epoll carries`() {
        let token = Token(slot: 0xffff_fffe, generation: 0x8000_0001)
        #expect(Token(word: token.word) == token)
        #expect(Token(slot: 0, generation: 1).word != 0, "a zeroed word is no token")
    }

    @Test func `update changes in place`() {
        var slots = Slots<[Int]>()
        let token = slots.insert([1])
        slots.update(token) { $0.append(2) }
        #expect(slots[token] == [1, 2])
    }

    @Test func `all elements are shown with tokens that find them, in the order of their slots`() {
        var slots = Slots<Int>()
        let tokens = (0..<5).map { slots.insert($0) }
        slots.remove(tokens[1])
        slots.remove(tokens[3])
        var seen: [Int] = []
        slots.forEach { token, element in
            seen.append(element)
            #expect(slots[token] == element)
        }
        #expect(seen == [0, 2, 4])
    }

    @Test func `an element is let go when it is removed`() {
        final class Held {}
        var slots = Slots<Held>()
        weak var held: Held?
        let token: Token
        do {
            let new = Held()
            held = new
            token = slots.insert(new)
        }
        #expect(held != nil)
        slots.remove(token)
        #expect(held == nil)
    }

    @Test(arguments: [UInt64(1), 2, 3]) func `a slab agrees with a dictionary over random use`(_ seed: UInt64) throws {
        var random = Random(seed: seed)
        var slots = Slots<Int>()
        var model: [Token: Int] = [:]
        var dead: [Token] = []
        for step in 0..<5_000 {
            if let token = model.keys.randomElement(using: &random), random.next() % 2 == 0 {
                #expect(slots.remove(token) == model.removeValue(forKey: token))
                dead.append(token)
            } else {
                let token = slots.insert(step)
                #expect(model.updateValue(step, forKey: token) == nil, "a token was given out twice")
            }
            if let old = dead.randomElement(using: &random) { #expect(slots[old] == nil) }
        }
        #expect(slots.count == model.count)
        #expect(model.allSatisfy { slots[$0] == $1 })
    }
}

/// Repeatable random numbers (xorshift): a failure shows again with the same seed.
struct Random: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
