// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import HTTP
internal import Kernel
internal import Mesh
internal import Telemetry
internal import Tunnel

/// What several kinds of connections say alike.
extension Worker {
    /// Counts a decision; a denial as the failure that ends the connection. One that only stands after a change of the mesh isn't another.
    func note(_ verdict: Verdict, isFirst: Bool) -> ConnectionFailure? {
        if isFirst || !verdict.isAllowed { metrics.decided(verdict.isAllowed ? .allowed : .denied, policy: verdict.policy) }
        guard case .denied(let denial) = verdict else { return nil }
        return ConnectionFailure(.denied, denial.reason, policy: verdict.policy ?? denial.policies)
    }

    /// Why the application wasn't reached.
    func dialFailure(_ target: SocketAddress?, _ cause: Errno?) -> ConnectionFailure {
        let name = target?.description ?? "the application"
        guard let cause else {
            return ConnectionFailure(.timeout, "connecting to \(name): no answer within \(settings.connectTimeout.seconds) s")
        }
        if cause == .addressNotAvailable {
            metrics.refused(.sourcePorts)
            return ConnectionFailure(.limit, "connecting to \(name): the client's address has no free port left")
        }
        if cause.isExhaustion { metrics.refused(.descriptors) }
        return ConnectionFailure(cause.isExhaustion ? .limit : .connect, "connecting to \(name): \(cause)")
    }

    /// What a 200 says of the workload that answers.
    func responseHeaders(_ workload: WorkerWorkload) -> HTTPHeaders {
        guard let id = snapshot.workload(uid: workload.shared.uid) else { return [:] }
        return labels.baggage(snapshot[id])
    }
}

extension Denial {
    /// The policies whose rules didn't allow, where it was no single one that denied.
    fileprivate var policies: String? {
        if case .byNoAllow(let policies) = self { policies.prefix(5).joined(separator: ",") } else { nil }
    }
}
