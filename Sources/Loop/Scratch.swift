// SPDX-License-Identifier: Apache-2.0

/// A fixed region of memory, aligned to a page, for bytes on their way through. Owned by one loop; what is in it means nothing after the call
/// that put it there.
@safe package struct Scratch: ~Copyable {
    package let bytes: UnsafeMutableRawBufferPointer

    package init(count: Int) { unsafe bytes = .allocate(byteCount: count, alignment: 4096) }

    deinit { unsafe bytes.deallocate() }
}
