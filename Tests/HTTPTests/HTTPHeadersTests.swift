// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

@Suite struct HTTPHeadersTests {
    private let headers: HTTPHeaders = ["Host": "a", "accept": "x", "ACCEPT": "y"]

    @Test func `fields are found whatever their case, in order`() {
        #expect(headers["host"] == "a")
        #expect(headers["Accept"] == "x")
        #expect(headers.values("accept") == ["x", "y"])
        #expect(headers["hos"] == nil)
        #expect(headers["hostt"] == nil)
        #expect(headers.contains("HOST"))
        #expect(headers.map(\.name) == ["Host", "accept", "ACCEPT"])
    }

    @Test func `setting replaces all of a name, removing leaves the others`() {
        var headers = headers
        headers.set("accept", "z")
        #expect(headers == ["Host": "a", "accept": "z"])
        headers.remove("HOST")
        #expect(headers.map(\.value) == ["z"])
        headers.remove("nothing")
        #expect(headers.count == 1)
    }

    @Test func `no value brings a line of its own`() {
        let headers: HTTPHeaders = ["x\r\ny": "a\r\nset-cookie: b\0c\u{7f}\td"]
        #expect(headers.first?.name == "x  y")
        #expect(headers.first?.value == "a  set-cookie: b c \td")
    }

    @Test func `equal lists are equal whatever was removed from them`() {
        var headers: HTTPHeaders = ["a": "1", "b": "2"]
        headers.remove("a")
        #expect(headers == ["b": "2"])
        #expect(headers.hashValue == (["b": "2"] as HTTPHeaders).hashValue)
        #expect(headers.listSize == 34)
    }
}
