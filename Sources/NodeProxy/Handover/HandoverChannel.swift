// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel

/// A connection of the handover socket, at either end. Who is at the other end the kernel says: root, or nobody.
struct HandoverChannel: ~Copyable {
    let socket: Descriptor
    /// The process at the other end; for the asking end whoever made the listener.
    let peer: PeerCredentials

    /// - Parameter socket: of the kind `packets`.
    init(_ socket: consuming Descriptor) throws(HandoverFailure) {
        let who: PeerCredentials
        do throws(Errno) { who = try socket.peerCredentials() } catch {
            throw HandoverFailure("who is at the other end of the handover socket can't be seen: \(error)")
        }
        guard who.user == 0 else { throw HandoverFailure("process \(who.process) of user \(who.user) isn't root") }
        self.init(socket, who)
    }

    private init(_ socket: consuming Descriptor, _ peer: PeerCredentials) {
        self.socket = socket
        self.peer = peer
    }

    static func path(_ configuration: DaemonConfiguration) -> String { "\(configuration.runDirectory)/handover.sock" }

    /// Nil: nobody hands over here. Calls on it wait for `patience`.
    static func dial(_ configuration: DaemonConfiguration, patience: Interval) throws(HandoverFailure) -> HandoverChannel? {
        let path = path(configuration)
        let socket: Descriptor
        do throws(Errno) { socket = try UnixSocket.connect(path: path, .packets, patience: patience) } catch {
            if error == .noSuchFile || error == .connectionRefused { return nil }
            throw HandoverFailure("\(path): \(error)")
        }
        return try HandoverChannel(socket)
    }

    borrowing func send(_ message: HandoverMessage, passing descriptor: CInt? = nil) throws(HandoverFailure) {
        let bytes = message.bytes
        guard bytes.count <= HandoverMessage.limit else { throw HandoverFailure("a packet of \(bytes.count) bytes is too large") }
        do throws(Errno) { try socket.send(packet: bytes, passing: descriptor) } catch {
            throw HandoverFailure("the other end can't be told: \(error)")
        }
    }

    enum Received: ~Copyable {
        case message(HandoverMessage, Descriptor?)
        /// Nothing is here, or came in time.
        case nothing
        case end
    }

    borrowing func receive() throws(HandoverFailure) -> Received {
        let packet: ReceivedPacket?
        do throws(Errno) { packet = try socket.receivePacket(limit: HandoverMessage.limit) } catch {
            if error == .wouldBlock { return .nothing }
            if error == .connectionReset { return .end }
            throw HandoverFailure("the other end can't be heard: \(error)")
        }
        guard let packet else { return .end }
        return .message(try HandoverMessage.read(packet.bytes), packet.take())
    }

    /// Says something and waits for the answer, with a descriptor if one came with it. A refusal is a failure.
    borrowing func ask(_ message: HandoverMessage) throws(HandoverFailure) -> Answer {
        try send(message)
        let received = try receive()
        switch consume received {
        case .message(.refused(let reason), _): throw HandoverFailure(reason)
        case .message(let message, let descriptor): return Answer(message: message, descriptor: descriptor)
        case .nothing: throw HandoverFailure("process \(peer.process) doesn't answer in time")
        case .end: throw HandoverFailure("process \(peer.process) went away")
        }
    }

    struct Answer: ~Copyable {
        let message: HandoverMessage
        var descriptor: Descriptor?

        consuming func take() -> Descriptor? { descriptor }
    }
}
