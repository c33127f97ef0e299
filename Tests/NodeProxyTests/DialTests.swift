// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import Loop
import Support
import Testing

@testable import NodeProxy

/// One TCP connect: it comes to an end, which is told once, or to none that is told.
@Suite struct DialTests {
    private final class Waiter: DialWaiter {
        private(set) var socket: Descriptor?
        private(set) var answers = 0
        /// The cause of a failure; the inner nil is a time-out.
        private(set) var failure: Errno??

        func dialled(_ socket: consuming Descriptor) {
            answers += 1
            self.socket = consume socket
        }

        func dialFailed(_ cause: Errno?) {
            answers += 1
            failure = .some(cause)
        }
    }

    private func start(_ loop: Loop, _ waiter: Waiter, to address: SocketAddress, within limit: Interval = .seconds(20)) throws
        -> Dial
    {
        let dial = Dial(loop, try Socket.tcp(.v4), waiter: waiter)
        dial.start(to: address, within: limit)
        return dial
    }

    private func turn(_ loop: Loop, until condition: () -> Bool) throws {
        try drive("the end of a connect", { loop.turn(wait: .milliseconds(2)) }, until: condition)
    }

    /// A listener that drops every further SYN, as a firewall does: its queue is full.
    private func silent() throws -> (listener: LoopbackBox, fillers: [Application]) {
        let box = try LoopbackBox(backlog: 0)
        let fillers = try (0..<4).map { _ in
            let socket = try Socket.tcp(.v4)
            _ = try socket.connect(to: box.address)
            return Application(socket)
        }
        return (box, fillers)
    }

    private final class LoopbackBox {
        private let listener: LoopbackListener
        var address: SocketAddress { listener.address }
        init(backlog: CInt) throws { listener = try LoopbackListener(backlog: backlog) }
    }

    @Test func `a connect that succeeds gives the socket`() throws {
        let (loop, waiter) = (try Loop(), Waiter())
        let listener = try LoopbackListener()
        let dial = try start(loop, waiter, to: listener.address)
        try turn(loop) { waiter.answers > 0 }
        #expect(waiter.failure == nil)
        let peer = waiter.socket?.peerAddress()
        #expect(peer == listener.address)
        dial.cancel()
        #expect(waiter.answers == 1)
    }

    @Test func `a connect that is refused says why`() throws {
        let (loop, waiter) = (try Loop(), Waiter())
        let address = try { try LoopbackListener().address }()
        let dial = try start(loop, waiter, to: address)
        try turn(loop) { waiter.answers > 0 }
        #expect(waiter.failure == .some(.connectionRefused))
        withExtendedLifetime(dial) {}
    }

    @Test func `a connect to where no way leads fails at once`() throws {
        let (loop, waiter) = (try Loop(), Waiter())
        // An address that nobody may connect to.
        let dial = try start(loop, waiter, to: SocketAddress(IPAddress(v4: 0xffff_ffff), 80))
        #expect(waiter.answers == 1)
        #expect(waiter.failure != nil && waiter.failure != .some(nil))
        withExtendedLifetime(dial) {}
    }

    @Test func `a connect that nobody answers ends by its bound, once`() throws {
        let (loop, waiter) = (try Loop(), Waiter())
        let (listener, fillers) = try silent()
        let began = Instant.now()
        let dial = try start(loop, waiter, to: listener.address, within: .milliseconds(60))
        try turn(loop) { waiter.answers > 0 }
        #expect(Instant.now().since(began) >= .milliseconds(60))
        #expect(waiter.failure == .some(nil))
        for _ in 0..<20 { loop.turn(wait: .milliseconds(1)) }
        #expect(waiter.answers == 1)
        withExtendedLifetime((dial, fillers)) {}
    }

    @Test func `a connect that is cancelled tells nothing, and holds nobody`() throws {
        let loop = try Loop()
        let (listener, fillers) = try silent()
        weak var gone: Waiter?
        do {
            let waiter = Waiter()
            gone = waiter
            let dial = try start(loop, waiter, to: listener.address, within: .milliseconds(30))
            dial.cancel()
            dial.cancel()
            let until = Instant.now() + .milliseconds(80)
            while Instant.now() < until { loop.turn(wait: .milliseconds(5)) }
            #expect(waiter.answers == 0)
        }
        #expect(gone == nil)
        withExtendedLifetime(fillers) {}
    }
}
