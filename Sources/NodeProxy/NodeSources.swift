// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Loop

/// Whether all workers, asked after each of them said so, still have nothing left.
struct Farewell {
    private var round = 0
    private var quiet: Set<Int> = []
    private(set) var isComplete = false

    mutating func begin() -> Int {
        round += 1
        quiet = []
        return round
    }

    /// True when this was the last that was missing.
    mutating func answered(_ worker: Int, _ round: Int, _ isIdle: Bool, of workers: Int) -> Bool {
        guard isIdle, round == self.round else { return false }
        quiet.insert(worker)
        isComplete = quiet.count == workers
        return isComplete
    }
}

/// Something done again and again, or once when its time comes.
final class NodeTimer: TimerTarget {
    private let interval: Interval
    private unowned let node: Node
    private let body: (Node) -> Void

    init(_ interval: Interval, node: Node, _ body: @escaping (Node) -> Void) {
        self.interval = interval
        self.node = node
        self.body = body
        _ = node.loop.arm(interval, self, tag: 0)
    }

    func timerFired(_ tag: UInt32) {
        _ = node.loop.arm(interval, self, tag: 0)
        body(node)
    }
}

/// SIGHUP, SIGTERM and SIGINT as events of the node's loop.
final class SignalSource: EventSource {
    private let signals: SignalDescriptor
    private unowned let node: Node

    init(_ signals: consuming SignalDescriptor, node: Node) throws(Errno) {
        self.signals = signals
        self.node = node
        _ = try node.loop.watch(self.signals.descriptor.number, for: .read, source: self)
    }

    func ready(_ readiness: Readiness) {
        while let signal = try? signals.next() {
            switch signal {
            case .reload: node.reload()
            case .terminate, .interrupt: node.leave()
            }
        }
    }
}

/// Notices network namespaces that come, go or change their meaning.
final class NamespaceWatch: EventSource {
    private let watch: DirectoryWatch
    private unowned let node: Node

    init(node: Node) throws(Errno) {
        self.node = node
        watch = try DirectoryWatch()
        // Where no namespace was ever made the folder is missing; there is nothing to watch before it exists.
        try? File.makeDirectory("/run/netns", mode: 0o755)
        try watch.add("/run/netns")
        _ = try node.loop.watch(watch.descriptor.number, for: .read, source: self)
    }

    func ready(_ readiness: Readiness) {
        if (try? watch.drain()) == true { node.enrolment.namespacesChanged() }
    }
}
