// SPDX-License-Identifier: Apache-2.0

import Documents
import Testing

@testable import ResourceAPI

/// RFC 7386, with its own examples (appendix A).
@Suite struct MergePatchTests {
    @Test(arguments: [
        (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
        (#"{"a":"b"}"#, #"{"a":null}"#, "{}"), (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#),
        (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
        (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#),
        (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#), (#"["a","b"]"#, #"["c","d"]"#, #"["c","d"]"#),
        (#"{"a":"b"}"#, #"["c"]"#, #"["c"]"#), (#"{"a":"foo"}"#, "null", "null"), (#"{"a":"foo"}"#, #""bar""#, #""bar""#),
        (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#), ("[1,2]", #"{"a":"b","c":null}"#, #"{"a":"b"}"#),
        ("{}", #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
    ]) func `the examples of the RFC`(_ target: String, _ patch: String, _ result: String) throws {
        #expect(MergePatch.apply(try read(patch), to: try read(target)) == (try read(result)))
    }

    @Test func `keys keep their order and new ones come last`() throws {
        let merged = MergePatch.apply(try read(#"{"c":3,"a":9,"b":null}"#), to: try read(#"{"a":1,"b":2,"d":4}"#))
        #expect(merged.mappingValue?.map(\.key) == ["a", "d", "c"])
    }

    @Test func `a key that was removed may come again`() {
        var entries = EntryList(["a": 1, "b": 2])
        #expect(entries.remove("a") && !entries.remove("a"))
        entries.set("a", 3)
        #expect(entries.value.mappingValue?.map(\.key) == ["b", "a"] && entries["a"] == 3)
    }
}

/// JSON as a tree.
func read(_ text: String) throws -> Value { try JSON.read(Array(text.utf8)) }
