// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// A request to the kernel's netlink families, written as bytes: header, fixed part, attributes (RFC 3549, `linux/netlink.h`). Numbers
/// are in the machine's order unless a family says otherwise.
package struct NetlinkRequest {
    private(set) var bytes: [UInt8]

    init(type: Int, flags: Int, body: [UInt8]) {
        bytes = []
        bytes.reserveCapacity(128)
        append(UInt32(0))
        append(UInt16(truncatingIfNeeded: type))
        append(UInt16(truncatingIfNeeded: flags | Int(NLM_F_REQUEST)))
        append(UInt32(0))
        append(UInt32(0))
        bytes += body
    }

    mutating func attribute(_ type: Int, _ payload: [UInt8]) {
        append(UInt16(truncatingIfNeeded: payload.count + 4))
        append(UInt16(truncatingIfNeeded: type))
        bytes += payload
        bytes += repeatElement(0, count: (4 - payload.count & 3) & 3)
    }

    mutating func attribute(_ type: Int, _ number: UInt32) { attribute(type, nativeBytes(number)) }

    /// The request with its length and a number by which its answers are known.
    package func finished(sequence: UInt32) -> [UInt8] {
        let head = nativeBytes(UInt32(truncatingIfNeeded: bytes.count)) + bytes[4..<8] + nativeBytes(sequence)
        return head + bytes[12...]
    }

    private mutating func append(_ number: some FixedWidthInteger) { bytes += nativeBytes(number) }
}

/// The bytes of a number in the machine's order.
func nativeBytes(_ number: some FixedWidthInteger) -> [UInt8] { unsafe withUnsafeBytes(of: number) { unsafe Array($0) } }

/// One message of an answer. The kernel writes them, but they are read as if a peer did: no length in them is believed.
package struct NetlinkMessage: Equatable {
    package let type: Int
    package let flags: Int
    package let sequence: UInt32
    /// What follows the header.
    package let payload: ArraySlice<UInt8>

    /// The messages of one datagram; those before a malformed one are still good.
    package static func all(in datagram: ArraySlice<UInt8>) -> [NetlinkMessage] {
        var messages: [NetlinkMessage] = []
        var rest = datagram
        while let length = rest.number(at: 0, as: UInt32.self), let size = Int(exactly: length), size >= 16, size <= rest.count,
            let type = rest.number(at: 4, as: UInt16.self), let flags = rest.number(at: 6, as: UInt16.self),
            let sequence = rest.number(at: 8, as: UInt32.self)
        {
            let payload = rest.prefix(size).dropFirst(16)
            messages.append(NetlinkMessage(type: Int(type), flags: Int(flags), sequence: sequence, payload: payload))
            rest = rest.dropFirst(size + (4 - size & 3) & 3)
        }
        return messages
    }

    /// The error that it bears; nil for none, an acknowledgement included.
    package func failure() throws(Errno) -> Errno? {
        guard type == Int(NLMSG_ERROR) || type == Int(NLMSG_DONE) else { return nil }
        guard let code = payload.number(at: 0, as: Int32.self) else { throw Errno(EBADMSG) }
        return code < 0 && code > -4096 ? Errno(-code) : nil
    }

    /// The attributes after a fixed part of so many bytes, the last of each type.
    func attributes(after length: Int) -> [Int: ArraySlice<UInt8>] {
        var attributes: [Int: ArraySlice<UInt8>] = [:]
        var rest = payload.dropFirst(length)
        while let length = rest.number(at: 0, as: UInt16.self), let type = rest.number(at: 2, as: UInt16.self) {
            let size = Int(length)
            guard size >= 4, size <= rest.count else { break }
            // The two upper bits are flags (nested, network order).
            attributes[Int(type & 0x3fff)] = rest.prefix(size).dropFirst(4)
            rest = rest.dropFirst(size + (4 - size & 3) & 3)
        }
        return attributes
    }
}

extension ArraySlice<UInt8> {
    /// The number at an offset from the slice's start, in the machine's order; nil if the slice ends before.
    func number<Number: FixedWidthInteger>(at offset: Int, as type: Number.Type) -> Number? {
        let size = MemoryLayout<Number>.size
        guard offset >= 0, offset <= count - size else { return nil }
        return unsafe withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: type) }
    }

    /// The whole slice as one number; nil if the sizes differ.
    func number<Number: FixedWidthInteger>(as type: Number.Type) -> Number? {
        count == MemoryLayout<Number>.size ? number(at: 0, as: type) : nil
    }
}
