// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Discovery
internal import Documents
internal import Kernel
internal import Loop
internal import Telemetry

/// Tells the control plane how this host's workloads are: it calls a workload's traffic HBONE only when its host says that it is captured (I21). At a
/// change, and now and then. On the node's loop.
final class ControlReporter {
    struct Workload: Hashable {
        let uid: String
        /// `captured`, `waiting` or `failed`.
        let state: String
        let reason: String
    }

    /// Changes that follow each other closely are told together.
    private static let gather = Interval.milliseconds(20)

    private unowned let host: any ControlHost
    private let timer: Alarm
    private var isAsking = false
    private var isDirty = false
    private var told: [Workload]?
    var link: () -> (any ControlLink)? = { nil }
    var workloads: () -> [Workload] = { [] }
    var mesh: () -> (position: StorePosition?, isSynchronised: Bool) = { (nil, false) }
    /// Why the last report wasn't taken.
    private(set) var failure: String?

    init(host: any ControlHost) {
        self.host = host
        timer = Alarm(loop: host.loop)
    }

    /// A new connection: whoever is there knows nothing yet.
    func linkArrived() {
        told = nil
        soon()
    }

    /// Something may have changed.
    func changed() {
        guard host.isInCharge, link() != nil, workloads() != told else { return }
        soon()
    }

    private func soon() {
        guard !isAsking else {
            isDirty = true
            return
        }
        timer.set(Self.gather) { [weak self] in self?.report() }
    }

    private func report() {
        guard host.isInCharge, let link = link() else { return }
        isAsking = true
        isDirty = false
        let workloads = workloads()
        let request = ControlRequest(path: "/warren/v1/report", body: document(workloads).jsonBytes)
        link.ask(request, within: .seconds(10)) { [weak self] result in
            guard let self else { return }
            isAsking = false
            switch result {
            case .success(let answer) where (200..<300).contains(answer.status):
                failure = nil
                told = workloads
            case .success(let answer): failed(answer.complaint)
            case .failure(let reason): failed(reason.description)
            }
            if isDirty { return soon() }
            timer.set(host.configuration.control.report) { [weak self] in self?.report() }
        }
    }

    private func failed(_ reason: String) {
        if failure != reason { host.log.warn("the control plane didn't take this host's report: \(reason)") }
        failure = reason
    }

    private func document(_ workloads: [Workload]) -> Value {
        let (position, isSynchronised) = mesh()
        return .object([
            ("version", .string(warrenVersion)),
            (
                "workloads",
                .array(
                    workloads.map { workload in
                        .object([
                            ("uid", .string(workload.uid)), ("state", .string(workload.state)),
                            ("reason", .string(workload.reason)),
                        ])
                    })
            ),
            (
                "mesh",
                .object([("revision", .string(position.map { "\($0)" } ?? "")), ("synced", .bool(isSynchronised))])
            ),
        ])
    }
}
