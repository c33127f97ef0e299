// SPDX-License-Identifier: Apache-2.0

import Counters
import Glibc
import Support

/// What a daemon has asked of the allocator and of the kernel, up to some moment.
struct Counts {
    /// Calls that gave memory, by the threads that carry traffic.
    var allocations = 0.0
    /// The same, by the thread that writes the log.
    var logAllocations = 0.0
    /// What is allocated, by anybody.
    var bytes = 0.0
    /// Of the threads that carry traffic; nil where the kernel doesn't count them for us.
    var systemCalls: Double?

    static func - (later: Counts, earlier: Counts) -> Counts {
        var difference = Counts()
        difference.allocations = later.allocations - earlier.allocations
        difference.logAllocations = later.logAllocations - earlier.logAllocations
        difference.bytes = later.bytes - earlier.bytes
        if let now = later.systemCalls, let then = earlier.systemCalls { difference.systemCalls = now - then }
        return difference
    }
}

/// Counts for one running daemon. Allocations come from a file that `allocations.c`, preloaded into the daemon, counts in; system calls from the
/// kernel's tracepoint, which costs them little and changes no order, as a tracer would.
final class Meter {
    private static let file = "/run/allocations"

    private let node: LabNode
    private var tracepoints: [CInt] = []

    /// Prepares a daemon that isn't started yet.
    static func prepare(_ node: LabNode, shim: String) {
        node.wrapper = ["env", "LD_PRELOAD=\(shim)", "WARREN_ALLOCATIONS=\(file)"]
    }

    /// - Parameter tracepoint: the kernel's number of `raw_syscalls:sys_enter`.
    init(_ node: LabNode, tracepoint: UInt64?) throws {
        self.node = node
        guard let tracepoint, let pid = node.daemon?.pid else { return }
        for thread in try Files.list("/proc/\(pid)/task") {
            guard try Files.text("/proc/\(pid)/task/\(thread)/comm").hasPrefix("loop-"), let number = CInt(thread) else {
                continue
            }
            let descriptor = counters_open_tracepoint(tracepoint, number)
            guard descriptor >= 0 else { throw LabFailure(description: "perf_event_open: errno \(errno)") }
            tracepoints.append(descriptor)
        }
    }

    deinit { for descriptor in tracepoints { close(descriptor) } }

    func read() throws -> Counts {
        let bytes = try Files.read(node.host.path(Self.file))
        guard bytes.count >= 32 else { throw LabFailure(description: "\(node.host.name) counts nothing: \(node.log)") }
        let words = (0..<4).map { word in (0..<8).reduce(0) { $0 | Int(bytes[8 * word + $1]) << (8 * $1) } }
        var counts = Counts()
        counts.allocations = Double(words[0])
        counts.logAllocations = Double(words[1])
        counts.bytes = Double(words[3])
        if !tracepoints.isEmpty { counts.systemCalls = tracepoints.reduce(0) { $0 + Self.value($1) } }
        return counts
    }

    private static func value(_ descriptor: CInt) -> Double {
        var value: UInt64 = 0
        return unsafe Glibc.read(descriptor, &value, 8) == 8 ? Double(value) : .nan
    }
}
