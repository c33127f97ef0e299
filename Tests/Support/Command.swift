// SPDX-License-Identifier: Apache-2.0

import Glibc
import Kernel
import Synchronization

/// How a program ended and what it said.
package struct Outcome: Sendable, CustomStringConvertible {
    /// The exit status; 128 + the signal's number where a signal ended it, as a shell says it.
    package let status: Int
    /// True if it had to be killed because its time was up.
    package let timedOut: Bool
    package let out: String
    package let err: String

    package var succeeded: Bool { status == 0 && !timedOut }

    package var description: String {
        "\(timedOut ? "timed out" : "status \(status)")\nout: \(out.suffix(2000))\nerr: \(err.suffix(2000))"
    }
}

/// A program that runs as a child of the tests. Its output goes to unlinked files, so it never blocks on us and nothing is left
/// behind. One owner; when the object goes, the program is killed.
package final class RunningCommand: Sendable {
    /// The child's id as the tests see it.
    package let pid: CInt
    private let child: Mutex<ChildProcess>
    private let ended = Mutex<Int?>(nil)
    private let output: Descriptor
    private let errors: Descriptor
    private let heldInput: Mutex<Descriptor?>

    /// Starts `arguments[0]`, found on PATH. With `holdsInput` its standard input is a pipe that stays open as long as this object
    /// (and this process) lives; otherwise it is `text`, which ends.
    package init(
        _ arguments: [String], environment: [String: String] = [:], input text: String? = nil, holdsInput: Bool = false
    ) throws {
        output = try Self.makeUnlinkedFile()
        errors = try Self.makeUnlinkedFile()
        let childInput: Descriptor
        if holdsInput {
            let pipe = try BlockingPipe()
            childInput = try pipe.readEnd.duplicate()
            heldInput = Mutex(try pipe.writeEnd.duplicate())
        } else {
            childInput = try Self.makeInput(text)
            heldInput = Mutex(nil)
        }
        let process = try ChildProcess(
            arguments[0], Array(arguments.dropFirst()),
            environment: Self.inherited.merging(environment) { $1 }.map { "\($0)=\($1)" },
            descriptors: [(childInput.number, 0), (output.number, 1), (errors.number, 2)])
        pid = process.id
        child = Mutex(process)
    }

    /// What it has written to standard output so far, at most 64 MiB.
    package var out: String { String(decoding: Files.read(descriptor: output.number, limit: 64 << 20), as: UTF8.self) }

    /// What it has written to standard error so far, at most 64 MiB.
    package var err: String { String(decoding: Files.read(descriptor: errors.number, limit: 64 << 20), as: UTF8.self) }

    /// The status once it has ended; nil while it runs. Never blocks.
    package var status: Int? {
        ended.withLock { known in
            if known != nil { return known }
            switch child.withLock({ child in try? child.poll() }) {
            case .exited(let status): known = Int(status)
            case .killed(let signal): known = 128 + Int(signal)
            case nil: return nil
            }
            return known
        }
    }

    /// Waits for the end, at most so long; nil if it still runs then.
    package func wait(seconds: Double) -> Int? {
        let end = Moment.now() + seconds
        var pause: UInt32 = 200
        while true {
            if let status { return status }
            if Moment.now() >= end { return nil }
            usleep(pause)
            pause = min(pause * 2, 10_000)
        }
    }

    /// Waits for the end and tells; kills the program when its time is up.
    package func finish(seconds: Double) -> Outcome {
        if let status = wait(seconds: seconds) { return Outcome(status: status, timedOut: false, out: out, err: err) }
        signal(SIGKILL)
        return Outcome(status: wait(seconds: 10) ?? -1, timedOut: true, out: out, err: err)
    }

    package func signal(_ number: CInt) { child.withLock { $0.signal(number) } }

    /// Ends the held standard input.
    package func endInput() { heldInput.withLock { $0 = nil } }

    /// The ids of its own children; for a wrapper that forks, the program proper.
    package var children: [CInt] {
        guard let text = try? Files.text("/proc/\(pid)/task/\(pid)/children") else { return [] }
        return text.split(separator: " ").compactMap { CInt($0) }
    }

    /// Runs a program to its end.
    package static func run(
        _ arguments: [String], environment: [String: String] = [:], input: String? = nil, seconds: Double = 30
    ) throws -> Outcome {
        try RunningCommand(arguments, environment: environment, input: input).finish(seconds: seconds)
    }
}

// MARK: - Starting

extension RunningCommand {
    private static let drafts = Atomic<Int>(0)

    private static func makeUnlinkedFile() throws -> Descriptor {
        let number = drafts.add(1, ordering: .relaxed).newValue
        let path = "\(Files.environment("TMPDIR") ?? "/tmp")/warren-output-\(getpid())-\(number)"
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Files.Failure(path: path, code: errno) }
        unsafe unlink(path)
        return Descriptor(takingOwnership: descriptor)
    }

    private static func makeInput(_ text: String?) throws -> Descriptor {
        guard let text else { return Descriptor(takingOwnership: unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)) }
        let file = try makeUnlinkedFile()
        let bytes = Array(text.utf8)
        guard unsafe write(file.number, bytes, bytes.count) == bytes.count else {
            throw Files.Failure(path: "input", code: errno)
        }
        lseek(file.number, 0, SEEK_SET)
        return file
    }

    /// What children get of our environment; the test runner's own variables aren't theirs.
    private static var inherited: [String: String] {
        var variables = ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"]
        // The last ones are for programs that Tests/sanitizers.sh built.
        let kept = [
            "PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "SWIFT_BACKTRACE", "TSAN_OPTIONS", "ASAN_OPTIONS", "LSAN_OPTIONS",
            "UBSAN_OPTIONS",
        ]
        for name in kept {
            if let value = Files.environment(name) { variables[name] = value }
        }
        return variables
    }
}
