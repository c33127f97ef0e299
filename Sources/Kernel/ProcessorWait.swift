// SPDX-License-Identifier: Apache-2.0

import Glibc

/// How long a thread has waited for a processor although it had work, as the scheduler counts it (proc_pid_schedstat(5): the second number).
package struct ProcessorWait: ~Copyable {
    private let file: Descriptor

    /// Of the calling thread. Fails where the kernel doesn't count it.
    package init() throws(Errno) {
        file = Descriptor(takingOwnership: try call { unsafe open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC) })
    }

    /// Since the thread began; nil if it can't be read. One system call and no allocation: for a loop, some times a second.
    package borrowing func total() -> Interval? {
        // Three decimal numbers of 64 bits.
        var text: InlineArray<64, UInt8> = .init(repeating: 0)
        var bytes = text.mutableSpan
        let number = file.number
        let count = unsafe bytes.withUnsafeMutableBufferPointer { unsafe pread(number, $0.baseAddress, $0.count, 0) }
        guard count > 0 else { return nil }
        return Self.second(of: text.span.extracting(first: count)).map(Interval.init(nanoseconds:))
    }

    /// The second number of a line of them.
    static func second(of line: Span<UInt8>) -> UInt64? {
        var fields = 0
        var value: UInt64?
        for index in line.indices {
            switch line[index] {
            case UInt8(ascii: " "), UInt8(ascii: "\n"):
                if fields == 1, let value { return value }
                fields += 1
                value = nil
            case let digit where UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit:
                value = (value ?? 0) &* 10 &+ UInt64(digit - UInt8(ascii: "0"))
            default: return nil
            }
        }
        return fields == 1 ? value : nil
    }
}
