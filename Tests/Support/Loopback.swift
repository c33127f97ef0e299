// SPDX-License-Identifier: Apache-2.0

package import Bytes
import Glibc
package import Kernel

/// A TCP listener on the loopback interface of the test's own process, on a port of the kernel's choice.
package struct LoopbackListener: ~Copyable {
    package let descriptor: Descriptor
    package let address: SocketAddress

    /// - Parameter buffer: SO_SNDBUF and SO_RCVBUF of what it accepts, in bytes; nil: the kernel's own, which grow to megabytes.
    package init(backlog: CInt = 256, buffer: CInt? = nil) throws {
        let listener = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: backlog)
        if let buffer { listener.setBuffers(buffer) }
        guard let address = listener.localAddress() else { throw Errno.addressNotAvailable }
        descriptor = listener
        self.address = address
    }

    /// The next connection, which must be on its way.
    package borrowing func accept() throws -> Descriptor {
        let end = Moment.now() + 20
        while Moment.now() < end {
            if let accepted = try descriptor.accept() { return accepted.take() }
            usleep(100)
        }
        throw TimedOut(description: "nobody connected to \(address)")
    }
}

/// Two sockets that are connected to each other. Whoever takes an end owns it; ends that nobody took are closed with the pair.
package final class SocketPair {
    private var first: Descriptor?
    private var second: Descriptor?

    /// - Parameter buffer: SO_SNDBUF and SO_RCVBUF of both, in bytes; nil: the kernel's own, which grow to megabytes.
    package init(buffer: CInt? = nil) throws {
        let listener = try LoopbackListener(buffer: buffer)
        let socket = try Socket.tcp(.v4)
        if let buffer { socket.setBuffers(buffer) }
        _ = try socket.connect(to: listener.address)
        second = try listener.accept()
        first = consume socket
    }

    /// The end that connected. Once.
    package func takeFirst() throws -> Descriptor {
        guard let end = first.take() else { throw Errno.notConnected }
        return end
    }

    /// The end that was accepted. Once.
    package func takeSecond() throws -> Descriptor {
        guard let end = second.take() else { throw Errno.notConnected }
        return end
    }
}

extension Descriptor {
    /// Fixed buffers: the kernel no longer adapts them, so a test knows how much hides in it. The kernel doubles the number.
    fileprivate borrowing func setBuffers(_ bytes: CInt) {
        var bytes = bytes
        for option in [SO_SNDBUF, SO_RCVBUF] {
            unsafe setsockopt(number, SOL_SOCKET, option, &bytes, socklen_t(MemoryLayout<CInt>.size))
        }
    }
}
