// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Kernel

/// Reading and writing netlink messages: no length in them is believed.
struct NetlinkMessageTests {
    private static func message(
        type: UInt16 = 24, length: UInt32? = nil, sequence: UInt32 = 7, _ payload: [UInt8]
    ) -> [UInt8] {
        nativeBytes(length ?? UInt32(16 + payload.count)) + nativeBytes(type) + nativeBytes(UInt16(0)) + nativeBytes(sequence)
            + nativeBytes(UInt32(0)) + payload
    }

    private static func attribute(_ type: UInt16, length: UInt16? = nil, _ payload: [UInt8]) -> [UInt8] {
        nativeBytes(length ?? UInt16(4 + payload.count)) + nativeBytes(type) + payload
            + [UInt8](repeating: 0, count: (4 - payload.count & 3) & 3)
    }

    @Test func `a request has its length, its flags and padded attributes`() {
        var request = NetlinkRequest(type: 32, flags: 4, body: [2, 0, 0, 0])
        request.attribute(6, [1, 2, 3, 4, 5])
        request.attribute(7, UInt32(0x0102_0304))
        let expected =
            nativeBytes(UInt32(40)) + nativeBytes(UInt16(32)) + nativeBytes(UInt16(5)) + nativeBytes(UInt32(9))
            + nativeBytes(UInt32(0)) + [2, 0, 0, 0] + Self.attribute(6, [1, 2, 3, 4, 5])
            + Self.attribute(7, nativeBytes(UInt32(0x0102_0304)))
        #expect(request.finished(sequence: 9) == expected)
    }

    @Test func `several messages in one datagram are read with their padding`() {
        let datagram = Self.message(sequence: 1, [1, 2, 3, 4, 5]) + [0, 0, 0] + Self.message(sequence: 2, [])
        let messages = NetlinkMessage.all(in: datagram[...])
        #expect(messages.map(\.sequence) == [1, 2])
        #expect(messages.first.map { Array($0.payload) } == [1, 2, 3, 4, 5])
    }

    @Test(arguments: [0, 1, 15, 33, 1000, UInt32.max])
    func `a message that claims another length ends the reading`(length: UInt32) {
        let datagram = Self.message([]) + Self.message(length: length, []) + Self.message([])
        #expect(NetlinkMessage.all(in: datagram[...]).count == 1)
    }

    @Test func `a datagram cut off anywhere gives only whole messages`() {
        let datagram = Self.message([1, 2, 3, 4]) + Self.message([5, 6, 7, 8])
        for length in 0...datagram.count {
            #expect(NetlinkMessage.all(in: datagram.prefix(length)).count == length / 20)
        }
    }

    @Test func `attributes are read after the fixed part, the last of each type, without their flag bits`() throws {
        let payload: [UInt8] =
            [9, 9, 9, 9] + Self.attribute(1, [1]) + Self.attribute(2 | 0x8000, [2, 2]) + Self.attribute(1, [3])
        let message = try #require(NetlinkMessage.all(in: Self.message(payload)[...]).first)
        #expect(message.attributes(after: 4).mapValues { Array($0) } == [1: [3], 2: [2, 2]])
    }

    @Test(arguments: [0, 3, 9, 0xffff] as [UInt16])
    func `an attribute that claims another length ends the reading`(length: UInt16) throws {
        let payload = Self.attribute(1, [1, 1, 1, 1]) + Self.attribute(2, length: length, [2, 2, 2, 2])
        let message = try #require(NetlinkMessage.all(in: Self.message(payload)[...]).first)
        #expect(message.attributes(after: 0).mapValues { Array($0) } == [1: [1, 1, 1, 1]])
        #expect(message.attributes(after: 10_000).isEmpty)
    }

    @Test func `numbers are read only where they are whole`() {
        let bytes: ArraySlice<UInt8> = [0, 1, 2, 3, 4][1...]
        #expect(bytes.number(at: 0, as: UInt32.self) == UInt32(bigEndian: 0x0102_0304))
        #expect(bytes.number(at: 1, as: UInt32.self) == nil)
        #expect(bytes.number(at: -1, as: UInt8.self) == nil)
        #expect(bytes.number(at: .max, as: UInt8.self) == nil)
        #expect(bytes.number(as: UInt16.self) == nil)
    }

    @Test func `random bytes never trap`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...80, using: &generator)).map { _ in UInt8.random(in: 0...40, using: &generator) }
            for message in NetlinkMessage.all(in: bytes[...]) { _ = message.attributes(after: 4) }
        }
    }
}
