// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel
internal import Loop
internal import Telemetry

/// One of a workload's listening sockets as one worker watches it. All workers watch the same socket; one is woken per connection.
final class WorkloadListener: EventSource, TimerTarget {
    enum Port: Hashable, Sendable, CaseIterable {
        case outbound
        case inbound
        case hbone

        var beginning: Beginning {
            switch self {
            case .outbound: .outgoing
            case .inbound: .incoming
            case .hbone: .tunnel
            }
        }
    }

    /// How many connections one event may bring before others have their turn: each costs some 80 microseconds, with what it dials.
    private static let batch = 8
    /// When descriptors or memory are out, accepting rests: the kernel keeps callers waiting in the queue, and nothing spins.
    private static let exhausted = Interval.milliseconds(100)

    let port: Port
    private let worker: Worker
    private let workload: WorkerWorkload
    /// Held as long as it is watched: the workload's place may come to be one without.
    private let listeners: WorkloadListeners
    private var token: Token?
    private var timer: Token?

    init(_ port: Port, _ listeners: WorkloadListeners, _ workload: WorkerWorkload, worker: Worker) {
        self.port = port
        self.listeners = listeners
        self.workload = workload
        self.worker = worker
    }

    func start() throws(Errno) {
        token = try worker.loop.watch(listeners.number(port), for: .read, exclusive: true, source: self, owner: workload.tenant)
    }

    func stop() {
        if let token = token.take() { worker.loop.unwatch(token) }
        if let timer = timer.take() { worker.loop.cancel(timer) }
    }

    func ready(_ readiness: Readiness) {
        for _ in 0..<Self.batch {
            guard worker.mayBegin(workload, port.beginning) else {
                rest(Loop.paceRest)
                return
            }
            do throws(Errno) {
                guard let accepted = try listeners.accept(port) else { return }
                worker.arrived(accepted, at: port, for: workload)
            } catch {
                guard error.isExhaustion else { continue }
                pause(error)
                return
            }
        }
    }

    private func pause(_ cause: Errno) {
        worker.metrics.acceptPaused()
        worker.log.warn("not accepting connections of \(workload.shared.name) for a moment: \(cause)")
        rest(Self.exhausted)
    }

    /// The kernel keeps callers waiting, or another loop takes them.
    private func rest(_ time: Interval) {
        if let token = token.take() { worker.loop.unwatch(token) }
        timer = worker.loop.arm(time, self, tag: 0)
    }

    func timerFired(_ tag: UInt32) {
        timer = nil
        do throws(Errno) { try start() } catch { pause(error) }
    }
}
