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
        let began = passed.count
        passed += bytes
        var result: [UInt8] = []
        var next = began
        // Runs between the changes: a byte at a time was a third of the whole target.
        for place in changes.keys.filter({ $0 < passed.count }).sorted() {
            guard let change = changes.removeValue(forKey: place), place >= next else { continue }
            isClean = false
            result += passed[next..<place]
            next = place + 1
            switch change {
            case .flip(let bits): result.append(passed[place] ^ bits)
            case .insert(let more): result += more + [passed[place]]
            case .remove(let count): next = min(place + count, passed.count)
            case .repeated(let count): result += passed[..<next].suffix(count)
            }
        }
        return result + passed[next...]
    }
}
