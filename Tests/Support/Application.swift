// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Kernel

/// An application at one end of a TCP connection, moved by the test step by step: it sends what it was told to as far as the kernel takes it, reads
/// what comes, and says how its connection ended. Never blocks.
package final class Application {
    /// What reading came to.
    package enum End: Equatable, Sendable {
        /// The other side finished: FIN.
        case finished
        /// A reset, or another failure.
        case failed(Errno)
    }

    /// How many bytes came.
    package private(set) var received = 0
    /// How many bytes the kernel took.
    package private(set) var sent = 0
    /// The first bytes that came, at most 64 KiB.
    package private(set) var head: [UInt8] = []
    package private(set) var end: End?
    package private(set) var sendFailure: Errno?
    /// False as soon as a byte came that isn't the expected one at its place.
    package private(set) var isIntact = true
    /// An application that doesn't read: what comes stays in the kernel until that is full.
    package var isReading = true
    /// How much it reads in one step, at most.
    package var readLimit = 1 << 20
    /// Whose pattern is expected; nil: anything is taken.
    package var expectedSeed: Int?

    private var socket: Descriptor?
    private var pending: [UInt8] = []
    private var seed = 0
    private var patternSent = 0
    private var patternLeft = 0
    private var isFinishing = false

    package init(_ socket: consuming Descriptor) { self.socket = consume socket }

    package var text: String { String(decoding: head, as: UTF8.self) }
    /// Nothing that it was told to send is left.
    package var hasSentAll: Bool { pending.isEmpty && patternLeft == 0 && !isFinishing }
    /// The other side broke the connection off. Behind an end that came before, Linux calls a reset a broken pipe.
    package var wasReset: Bool { end == .failed(.connectionReset) || end == .failed(.pipe) }

    package func send(_ text: String) { pending += Array(text.utf8) }
    package func send(_ bytes: [UInt8]) { pending += bytes }

    /// Sends so many bytes that look random, told apart by their place and seed; after what `send` was given.
    package func sendPattern(_ count: Int, seed: Int) {
        self.seed = seed
        patternLeft += count
    }

    /// FIN, when everything before has left. Reading goes on.
    package func finish() { isFinishing = true }

    /// Ends the connection as a process does that exits: FIN, or a reset if something wasn't read.
    package func close() { socket = nil }

    /// Ends the connection with a reset.
    package func reset() {
        socket?.setResetOnClose(true)
        socket = nil
    }

    /// Sends and reads what is possible now. True if anything moved.
    @discardableResult
    package func step() -> Bool {
        let before = (sent, received, end)
        write()
        read()
        return before != (sent, received, end)
    }

    private func write() {
        guard socket != nil, sendFailure == nil else { return }
        if !pending.isEmpty {
            let count = unsafe pending.withUnsafeBytes { unsafe give($0) }
            pending.removeFirst(count)
        }
        while pending.isEmpty, patternLeft > 0 {
            let count = unsafe Pattern.withBytes(seed: seed, from: patternSent, most: patternLeft) { unsafe give($0) }
            guard count > 0 else { break }
            patternSent += count
            patternLeft -= count
        }
        if isFinishing, pending.isEmpty, patternLeft == 0 {
            isFinishing = false
            socket?.shutdownWriting()
        }
    }

    private func give(_ bytes: UnsafeRawBufferPointer) -> Int {
        do throws(Errno) {
            guard case .moved(let count) = try unsafe socket?.send(bytes) else { return 0 }
            sent += count
            return count
        } catch {
            // The kernel tells of a reset once, to whoever asks first: reading would then find a plain end.
            sendFailure = error
            end = end ?? .failed(error)
            return 0
        }
    }

    private func read() {
        guard isReading, end == nil else { return }
        unsafe withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 16) { buffer in
            var left = readLimit
            while left > 0, end == nil {
                let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(left))
                do throws(Errno) {
                    switch try unsafe socket?.receive(into: part) {
                    case .moved(let count):
                        unsafe took(UnsafeRawBufferPointer(rebasing: part[..<count]))
                        left -= count
                    case .endOfStream: end = .finished
                    case .wouldBlock, nil: return
                    }
                } catch { end = .failed(error) }
            }
        }
    }

    private func took(_ bytes: UnsafeRawBufferPointer) {
        if let expectedSeed, unsafe !Pattern.matches(bytes, seed: expectedSeed, from: received) { isIntact = false }
        if head.count < 64 * 1024 { unsafe head += bytes.prefix(64 * 1024 - head.count) }
        received += bytes.count
    }
}

/// Bytes that look random and repeat after a prime, so that nothing that is cut, doubled or moved goes unnoticed.
private enum Pattern {
    private static let period = 1_048_573

    private static let block: [UInt8] = {
        var state: UInt64 = 0x2545_f491_4f6c_dd1d
        return (0..<period).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state >> 32)
        }
    }()

    /// A contiguous part of the pattern at this place: at most as many bytes as asked for, at least one.
    static func withBytes<Result>(seed: Int, from place: Int, most: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let start = (place + seed * 7919) % period
        return unsafe block.withUnsafeBytes {
            unsafe body(UnsafeRawBufferPointer(rebasing: $0[start..<min(period, start + most)]))
        }
    }

    static func matches(_ bytes: UnsafeRawBufferPointer, seed: Int, from place: Int) -> Bool {
        var seen = 0
        while seen < bytes.count {
            let count = unsafe withBytes(seed: seed, from: place + seen, most: bytes.count - seen) { part -> Int in
                guard let ours = part.baseAddress, let theirs = bytes.baseAddress else { return 0 }
                return unsafe memcmp(ours, theirs + seen, part.count) == 0 ? part.count : 0
            }
            guard count > 0 else { return false }
            seen += count
        }
        return true
    }
}

/// Goes on step by step until the condition holds. The bound is there so that a test that waits in vain fails: no test is about it.
package func drive(
    _ what: String, seconds: Double = 20, detail: () -> String = { "" }, _ step: () throws -> Void, until condition: () -> Bool
) throws {
    let start = Moment.now()
    while !condition() {
        guard Moment.now() - start < seconds else {
            throw TimedOut(description: "not within \(Int(seconds)) s: \(what) \(detail())")
        }
        try step()
    }
}
