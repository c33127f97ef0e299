// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@Suite struct ProtobufTests {
    private func fields(_ bytes: [UInt8]) throws(WireFailure) -> [ProtobufField] {
        var reader = ProtobufReader(bytes[...])
        var fields: [ProtobufField] = []
        while let field = try reader.next() { fields.append(field) }
        return fields
    }

    @Test(arguments: [0, 1, 127, 128, 300, 16_383, 16_384, UInt64(UInt32.max), UInt64.max >> 1, UInt64.max])
    func `a number comes back as it was written`(number: UInt64) throws {
        var writer = ProtobufWriter()
        writer.write(varint: number, field: 5)
        let read = try fields(writer.bytes)
        #expect(read.map(\.number) == [5])
        #expect(try read.first?.varint() == number)
        #expect(read.first.map { Array($0.raw) } == writer.bytes)
    }

    @Test func `text, bytes, packed numbers, doubles and messages come back as they were written`() throws {
        var writer = ProtobufWriter()
        writer.write(string: "é😀", field: 1)
        writer.write(bytes: [0, 255], field: 2)
        writer.write(packed: [1, 300, .max], field: 536_870_911)
        writer.write(double: -0.5, field: 4)
        writer.write(message: 6) { $0.write(varint: 150, field: 1) }
        let read = try fields(writer.bytes)
        #expect(read.map(\.number) == [1, 2, 536_870_911, 4, 6])
        #expect(try read[0].string() == "é😀")
        #expect(try Array(read[1].bytes()) == [0, 255])
        #expect(try read[2].varints() == [1, 300, .max])
        #expect(try read[3].double() == -0.5)
        // The example of protobuf's own documentation: field 1, 150.
        #expect(try Array(read[4].bytes()) == [0x08, 0x96, 0x01])
    }

    @Test(
        arguments: [
            ([0x08], WireFailure.truncated), ([0x80], .truncated), ([0x0a, 5, 1], .truncated), ([0x0d, 1, 2, 3], .truncated),
            ([0x09, 1, 2, 3, 4, 5, 6, 7], .truncated),
            ([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], .truncated),
            ([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], .truncated),
            ([0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], .overlongVarint),
            ([0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], .overlongVarint),
            ([0x00, 0], .badFieldNumber), ([0x80, 0x80, 0x80, 0x80, 0x10, 0], .badFieldNumber),
            ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], .badFieldNumber), ([0x0b], .badWireType(3)),
            ([0x0c], .badWireType(4)),
            ([0x0e], .badWireType(6)), ([0x0f], .badWireType(7)),
        ] as [([UInt8], WireFailure)])
    func `a broken message fails with its reason`(bytes: [UInt8], failure: WireFailure) {
        #expect(throws: failure) { try fields(bytes) }
        #expect(!failure.reason.isEmpty)
    }

    @Test func `a field of another type than expected is a mismatch`() throws {
        let number = try #require(try fields([0x08, 1]).first)
        #expect(throws: WireFailure.mismatch(field: 1)) { try number.string() }
        #expect(throws: WireFailure.mismatch(field: 1)) { try number.double() }
        let text = try #require(try fields([0x0a, 2, 0xc0, 0xaf]).first)
        #expect(throws: WireFailure.notUTF8(field: 1)) { try text.string() }
        #expect(throws: WireFailure.mismatch(field: 1)) { try text.varint() }
        let fixed = try #require(try fields([0x0d, 1, 0, 0, 0]).first)
        #expect(throws: WireFailure.mismatch(field: 1)) { try fixed.varints() }
        let packed = try #require(try fields([0x0a, 1, 0x80]).first)
        #expect(throws: WireFailure.truncated) { try packed.varints() }
    }

    @Test func `random bytes never do more than fail`() {
        var state: UInt64 = 5
        for _ in 0..<20_000 {
            let bytes = (0..<24).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 33)
            }
            for field in (try? fields(bytes)) ?? [] {
                _ = try? field.varints()
                _ = try? field.string()
            }
        }
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `base64 is that of the RFC`(plain: String, encoded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(plain.utf8))
    }

    @Test func `every byte goes through base64`() {
        let all = (0...255).map { UInt8($0) }
        #expect(Base64.decode(Base64.encode(all)) == all)
    }

    @Test(arguments: ["Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z=g=", "====", "Zg==Zg==", "Zm 9", "Zm-v", "Zm9v\n", "é==="])
    func `what is no base64 is refused`(text: String) {
        #expect(Base64.decode(text) == nil)
    }
}
