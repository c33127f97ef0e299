// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// What a descriptor is, or is wanted to be, ready for.
@usableFromInline
package struct Readiness: OptionSet, Hashable, Sendable {
    @usableFromInline package let rawValue: UInt32
    @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Bytes, an end of stream or a connection wait.
    package static let read = Readiness(rawValue: 0x001)
    package static let write = Readiness(rawValue: 0x004)
    /// The socket failed or both directions ended. Always told, whether wanted or not.
    package static let failed = Readiness(rawValue: 0x008)
    package static let hungUp = Readiness(rawValue: 0x010)
    /// The peer sent its end.
    package static let peerEnded = Readiness(rawValue: 0x2000)
}

/// One epoll instance, level-triggered: an event comes until its cause is gone, so none is lost by reading too little.
@safe package struct Epoll: ~Copyable {
    private let descriptor: Descriptor
    private let events: UnsafeMutableBufferPointer<epoll_event>

    /// - Parameter capacity: how many events one wait may return.
    package init(capacity: Int) throws(Errno) {
        descriptor = Descriptor(takingOwnership: try call { epoll_create1(CInt(EPOLL_CLOEXEC)) })
        unsafe events = .allocate(capacity: capacity)
        unsafe events.initialize(repeating: epoll_event())
    }

    deinit { unsafe events.deallocate() }

    /// - Parameter exclusive: one of several waiting loops is woken, not all (listeners).
    package borrowing func add(_ number: CInt, _ wanted: Readiness, word: UInt64, exclusive: Bool = false) throws(Errno) {
        try control(EPOLL_CTL_ADD, number, wanted.rawValue | (exclusive ? clinux_epollexclusive : 0), word)
    }

    package borrowing func change(_ number: CInt, _ wanted: Readiness, word: UInt64) throws(Errno) {
        try control(EPOLL_CTL_MOD, number, wanted.rawValue, word)
    }

    package borrowing func remove(_ number: CInt) throws(Errno) { try control(EPOLL_CTL_DEL, number, 0, 0) }

    /// Waits at most so many milliseconds (-1: without end, 0: not at all) and returns how many events there are.
    package borrowing func wait(milliseconds: CInt) throws(Errno) -> Int {
        let (number, events) = unsafe (descriptor.number, events)
        let count = unsafe epoll_wait(number, events.baseAddress, CInt(events.count), milliseconds)
        if count >= 0 { return Int(count) }
        let failure = Errno.current
        // A signal is no event; the caller looks at its timers and waits again.
        if failure.number == EINTR { return 0 }
        failure.trapIfOurs()
        throw failure
    }

    /// The word and the readiness of an event of the last wait.
    @inline(__always)
    package borrowing func event(_ index: Int) -> (word: UInt64, readiness: Readiness) {
        let event = unsafe events[index]
        return (unsafe event.data.u64, Readiness(rawValue: unsafe event.events))
    }

    private borrowing func control(_ operation: CInt, _ number: CInt, _ wanted: UInt32, _ word: UInt64) throws(Errno) {
        var event = unsafe epoll_event(events: wanted, data: epoll_data_t(u64: word))
        let epoll = descriptor.number
        _ = try call { unsafe epoll_ctl(epoll, operation, number, &event) }
    }
}
