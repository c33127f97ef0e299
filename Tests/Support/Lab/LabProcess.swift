// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A program that runs somewhere in a lab. It is killed when the object goes.
package final class LabProcess {
    package let name: String
    /// The program's id as the tests see it, behind the wrapper that entered the namespaces; nil if it was gone too soon to be seen.
    package let pid: CInt?
    private let wrapper: RunningCommand

    init(_ wrapper: RunningCommand, name: String) throws {
        self.wrapper = wrapper
        self.name = name
        var seen: CInt?
        try waitUntil("\(name) starts", seconds: 1, detail: { wrapper.err }) {
            seen = wrapper.children.first
            return seen != nil || wrapper.status != nil
        }
        pid = seen
    }

    deinit { stop(SIGKILL) }

    package var out: String { wrapper.out }
    package var err: String { wrapper.err }
    /// Both streams, for a search or for a failure's message.
    package var log: String { wrapper.out + wrapper.err }
    package var status: Int? { wrapper.status }
    package var isRunning: Bool { wrapper.status == nil }

    package func wait(seconds: Double) -> Int? { wrapper.wait(seconds: seconds) }

    package func signal(_ number: CInt) {
        guard wrapper.status == nil else { return }
        if let pid { kill(pid, number) } else { wrapper.signal(number) }
    }

    /// Ends it and waits; its status. SIGTERM that isn't obeyed within `seconds` becomes SIGKILL.
    @discardableResult
    package func stop(_ number: CInt = SIGTERM, seconds: Double = 10) -> Int {
        signal(number)
        // The wrapper stops when the program is stopped.
        wrapper.signal(SIGCONT)
        if let status = wrapper.wait(seconds: seconds) { return status }
        signal(SIGKILL)
        wrapper.signal(SIGKILL)
        return wrapper.wait(seconds: 10) ?? -1
    }

    /// Ends the standard input of a program started with `holdsInput`.
    package func endInput() { wrapper.endInput() }

    /// Polls until its output contains a text; fails with all its output.
    package func waitFor(_ text: String, seconds: Double = 2) throws {
        try waitUntil("\(name) says \"\(text)\"", seconds: seconds, detail: { self.log.suffix(4000).description }) {
            if log.contains(text) { return true }
            if let status { throw LabFailure(description: "\(name) ended with \(status): \(log.suffix(4000))") }
            return false
        }
    }

    /// Lines of standard output that contain all the words.
    package func lines(with words: String...) -> [String] {
        out.split(separator: "\n").map(String.init).filter { line in words.allSatisfy { line.contains($0) } }
    }

    /// Resident memory in KiB; 0 once it has ended.
    package var residentKiB: Int {
        guard let pid, let text = try? Files.text("/proc/\(pid)/status") else { return 0 }
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }

    /// How many descriptors it has open.
    package var descriptors: Int { pid.flatMap { try? Files.list("/proc/\($0)/fd").count } ?? 0 }
}
