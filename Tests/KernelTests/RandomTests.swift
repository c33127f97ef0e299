// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@Suite struct RandomTests {
    @Test func `a store gives each number once, over many fillings, and two stores give different ones`() {
        var (first, second) = (RandomStore(), RandomStore())
        let numbers = (0..<500).map { _ in first.next() } + (0..<500).map { _ in second.next() }
        // Two of a thousand numbers of 64 bits are equal once in 10^13 runs.
        #expect(Set(numbers).count == numbers.count)
        // Each bit is set in about half of them: 1,000 throws of a coin stay between 350 and 650.
        for bit in 0..<64 { #expect((350...650).contains(numbers.count { $0 >> UInt64(bit) & 1 == 1 })) }
    }
}
