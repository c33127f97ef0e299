// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import Loop
internal import Telemetry

/// Questions to all workers whose answers are put together: for the admin API and the metrics endpoint. A question that a worker doesn't answer
/// within its time is answered with what there is. On the node's loop.
final class Census: TimerTarget {
    enum Answer {
        case metrics
        case connections([ConnectionInfo])
        case tunnels([TunnelInfo])
    }

    private enum Kind: UInt32 {
        case metrics
        case connections
        case tunnels
    }

    private final class Question {
        var missing: Set<Int>
        var connections: [ConnectionInfo] = []
        var tunnels: [TunnelInfo] = []
        var waiting: [(Question) -> Void] = []
        var timer: Token?

        init(workers: Int) { missing = Set(0..<workers) }
    }

    /// A worker answers between two turns; one that takes seconds is stuck.
    private static let patience = Interval.seconds(3)

    private unowned let node: Node
    private var questions: [Kind: Question] = [:]

    init(node: Node) { self.node = node }

    /// - Parameter then: is told whether every worker answered.
    func metrics(_ then: @escaping (Bool) -> Void) { ask(.metrics, .metrics) { then($0.missing.isEmpty) } }
    func connections(_ then: @escaping ([ConnectionInfo]) -> Void) { ask(.connections, .connections) { then($0.connections) } }
    func tunnels(_ then: @escaping ([TunnelInfo]) -> Void) { ask(.tunnels, .tunnels) { then($0.tunnels) } }

    func answered(_ worker: Int, _ answer: Answer) {
        let kind: Kind
        switch answer {
        case .metrics: kind = .metrics
        case .connections(let connections):
            kind = .connections
            questions[kind]?.connections += connections
        case .tunnels(let tunnels):
            kind = .tunnels
            questions[kind]?.tunnels += tunnels
        }
        guard let question = questions[kind] else { return }
        question.missing.remove(worker)
        if question.missing.isEmpty { finish(kind) }
    }

    func timerFired(_ tag: UInt32) {
        guard let kind = Kind(rawValue: tag), let question = questions[kind] else { return }
        question.timer = nil
        node.log.warn("workers \(question.missing.sorted()) didn't answer within \(Self.patience.seconds) s")
        finish(kind)
    }

    /// Callers who come while the question is out get the same answer.
    private func ask(_ kind: Kind, _ message: WorkerMessage, _ then: @escaping (Question) -> Void) {
        if let question = questions[kind] {
            question.waiting.append(then)
            return
        }
        let question = Question(workers: node.workers.count)
        question.waiting = [then]
        question.timer = node.loop.arm(Self.patience, self, tag: kind.rawValue)
        questions[kind] = question
        node.tell(message)
    }

    private func finish(_ kind: Kind) {
        guard let question = questions.removeValue(forKey: kind) else { return }
        if let timer = question.timer { node.loop.cancel(timer) }
        for then in question.waiting { then(question) }
    }
}
