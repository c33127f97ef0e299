// SPDX-License-Identifier: Apache-2.0

import Documents
import Testing

@testable import ResourceAPI

/// Bodies of requests, of every kind that clients and others send.
@Suite struct RequestBodyTests {
    @Test func `JSON and YAML are read, by what they say they are`() throws {
        let json = Array(#"{"kind":"Service"}"#.utf8)
        for type in ["", "application/json", "Application/JSON; charset=utf-8"] {
            #expect(try RequestBody.object(json, contentType: type) == ["kind": "Service"])
        }
        #expect(try RequestBody.object(Array("kind: Service\n".utf8), contentType: "application/yaml") == ["kind": "Service"])
        #expect(try RequestBody.patch(Array("kind: Service\n".utf8), .apply) == ["kind": "Service"])
    }

    @Test(arguments: ["text/html", "application/merge-patch+json"])
    func `another type is refused`(_ type: String) {
        #expect(failure { _ = try RequestBody.object(Array("{}".utf8), contentType: type) }?.reason.code == 415)
    }

    @Test func `what is malformed, deep or large is refused`() {
        let deep = String(repeating: "[", count: 100_000)
        let wide = "[" + String(repeating: "0,", count: 300_000) + "0]"
        for text in ["", "{", "{}{}", deep, wide, #"{"a":1,"a":2}"#, "\u{0}", #"{"a":"\ud800"}"#] {
            #expect(failure { _ = try RequestBody.object(Array(text.utf8), contentType: "") }?.reason == .badRequest)
        }
        for text in ["a: &x [*x]", "a: [b", "--- 1\n--- 2\n", "", "a: !!python/object x", String(repeating: "- ", count: 1000)] {
            #expect(failure { _ = try RequestBody.patch(Array(text.utf8), .apply) }?.reason == .badRequest)
        }
        let huge = [UInt8](repeating: 0x20, count: RequestBody.maximumBytes + 1)
        #expect(failure { _ = try RequestBody.object(huge, contentType: "") }?.reason == .tooLarge)
    }

    @Test func `which patches a kind takes`() throws {
        #expect(try PatchType(contentType: "application/strategic-merge-patch+json", kind: .service) == .strategicMerge)
        #expect(try PatchType(contentType: "application/json-patch+json", kind: .workloadEntry) == .json)
        let refused = failure { _ = try PatchType(contentType: "application/strategic-merge-patch+json", kind: .workloadEntry) }
        #expect(refused?.reason == .unsupportedMediaType && refused?.message.contains("merge-patch+json") == true)
        #expect(failure { _ = try PatchType(contentType: "", kind: .service) }?.reason == .unsupportedMediaType)
    }

    @Test func `a DELETE says its conditions in the body`() throws {
        let body: Value = [
            "kind": "DeleteOptions", "apiVersion": "v1", "preconditions": ["uid": "u", "resourceVersion": "3"],
            "propagationPolicy": "Background", "gracePeriodSeconds": 0, "dryRun": ["All"],
        ]
        let options = try DeleteOptions(RequestOptions(), body: body)
        #expect(options.uid == "u" && options.resourceVersion == "3" && options.isDryRun && options.propagation == .background)
        for wrong in [["kind": "Service"], [], ["gracePeriodSeconds": -1], ["propagationPolicy": "x"], ["dryRun": "All"]]
            as [Value]
        {
            #expect(failure { _ = try DeleteOptions(RequestOptions(), body: wrong) }?.reason == .badRequest)
        }
        #expect(try DeleteOptions(RequestOptions(), body: nil) == DeleteOptions(RequestOptions(), body: .null))
    }
}
