// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// A pipe through which the kernel moves bytes between sockets without copying them to us.
package struct Pipe: ~Copyable {
    package let readEnd: Descriptor
    package let writeEnd: Descriptor

    /// - Parameter size: bytes the pipe should hold; the kernel may give less.
    package init(size: CInt) throws(Errno) {
        var ends: (CInt, CInt) = (-1, -1)
        _ = try call {
            unsafe withUnsafeMutablePointer(to: &ends) { pointer in
                unsafe pointer.withMemoryRebound(to: CInt.self, capacity: 2) { unsafe clinux_pipe($0, size) }
            }
        }
        readEnd = Descriptor(takingOwnership: ends.0)
        writeEnd = Descriptor(takingOwnership: ends.1)
    }
}

/// Moves at most `count` bytes from one descriptor to another, one of which is a pipe.
package func splice(from: borrowing Descriptor, to: borrowing Descriptor, count: Int) throws(Errno) -> Transfer {
    let (source, target) = (from.number, to.number)
    do throws(Errno) {
        let moved = try call { clinux_splice(source, target, count) }
        return moved == 0 ? .endOfStream : .moved(moved)
    } catch {
        if error == .wouldBlock { return .wouldBlock }
        throw error
    }
}
