// SPDX-License-Identifier: Apache-2.0

/// One direction of a connection with somebody on it who changes bytes: up to four changes, each at a place in the stream.
struct ChangedWire {
    private enum Change {
        case flip(UInt8)
        case insert([UInt8])
        case remove(Int)
        /// A piece of what passed before, once more.
        case repeated(Int)
    }

    private var changes: [Int: Change] = [:]
    private var passed: [UInt8] = []
    /// Nothing was changed so far.
    private(set) var isClean = true

    init(_ input: inout FuzzInput) {
        for _ in 0..<input.choice(5) {
            let (place, kind) = (input.word(), input.choice(4))
            switch kind {
            case 0: changes[place] = .flip(input.byte())
            case 1: changes[place] = .insert(input.take(input.choice(64)))
            case 2: changes[place] = .remove(input.choice(64) + 1)
            default: changes[place] = .repeated(input.word())
            }
        }
    }

    /// What comes out at the other end.
    mutating func carry(_ bytes: [UInt8]) -> [UInt8] {
        guard !changes.isEmpty, !bytes.isEmpty else { return bytes }
        var result: [UInt8] = []
        var skipped = 0
        for byte in bytes {
            let place = passed.count
            passed.append(byte)
            if skipped > 0 {
                skipped -= 1
                continue
            }
            guard let change = changes.removeValue(forKey: place) else {
                result.append(byte)
                continue
            }
            isClean = false
            switch change {
            case .flip(let bits): result.append(byte ^ bits)
            case .insert(let more): result += more + [byte]
            case .remove(let count): skipped = count - 1
            case .repeated(let count): result += passed.suffix(count)
            }
        }
        return result
    }
}
