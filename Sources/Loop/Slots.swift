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

    private var slots: ContiguousArray<Slot> = []
    private var free: ContiguousArray<UInt32> = []
    /// How many elements there are.
    package private(set) var count = 0

    package init() {}

    package mutating func insert(_ element: Element) -> Token {
        count += 1
        if let slot = free.popLast() {
            slots[Int(slot)].element = element
            return Token(slot: slot, generation: slots[Int(slot)].generation)
        }
        // Generation 0 is never used: a zeroed word is no token.
        slots.append(Slot(generation: 1, element: element))
        return Token(slot: UInt32(slots.count - 1), generation: 1)
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

    /// All elements, in the order of their slots.
    package func forEach(_ body: (Token, Element) -> Void) {
        for (index, slot) in slots.enumerated() {
            if let element = slot.element { body(Token(slot: UInt32(index), generation: slot.generation), element) }
        }
    }
}
