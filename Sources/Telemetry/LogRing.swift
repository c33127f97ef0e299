// SPDX-License-Identifier: Apache-2.0

internal import Kernel
import Synchronization

/// A bounded queue of log records on their way to the log thread: a loop's own, so that loops don't contend.
///
/// `push` is called by any thread, takes no lock and never waits: when the ring is full the record is dropped and counted. One
/// thread, the log writer's, pops. The algorithm is Vyukov's bounded queue: every slot has a sequence number that says whose turn
/// it is.
@safe package final class LogRing: Sendable {
    // Beside each other and not in one struct: Swift takes a change of one member for a change of the whole, which others may look at.
    nonisolated(unsafe) private let sequences: UnsafeMutableBufferPointer<Atomic<Int>>
    // The sequence numbers give each to one thread at a time.
    nonisolated(unsafe) private let records: UnsafeMutableBufferPointer<LogRecord?>
    private let mask: Int
    private let tail = Atomic<Int>(0)
    private let head = Atomic<Int>(0)
    private let lost = Atomic<UInt64>(0)
    private let waker: LogWaker

    /// - Parameter capacity: records; rounded up to a power of two.
    init(capacity: Int, waker: LogWaker) {
        var size = 2
        while size < capacity { size *= 2 }
        mask = size - 1
        unsafe sequences = .allocate(capacity: size)
        for index in 0..<size { unsafe sequences.initializeElement(at: index, to: Atomic(index)) }
        unsafe records = .allocate(capacity: size)
        unsafe records.initialize(repeating: nil)
        self.waker = waker
    }

    deinit {
        unsafe sequences.deinitialize()
        unsafe sequences.deallocate()
        unsafe records.deinitialize()
        unsafe records.deallocate()
    }

    /// How many records found the ring full since it was made.
    package var dropped: UInt64 { lost.load(ordering: .relaxed) }

    func push(_ record: consuming LogRecord) {
        var position = tail.load(ordering: .relaxed)
        while true {
            let turn = unsafe sequences[position & mask].load(ordering: .acquiring) - position
            if turn < 0 {
                lost.wrappingAdd(1, ordering: .relaxed)
                return
            }
            if turn > 0 {
                position = tail.load(ordering: .relaxed)
                continue
            }
            let (done, found) = tail.weakCompareExchange(expected: position, desired: position &+ 1, ordering: .relaxed)
            if done { break }
            position = found
        }
        unsafe records[position & mask] = record
        // Sequentially consistent, as is the look at the sleeper that follows: either it sees this record or we see it asleep.
        unsafe sequences[position & mask].store(position &+ 1, ordering: .sequentiallyConsistent)
        waker.wake()
    }

    /// The oldest record; nil if there is none. The log thread alone.
    func pop() -> LogRecord? {
        let position = head.load(ordering: .relaxed)
        guard unsafe sequences[position & mask].load(ordering: .sequentiallyConsistent) == position &+ 1 else { return nil }
        let record = unsafe records[position & mask].take()
        unsafe sequences[position & mask].store(position &+ mask &+ 1, ordering: .releasing)
        head.store(position &+ 1, ordering: .relaxed)
        return record
    }
}

/// Wakes the log thread, by a system call only if it sleeps.
final class LogWaker: Sendable {
    let counter: EventCounter
    private let asleep = Atomic<Bool>(false)

    init() throws(Errno) { counter = try EventCounter() }

    func wake() {
        guard asleep.load(ordering: .sequentiallyConsistent) else { return }
        if asleep.exchange(false, ordering: .sequentiallyConsistent) { counter.signal() }
    }

    /// The log thread says that it is about to sleep; it must look at the rings once more before it does.
    func willSleep() { asleep.store(true, ordering: .sequentiallyConsistent) }

    func didWake() {
        asleep.store(false, ordering: .sequentiallyConsistent)
        counter.clear()
    }
}
