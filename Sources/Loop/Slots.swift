// SPDX-License-Identifier: Apache-2.0

/// Names one use of one slot. A slot that was freed and used again has another generation, so an old token finds nothing.
package struct Token: Hashable, Sendable {
    package let slot: UInt32
    package let generation: UInt32

    init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }

    /// The token as the one word that epoll carries for us.
    var word: UInt64 { UInt64(generation) << 32 | UInt64(slot) }

    init(word: UInt64) {
        slot = UInt32(truncatingIfNeeded: word)
        generation = UInt32(truncatingIfNeeded: word >> 32)
    }
}

/// The same by another name, for modules that have tokens of another kind.
package typealias LoopToken = Token

/// A slab: elements by token, freed slots used again, no hashing. Confined to the thread of its owner.
package struct Slots<Element> {
    private struct Slot {
        var generation: UInt32
        var element: Element?
    }

    /// As many slots are kept in any case.
    private static var floor: Int { 1024 }

    private var slots: ContiguousArray<Slot> = []
    private var free: ContiguousArray<UInt32> = []
    /// The generation with which a new slot begins: beyond those of all slots that were given back, whose tokens find nothing in it. 0 is never
    /// used: a zeroed word is no token.
    private var fresh: UInt32 = 1
    /// How many elements there are.
    package private(set) var count = 0

    /// How many slots there are, in use or free.
    var capacity: Int { slots.count }

    package init() {}

    package mutating func insert(_ element: Element) -> Token {
        count += 1
        if let slot = free.popLast() {
            slots[Int(slot)].element = element
            return Token(slot: slot, generation: slots[Int(slot)].generation)
        }
        slots.append(Slot(generation: fresh, element: element))
        return Token(slot: UInt32(slots.count - 1), generation: fresh)
    }

    /// The element of the token; nil if it was removed.
    package subscript(token: Token) -> Element? {
        @inline(__always) get {
            guard Int(token.slot) < slots.count, slots[Int(token.slot)].generation == token.generation else { return nil }
            return slots[Int(token.slot)].element
        }
    }

    /// Changes the element in place; nothing if it was removed.
    package mutating func update(_ token: Token, _ body: (inout Element) -> Void) {
        guard Int(token.slot) < slots.count, slots[Int(token.slot)].generation == token.generation else { return }
        guard var element = slots[Int(token.slot)].element.take() else { return }
        body(&element)
        slots[Int(token.slot)].element = element
    }

    @discardableResult
    package mutating func remove(_ token: Token) -> Element? {
        guard Int(token.slot) < slots.count, slots[Int(token.slot)].generation == token.generation,
            let element = slots[Int(token.slot)].element.take()
        else { return nil }
        slots[Int(token.slot)].generation &+= 1
        if slots[Int(token.slot)].generation == 0 { slots[Int(token.slot)].generation = 1 }
        free.append(token.slot)
        count -= 1
        return element
    }

    /// Gives back what a burst took: the free slots behind the last element, if that is most of them. For somebody to call now and then.
    package mutating func giveBack() {
        guard slots.count > Self.floor, count < slots.count / 2 else { return }
        let end = max(Self.floor, (slots.lastIndex { $0.element != nil } ?? -1) + 1)
        guard end <= slots.count / 2 else { return }
        for slot in slots[end...] where slot.generation >= fresh { fresh = slot.generation &+ 1 }
        if fresh == 0 { fresh = 1 }
        slots = ContiguousArray(slots[..<end])
        // Low ones are used first, so that the end becomes free again.
        free = ContiguousArray(slots.indices.reversed().filter { slots[$0].element == nil }.map { UInt32($0) })
    }

    /// All elements, in the order of their slots.
    package func forEach(_ body: (Token, Element) -> Void) {
        for (index, slot) in slots.enumerated() {
            if let element = slot.element { body(Token(slot: UInt32(index), generation: slot.generation), element) }
        }
    }
}
