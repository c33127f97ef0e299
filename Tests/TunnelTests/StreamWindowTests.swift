// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@testable import Tunnel

/// How large a window becomes at a pace, on a way, alone and among others.
@Suite struct StreamWindowTests {
    private static let initial = 256 << 10
    private static let largest = 4 << 20

    /// A stream that moves at a pace, in bytes per second, for a time.
    private struct Stream {
        var window: StreamWindow
        var now = Instant(nanoseconds: 1_000_000_000)
        /// How often the way was asked for.
        var asked = 0

        init() { window = StreamWindow(at: now) }

        var size: Int { StreamWindowTests.initial + window.grown }

        mutating func move(_ pace: Double, seconds: Double, way: Interval, isShared: Bool = false, frame: Int = 16 << 10) {
            let end = now + Interval(nanoseconds: UInt64(seconds * 1e9))
            let step = Interval(nanoseconds: UInt64(Double(frame) / pace * 1e9))
            var questions = 0
            while now < end {
                now = now + step
                let more = window.note(
                    frame, at: now, initial: StreamWindowTests.initial, largest: StreamWindowTests.largest,
                    way: {
                        questions += 1
                        return way
                    }, isShared: { isShared })
                window.grow(more)
                #expect(window.grown >= 0 && size <= StreamWindowTests.largest)
            }
            asked += questions
        }
    }

    @Test func `on a short way a window is as much as moves within some milliseconds`() {
        var stream = Stream()
        stream.move(1e9, seconds: 1, way: .microseconds(50))
        #expect(stream.size == Self.largest)
        var slower = Stream()
        slower.move(1e8, seconds: 1, way: .microseconds(50))
        #expect(slower.size == 1 << 20, "\(slower.size)")
        var slow = Stream()
        slow.move(1e7, seconds: 1, way: .microseconds(50))
        #expect(slow.size == Self.initial)
    }

    @Test func `on a long way it grows to the bound, whatever the pace that the window itself allows`() {
        var stream = Stream()
        // Never faster than a window per way.
        for _ in 0..<20 { stream.move(Double(stream.size) / 0.03, seconds: 0.3, way: .milliseconds(30)) }
        #expect(stream.size == Self.largest)
    }

    @Test func `it shrinks while others talk, and grows again after`() {
        var stream = Stream()
        stream.move(1e9, seconds: 0.5, way: .microseconds(50))
        let alone = stream.size
        stream.move(1e9, seconds: 0.5, way: .microseconds(50), isShared: true)
        #expect(stream.size <= 512 << 10, "\(stream.size)")
        stream.move(1e9, seconds: 0.5, way: .microseconds(50))
        #expect(stream.size == alone)
        // What keeps a long way filled stays.
        var far = Stream()
        for _ in 0..<20 { far.move(Double(far.size) / 0.03, seconds: 0.3, way: .milliseconds(30), isShared: true) }
        #expect(far.size == Self.largest)
    }

    @Test func `the way is asked for once a window`() {
        var stream = Stream()
        stream.move(1e8, seconds: 1, way: .microseconds(50))
        #expect(stream.asked <= 100_000_000 / Self.initial + 1)
    }

    @Test func `what was lent is given back once`() {
        var stream = Stream()
        stream.move(1e9, seconds: 0.5, way: .microseconds(50))
        let grown = stream.window.grown
        #expect(grown > 0)
        let first = stream.window.giveBack()
        let second = stream.window.giveBack()
        #expect(first == grown && second == 0)
    }
}
