// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// How a child ended.
package enum ProcessEnd: Equatable, Sendable {
    case exited(CInt)
    case killed(CInt)
}

/// A child process. Blocking calls: for the worker thread, programs without a loop, and tests.
package struct ChildProcess: ~Copyable {
    package let id: CInt
    private var reaped = false

    /// Starts a program.
    /// - Parameters:
    ///   - program: an absolute path, or a name that is looked for in PATH.
    ///   - arguments: without the program's own name.
    ///   - environment: `NAME=value`; nil for our own.
    ///   - descriptors: which of our descriptors the child has, by the number it knows them under. All others are closed.
    package init(
        _ program: String, _ arguments: [String], environment: [String]? = nil, descriptors: [(ours: CInt, theirs: CInt)]
    ) throws(Errno) {
        // Ours are all closed on exec; this is for those that we ourselves were started with.
        _ = clinux_close_range_cloexec(3)
        var actions = unsafe posix_spawn_file_actions_t()
        _ = unsafe posix_spawn_file_actions_init(&actions)
        defer { _ = unsafe posix_spawn_file_actions_destroy(&actions) }
        // Above all numbers the child will know, so that no dup2 overwrites one that is still to be used.
        let base: CInt = 200
        var held: [CInt] = []
        defer { for number in held { _ = Glibc.close(number) } }
        for (ours, theirs) in descriptors {
            let copy = try call { fcntl(ours, F_DUPFD_CLOEXEC, base) }
            held.append(copy)
            _ = unsafe posix_spawn_file_actions_adddup2(&actions, copy, theirs)
        }
        var attributes = posix_spawnattr_t()
        _ = unsafe posix_spawnattr_init(&attributes)
        defer { _ = unsafe posix_spawnattr_destroy(&attributes) }
        // The daemon blocks signals for its signalfd and ignores SIGPIPE; a child starts with neither.
        var none = sigset_t()
        _ = unsafe sigemptyset(&none)
        var defaults = sigset_t()
        _ = unsafe sigemptyset(&defaults)
        _ = unsafe sigaddset(&defaults, SIGPIPE)
        _ = unsafe posix_spawnattr_setsigmask(&attributes, &none)
        _ = unsafe posix_spawnattr_setsigdefault(&attributes, &defaults)
        _ = unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var id = pid_t()
        let failure = unsafe withCStrings([program] + arguments) { argv in
            if let environment {
                return unsafe withCStrings(environment) { unsafe posix_spawnp(&id, program, &actions, &attributes, argv, $0) }
            }
            return unsafe posix_spawnp(&id, program, &actions, &attributes, argv, environ)
        }
        guard failure == 0 else { throw Errno(failure) }
        self.id = id
    }

    /// A child that is forgotten is killed and reaped: none outlives its owner.
    deinit {
        if !reaped {
            _ = Glibc.kill(id, SIGKILL)
            var status: CInt = 0
            while unsafe waitpid(id, &status, 0) == -1 && errno == EINTR {}
        }
    }

    /// Lets it live on without us; its number. It never is reaped here.
    package consuming func abandon() -> CInt {
        let id = id
        discard self
        return id
    }

    package borrowing func signal(_ number: CInt) {
        if !reaped { _ = Glibc.kill(id, number) }
    }

    /// How the child ended; nil while it runs.
    package mutating func poll() throws(Errno) -> ProcessEnd? {
        let id = id
        var status: CInt = 0
        guard try call({ unsafe waitpid(id, &status, WNOHANG) }) == id else { return nil }
        reaped = true
        return Self.end(status)
    }

    /// Waits for the end; nil if it didn't come in time.
    package mutating func wait(atMost limit: Interval) throws(Errno) -> ProcessEnd? {
        let deadline = Instant.now() + limit
        while true {
            if let end = try poll() { return end }
            guard Instant.now() < deadline else { return nil }
            Thread.sleep(.milliseconds(5))
        }
    }

    private static func end(_ status: CInt) -> ProcessEnd {
        status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .killed(status & 0x7f)
    }
}

/// Lends a NULL-terminated vector of C strings.
private func withCStrings<Result>(_ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result) -> Result {
    var pointers = unsafe texts.map { unsafe strdup($0) }
    defer { unsafe pointers.forEach { unsafe free($0) } }
    unsafe pointers.append(nil)
    return unsafe pointers.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { bug("an empty vector has no address") }
        return unsafe body(base)
    }
}

/// A blocking pipe, for a child's input or output.
package struct BlockingPipe: ~Copyable {
    package var readEnd: Descriptor
    package var writeEnd: Descriptor

    package init() throws(Errno) {
        let pipe = try Pipe(size: 64 * 1024)
        let read = try pipe.readEnd.duplicate()
        let write = try pipe.writeEnd.duplicate()
        try read.setBlocking()
        try write.setBlocking()
        readEnd = read
        writeEnd = write
    }
}

extension Descriptor {
    /// Lets calls wait: for programs without a loop.
    package borrowing func setBlocking() throws(Errno) {
        let number = number
        let flags = try call { fcntl(number, F_GETFL) }
        _ = try call { fcntl(number, F_SETFL, flags & ~O_NONBLOCK) }
    }
}
