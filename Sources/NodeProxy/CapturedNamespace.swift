// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Capture
internal import Kernel
internal import TLS
internal import Tunnel

/// The blocking steps of enrolment, one workload at a time; run as errands.
enum CapturedNamespace {
    /// How many connections may wait to be accepted. The kernel caps it by `somaxconn`.
    private static let backlog: CInt = 4096

    /// Namespace, certificate and listeners. Nothing is redirected yet.
    /// - Parameters:
    ///   - taken: the namespaces of other workloads, which may have further names.
    ///   - inheritance: listeners of the daemon before us, if it handed over.
    static func prepare(
        _ plan: EnrolmentPlan, taken: [NamespaceIdentity: String], authority: (any CredentialSource)?, inheritance: Inheritance?
    ) -> Result<PreparedWorkload, CaptureRefusal> {
        do throws(CaptureRefusal) {
            let namespace = try open(plan, taken: taken)
            let credential = try credential(plan, authority)
            let place = try listen(in: namespace, plan.keepalive, inheritance)
            return .success(PreparedWorkload(workload: EnrolledWorkload(plan, at: place), credential: credential))
        } catch {
            return .failure(error)
        }
    }

    /// The workload's resource changed while it is captured: another identity, other addresses, other rules. It stays captured throughout.
    static func replace(
        _ plan: EnrolmentPlan, at place: WorkloadPlace, authority: (any CredentialSource)?, stateDirectory: String
    ) -> Result<PreparedWorkload, CaptureRefusal> {
        do throws(CaptureRefusal) {
            let namespace = try open(plan, taken: [:])
            guard namespace.identity == place.namespace.identity else {
                throw CaptureRefusal("/run/netns/\(plan.namespaceName) means another namespace now")
            }
            let credential = try credential(plan, authority)
            do throws(CaptureFailure) {
                try capture(stateDirectory).install(place.namespace, name: plan.namespaceName, options(plan))
            } catch { throw CaptureRefusal("\(error). \(error.remedy)") }
            return .success(PreparedWorkload(workload: EnrolledWorkload(plan, at: place), credential: credential))
        } catch {
            return .failure(error)
        }
    }

    private static func credential(_ plan: EnrolmentPlan, _ authority: (any CredentialSource)?) throws(CaptureRefusal)
        -> WorkloadCredential
    {
        guard let authority else { throw CaptureRefusal("there is no CA") }
        switch authority.credential(for: plan.identity, renew: false) {
        case .success(let issued): return issued
        case .failure(let failure): throw CaptureRefusal(failure.description)
        }
    }

    static func install(_ plan: EnrolmentPlan, _ workload: EnrolledWorkload, stateDirectory: String) -> CaptureRefusal? {
        attempt { () throws(CaptureFailure) in
            try capture(stateDirectory).install(workload.place.namespace, name: plan.namespaceName, options(plan))
        }
    }

    static func beginRelease(_ plan: EnrolmentPlan, _ workload: EnrolledWorkload, stateDirectory: String) -> CaptureRefusal? {
        attempt { () throws(CaptureFailure) in try capture(stateDirectory).beginRelease(workload.place.namespace, options(plan)) }
    }

    static func finishRelease(_ plan: EnrolmentPlan, _ workload: EnrolledWorkload, stateDirectory: String) -> CaptureRefusal? {
        attempt { () throws(CaptureFailure) in try capture(stateDirectory).finishRelease(workload.place.namespace) }
    }

    /// Puts back what is missing; says what that was.
    static func restore(
        _ plan: EnrolmentPlan, _ workload: EnrolledWorkload, stateDirectory: String
    ) -> Result<[String], CaptureRefusal> {
        do throws(CaptureFailure) {
            let capture = capture(stateDirectory)
            let deviations = try capture.verify(workload.place.namespace, options(plan))
            if !deviations.isEmpty { try capture.restore(workload.place.namespace, name: plan.namespaceName, options(plan)) }
            return .success(deviations.map(\.description))
        } catch {
            return .failure(CaptureRefusal("\(error). \(error.remedy)"))
        }
    }

    // MARK: -

    private static func capture(_ stateDirectory: String) -> Capture { Capture(stateDirectory: stateDirectory) }

    private static func options(_ plan: EnrolmentPlan) -> Capture.Options {
        var options = Capture.Options()
        options.otherProtocols = plan.dropsNonTCP ? .drop : .allow
        return options
    }

    private static func attempt(_ body: () throws(CaptureFailure) -> Void) -> CaptureRefusal? {
        do throws(CaptureFailure) {
            try body()
            return nil
        } catch {
            return CaptureRefusal("\(error). \(error.remedy)")
        }
    }

    /// I04: a name below /run/netns, no link, not the host's own namespace nor another workload's, and the workload's addresses are in it.
    private static func open(_ plan: EnrolmentPlan, taken: [NamespaceIdentity: String]) throws(CaptureRefusal) -> NetworkNamespace
    {
        guard !plan.addresses.isEmpty else { throw CaptureRefusal("\(plan.name) has no IP address") }
        let check: EnrolmentCheck
        do throws(Errno) { check = try EnrolmentCheck() } catch {
            throw CaptureRefusal("this host's own network namespace can't be seen: \(error)")
        }
        do throws(EnrolmentCheck.Refusal) {
            return try check.open(plan.namespaceName, addresses: plan.addresses, taken: taken)
        } catch { throw CaptureRefusal("\(error). \(error.remedy)") }
    }

    /// The listeners in the namespace: those of the daemon before us, or new ones.
    private static func listen(
        in namespace: consuming NetworkNamespace, _ keepalive: Keepalive, _ inheritance: Inheritance?
    ) throws(CaptureRefusal) -> WorkloadPlace {
        let home: NetworkNamespace
        do throws(Errno) { home = try NetworkNamespace.current() } catch {
            throw CaptureRefusal("this host's own network namespace can't be seen: \(error)")
        }
        let make = { (namespace: borrowing NetworkNamespace, port: WorkloadListener.Port) throws(CaptureRefusal) in
            let probes = port == .outbound ? keepalive.nearby : keepalive
            let inherited = inheritance?.claim(.listener(port, namespace.identity))
            if let inherited { return try ready(inherited, port, probes) }
            return try namespace.enter(from: home) { () throws(CaptureRefusal) in try listener(port, probes) }
        }
        let outbound = try make(namespace, .outbound)
        let inbound = try make(namespace, .inbound)
        let hbone = try make(namespace, .hbone)
        let listeners = WorkloadListeners(outbound: outbound, inbound: inbound, hbone: hbone)
        return WorkloadPlace(namespace: namespace, listeners: listeners)
    }

    private static func listener(_ port: WorkloadListener.Port, _ keepalive: Keepalive) throws(CaptureRefusal) -> Descriptor {
        let socket: Descriptor
        do throws(Errno) {
            socket = try Socket.listenEverywhere(
                port: port.number, backlog: backlog, mark: port.mark, isTransparent: port == .outbound)
        } catch {
            let advice = error == .addressInUse ? ": something else listens there; `ss -ltnp` inside the namespace says what" : ""
            throw CaptureRefusal("can't listen on port \(port.number) in the namespace: \(error)\(advice)")
        }
        return try ready(socket, port, keepalive)
    }

    /// What is set on a listener every connection accepted from it inherits: no delay, probes (I14), and a reset as its end unless it is finished in
    /// order (I12).
    private static func ready(
        _ socket: consuming Descriptor, _ port: WorkloadListener.Port, _ keepalive: Keepalive
    ) throws(CaptureRefusal) -> Descriptor {
        do throws(Errno) {
            try socket.setNoDelay()
            try socket.setKeepalive(keepalive)
        } catch { throw CaptureRefusal("the listener of port \(port.number) can't be set up: \(error)") }
        socket.setResetOnClose(true)
        return socket
    }
}
