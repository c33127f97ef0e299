// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Random numbers of the kernel, drawn from a store that is filled 32 at a time: a system call for every tenth connection instead of several for
/// each. For identifiers and choices; a number that was given out is forgotten. One owner, one thread.
package struct RandomStore: RandomNumberGenerator {
    /// What `getentropy` gives at most.
    private static let size = 256 / MemoryLayout<UInt64>.size

    private var numbers: ContiguousArray<UInt64> = []

    package init() {}

    package mutating func next() -> UInt64 {
        if let number = numbers.popLast() { return number }
        fill()
        return numbers.removeLast()
    }

    private mutating func fill() {
        numbers.append(contentsOf: repeatElement(0, count: Self.size))
        let failed = unsafe numbers.withUnsafeMutableBytes { unsafe getentropy($0.baseAddress, $0.count) }
        invariant(failed == 0, "the kernel has no random bytes: \(Errno.current)")
    }
}

/// Random bytes of the kernel, good enough for identifiers of traces and for jitter; keys are OpenSSL's own business.
package func randomBytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
}
