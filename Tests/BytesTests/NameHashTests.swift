// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@Suite struct NameHashTests {
    @Test func `one name has one hash, as a text and as bytes anywhere`() {
        for length in 0..<70 {
            let name = String(repeating: "Kubernetes//Pod/shop/web-", count: 3).prefix(length)
            let bytes: [UInt8] = [1, 2, 3] + Array(name.utf8) + [4]
            #expect(NameHash(String(name)) == NameHash(bytes.span.extracting(3..<(3 + length))))
        }
    }

    @Test func `names that differ in one bit, in length or in order have other hashes`() {
        var (seen, names) = (Set<Int>(), 0)
        let base = Array("cluster//Pod/namespace/a-name-of-47-bytes-in-all".utf8)
        for length in 0...base.count {
            for bit in -1..<(8 * length) {
                var name = Array(base.prefix(length))
                if bit >= 0 { name[bit / 8] ^= 1 << UInt8(bit % 8) }
                seen.insert(NameHash(name.span).value)
                names += 1
            }
        }
        // Of 9,457 names fewer than one pair in 10¹¹ meets by chance.
        #expect(seen.count == names)
        #expect(NameHash("ab") != NameHash("ba") && NameHash("") != NameHash("\0") && NameHash("\0") != NameHash("\0\0"))
    }

    @Test func `numbers in order have hashes that spread over a table`() {
        var places = [Int](repeating: 0, count: 256)
        for number in 0..<25_600 { places[NameHash(0, 0xffff_0000_0000, UInt64(number)).value & 255] += 1 }
        // A hundred each; ten times the deviation of chance to either side.
        #expect(places.allSatisfy { (1...200).contains($0) })
    }
}
