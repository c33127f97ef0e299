// SPDX-License-Identifier: Apache-2.0

import Documents
import Testing

@Suite struct YAMLReaderTests {
    private func single(_ text: String) throws -> Value {
        let documents = try YAML.read(text)
        return try #require(documents.count == 1 ? documents.first : nil)
    }

    private func refusal(_ text: String, limits: DocumentLimits = DocumentLimits()) -> DocumentFailure? {
        do throws(DocumentFailure) {
            _ = try YAML.read(text, limits: limits)
            return nil
        } catch {
            return error
        }
    }

    @Test func `several documents come in order and empty ones are left out`() throws {
        let documents = try YAML.read("---\na: 1\n---\n# nothing\n---\n- x\n...\n")
        #expect(documents == [["a": 1], ["x"]])
    }

    @Test func `every node knows its line and column`() throws {
        let value = try single("kind: Service\nspec:\n  ports:\n  - {port: 80, name: web}\n")
        let ports = try #require(value["spec"]?["ports"])
        let port = try #require(ports.sequenceValue?.first?["port"])
        #expect(port.position == Position(line: 4, column: 12))
        #expect(value["spec"]?.mappingValue?.first?.keyPosition == Position(line: 3, column: 3))
    }

    @Test(
        arguments: [
            ("y", .bool(true)), ("n", .bool(false)), ("no", .bool(false)), ("Yes", .bool(true)), ("off", .bool(false)),
            ("~", .null), ("Null", .null), ("12", .integer(12)), ("-7", .integer(-7)), ("0x10", .integer(16)),
            ("0o17", .integer(15)),
            ("017", .integer(15)), ("0b101", .integer(5)), ("1_000", .integer(1000)), ("1.0", .number(1)), ("1.", .number(1)),
            (".5", .number(0.5)), ("-2.5e-3", .number(-0.0025)), ("1e3", .number(1000)), (".inf", .number(.infinity)),
            ("9223372036854775808", .number(9_223_372_036_854_775_808)), ("10.0.0.5", "10.0.0.5"), ("1:20", "1:20"),
            ("2001-01-01", "2001-01-01"), ("2001:db8::1", "2001:db8::1"), ("yep", "yep"), ("0x", "0x"), ("0xg", "0xg"),
            ("1e", "1e"),
            (".", "."), ("+", "+"), ("0x-1", "0x-1"), ("'y'", "y"), ("\"1.0\"", "1.0"), ("!!str no", "no"),
            ("!!int \"5\"", .integer(5)),
        ] as [(String, Value)])
    func `a scalar is what YAML 1_1 says it is`(text: String, expected: Value) throws {
        #expect(try single("v: \(text)")["v"] == expected)
    }

    @Test(arguments: [
        ("a: [", 2, "this is not YAML"), ("a: 1\n\tb: 2", 2, "this is not YAML"), ("a: 'x", 1, "this is not YAML"),
        ("a: 1\na: 2", 2, "the key `a` is there twice"), ("a: &x 1\nb: *x", 1, "anchors"), ("&a [*a]", 1, "anchors"),
        ("a: *b", 1, "anchors"), ("<<: {a: 1}", 1, "merge keys"), ("? [1]\n: 2", 1, "a key must be"),
        ("a: !!binary aGk=", 1, "the tag"), ("a: !!int x", 1, "the tag"), ("a: !custom {}", 1, "the tag"),
        ("a: 1\n\u{1}", 2, "this is not YAML"), ("<html>: <\n]", 2, "this is not YAML"),
    ])
    func `what is no document is refused with its line`(text: String, line: Int, message: String) throws {
        let failure = try #require(refusal(text))
        #expect(failure.message.hasPrefix(message), "\(failure.message)")
        #expect(failure.position.line == line)
    }

    @Test func `bytes that are no UTF-8 are refused with their place`() throws {
        do throws(DocumentFailure) {
            _ = try YAML.read(Array("a: 1\nb: ".utf8) + [0xff, 0xfe])
            Issue.record("accepted")
        } catch {
            #expect(error.position == Position(line: 2, column: 4))
        }
    }

    @Test func `a billion laughs are refused at the first`() throws {
        var text = "a: &a [lol, lol, lol]\n"
        for (before, name) in zip("abcdefgh", "bcdefghi") {
            text += "\(name): &\(name) [*\(before), *\(before), *\(before), *\(before), *\(before), *\(before), *\(before)]\n"
        }
        #expect(try #require(refusal(text)).position == Position(line: 1, column: 4))
    }

    @Test func `a text above the limit is refused without being parsed`() throws {
        var limits = DocumentLimits()
        limits.bytes = 100
        let failure = try #require(refusal(String(repeating: "]", count: 101), limits: limits))
        #expect(failure.message == "the text has 101 bytes; at most 100 are read")
        #expect(throws: DocumentFailure.self) { try DocumentLimits().check(size: 100 << 20) }
    }

    @Test(arguments: ["[", "{a: ", "- "])
    func `a text that nests too deep is refused`(opening: String) throws {
        let text = String(repeating: opening, count: 70)
        #expect(try #require(refusal(text)).message.contains("64 levels deep"))
    }

    @Test func `a text with too many values is refused`() throws {
        var limits = DocumentLimits()
        limits.nodes = 10
        #expect(refusal("[1, 2, 3, 4, 5, 6, 7, 8, 9]", limits: limits) == nil)
        #expect(try #require(refusal("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", limits: limits)).message.contains("more than 10"))
        #expect(try #require(refusal("{a: 1, b: 2, c: 3, d: 4, e: 5}", limits: limits)).message.contains("more than 10"))
    }
}
