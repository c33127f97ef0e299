// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel
internal import Loop

/// Who waits for a TCP connection.
protocol DialWaiter: AnyObject {
    func dialled(_ socket: consuming Descriptor)
    /// Nil: no answer in time.
    func dialFailed(_ cause: Errno?)
}

/// One TCP connect under way on a worker's loop. Ends by telling its waiter once, or silently by `cancel`.
final class Dial: EventSource, TimerTarget {
    private let loop: Loop
    private var waiter: (any DialWaiter)?
    private var socket: Descriptor?
    private var token: Token?
    private var timer: Token?

    init(_ loop: Loop, _ socket: consuming Descriptor, waiter: any DialWaiter) {
        self.loop = loop
        self.socket = consume socket
        self.waiter = waiter
    }

    /// Connects. The waiter may be told before this returns.
    /// - Parameter nearby: the target is in the socket's own namespace.
    func start(to address: SocketAddress, within limit: Interval, nearby: Bool = false) {
        guard let number = socket?.number else { return }
        do throws(Errno) {
            if try (nearby ? socket?.connectNearby(to: address) : socket?.connect(to: address)) == true {
                finish(nil)
                return
            }
            token = try loop.watch(number, for: .write, source: self)
            timer = loop.arm(limit, self, tag: 0)
        } catch {
            finish(.some(error))
        }
    }

    func cancel() {
        waiter = nil
        release()
        socket = nil
    }

    func ready(_ readiness: Readiness) {
        let cause = socket?.takeError()
        finish(cause.map { .some($0) } ?? nil)
    }

    func timerFired(_ tag: UInt32) {
        timer = nil
        guard let waiter = waiter.take() else { return }
        release()
        socket = nil
        waiter.dialFailed(nil)
    }

    private func finish(_ cause: Errno?) {
        guard let waiter = waiter.take() else { return }
        release()
        if let cause {
            socket = nil
            waiter.dialFailed(cause)
        } else if let socket = socket.take() {
            waiter.dialled(socket)
        }
    }

    private func release() {
        if let token = token.take() { loop.unwatch(token) }
        if let timer = timer.take() { loop.cancel(timer) }
    }
}
