// SPDX-License-Identifier: Apache-2.0

/// Bytes that wait for room on the other side: appended at the end, taken from the front, one contiguous region.
///
/// Memory is taken when the first byte comes and given back when the last has left, so that an idle connection has none. The owner bounds
/// what it appends. One owner, one thread.
@safe package struct ByteQueue: ~Copyable {
    private var storage: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0

    /// Most of what must wait is the rest of one 16 KiB record.
    private static let smallest = 16 * 1024

    package init() { unsafe storage = UnsafeMutableRawBufferPointer(start: nil, count: 0) }

    deinit { unsafe storage.deallocate() }

    private var capacity: Int { unsafe storage.count }
    package var count: Int { end - start }
    package var isEmpty: Bool { end == start }

    /// Copies the bytes to the end.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        makeRoom(bytes.count)
        unsafe UnsafeMutableRawBufferPointer(rebasing: storage[end..<end + bytes.count]).copyMemory(from: bytes)
        end += bytes.count
    }

    /// All bytes that wait, first to last. The pointer lives during the call.
    @inline(__always)
    package borrowing func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        unsafe body(UnsafeRawBufferPointer(rebasing: storage[start..<end]))
    }

    /// Forgets the first `count` bytes: they left.
    package mutating func consume(_ count: Int) {
        precondition(count <= end - start, "more bytes left than waited")
        start += count
        if start == end { release() }
    }

    /// Forgets everything and returns the memory.
    package mutating func release() {
        unsafe storage.deallocate()
        unsafe storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        (start, end) = (0, 0)
    }

    private mutating func makeRoom(_ more: Int) {
        if end + more <= capacity { return }
        let used = end - start
        if used + more <= capacity, start >= capacity / 2 {
            unsafe storage.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[start..<end]))
        } else {
            var size = max(capacity, Self.smallest)
            while size < used + more { size *= 2 }
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
            unsafe larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[start..<end]))
            unsafe storage.deallocate()
            unsafe storage = larger
        }
        (start, end) = (0, used)
    }
}
