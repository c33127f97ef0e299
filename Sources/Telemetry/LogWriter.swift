// SPDX-License-Identifier: Apache-2.0

package import Kernel
import Synchronization

/// Where written bytes go. Called on the log thread, whole lines at a time; may block.
package typealias LogSink = @Sendable ([UInt8]) -> Void

/// The thread that writes the log: it takes what the rings hold, turns it into lines and hands them to the sinks. When a sink is
/// slow the rings fill and drop; no loop ever waits for it. Made once by `main`; `stop` writes what is left and ends the thread.
package final class LogWriter: Sendable {
    package let levels: LogLevels
    private let format: LogFormat
    private let capacity: Int
    private let sinks: (daemon: LogSink, access: LogSink)
    private let waker: LogWaker
    private let rings = Mutex<[LogRing]>([])
    private let stopping = Atomic<Bool>(false)
    private let thread = Mutex<Thread?>(nil)

    /// - Parameters:
    ///   - capacity: records per ring. 4096 lines are the end of that many connections in one turn of the log thread; a slot is
    ///     32 bytes.
    ///   - daemon: takes the daemon's own lines, standard error by default.
    ///   - access: takes the access log, standard output by default, so that the two can be parted.
    package init(
        format: LogFormat, levels: LogLevels, capacity: Int = 4096,
        daemon: @escaping LogSink = { StandardStream.error.write(String(decoding: $0, as: UTF8.self)) },
        access: @escaping LogSink = { StandardStream.output.write(String(decoding: $0, as: UTF8.self)) }
    ) throws(Errno) {
        self.format = format
        self.levels = levels
        self.capacity = capacity
        sinks = (daemon, access)
        waker = try LogWaker()
    }

    /// Begins to write. Once.
    package func start() throws(Errno) {
        let thread = try Thread(name: "log") { [self] in run() }
        self.thread.withLock { $0 = thread }
    }

    /// A ring for one loop.
    package func makeRing() -> LogRing {
        let ring = LogRing(capacity: capacity, waker: waker)
        rings.withLock { $0.append(ring) }
        return ring
    }

    /// A log with a ring of its own.
    package func makeLog(_ scope: LogScope) -> Log { Log(scope, ring: makeRing(), levels: levels) }

    /// Lines that found a ring full, since the start.
    package var dropped: UInt64 { rings.withLock { $0.reduce(0) { $0 &+ $1.dropped } } }

    /// Writes what is left and waits for the thread's end.
    package func stop() {
        stopping.store(true, ordering: .sequentiallyConsistent)
        waker.counter.signal()
        thread.withLock { $0.take() }?.join()
    }

    // MARK: - The log thread

    /// How long the thread lets lines gather behind those that it wrote: one wake-up and one write for many connections. Nobody reads faster, and
    /// a ring has room for 800,000 a second.
    private static let gathering = Interval.milliseconds(5)

    private func run() {
        let sleeper = LogSleeper(waker.counter.descriptor.number)
        var texts = (daemon: LogText(format), access: LogText(format))
        var told: UInt64 = 0
        while true {
            let last = stopping.load(ordering: .sequentiallyConsistent)
            let written = writeBatch(&texts)
            told = tellDropped(told, &texts)
            if written > 0 {
                if written < Self.batch && !last { Thread.sleep(Self.gathering) }
                continue
            }
            if last { return }
            waker.willSleep()
            if writeBatch(&texts) == 0 { sleeper.sleep() }
            waker.didWake()
        }
    }

    /// How many records of a ring are written at once.
    private static let batch = 256

    /// Writes what waits, at most a batch of each ring, in the order of their times; says how many records that were.
    private func writeBatch(_ texts: inout (daemon: LogText, access: LogText)) -> Int {
        var records: [LogRecord] = []
        for ring in rings.withLock({ $0 }) {
            var taken = 0
            while taken < Self.batch, let record = ring.pop() {
                records.append(record)
                taken += 1
            }
        }
        guard !records.isEmpty else { return 0 }
        records.sort { $0.time < $1.time }
        for record in records {
            switch record {
            case .line: texts.daemon.write(record)
            case .access: texts.access.write(record)
            }
        }
        flush(&texts)
        return records.count
    }

    private func tellDropped(_ told: UInt64, _ texts: inout (daemon: LogText, access: LogText)) -> UInt64 {
        let total = dropped
        if total != told {
            let message = "\(total - told) log lines were dropped: they came faster than they could be written"
            texts.daemon.write(.line(LogLine(time: .now(), level: .warn, scope: .telemetry, message: message)))
            flush(&texts)
        }
        return total
    }

    private func flush(_ texts: inout (daemon: LogText, access: LogText)) {
        let (daemon, access) = (texts.daemon.take(), texts.access.take())
        if !daemon.isEmpty { sinks.daemon(daemon) }
        if !access.isEmpty { sinks.access(access) }
    }
}

/// On what the log thread sleeps.
private struct LogSleeper: ~Copyable {
    private let epoll: Epoll?

    /// Without a descriptor for an epoll instance the thread looks a hundred times a second instead.
    init(_ number: CInt) { epoll = try? Self.watch(number) }

    private static func watch(_ number: CInt) throws(Errno) -> Epoll {
        let epoll = try Epoll(capacity: 1)
        try epoll.add(number, .read, word: 0)
        return epoll
    }

    /// Until a ring says that it has something.
    borrowing func sleep() {
        let count = (try? epoll?.wait(milliseconds: 60_000)) ?? nil
        if count == nil { Thread.sleep(.milliseconds(10)) }
    }
}
