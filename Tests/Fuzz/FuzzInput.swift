// SPDX-License-Identifier: Apache-2.0

import Kernel

/// An input as a harness takes it apart: choices from the front, what is left for the reader. At its end everything is zero, so that every
/// input means something.
struct FuzzInput {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isEmpty: Bool { rest.isEmpty }

    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    /// One of so many choices, at most 256.
    mutating func choice(_ count: Int) -> Int { Int(byte()) % count }

    /// Two bytes, most significant first.
    mutating func word() -> Int { Int(byte()) << 8 | Int(byte()) }

    /// So many bytes, or what there is.
    mutating func take(_ count: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}

/// Bytes in pieces, as a connection may deliver them. Never an empty piece.
struct Pieces: Sequence {
    let bytes: [UInt8]
    /// 0: all at once; otherwise pieces of 1 to `pattern` bytes, drawn the same way each time.
    let pattern: UInt8

    func makeIterator() -> some IteratorProtocol<ArraySlice<UInt8>> {
        var rest = bytes[...]
        var draws = SplitMix(seed: UInt64(pattern))
        return AnyIterator {
            guard !rest.isEmpty else { return nil }
            let count = pattern == 0 ? rest.count : Int(draws.next() % UInt64(pattern)) + 1
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
    }
}

/// Numbers that look random and are the same each time.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
