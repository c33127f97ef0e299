// SPDX-License-Identifier: Apache-2.0

package import HTTP
package import Kernel
package import Loop

/// How a request is answered: now, or later from the same loop. Calling it twice, or after the client is gone, does nothing.
package typealias HTTP1Answer = (HTTP1Response) -> Void

/// The bounds of an HTTP/1 server.
package struct HTTP1ServerBounds: Sendable {
    /// Clients at once. Admin, scrapers and probes are few; more is a leak or an attack.
    package var connections = 64
    /// From the first byte of a request to its last.
    package var requestTimeout = Interval.seconds(10)
    /// Between two requests of a connection, and for a client that reads its answer.
    package var idleTimeout = Interval.seconds(60)
    /// From a request to its answer.
    package var answerTimeout = Interval.seconds(15)

    package init() {}
}

/// An HTTP/1.1 server on a loop: admin API, metrics, readiness. It owns its listener and ends with the value; a client that misbehaves costs its
/// own connection.
package final class HTTP1Server: EventSource, TimerTarget {
    private let loop: Loop
    private var listener: Descriptor?
    let bounds: HTTP1ServerBounds
    let handler: (HTTP1Request, @escaping HTTP1Answer) -> Void
    private var token: Token?
    private var connections: [ObjectIdentifier: HTTP1ServerConnection] = [:]

    /// - Parameters:
    ///   - listener: non-blocking and listening.
    ///   - handler: called on the loop, once per request.
    package init(
        loop: Loop, listener: consuming Descriptor, bounds: HTTP1ServerBounds = HTTP1ServerBounds(),
        handler: @escaping (HTTP1Request, @escaping HTTP1Answer) -> Void
    ) {
        self.loop = loop
        self.listener = consume listener
        self.bounds = bounds
        self.handler = handler
    }

    package func start() throws(Errno) {
        guard let number = listenerNumber else { return }
        token = try loop.watch(number, for: .read, source: self)
    }

    /// The listener, for another process to have too. Ours to close.
    package var listenerNumber: CInt? { listener?.number }

    /// Others answer from now on: the listener is closed, without an end to its queue if another process has it too; each client here gets the answer
    /// that it waits for, and no other.
    package func retire() {
        if let token = token.take() { loop.unwatch(token) }
        listener = nil
        for connection in connections.values { connection.retire() }
    }

    /// Whether this is the last answer of a connection.
    var isRetired: Bool { listener == nil }

    package func ready(_ readiness: Readiness) {
        for _ in 0..<bounds.connections {
            do throws(Errno) {
                guard let accepted = try listener?.accept() else { return }
                begin(accepted)
            } catch {
                guard error.isExhaustion else { continue }
                rest()
                return
            }
        }
    }

    /// Without descriptors accepting would spin: a moment's rest, then again.
    private func rest() {
        if let token = token.take() { loop.unwatch(token) }
        _ = loop.arm(.milliseconds(100), self, tag: 0)
    }

    package func timerFired(_ tag: UInt32) {
        if (try? start()) == nil { rest() }
    }

    private func begin(_ accepted: consuming Accepted) {
        guard connections.count < bounds.connections else { return }
        let connection = HTTP1ServerConnection(self, loop, accepted.take())
        connections[ObjectIdentifier(connection)] = connection
        connection.start()
    }

    /// How many clients there are.
    var clients: Int { connections.count }

    func ended(_ connection: HTTP1ServerConnection) { connections[ObjectIdentifier(connection)] = nil }
}
