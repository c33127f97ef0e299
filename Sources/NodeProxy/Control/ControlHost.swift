// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Kernel
internal import Loop
internal import Mesh
internal import Telemetry

/// What the parts that deal with a control plane need of the node that they are parts of. On its loop.
protocol ControlHost: AnyObject {
    var loop: Loop { get }
    var log: Log { get }
    var configuration: DaemonConfiguration { get }
    /// Runs what may block elsewhere, one piece after the other, and the rest here with its result.
    func work<Result: Sendable>(_ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void)
    /// The same for the mesh, with an order of its own: what takes long there keeps nothing else waiting.
    func meshWork<Result: Sendable>(_ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void)
    /// A new mesh is in use.
    func meshArrived(_ snapshot: MeshSnapshot)
    /// The control plane answers again: what waited for it may be tried.
    func controlPlaneArrived()
    /// Whether what lies on the disk, and what the control plane hears of this host, is ours to change: not while another daemon serves it.
    var isInCharge: Bool { get }
    /// Other roots are trusted from now on, or this host is a member by another key: every certificate is to be made anew.
    func rootsChanged()
}

extension ControlHost {
    var isInCharge: Bool { true }
}

/// Does something once, later, unless it is set again or cancelled before. On its loop.
final class Alarm: TimerTarget {
    private let loop: Loop
    private var token: Token?
    private var body: (() -> Void)?

    var isSet: Bool { token != nil }

    init(loop: Loop) { self.loop = loop }

    func set(_ delay: Interval, _ body: @escaping () -> Void) {
        cancel()
        self.body = body
        token = loop.arm(delay, self, tag: 0)
    }

    func cancel() {
        if let token { loop.cancel(token) }
        token = nil
        body = nil
    }

    func timerFired(_ tag: UInt32) {
        token = nil
        let due = body
        body = nil
        due?()
    }
}

/// Pauses between attempts: they double up to a bound, and half of each is chance, so that the hosts of a mesh don't come back together.
struct Backoff {
    private let first: Interval
    private let longest: Interval
    private var attempts: UInt64 = 0

    init(first: Interval, longest: Interval) {
        self.first = first
        self.longest = longest
    }

    mutating func reset() { attempts = 0 }

    /// From now on the longest pauses.
    mutating func exhaust() { attempts = 32 }

    mutating func next(chance: Double = randomFraction()) -> Interval {
        let doubled = first.nanoseconds.multipliedReportingOverflow(by: 1 << min(attempts, 32))
        attempts += 1
        let whole = doubled.overflow ? longest.nanoseconds : min(doubled.partialValue, longest.nanoseconds)
        return Interval(nanoseconds: whole / 2 + UInt64(Double(whole / 2) * min(max(chance, 0), 1)))
    }
}
