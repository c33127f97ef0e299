// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A file descriptor that this process owns. It is closed once: explicitly, or when the value ends.
///
/// Confined to whoever holds the value; the number may be read freely but not kept longer than the value lives.
package struct Descriptor: ~Copyable, Sendable {
    package let number: CInt

    package init(takingOwnership number: CInt) {
        invariant(number >= 0, "not a descriptor: \(number)")
        self.number = number
    }

    deinit { Self.end(number) }

    /// Closes now rather than at the end of the value.
    package consuming func close() {
        Self.end(number)
        discard self
    }

    /// Gives the number to a new owner, who must close it.
    package consuming func release() -> CInt {
        let number = number
        discard self
        return number
    }

    /// A second descriptor for the same open file, closed on exec.
    package borrowing func duplicate() throws(Errno) -> Descriptor {
        let number = number
        return Descriptor(takingOwnership: try call { fcntl(number, F_DUPFD_CLOEXEC, 0) })
    }

    /// Linux closes the descriptor whatever close() says, so only EBADF matters: the number may already be someone else's.
    private static func end(_ number: CInt) {
        if Glibc.close(number) == -1 { invariant(errno != EBADF, "descriptor \(number) closed twice") }
    }
}

extension Descriptor {
    /// Reads what is there, at most the buffer. For pipes, files, eventfd; sockets have `receive`.
    package borrowing func read(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Transfer {
        let number = number
        do throws(Errno) {
            let count = try call { unsafe Glibc.read(number, buffer.baseAddress, buffer.count) }
            return count == 0 ? .endOfStream : .moved(count)
        } catch {
            if error == .wouldBlock { return .wouldBlock }
            throw error
        }
    }

    /// Reads what is there into the array, at most as many bytes as it has.
    package borrowing func read(into array: inout [UInt8]) throws(Errno) -> Transfer {
        let number = number
        do throws(Errno) {
            let count = try call { unsafe array.withUnsafeMutableBytes { unsafe Glibc.read(number, $0.baseAddress, $0.count) } }
            return count == 0 ? .endOfStream : .moved(count)
        } catch {
            if error == .wouldBlock { return .wouldBlock }
            throw error
        }
    }

    /// Writes what the other side takes now.
    package borrowing func write(_ bytes: UnsafeRawBufferPointer) throws(Errno) -> Transfer {
        let number = number
        do throws(Errno) {
            return .moved(try call { unsafe Glibc.write(number, bytes.baseAddress, bytes.count) })
        } catch {
            if error == .wouldBlock { return .wouldBlock }
            throw error
        }
    }
}
