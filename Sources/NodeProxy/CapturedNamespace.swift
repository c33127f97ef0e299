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
    static func prepare(
        _ plan: EnrolmentPlan, authority: Authority?, stateDirectory: String
    ) -> Result<PreparedWorkload, EnrolmentRefusal> {
        do throws(EnrolmentRefusal) {
            let namespace = try open(plan)
            guard let authority else { throw EnrolmentRefusal("there is no CA") }
            let credential: WorkloadCredential
            switch authority.credential(for: plan.identity, renew: false) {
            case .success(let issued): credential = issued
            case .failure(let failure): throw EnrolmentRefusal(failure.description)
            }
            let listeners = try listen(in: namespace)
            let workload = EnrolledWorkload(
                uid: plan.uid, name: plan.name, identity: plan.identity, addresses: plan.addresses, network: plan.network,
                namespace: namespace, listeners: listeners)
            return .success(PreparedWorkload(workload: workload, credential: credential))
        } catch {
            return .failure(error)
        }
    }

    static func install(_ plan: EnrolmentPlan, _ workload: EnrolledWorkload, stateDirectory: String) -> EnrolmentRefusal? {
        attempt { () throws(CaptureFailure) in
            try capture(stateDirectory).install(workload.namespace, name: plan.namespaceName, options(plan))
        }
    }

    static func beginRelease(_ plan: EnrolmentPlan, _ workload: EnrolledWorkload, stateDirectory: String) -> EnrolmentRefusal? {
        attempt { () throws(CaptureFailure) in try capture(stateDirectory).beginRelease(workload.namespace, options(plan)) }
    }

    static func finishRelease(_ plan: EnrolmentPlan, _ workload: EnrolledWorkload, stateDirectory: String) -> EnrolmentRefusal? {
        attempt { () throws(CaptureFailure) in try capture(stateDirectory).finishRelease(workload.namespace) }
    }

    /// Puts back what is missing; says what that was.
    static func restore(
        _ plan: EnrolmentPlan, _ workload: EnrolledWorkload, stateDirectory: String
    ) -> Result<[String], EnrolmentRefusal> {
        do throws(CaptureFailure) {
            let capture = capture(stateDirectory)
            let deviations = try capture.verify(workload.namespace, options(plan))
            if !deviations.isEmpty { try capture.restore(workload.namespace, name: plan.namespaceName, options(plan)) }
            return .success(deviations.map(\.description))
        } catch {
            return .failure(EnrolmentRefusal("\(error). \(error.remedy)"))
        }
    }

    // MARK: -

    private static func capture(_ stateDirectory: String) -> Capture { Capture(stateDirectory: stateDirectory) }

    private static func options(_ plan: EnrolmentPlan) -> Capture.Options {
        var options = Capture.Options()
        options.otherProtocols = plan.dropsNonTCP ? .drop : .allow
        return options
    }

    private static func attempt(_ body: () throws(CaptureFailure) -> Void) -> EnrolmentRefusal? {
        do throws(CaptureFailure) {
            try body()
            return nil
        } catch {
            return EnrolmentRefusal("\(error). \(error.remedy)")
        }
    }

    /// I04: a name below /run/netns, no link, not the host's own namespace, and the workload's addresses are in it.
    private static func open(_ plan: EnrolmentPlan) throws(EnrolmentRefusal) -> NetworkNamespace {
        let path = "/run/netns/\(plan.namespaceName)"
        let namespace: NetworkNamespace
        let own: NamespaceIdentity
        do throws(Errno) {
            namespace = try NetworkNamespace(path: path)
        } catch {
            let why = error == .invalidArgument ? "it is no network namespace" : error.description
            throw EnrolmentRefusal(
                "\(path): \(why). Make it with `ip netns add \(plan.namespaceName)`, or mend `warren.dev/network-namespace`")
        }
        do throws(Errno) {
            own = try NetworkNamespace.current().identity
        } catch { throw EnrolmentRefusal("this host's own network namespace can't be seen: \(error)") }
        guard namespace.identity != own else {
            throw EnrolmentRefusal("\(path) is the host's own network namespace: capturing it would cut off the host itself")
        }
        try checkAddresses(plan, in: namespace)
        return namespace
    }

    private static func checkAddresses(_ plan: EnrolmentPlan, in namespace: borrowing NetworkNamespace) throws(EnrolmentRefusal) {
        let local: [IPAddress]
        do throws(Errno) {
            let home = try NetworkNamespace.current()
            local = try namespace.enter(from: home) { () throws(Errno) in
                var netlink = try Netlink(.route)
                return try netlink.addresses()
            }
        } catch { throw EnrolmentRefusal("the addresses of \(plan.namespaceName) can't be listed: \(error)") }
        guard !plan.addresses.isEmpty else { throw EnrolmentRefusal("\(plan.name) has no IP address") }
        for address in plan.addresses where !local.contains(address) {
            throw EnrolmentRefusal("address \(address) of \(plan.name) is not in network namespace \(plan.namespaceName)")
        }
    }

    /// The listeners in the namespace. What is set on a listener every connection accepted from it inherits: no delay, and a reset as its end
    /// unless it is finished in order (I12).
    private static func listen(in namespace: borrowing NetworkNamespace) throws(EnrolmentRefusal) -> WorkloadListeners {
        let home: NetworkNamespace
        do throws(Errno) { home = try NetworkNamespace.current() } catch {
            throw EnrolmentRefusal("this host's own network namespace can't be seen: \(error)")
        }
        return try namespace.enter(from: home) { () throws(EnrolmentRefusal) in
            let outbound = try listener(HBONE.outboundPort, isTransparent: true)
            let inbound = try listener(HBONE.inboundPort, isTransparent: false)
            let hbone = try listener(HBONE.port, isTransparent: false)
            return WorkloadListeners(outbound: outbound, inbound: inbound, hbone: hbone)
        }
    }

    private static func listener(_ port: UInt16, isTransparent: Bool) throws(EnrolmentRefusal) -> Descriptor {
        do throws(Errno) {
            let socket = try Socket.listenEverywhere(
                port: port, backlog: backlog, mark: HBONE.leavingMark, isTransparent: isTransparent)
            try socket.setNoDelay()
            socket.setResetOnClose(true)
            return socket
        } catch {
            let advice = error == .addressInUse ? ": something else listens there; `ss -ltnp` inside the namespace says what" : ""
            throw EnrolmentRefusal("can't listen on port \(port) in the namespace: \(error)\(advice)")
        }
    }
}
