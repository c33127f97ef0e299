// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Why a system call failed: the number, and words for people.
package struct Errno: Error, Equatable, Sendable {
    package let number: CInt

    package init(_ number: CInt) { self.number = number }

    /// What the last call on this thread left behind.
    static var current: Errno { Errno(errno) }

    package static let accessDenied = Errno(EACCES)
    package static let addressInUse = Errno(EADDRINUSE)
    package static let addressNotAvailable = Errno(EADDRNOTAVAIL)
    package static let connectionAborted = Errno(ECONNABORTED)
    package static let connectionRefused = Errno(ECONNREFUSED)
    package static let connectionReset = Errno(ECONNRESET)
    package static let exists = Errno(EEXIST)
    package static let fileTooLarge = Errno(EFBIG)
    package static let hostUnreachable = Errno(EHOSTUNREACH)
    package static let invalidArgument = Errno(EINVAL)
    package static let networkUnreachable = Errno(ENETUNREACH)
    package static let noBufferSpace = Errno(ENOBUFS)
    package static let noMemory = Errno(ENOMEM)
    package static let noSuchFile = Errno(ENOENT)
    package static let noSuchProcess = Errno(ESRCH)
    package static let notConnected = Errno(ENOTCONN)
    package static let notPermitted = Errno(EPERM)
    package static let operationNotSupported = Errno(EOPNOTSUPP)
    package static let pipe = Errno(EPIPE)
    package static let timedOut = Errno(ETIMEDOUT)
    package static let tooManyLinks = Errno(ELOOP)
    package static let tooManyFilesOpen = Errno(EMFILE)
    package static let tooManyFilesOpenInSystem = Errno(ENFILE)
    package static let wouldBlock = Errno(EAGAIN)

    /// Out of descriptors or memory: the caller must slow down, for trying at once again would spin.
    package var isExhaustion: Bool {
        self == .tooManyFilesOpen || self == .tooManyFilesOpenInSystem || self == .noBufferSpace || self == .noMemory
    }
}

extension Errno: CustomStringConvertible {
    /// `connection refused`: the C library's words in lower case, as they stand in our sentences.
    package var description: String {
        var text = [CChar](repeating: 0, count: 256)
        guard unsafe strerror_r(number, &text, text.count) == 0 else { return "error \(number)" }
        let words = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return words.isEmpty ? "error \(number)" : words.prefix(1).lowercased() + words.dropFirst()
    }
}

/// What a call that may not wait did. To have to wait is no failure; failure is thrown.
package enum Transfer: Equatable, Sendable {
    case moved(Int)
    case wouldBlock
    case endOfStream
}

/// The one place where a call's result becomes a value, EINTR is repeated and our own mistakes end the process: EBADF and EFAULT mean
/// that a descriptor or a pointer of ours is wrong, and the number may by now be someone else's.
@inline(__always)
func call<Result: FixedWidthInteger>(_ body: () -> Result) throws(Errno) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let failure = Errno.current
        if failure.number == EINTR { continue }
        failure.trapIfOurs()
        throw failure
    }
}

extension Errno {
    func trapIfOurs() {
        invariant(
            number != EBADF && number != EFAULT, "a system call was given a descriptor or a pointer that isn't ours: \(self)")
    }
}
