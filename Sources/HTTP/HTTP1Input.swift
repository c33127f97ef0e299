// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Received bytes of an HTTP/1 connection that aren't parsed yet, taken out line by line or in pieces. Part of a parser.
///
/// Lines end with CR LF and nothing else, and have no control characters but tab: that a line could end elsewhere for somebody else is what
/// request smuggling lives on (RFC 9112 §2.2, §11.2).
struct HTTP1Input: ~Copyable {
    private var queue = ByteQueue()
    /// Up to here no line end was found.
    private var scanned = 0
    /// How many bytes may wait; more means that the peer sends ahead of its answers.
    private let maximum: Int

    init(maximum: Int) { self.maximum = maximum }

    var count: Int { queue.count }

    mutating func append(_ bytes: UnsafeRawBufferPointer) throws(HTTP1Failure) {
        guard queue.count + bytes.count <= maximum else { throw .bodyTooLarge }
        unsafe queue.append(bytes)
    }

    /// The next line without its end; nil if it isn't whole yet. `tooLong` is thrown for more than `limit` bytes, whole or not.
    mutating func takeLine(limit: Int, _ tooLong: HTTP1Failure) throws(HTTP1Failure) -> [UInt8]? {
        let start = scanned
        let end = unsafe queue.withBytes { bytes in unsafe bytes[start...].firstIndex(of: UInt8(ascii: "\n")) }
        guard let end else {
            scanned = queue.count
            guard queue.count <= limit else { throw tooLong }
            return nil
        }
        guard end <= limit else { throw tooLong }
        var line = unsafe queue.withBytes { bytes in unsafe Array(bytes[..<end]) }
        queue.consume(end + 1)
        scanned = 0
        guard line.popLast() == UInt8(ascii: "\r") else { throw .malformed("a line doesn't end with CR LF") }
        guard line.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
            throw .malformed("a line has control characters")
        }
        return line
    }

    /// Moves at most this many bytes to the end of `body`. How many there were.
    mutating func take(_ most: Int, to body: inout [UInt8]) -> Int {
        let count = min(most, queue.count)
        guard count > 0 else { return 0 }
        unsafe queue.withBytes { bytes in unsafe body.append(contentsOf: bytes[..<count]) }
        queue.consume(count)
        scanned = 0
        return count
    }
}
