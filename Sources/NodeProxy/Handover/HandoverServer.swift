// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import Loop
internal import Telemetry

/// The handover socket of the daemon that serves: whoever is to follow asks here. One at a time; on the node's loop.
final class HandoverServer: EventSource {
    /// Those who ask are few: a daemon, `warrend upgrade`.
    private static let maximumSessions = 8

    private unowned let node: Node
    private var listener: Descriptor?
    private var token: Token?
    private var sessions: [ObjectIdentifier: HandoverSession] = [:]
    /// Who takes over at present.
    private(set) weak var successor: HandoverSession?

    init(node: Node) { self.node = node }

    func start() {
        let path = HandoverChannel.path(node.configuration)
        do throws(Errno) {
            let listener = try UnixSocket.listen(path: path, mode: 0o600, backlog: 8, .packets)
            token = try node.loop.watch(listener.number, for: .read, source: self)
            self.listener = consume listener
        } catch {
            node.log.error("no other warrend can take over: \(path): \(error)")
        }
    }

    /// Another daemon has the path by now.
    func stop() {
        if let token = token.take() { node.loop.unwatch(token) }
        listener = nil
    }

    func ready(_ readiness: Readiness) {
        for _ in 0..<Self.maximumSessions {
            guard let accepted = try? listener?.accept() else { return }
            guard sessions.count < Self.maximumSessions else { continue }
            do throws(HandoverFailure) {
                let session = HandoverSession(try HandoverChannel(accepted.take()), node: node, server: self)
                sessions[ObjectIdentifier(session)] = session
                session.start()
            } catch { node.log.warn("a caller of the handover socket is turned away: \(error)") }
        }
    }

    /// Whether this one may take over: nobody else does.
    func admit(_ session: HandoverSession) -> Bool {
        guard successor == nil else { return false }
        successor = session
        return true
    }

    func ended(_ session: HandoverSession) {
        sessions[ObjectIdentifier(session)] = nil
        if successor === session { successor = nil }
    }
}
