// SPDX-License-Identifier: Apache-2.0

package import Kernel
internal import Loop

/// Who started a relay and hears how it ended.
package protocol RelayOwner: AnyObject {
    /// Once, as the last thing. Nil: both applications finished. The sockets are closed already.
    func relayEnded(_ failure: ConnectionFailure?)
}

/// Two sockets, each giving what the other takes: plain traffic, and both ends on one host.
///
/// An end of stream is passed on as one, half by half, and nothing else is: whatever goes wrong is a reset to both (I12). What the slower side
/// hasn't taken is held, one chunk at most, and the faster side isn't read meanwhile. Lives on one loop; ends when both applications finished, when
/// something failed, or by `cut`.
package final class SocketRelay {
    let context: RelayContext
    private var owner: (any RelayOwner)?
    private let client: RelaySocket
    private let server: RelaySocket
    private var toServer = RelayDirection()
    private var toClient = RelayDirection()
    var patience = RelayPatience()

    /// - Parameters:
    ///   - client: the side that connected; must close with a reset (`setResetOnClose`) until now.
    ///   - server: the side that we connected to, likewise.
    package init(
        _ context: RelayContext, client: consuming Descriptor, server: consuming Descriptor, owner: any RelayOwner
    ) {
        self.context = context
        self.owner = owner
        self.client = RelaySocket(client, name: "client")
        self.server = RelaySocket(server, name: "server")
    }

    /// Application bytes so far.
    package var tally: Tally {
        var tally = Tally()
        tally.received = toServer.moved
        tally.sent = toClient.moved
        tally.spliced = toServer.spliced &+ toClient.spliced
        return tally
    }

    /// Begins. On failure the relay has ended and the owner was told.
    package func start() {
        client.relay = self
        server.relay = self
        patience.begin(self)
        do throws(Errno) {
            try client.watch(on: context.loop)
            try server.watch(on: context.loop)
        } catch {
            end(ConnectionFailure(.limit, "watching a connection: \(error)"))
        }
    }

    /// Resets both sides; the owner hears the failure.
    package func cut(_ failure: ConnectionFailure) { end(failure) }

    fileprivate func ready(_ socket: RelaySocket, _ readiness: Readiness) {
        if readiness.contains(.failed) {
            let cause = socket.takeError() ?? .connectionReset
            end(ConnectionFailure(.reset, "the \(socket.name) ended the connection: \(cause)"))
            return
        }
        let fromClient = socket === client
        if readiness.contains(.write) { pump(toServer: !fromClient) }
        if !readiness.isDisjoint(with: [.read, .peerEnded, .hungUp]) { pump(toServer: fromClient) }
        settle()
    }

    private func pump(toServer upwards: Bool) {
        guard owner != nil else { return }
        do throws(RelayFault) {
            if upwards {
                try toServer.pump(from: client.descriptor!, to: server.descriptor!, loop: context.loop, pipes: context.pipes)
            } else {
                try toClient.pump(from: server.descriptor!, to: client.descriptor!, loop: context.loop, pipes: context.pipes)
            }
        } catch {
            let name = error.atSource == upwards ? client.name : server.name
            end(ConnectionFailure(.reset, "the \(name) ended the connection: \(error.cause)"))
        }
    }

    /// After events: everything done, or what to wait for next.
    private func settle() {
        guard owner != nil else { return }
        if toServer.targetTold && toClient.targetTold {
            end(nil)
            return
        }
        if toServer.sourceEnded || toClient.sourceEnded { patience.halfClosed(self) }
        do throws(Errno) {
            try client.want(reading: !toServer.sourceEnded && !toServer.isBlocked, writing: toClient.isBlocked, on: context.loop)
            try server.want(reading: !toClient.sourceEnded && !toClient.isBlocked, writing: toServer.isBlocked, on: context.loop)
        } catch {
            end(ConnectionFailure(.limit, "watching a connection: \(error)"))
        }
    }

    private func end(_ failure: ConnectionFailure?) {
        guard let owner = owner.take() else { return }
        patience.end(on: context.loop)
        toServer.close(pipes: context.pipes)
        toClient.close(pipes: context.pipes)
        client.close(on: context.loop, clean: failure == nil)
        server.close(on: context.loop, clean: failure == nil)
        owner.relayEnded(failure)
    }
}

/// A socket of a relay on its loop.
private final class RelaySocket: EventSource {
    let name: String
    var relay: SocketRelay?
    /// Nil once closed; the relay asks for it only before.
    var descriptor: Descriptor?
    private var token: Token?
    private var hungUp = false

    init(_ descriptor: consuming Descriptor, name: String) {
        self.descriptor = consume descriptor
        self.name = name
    }

    func watch(on loop: Loop) throws(Errno) {
        guard let number = descriptor?.number else { return }
        token = try loop.watch(number, for: .read, source: self)
    }

    /// A socket that hung up and from which nothing is wanted is no longer watched: it would be told of without end while the
    /// other side still takes its rest.
    func want(reading: Bool, writing: Bool, on loop: Loop) throws(Errno) {
        var wanted: Readiness = []
        if reading { wanted.insert(.read) }
        if writing { wanted.insert(.write) }
        if let token {
            if wanted.isEmpty && hungUp {
                loop.unwatch(token)
                self.token = nil
            } else {
                loop.want(wanted, token)
            }
        } else if !wanted.isEmpty, let number = descriptor?.number {
            token = try loop.watch(number, for: wanted, source: self)
        }
    }

    func ready(_ readiness: Readiness) {
        if readiness.contains(.hungUp) { hungUp = true }
        relay?.ready(self, readiness)
    }

    func takeError() -> Errno? { descriptor?.takeError() }

    /// Closing sends a reset unless everything was delivered.
    func close(on loop: Loop, clean: Bool) {
        if let token = token.take() { loop.forget(token) }
        if clean { descriptor?.setResetOnClose(false) }
        descriptor = nil
        relay = nil
    }
}
