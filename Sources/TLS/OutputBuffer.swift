// SPDX-License-Identifier: Apache-2.0

/// Where an output buffer gets its memory: a loop's pool, for instance. Asked when the first byte comes and when the last has left, never
/// per record.
@safe package struct OutputMemory {
    let acquire: (_ atLeast: Int) -> UnsafeMutableRawBufferPointer
    let giveBack: (UnsafeMutableRawBufferPointer) -> Void

    /// `acquire` returns at least as many bytes as asked for; `giveBack` gets exactly what `acquire` returned.
    package init(
        acquire: @escaping (_ atLeast: Int) -> UnsafeMutableRawBufferPointer,
        giveBack: @escaping (UnsafeMutableRawBufferPointer) -> Void
    ) {
        unsafe self.acquire = acquire
        unsafe self.giveBack = giveBack
    }
}

/// Ciphertext that waits to be sent: appended by OpenSSL at the end, taken by the owner from the front, one contiguous region.
///
/// Has no memory while it is empty, so that an idle session is small. Bounded by what the owner lets be encrypted: it looks at
/// `pendingCount` before it writes more. Part of a session, on the session's thread.
@safe package final class OutputBuffer {
    private var storage: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0
    private let memory: OutputMemory?

    /// A flight of the handshake, or the alert at the end.
    private static let smallest = 4096

    init(memory: OutputMemory?) {
        unsafe storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        self.memory = memory
    }

    deinit { giveBack() }

    /// How many bytes wait.
    package var pendingCount: Int { end - start }

    /// All bytes that wait. The pointer lives during the call, in which nothing may be written to the session.
    @inline(__always)
    package func withPending<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        unsafe body(UnsafeRawBufferPointer(rebasing: storage[start..<end]))
    }

    /// Forgets the first `count` bytes: they were sent.
    package func consume(_ count: Int) {
        precondition(count >= 0 && count <= end - start, "more ciphertext sent than waited")
        start += count
        if start == end { removeAll() }
    }

    /// Forgets everything and gives the memory back.
    package func removeAll() {
        giveBack()
        unsafe storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        (start, end) = (0, 0)
    }

    /// Makes room for `count` more bytes, so that appending them allocates nothing.
    func reserve(_ count: Int) {
        guard unsafe storage.count - end < count else { return }
        let used = end - start
        if used > 0, used + count <= (unsafe storage.count), start >= used {
            // The sent half is gone: move the rest to the front.
            unsafe storage.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[start..<end]))
        } else {
            let doubled = used > 0 ? unsafe storage.count * 2 : 0
            let larger = unsafe acquire(max(used + count, doubled, Self.smallest))
            unsafe larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[start..<end]))
            giveBack()
            unsafe storage = larger
        }
        (start, end) = (0, used)
    }

    /// Copies the bytes to the end.
    func append(_ bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count)
        unsafe UnsafeMutableRawBufferPointer(rebasing: storage[end...]).copyMemory(from: bytes)
        end += bytes.count
    }

    private func acquire(_ count: Int) -> UnsafeMutableRawBufferPointer {
        guard let memory else { return .allocate(byteCount: count, alignment: 16) }
        let region = unsafe memory.acquire(count)
        precondition(region.count >= count, "a pool gave less memory than asked for")
        return unsafe region
    }

    private func giveBack() {
        guard unsafe storage.baseAddress != nil else { return }
        if let memory { unsafe memory.giveBack(storage) } else { unsafe storage.deallocate() }
    }
}
