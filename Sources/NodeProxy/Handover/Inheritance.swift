// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Capture
internal import Kernel
internal import Synchronization
internal import Tunnel

/// What a daemon got from the one before it: listeners that nobody uses here yet, each looked at before it was taken. Whoever builds something up
/// claims what belongs to it; what nobody claimed is closed with the value. Any thread.
final class Inheritance: Sendable {
    /// Numbers of descriptors that are ours to close.
    private let held = Mutex<[HandoverItem: CInt]>([:])
    private let known = Mutex<[InheritedWorkload]>([])

    deinit { closeRest() }

    var workloads: [InheritedWorkload] { known.withLock { $0 } }

    /// The descriptor of an item, once.
    func claim(_ item: HandoverItem) -> Descriptor? {
        held.withLock { $0.removeValue(forKey: item) }.map { Descriptor(takingOwnership: $0) }
    }

    /// Whether the workload of this namespace was captured before us, and not about to leave.
    func hadCaptured(_ namespaceName: String) -> Bool {
        workloads.contains { $0.plan.namespaceName == namespaceName && !$0.isDraining }
    }

    /// Nobody claims anything any more, but the listeners of these workloads, by the names of their namespaces.
    func closeRest(except names: Set<String> = []) {
        let kept = Set(workloads.lazy.filter { names.contains($0.plan.namespaceName) }.map(\.namespace))
        let rest = held.withLock { held in
            let rest = held.filter { item, _ in
                if case .listener(_, let namespace) = item { !kept.contains(namespace) } else { true }
            }
            for item in rest.keys { held[item] = nil }
            return Array(rest.values)
        }
        for number in rest { Descriptor(takingOwnership: number).close() }
    }

    /// - Parameter runDirectory: where the lock lies.
    func add(_ item: HandoverItem, _ descriptor: consuming Descriptor?, runDirectory: String) throws(HandoverFailure) {
        guard let descriptor else {
            guard case .workload(let workload) = item else { throw HandoverFailure("\(item) came without its descriptor") }
            return known.withLock { $0.append(workload) }
        }
        do throws(Errno) {
            try Self.check(item, descriptor, runDirectory: runDirectory)
        } catch { throw HandoverFailure("\(item) isn't what it is called: \(error)") }
        let number = descriptor.release()
        let before = held.withLock { $0.updateValue(number, forKey: item) }
        if let before { Descriptor(takingOwnership: before).close() }
    }

    /// A descriptor that isn't what its item says is `invalidArgument`.
    private static func check(_ item: HandoverItem, _ descriptor: borrowing Descriptor, runDirectory: String) throws(Errno) {
        switch item {
        case .workload: throw .invalidArgument
        case .lock:
            guard try File.identity(of: descriptor) == File.status("\(runDirectory)/warrend.lock", followLink: false).identity
            else {
                throw .invalidArgument
            }
        case .service(let service, let place):
            let facts = try SocketFacts(descriptor)
            guard facts.isStream, facts.isListening else { throw .invalidArgument }
            if service == .admin {
                guard facts.domain == .unix else { throw .invalidArgument }
                return
            }
            guard facts.domain != .unix, facts.namespace == (try NetworkNamespace.current().identity),
                let local = descriptor.localAddress(), "\(local.port)" == place, local.ip.isUnspecified
            else { throw .invalidArgument }
        case .probe(let family):
            let facts = try SocketFacts(descriptor)
            guard facts.domain == (family == .v4 ? .v4 : .v6), facts.isStream, facts.isListening, facts.mark == Mark.outside,
                facts.namespace == (try NetworkNamespace.current().identity), descriptor.localAddress()?.ip.isLoopback == true
            else { throw .invalidArgument }
        case .listener(let port, let namespace):
            let facts = try SocketFacts(descriptor)
            guard facts.domain == .v4 || facts.domain == .v6, facts.isStream, facts.isListening, facts.mark == port.mark,
                facts.namespace == namespace, let local = descriptor.localAddress(), local.port == port.number,
                local.ip.isUnspecified
            else { throw .invalidArgument }
        }
    }
}

extension WorkloadListener.Port {
    var number: UInt16 {
        switch self {
        case .outbound: HBONE.outboundPort
        case .inbound: HBONE.inboundPort
        case .hbone: HBONE.port
        }
    }

    /// What answers the application has the mark that stays inside: the kernel puts it on the answers of sockets that are gone too
    /// (`fwmark_reflect`), and with the other one the last acknowledgement of a closed connection would leave for the wire, and ours would wait for
    /// it.
    var mark: UInt32 { self == .outbound ? Mark.answering : HBONE.leavingMark }
}
