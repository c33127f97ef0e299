// SPDX-License-Identifier: Apache-2.0

import Documents
import Testing

@testable import ResourceAPI

/// RFC 6902 and RFC 6901, with their own examples, and what a patch must not do to us.
@Suite struct JSONPatchTests {
    private func apply(_ patch: String, to target: String) throws -> Value {
        try JSONPatch(read(patch)).apply(to: read(target))
    }

    private func refusal(_ patch: String, to target: String = "{}") throws -> APIStatus? {
        do {
            _ = try apply(patch, to: target)
            return nil
        } catch let status as APIStatus {
            return status
        }
    }

    @Test(arguments: [
        (#"{"foo":"bar"}"#, #"[{"op":"add","path":"/baz","value":"qux"}]"#, #"{"baz":"qux","foo":"bar"}"#),
        (#"{"foo":["bar","baz"]}"#, #"[{"op":"add","path":"/foo/1","value":"qux"}]"#, #"{"foo":["bar","qux","baz"]}"#),
        (#"{"baz":"qux","foo":"bar"}"#, #"[{"op":"remove","path":"/baz"}]"#, #"{"foo":"bar"}"#),
        (#"{"foo":["bar","qux","baz"]}"#, #"[{"op":"remove","path":"/foo/1"}]"#, #"{"foo":["bar","baz"]}"#),
        (#"{"baz":"qux","foo":"bar"}"#, #"[{"op":"replace","path":"/baz","value":"boo"}]"#, #"{"baz":"boo","foo":"bar"}"#),
        (
            #"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            #"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
            #"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#
        ),
        (
            #"{"foo":["all","grass","cows","eat"]}"#, #"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
            #"{"foo":["all","cows","eat","grass"]}"#
        ),
        (
            #"{"baz":"qux","foo":["a",2,"c"]}"#,
            #"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]"#,
            #"{"baz":"qux","foo":["a",2,"c"]}"#
        ),
        (
            #"{"foo":"bar"}"#, #"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
            #"{"foo":"bar","child":{"grandchild":{}}}"#
        ),
        (#"{"foo":"bar"}"#, #"[{"op":"add","path":"/baz","value":"qux","xyz":123}]"#, #"{"foo":"bar","baz":"qux"}"#),
        (#"{"/":9,"~1":10}"#, #"[{"op":"test","path":"/~01","value":10}]"#, #"{"/":9,"~1":10}"#),
        (#"{"foo":["bar"]}"#, #"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#, #"{"foo":["bar",["abc","def"]]}"#),
        (
            #"{"a":{"b":[1]}}"#, #"[{"op":"copy","from":"/a/b","path":"/a/c"},{"op":"replace","path":"/a/b/0","value":2}]"#,
            #"{"a":{"b":[2],"c":[1]}}"#
        ),
        (#"{"a":1}"#, #"[{"op":"replace","path":"","value":[]}]"#, "[]"),
        (#"{"a":null}"#, #"[{"op":"move","from":"/a","path":"/a"}]"#, #"{"a":null}"#),
    ]) func `the examples of the RFC`(_ target: String, _ patch: String, _ result: String) throws {
        #expect(try apply(patch, to: target) == (try read(result)))
    }

    @Test(arguments: [
        (#"[{"op":"test","path":"/baz","value":"bar"}]"#, "operation 0", "test of /baz failed"),
        (
            #"[{"op":"add","path":"/baz","value":1},{"op":"add","path":"/x/bat","value":"qux"}]"#, "operation 1",
            "nothing stands at `x`"
        ),
        (#"[{"op":"test","path":"/~01","value":"10"}]"#, "operation 0", "there is no /~01"),
        (#"[{"op":"replace","path":"/none","value":1}]"#, "operation 0", "no /none"),
        (#"[{"op":"remove","path":"/none"}]"#, "operation 0", "no /none"),
        (#"[{"op":"remove","path":""}]"#, "operation 0", "whole document"),
        (#"[{"op":"move","from":"/baz","path":"/baz/x"}]"#, "operation 0", "into itself"),
        (#"[{"op":"add","path":"/list/4","value":1}]"#, "operation 0", "list of 3"),
        (#"[{"op":"add","path":"/list/01","value":1}]"#, "operation 0", "list of 3"),
        (#"[{"op":"remove","path":"/list/-"}]"#, "operation 0", "no /list/-"),
        (#"[{"op":"remove","path":"/list/3"}]"#, "operation 0", "no /list/3"),
        (#"[{"op":"add","path":"/list/99999999999999999999","value":1}]"#, "operation 0", "list of 3"),
        (#"[{"op":"add","path":"/baz/x","value":1}]"#, "operation 0", "a string"),
    ]) func `what can't be done is refused, with the operation and the reason`(_ patch: String, _ which: String, _ why: String)
        throws
    {
        let status = try #require(try refusal(patch, to: #"{"baz":"qux","list":[1,2,3]}"#))
        #expect(status.reason == .invalid && status.message.contains(which) && status.message.contains(why), "\(status.message)")
    }

    @Test(arguments: [
        "{}", "null", #"["add"]"#, #"[{}]"#, #"[{"op":"merge","path":"/a"}]"#, #"[{"op":"add","path":"/a"}]"#,
        #"[{"op":"add","value":1}]"#,
        #"[{"op":"add","path":"a","value":1}]"#, #"[{"op":"add","path":"/~2","value":1}]"#,
        #"[{"op":"add","path":"/~","value":1}]"#,
        #"[{"op":"move","path":"/a"}]"#, #"[{"op":1,"path":"/a"}]"#, #"[{"op":"remove","path":["a"]}]"#,
    ]) func `what is no patch is a bad request`(_ patch: String) throws {
        #expect(try refusal(patch)?.reason == .badRequest)
    }

    @Test func `a document can't be doubled without end`() throws {
        let copies = Array(repeating: #"{"op":"copy","from":"/a","path":"/a/-"}"#, count: 40).joined(separator: ",")
        #expect(try refusal("[\(copies)]", to: #"{"a":[1]}"#)?.message.contains("100000") == true)
    }

    @Test func `a document can't be made deeper than it can be read`() throws {
        func copies(_ count: Int) -> String {
            "[" + Array(repeating: #"{"op":"copy","from":"","path":"/a"}"#, count: count).joined(separator: ",") + "]"
        }
        let deepest = try apply(copies(DocumentLimits().depth - 1), to: "{}")
        #expect(try read(deepest.json) == deepest)
        #expect(try refusal(copies(DocumentLimits().depth))?.message.contains("deeper") == true)
    }

    @Test func `too many operations, or too many for a document, are refused before they are tried`() throws {
        let add = #"{"op":"add","path":"/a/-","value":1}"#
        let many = Array(repeating: add, count: JSONPatch.maximumOperations)
        let all = try apply("[\(many.joined(separator: ","))]", to: #"{"a":[]}"#)
        #expect(all["a"]?.sequenceValue?.count == many.count)
        #expect(try refusal("[\((many + [add]).joined(separator: ","))]", to: #"{"a":[]}"#)?.reason == .badRequest)
        let hundred = many.prefix(100).joined(separator: ",")
        let large = "[" + Array(repeating: "1", count: 50_000).joined(separator: ",") + "]"
        #expect(try refusal("[\(hundred)]", to: #"{"a":\#(large)}"#)?.reason == .tooLarge)
    }

    @Test(arguments: ["", "/", "/a/b", "/a~1b", "/m~0n", "/~01", "//", "/ ", "/é"]) func `a pointer is written as it was read`(
        _ text: String
    ) throws {
        #expect(try #require(JSONPointer(text)).description == text)
    }

    @Test func `a pointer may be as deep as a document and no deeper`() {
        let deepest = String(repeating: "/a", count: JSONPointer.maximumDepth)
        #expect(JSONPointer(deepest)?.tokens.count == JSONPointer.maximumDepth)
        #expect(JSONPointer(deepest + "/a") == nil)
    }
}
