// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// One child with its pipes: is sent everything, and all it says is taken until it ends or its time is up, when it is killed. Never waits in a
/// read or a write alone, so a child that neither reads nor ends can't hold the caller.
struct RulesConversation: ~Copyable {
    private var child: ChildProcess
    /// Nil once everything is sent, which is how the child knows.
    private var input: Descriptor?
    private let output: Descriptor
    private let errors: Descriptor

    /// What a child may say beside its answers; the rest is dropped.
    private static let maximumErrors = 4096
    /// Between two looks at a child that is busy: it needs some ten milliseconds in all.
    private static let pause = Interval.milliseconds(1)

    init(program: String, namespaces: [CInt]) throws(Errno) {
        // A child that ends early leaves a pipe without reader; that is told by the write, not by a signal that ends us.
        ignoreBrokenPipes()
        let input = try Pipe(size: 64 * 1024)
        let output = try Pipe(size: 64 * 1024)
        let errors = try Pipe(size: 16 * 1024)
        // The child's ends wait; ours don't.
        try input.readEnd.setBlocking()
        try output.writeEnd.setBlocking()
        try errors.writeEnd.setBlocking()
        let toChild = try input.writeEnd.duplicate()
        let fromChild = try output.readEnd.duplicate()
        let complaints = try errors.readEnd.duplicate()
        let standard = [
            (ours: input.readEnd.number, theirs: CInt(0)), (ours: output.writeEnd.number, theirs: 1),
            (ours: errors.writeEnd.number, theirs: 2),
        ]
        let lent = namespaces.enumerated().map { (ours: $1, theirs: RulesChild.firstDescriptor + CInt($0)) }
        child = try ChildProcess(program, [RulesChild.argument], descriptors: standard + lent)
        self.input = consume toChild
        self.output = fromChild
        self.errors = complaints
    }

    /// Sends the bytes and returns what the child answered, what it said on standard error, and how it ended.
    consuming func finish(
        sending bytes: [UInt8], timeout: Interval
    ) throws(CaptureFailure) -> (answer: [UInt8], errors: String, end: ProcessEnd) {
        let deadline = Instant.now() + timeout
        var rest = bytes[...]
        var answer: [UInt8] = []
        var words: [UInt8] = []
        while Instant.now() < deadline {
            do throws(Errno) {
                let moved = try send(&rest)
                let answered = try Self.take(output, into: &answer, limit: RulesChild.maximumAnswer)
                let said = try Self.take(errors, into: &words, limit: Self.maximumErrors)
                guard answer.count < RulesChild.maximumAnswer else { throw Errno.noBufferSpace }
                if let end = answered.ended && said.ended ? try child.poll() : nil {
                    return (answer, String(decoding: words.prefix(Self.maximumErrors), as: UTF8.self), end)
                }
                if !moved && !answered.moved && !said.moved { Thread.sleep(Self.pause) }
            } catch {
                throw .childUnreadable
            }
        }
        throw .childTimedOut(timeout)
    }

    /// Sends what the pipe takes. A child that ended early has no reader: the answers it gave still count.
    private mutating func send(_ rest: inout ArraySlice<UInt8>) throws(Errno) -> Bool {
        guard input != nil else { return false }
        var moved = false
        if !rest.isEmpty {
            do throws(Errno) {
                if case .moved(let count)? = try input?.write(rest) {
                    rest = rest.dropFirst(count)
                    moved = true
                }
            } catch {
                guard error == .pipe else { throw error }
                rest = []
            }
        }
        if rest.isEmpty { input = nil }
        return moved
    }

    private static func take(
        _ source: borrowing Descriptor, into bytes: inout [UInt8], limit: Int
    ) throws(Errno) -> (moved: Bool, ended: Bool) {
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        switch try source.read(into: &chunk) {
        case .moved(let count):
            if bytes.count < limit { bytes += chunk.prefix(count) }
            return (true, false)
        case .wouldBlock: return (false, false)
        case .endOfStream: return (false, true)
        }
    }
}

extension Descriptor {
    /// Writes what the other side takes now.
    fileprivate borrowing func write(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Transfer {
        let result: Result<Transfer, Errno> = unsafe bytes.withUnsafeBytes { pointer in
            do throws(Errno) { return .success(try unsafe write(pointer)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
