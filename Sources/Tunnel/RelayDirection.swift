// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel
internal import Loop

/// Which socket of a relay a failing call was made on.
struct RelayFault: Error {
    let atSource: Bool
    let cause: Errno
}

/// One direction of a relay: bytes from a source socket to a target socket, and what of them waits.
///
///     copying ──512 KiB in large pieces, without a pause──► splicing ──drained──► copying
///
/// Owned by its relay, on the relay's loop.
struct RelayDirection: ~Copyable {
    /// What may move per event before others have their turn: four chunks.
    private static let turnBudget = 4 * Loop.chunk
    /// From here on the kernel moves the bytes itself: below copying wins, above splicing saves 37 % of the CPU (measured).
    private static let bulk: UInt64 = 512 * 1024
    /// What comes in smaller pieces, as the answers on a kept connection do, costs more to splice than to copy, however much it comes to.
    private static let large = Loop.chunk / 4
    /// A pause that makes a transfer a new one.
    private static let pause = Interval.milliseconds(100)

    /// Bytes taken from the source.
    private(set) var moved: UInt64 = 0
    /// How many of them the kernel moved by itself.
    private(set) var spliced: UInt64 = 0
    /// The source sent its end.
    private(set) var sourceEnded = false
    /// The target was told so, after everything before.
    private(set) var targetTold = false
    private var waiting = ByteQueue()
    private var pipe: SplicePipe?
    /// What came in large pieces; it melts away among small ones, so that it gets anywhere only where most pieces are large.
    private var burst: UInt64 = 0
    private var lastMove = Instant(nanoseconds: 0)

    /// The target hasn't taken all that was read: nothing more is read until it has.
    var isBlocked: Bool { !waiting.isEmpty || (pipe?.held ?? 0) > 0 }

    /// Moves what both sides allow, within this turn's budget.
    mutating func pump(
        from source: borrowing Descriptor, to target: borrowing Descriptor, loop: Loop, pipes: PipePool
    ) throws(RelayFault) {
        try flush(to: target)
        var budget = Self.turnBudget
        while budget > 0, !isBlocked, !sourceEnded {
            let count = try step(from: source, to: target, loop: loop, pipes: pipes)
            if count == 0 { break }
            budget -= count
        }
        if sourceEnded, !isBlocked, !targetTold {
            target.shutdownWriting()
            targetTold = true
        }
        if let pipe, pipe.held == 0, budget > 0 {
            pipes.giveBack(pipe)
            self.pipe = nil
        }
    }

    /// The relay is over: a pipe goes back, waiting bytes are forgotten.
    mutating func close(pipes: PipePool) {
        if let pipe { pipes.giveBack(pipe) }
        pipe = nil
        waiting.release()
    }

    private mutating func step(
        from source: borrowing Descriptor, to target: borrowing Descriptor, loop: Loop, pipes: PipePool
    ) throws(RelayFault) -> Int {
        if burst >= Self.bulk, pipe == nil { pipe = pipes.take() }
        if let pipe { return try splice(from: source, to: target, through: pipe, now: loop.now) }
        return try copy(from: source, to: target, loop: loop)
    }

    /// Zero: nothing there, or this was all of it.
    private mutating func copy(
        from source: borrowing Descriptor, to target: borrowing Descriptor, loop: Loop
    ) throws(RelayFault) -> Int {
        let buffer = unsafe loop.plaintext.bytes
        let transfer: Transfer
        do throws(Errno) { transfer = try unsafe source.receive(into: buffer) } catch {
            throw RelayFault(atSource: true, cause: error)
        }
        switch transfer {
        case .wouldBlock: return 0
        case .endOfStream:
            sourceEnded = true
            return 0
        case .moved(let count):
            account(count, now: loop.now)
            try unsafe send(UnsafeRawBufferPointer(rebasing: buffer[..<count]), to: target)
            // A short read emptied the socket: asking again would only be told to wait.
            return count < buffer.count ? 0 : count
        }
    }

    private mutating func splice(
        from source: borrowing Descriptor, to target: borrowing Descriptor, through pipe: SplicePipe, now: Instant
    ) throws(RelayFault) -> Int {
        let transfer: Transfer
        do throws(Errno) {
            transfer = try Kernel.splice(from: source, to: pipe.pipe.writeEnd, count: 4 * Loop.chunk)
        } catch { throw RelayFault(atSource: true, cause: error) }
        switch transfer {
        case .wouldBlock: return 0
        case .endOfStream:
            sourceEnded = true
            return 0
        case .moved(let count):
            pipe.held += count
            spliced &+= UInt64(count)
            account(count, now: now)
            try drain(pipe, to: target)
            return count
        }
    }

    private mutating func flush(to target: borrowing Descriptor) throws(RelayFault) {
        if let pipe, pipe.held > 0 { try drain(pipe, to: target) }
        guard !waiting.isEmpty else { return }
        let sent: Transfer
        do throws(Errno) {
            sent = try waiting.send(to: target)
        } catch { throw RelayFault(atSource: false, cause: error) }
        if case .moved(let count) = sent { waiting.consume(count) }
    }

    private func drain(_ pipe: SplicePipe, to target: borrowing Descriptor) throws(RelayFault) {
        while pipe.held > 0 {
            do throws(Errno) {
                guard case .moved(let count) = try Kernel.splice(from: pipe.pipe.readEnd, to: target, count: pipe.held) else {
                    return
                }
                pipe.held -= count
            } catch { throw RelayFault(atSource: false, cause: error) }
        }
    }

    private mutating func send(_ bytes: UnsafeRawBufferPointer, to target: borrowing Descriptor) throws(RelayFault) {
        let transfer: Transfer
        do throws(Errno) { transfer = try unsafe target.send(bytes) } catch { throw RelayFault(atSource: false, cause: error) }
        let sent = if case .moved(let count) = transfer { count } else { 0 }
        if sent < bytes.count { unsafe waiting.append(UnsafeRawBufferPointer(rebasing: bytes[sent...])) }
    }

    private mutating func account(_ count: Int, now: Instant) {
        if now.since(lastMove) > Self.pause { burst = 0 }
        lastMove = now
        if count >= Self.large { burst &+= UInt64(count) } else { burst -= burst / 8 }
        moved &+= UInt64(count)
    }
}

extension ByteQueue {
    /// Sends what waits, as far as the socket takes it; the caller consumes what went.
    borrowing func send(to socket: borrowing Descriptor) throws(Errno) -> Transfer {
        var result: Result<Transfer, Errno> = .success(.wouldBlock)
        unsafe withBytes { bytes in
            do throws(Errno) { result = .success(try unsafe socket.send(bytes)) } catch { result = .failure(error) }
        }
        return try result.get()
    }
}
