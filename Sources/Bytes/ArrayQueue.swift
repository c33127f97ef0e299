// SPDX-License-Identifier: Apache-2.0

/// Bytes that wait for room on the other side as the arrays that they came in: nothing is copied to wait, and what hundreds of connections are told
/// alike is in memory once. For long bytes that somebody else holds too; a `ByteQueue` gathers short ones.
///
/// The owner bounds what it appends. One owner, one thread.
package struct ArrayQueue {
    private var arrays: ContiguousArray<[UInt8]> = []
    /// Of the arrays, how many have left whole.
    private var gone = 0
    /// Of the first that hasn't, how many bytes have left.
    private var start = 0
    package private(set) var count = 0

    package init() {}

    package var isEmpty: Bool { count == 0 }

    /// Shares the bytes; they wait behind all others.
    package mutating func append(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        arrays.append(bytes)
        count += bytes.count
    }

    /// Moves as many bytes from the front as there is room for; how many that are.
    package mutating func take(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        var filled = 0
        while filled < buffer.count, count > 0 {
            let part = min(arrays[gone].count - start, buffer.count - filled)
            unsafe arrays[gone].withUnsafeBytes { bytes in
                let target = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + part])
                unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + part]))
            }
            filled += part
            advance(part)
        }
        return filled
    }

    private mutating func advance(_ part: Int) {
        count -= part
        start += part
        guard start == arrays[gone].count else { return }
        // It may be the last that holds it.
        arrays[gone] = []
        (gone, start) = (gone + 1, 0)
        if gone == arrays.count { release() } else if gone >= 32, gone * 2 > arrays.count { compact() }
    }

    private mutating func compact() {
        arrays.removeFirst(gone)
        gone = 0
    }

    /// Forgets everything.
    package mutating func release() {
        arrays = []
        (gone, start, count) = (0, 0, 0)
    }
}
