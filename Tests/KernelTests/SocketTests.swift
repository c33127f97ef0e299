// SPDX-License-Identifier: Apache-2.0

import Bytes
import Glibc
import Kernel
import Testing

/// Two ends of a loopback connection.
private struct Connection: ~Copyable {
    let client: Descriptor
    let server: Descriptor

    init(_ address: IPAddress) throws {
        let listener = try Socket.listen(SocketAddress(address, 0), backlog: 5)
        let bound = listener.localAddress()
        let client = try Socket.tcp(address.family)
        _ = try client.connect(to: try #require(bound))
        try wait(listener, .read)
        guard let accepted = try listener.accept() else { throw Errno.timedOut }
        server = try accepted.descriptor.duplicate()
        self.client = client
    }
}

private func wait(_ descriptor: borrowing Descriptor, _ readiness: Readiness) throws {
    let epoll = try Epoll(capacity: 1)
    try epoll.add(descriptor.number, readiness, word: 1)
    guard try epoll.wait(milliseconds: 10_000) == 1 else { throw Errno.timedOut }
}

private func receive(_ socket: borrowing Descriptor, _ count: Int = 100) throws -> (Transfer, [UInt8]) {
    var bytes = [UInt8](repeating: 0, count: count)
    let transfer = try socket.read(into: &bytes)
    if case .moved(let length) = transfer { return (transfer, Array(bytes.prefix(length))) }
    return (transfer, [])
}

struct SocketTests {
    @Test(arguments: [IPAddress.loopbackV4, .loopbackV6])
    func `bytes pass, an end is an end, and to have to wait is no failure`(address: IPAddress) throws {
        let pair = try Connection(address)
        #expect(try receive(pair.server).0 == .wouldBlock)
        try pair.client.writeAll([1, 2, 3])
        try wait(pair.server, .read)
        #expect(try receive(pair.server).1 == [1, 2, 3])
        pair.client.shutdownWriting()
        try wait(pair.server, .read)
        #expect(try receive(pair.server).0 == .endOfStream)
        try pair.server.writeAll([4])
        try wait(pair.client, .read)
        #expect(try receive(pair.client).1 == [4])
    }

    @Test(arguments: [IPAddress.loopbackV4, .loopbackV6])
    func `I12 a socket that ends with reset on is a reset to its peer, else an end`(address: IPAddress) throws {
        for isReset in [true, false] {
            let listener = try Socket.listen(SocketAddress(address, 0), backlog: 5)
            let bound = listener.localAddress()
            let client = try Socket.tcp(address.family)
            _ = try client.connect(to: try #require(bound))
            try wait(listener, .read)
            var accepted = try listener.accept()
            accepted?.descriptor.setResetOnClose(isReset)
            accepted = nil
            try wait(client, .read)
            if isReset {
                #expect(throws: Errno.connectionReset) { try receive(client) }
            } else {
                #expect(try receive(client).0 == .endOfStream)
            }
        }
    }

    @Test func `addresses of both ends agree, IPv4 also on a socket for both`() throws {
        let listener = try Socket.listenEverywhere(port: 0, backlog: 5)
        let port = try #require(listener.localAddress()?.port)
        for address in [IPAddress.loopbackV4, .loopbackV6] {
            let client = try Socket.tcp(address.family)
            _ = try client.connect(to: SocketAddress(address, port))
            try wait(listener, .read)
            guard let accepted = try listener.accept() else { throw Errno.timedOut }
            let (here, there) = (client.localAddress(), accepted.descriptor.localAddress())
            #expect(here == accepted.peer && accepted.descriptor.peerAddress() == here)
            #expect(there == SocketAddress(address, port) && client.peerAddress() == there)
        }
        #expect(try listener.accept() == nil)
    }

    @Test func `a refused connection says so, at once or on the socket`() throws {
        let listener = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 1)
        let bound = listener.localAddress()
        let address = try #require(bound)
        listener.close()
        let client = try Socket.tcp(.v4)
        do throws(Errno) {
            if try !client.connect(to: address) {
                try? wait(client, .write)
                #expect(client.takeError() == .connectionRefused)
                #expect(client.takeError() == nil)
            }
        } catch { #expect(error == .connectionRefused) }
    }

    @Test func `options that we rely on are taken by this kernel`() throws {
        for family in [IPAddress.Family.v4, .v6] {
            let socket = try Socket.tcp(family)
            try socket.setNoDelay()
            try socket.setMark(0x539)
            try socket.setTransparent(family)
            try socket.setBindAddressNoPort()
            try socket.setKeepalive(Keepalive())
            var longest = Keepalive()
            longest.userTimeout = Interval(nanoseconds: .max)
            try socket.setKeepalive(longest)
            try socket.setCongestionControl("cubic")
            #expect(throws: Errno.noSuchFile) { try socket.setCongestionControl("no-such-thing") }
        }
    }

    @Test func `I14 what a listener accepts has the listener's probes`() throws {
        let listener = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 1)
        var keepalive = Keepalive()
        (keepalive.idle, keepalive.interval, keepalive.probes, keepalive.userTimeout) = (.seconds(7), .seconds(5), 3, .seconds(4))
        try listener.setKeepalive(keepalive)
        let bound = listener.localAddress()
        let client = try Socket.tcp(.v4)
        _ = try client.connect(to: try #require(bound))
        try wait(listener, .read)
        guard let accepted = try listener.accept() else { throw Errno.timedOut }
        let number = accepted.descriptor.number
        let option = { (level: CInt, name: CInt) in
            var value: CInt = -1
            var length = socklen_t(MemoryLayout<CInt>.size)
            _ = unsafe getsockopt(number, level, name, &value, &length)
            return value
        }
        let tcp = CInt(IPPROTO_TCP)
        #expect(option(SOL_SOCKET, SO_KEEPALIVE) == 1 && option(tcp, TCP_KEEPIDLE) == 7 && option(tcp, TCP_KEEPINTVL) == 5)
        #expect(option(tcp, TCP_KEEPCNT) == 3 && option(tcp, 18) == 4000, "18 is TCP_USER_TIMEOUT")
        #expect(keepalive.nearby.userTimeout == nil && keepalive.nearby.idle == keepalive.idle)
    }

    @Test func `a taken port is an error with a name`() throws {
        let first = try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 1)
        let bound = first.localAddress()
        let address = try #require(bound)
        #expect(throws: Errno.addressInUse) { _ = try Socket.listen(address, backlog: 1) }
    }

    @Test func `splice moves bytes and the end, and may have to wait`() throws {
        let source = try Connection(.loopbackV4)
        let target = try Connection(.loopbackV4)
        let pipe = try Pipe(size: 65_536)
        #expect(try splice(from: source.server, to: pipe.writeEnd, count: 100) == .wouldBlock)
        try source.client.writeAll([1, 2, 3])
        source.client.shutdownWriting()
        try wait(source.server, .read)
        #expect(try splice(from: source.server, to: pipe.writeEnd, count: 100) == .moved(3))
        #expect(try splice(from: source.server, to: pipe.writeEnd, count: 100) == .endOfStream)
        #expect(try splice(from: pipe.readEnd, to: target.client, count: 100) == .moved(3))
        try wait(target.server, .read)
        #expect(try receive(target.server).1 == [1, 2, 3])
    }
}
