// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Capture
internal import Daemon
internal import Kernel
internal import Loop
internal import Telemetry

/// The way in for probes of this host that `probes.allow` names: rules in the host's own namespace redirect them, by the kernel's owner of their
/// socket, to listeners on loopback, and one worker dials the application for them. Nothing is exempt by an address, so there is nothing to forge
/// (I06). On the node's loop.
final class ProbeGate {
    private unowned let node: Node
    private let exemptions: [ProbeRules.Exemption]
    private var listeners: ProbeListeners?
    private var loaded: String?
    private var isLoading = false
    private var lastFailure: String?

    init(node: Node) {
        self.node = node
        exemptions = node.configuration.probes.allow.compactMap(ProbeRules.Exemption.init)
    }

    /// The set of captured workloads may have changed; also called now and then, for a cgroup that came back is another.
    func update() {
        guard !exemptions.isEmpty, node.isInCharge, !isLoading, let port = listen() else { return }
        let enrolled = node.enrolment.enrollees.values.filter { if case .captured = $0.phase { true } else { false } }
        let rules = ProbeRules(exemptions: exemptions, enrolled: enrolled.flatMap(\.plan.addresses), port: port)
        let text = rules.text
        guard text != loaded else { return }
        isLoading = true
        node.errand {
            Self.load(text)
        } then: { node, failure in
            node.probes.finished(text, failure)
        }
    }

    private func finished(_ text: String, _ failure: String?) {
        isLoading = false
        loaded = failure == nil ? text : nil
        if let failure, failure != lastFailure { node.log.scoped(.capture).error("probes.allow doesn't hold yet: \(failure)") }
        lastFailure = failure
    }

    /// The listeners' port, made when first needed.
    private func listen() -> UInt16? {
        if let listeners { return listeners.port }
        do throws(Errno) {
            let listeners = try ProbeListeners(node.takeover?.inheritance)
            self.listeners = listeners
            // Probes are few: one worker has them all.
            node.workers.first?.send(.probes(listeners))
            return listeners.port
        } catch {
            node.log.scoped(.capture).error("can't listen for probes: \(error)")
            return nil
        }
    }

    /// What passes to the next daemon.
    var offers: [HandoverOffer] {
        guard let listeners else { return [] }
        let second = listeners.v6Number.map { HandoverOffer(item: .probe(.v6), number: $0, holder: listeners) }
        return [HandoverOffer(item: .probe(.v4), number: listeners.v4.number, holder: listeners)] + [second].compactMap(\.self)
    }

    /// Another daemon has them.
    func retire() { listeners = nil }

    private static func load(_ text: String) -> String? {
        do throws(Errno) {
            let host = try NetworkNamespace.current()
            do throws(CaptureFailure) {
                _ = try RulesChild().run(.apply(text), in: host)
                return nil
            } catch { return "\(error). \(error.remedy)" }
        } catch { return "the host's network namespace can't be opened: \(error)" }
    }
}

/// The probes' listeners on loopback, IPv4 and IPv6 on one port.
final class ProbeListeners: Sendable {
    let v4: Descriptor
    let v6: Descriptor?
    let v6Number: CInt?
    let port: UInt16

    /// Those of the daemon before us, or new ones.
    init(_ inheritance: Inheritance?) throws(Errno) {
        let first = try Self.listenV4(inheritance)
        guard let port = first.localAddress()?.port else { throw .invalidArgument }
        try first.setNoDelay()
        try first.setKeepalive(Keepalive().nearby)
        first.setResetOnClose(true)
        self.port = port
        v4 = first
        if let second = inheritance?.claim(.probe(.v6)) ?? (try? Self.listenV6(port)) {
            v6Number = second.number
            v6 = consume second
        } else {
            v6Number = nil
            v6 = nil
        }
    }

    private static func listenV4(_ inheritance: Inheritance?) throws(Errno) -> Descriptor {
        if let inherited = inheritance?.claim(.probe(.v4)) { return inherited }
        return try Socket.listen(SocketAddress(.loopbackV4, 0), backlog: 64, mark: Mark.outside)
    }

    /// A host without IPv6 has no probes over it.
    private static func listenV6(_ port: UInt16) throws(Errno) -> Descriptor {
        let socket = try Socket.listen(SocketAddress(.loopbackV6, port), backlog: 64, mark: Mark.outside)
        try socket.setNoDelay()
        try socket.setKeepalive(Keepalive().nearby)
        socket.setResetOnClose(true)
        return socket
    }
}

/// One of the probes' listeners as a worker watches it.
final class ProbeListener: EventSource {
    private let worker: Worker
    private let listeners: ProbeListeners
    private let family: IPAddress.Family
    private var token: Token?

    init(_ worker: Worker, _ listeners: ProbeListeners, _ family: IPAddress.Family) {
        self.worker = worker
        self.listeners = listeners
        self.family = family
    }

    func start() throws(Errno) {
        switch family {
        case .v4: token = try worker.loop.watch(listeners.v4.number, for: .read, source: self)
        case .v6:
            guard let number = listeners.v6Number else { return }
            token = try worker.loop.watch(number, for: .read, source: self)
        }
    }

    func stop() { if let token = token.take() { worker.loop.unwatch(token) } }

    func ready(_ readiness: Readiness) {
        do throws(Errno) {
            let accepted = family == .v4 ? try listeners.v4.accept() : try listeners.v6?.accept()
            if let accepted { worker.probed(accepted) }
        } catch {
            if error.isExhaustion { worker.metrics.acceptPaused() }
        }
    }
}

extension ProbeRules.Exemption {
    /// Nil for a cgroup that can't be written in a rule.
    init?(_ setting: ProbeSettings.Exemption) {
        switch setting.caller {
        case .user(let number): self.init(caller: .user(number), ports: setting.ports)
        case .cgroup(let path):
            guard let group = ControlGroup(path) else { return nil }
            self.init(caller: .cgroup(group), ports: setting.ports)
        }
    }
}
