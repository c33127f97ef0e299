// SPDX-License-Identifier: Apache-2.0

import Documents
import Testing

@Suite struct JSONTests {
    @Test(
        arguments: [
            ("null", .null), (" [1 , -2.5e1, true] ", [1, -25, true]), (#"{"a":{"b":[]},"c":""}"#, ["a": ["b": []], "c": ""]),
            (#""\u00e9\ud83d\ude00\n\/""#, "é😀\n/"), ("9223372036854775807", .integer(Int64.max)), ("0.1", 0.1), ("-0", 0),
            ("{}", [:]),
            ("9223372036854775808", .number(9_223_372_036_854_775_808)),
        ] as [(String, Value)])
    func `a JSON text is read`(text: String, expected: Value) throws {
        #expect(try JSON.read(text) == expected)
    }

    @Test(arguments: [
        "", " ", "nul", "tru", "01", "1.", ".5", "1e", "+1", "--1", "[1,]", "[1", "[1 2]", "{\"a\"}", "{\"a\":1,}", "{a:1}",
        "{\"a\":1 \"b\":2}",
        "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"", "1 1", "[] []",
        "1e999", "NaN",
        "'a'", "// x\n1", "{\"a\":1,\"a\":2}", "\u{feff}1", "{", "[", "{\"a\":",
    ])
    func `what is no JSON is refused`(text: String) {
        #expect(throws: DocumentFailure.self) { try JSON.read(text) }
    }

    @Test func `invalid UTF-8 in a string is refused`() {
        #expect(throws: DocumentFailure.self) { try JSON.read([0x22, 0xc0, 0xaf, 0x22]) }
        #expect(throws: DocumentFailure.self) { try JSON.read([0xff]) }
    }

    @Test(
        arguments: [
            (#"{"a":1,"x":{"b":[1,"]}",{"x":"\\\""}],"c":{}},"d":[{"x":null,"e":2}]}"#, ["a": 1, "d": [["e": 2]]]),
            (#"{"x":[]}"#, [:]), (#"{"x":-1.5e3,"y":true}"#, ["y": true]), (#"{"y":"x"}"#, ["y": "x"]), ("[1]", [1]),
        ] as [(String, Value)])
    func `members that nobody wants are passed over`(text: String, expected: Value) throws {
        #expect(try JSON.read(Array(text.utf8), without: "x") == expected)
    }

    @Test(arguments: [
        "{\"x\":", "{\"x\":[1", "{\"x\":{\"a\":\"b}", "{\"x\":\"\u{1}\"}", "{\"x\":nul}", "{\"x\":\"a\\", "{\"x\":1 2}",
    ])
    func `what is passed over has to be there and to end`(text: String) {
        #expect(throws: DocumentFailure.self) { try JSON.read(Array(text.utf8), without: "x") }
        #expect(throws: DocumentFailure.self) {
            try JSON.read(Array((#"{"x":"# + String(repeating: "[", count: 100_000)).utf8), without: "x")
        }
    }

    @Test func `a key of many that stands twice is refused`() {
        let keys = (0..<100).map { #""k\#($0)":0"# }
        #expect(throws: Never.self) { try JSON.read("{\(keys.joined(separator: ","))}") }
        for again in [0, 10, 20, 99] {
            #expect(throws: DocumentFailure.self) { try JSON.read("{\((keys + [keys[again]]).joined(separator: ","))}") }
        }
    }

    @Test func `nesting is bounded`() {
        #expect(throws: DocumentFailure.self) { try JSON.read(String(repeating: "[", count: 100_000)) }
        #expect(throws: DocumentFailure.self) { try JSON.read(String(repeating: "{\"a\":", count: 100_000)) }
        #expect(throws: Never.self) {
            try JSON.read(String(repeating: "[", count: 64) + String(repeating: "]", count: 64))
        }
    }

    @Test func `a failure names line and column`() {
        let failure = #expect(throws: DocumentFailure.self) { try JSON.read("{\n  \"a\": 1,\n  \"b\": x\n}") }
        #expect(failure?.position == Position(line: 3, column: 8))
    }

    @Test func `writing is compact, ordered and the same each time`() {
        let value: Value = ["b": [1, 2.5, .null, true], "a": ["x": "é\"\\\n\u{1b}[31m\u{9b}\u{2028}"], "c": [], "d": [:]]
        #expect(
            value.json == #"{"b":[1,2.5,null,true],"a":{"x":"é\"\\\n\u001b[31m\u009b\u2028"},"c":[],"d":{}}"#)
        #expect(Value.number(.nan).json == "null")
    }

    @Test func `pretty text has two spaces for each level`() {
        let value: Value = ["a": [1, ["b": 2]], "c": []]
        #expect(
            value.prettyJSON == """
                {
                  "a": [
                    1,
                    {
                      "b": 2
                    }
                  ],
                  "c": []
                }

                """)
    }
}

@Suite struct WriterTests {
    @Test(arguments: [
        "", "y", "no", "1.0", "0x10", "null", "~", " a", "a ", "a: b", "a #b", "- a", "10.0.0.5", "10.0", "1:20", "2001-01-01",
        "2001:db8::1",
        "a:", "@a", "*a", "&a", "!a", "%a", "é", "\u{7f}\u{85}\u{2028}\u{feff}", "line\nline", "\t", "{}", "[]", "'", "\"", "<<",
        "=", "|",
        "istio.io/dataplane-mode", "/run/warren/warrend.sock", String(repeating: "long ", count: 100), "0o17", "1_000", "+1",
        ".5", "-",
    ])
    func `a string that was written as YAML reads back as that string`(text: String) throws {
        let value: Value = .object([(text.isEmpty ? "key" : text, .string(text)), ("list", [.string(text), [.string(text)]])])
        #expect(try YAML.read(YAML.write(value)) == [value])
    }

    @Test(arguments: [999, 1000, 1023, 1024, 1025, 5000], ["a", "\u{7f}", "é"])
    func `a long key is found again, wherever it stands`(count: Int, text: String) throws {
        let key = String(repeating: text, count: count)
        let innermost = Value.object([(key, Value.string("x"))])
        let inner = Value.object([(key, innermost), ("short", Value.array([]))])
        let numbers = Value.array([.integer(1), .array([.integer(2)])])
        let list = Value.array([.object([(key, .array([.object([(key, .null)])]))])])
        let value = Value.object([(key, numbers), (key + "b", inner), ("list", list)])
        #expect(try YAML.read(YAML.write(value)) == [value])
        #expect(try YAML.read(YAML.write([value])) == [[value]])
    }

    @Test func `YAML looks as people write it`() {
        let value: Value = [
            "kind": "Service", "empty": [],
            "spec": ["ports": [["port": 80, "name": "web"], ["port": 81]], "on": [true, .null, "true"]],
        ]
        #expect(
            YAML.write(value) == """
                kind: Service
                empty: []
                spec:
                  ports:
                  - port: 80
                    name: web
                  - port: 81
                  "on":
                  - true
                  - null
                  - "true"

                """)
    }

    @Test func `random trees survive both ways in both formats`() throws {
        var random = SplitMix(seed: 7)
        for _ in 0..<300 {
            let value = random.tree(depth: 4)
            #expect(try JSON.read(value.json) == value)
            #expect(try JSON.read(value.prettyJSON) == value)
            // A document that is null is no document.
            #expect(try YAML.read(YAML.write(["root": value])) == [["root": value]])
        }
    }

    @Test func `random bytes never do more than fail`() {
        var random = SplitMix(seed: 11)
        let alphabet = Array("{}[]:,-\"'&*!|>#%@`\\ \n\tabc019.~<?u\u{85}é".utf8)
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0..<60, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            _ = try? YAML.read(bytes)
            _ = try? JSON.read(bytes)
        }
    }
}

/// Repeatable random numbers: a failure shows again with the same seed.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func tree(depth: Int) -> Value {
        switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &self) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &self))
        case 2: return .integer(Int64.random(in: .min ... .max, using: &self))
        case 3: return .number(Double.random(in: -1e9...1e9, using: &self))
        case 4, 5: return .string(word())
        case 6: return .array((0..<Int.random(in: 0..<4, using: &self)).map { _ in tree(depth: depth - 1) })
        default:
            let keys = Set((0..<Int.random(in: 0..<4, using: &self)).map { _ in word() })
            return .object(keys.sorted().map { ($0, tree(depth: depth - 1)) })
        }
    }

    private mutating func word() -> String {
        let letters = Array("abyno019.:-_/ #'\"\\\n\u{7f}é😀{[")
        return String((0..<Int.random(in: 0..<8, using: &self)).map { _ in letters.randomElement(using: &self) ?? "x" })
    }
}
