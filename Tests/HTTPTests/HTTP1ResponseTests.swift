// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

@Suite struct HTTP1ResponseTests {
    /// All responses of these bytes, and what the end of the connection adds; or the failure.
    private func parse(
        _ text: String, pieces: Int = .max, isHead: Bool = false, ends: Bool = true
    ) -> (responses: [HTTP1Response], keepsAlive: Bool, failure: HTTP1Failure?) {
        var parser = HTTP1ResponseParser()
        parser.answersHead = isHead
        var responses: [HTTP1Response] = []
        let bytes = Array(text.utf8)
        var start = 0
        do throws(HTTP1Failure) {
            while start < bytes.count {
                let end = min(bytes.count, start + min(pieces, bytes.count))
                try feed(&parser, bytes[start..<end])
                while let response = try parser.next() { responses.append(response) }
                start = end
            }
            if ends, let response = try parser.end() { responses.append(response) }
            return (responses, parser.keepsAlive, nil)
        } catch {
            return (responses, parser.keepsAlive, error)
        }
    }

    private func feed(_ parser: inout HTTP1ResponseParser, _ bytes: ArraySlice<UInt8>) throws(HTTP1Failure) {
        var failure: HTTP1Failure?
        unsafe bytes.withUnsafeBytes { bytes in
            do throws(HTTP1Failure) { try unsafe parser.feed(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    @Test(arguments: [1, 3, 40, Int.max])
    func `what our server writes is what our client reads`(_ pieces: Int) {
        let responses = [
            HTTP1Response(status: 200, headers: ["content-type": "application/json"], body: Array("{}".utf8)),
            HTTP1Response(status: 404, "no such thing\n"), HTTP1Response(status: 204), HTTP1Response(status: 200),
        ]
        let text = responses.map { String(decoding: $0.serialized(), as: UTF8.self) }.joined()
        let read = parse(text, pieces: pieces)
        #expect(read.failure == nil)
        #expect(read.keepsAlive)
        #expect(read.responses.map(\.status) == [200, 404, 204, 200])
        #expect(read.responses.map(\.body) == responses.map(\.body))
        #expect(read.responses[1].headers["content-type"] == "text/plain; charset=utf-8")
    }

    @Test(arguments: [1, Int.max])
    func `chunks are put together`(_ pieces: Int) {
        let text =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n00000A ;x=\"y\"\r\n0123456789\r\n000\r\nx: y\r\n\r\n"
        #expect(parse(text, pieces: pieces).responses.first?.body == Array("abc0123456789".utf8))
    }

    @Test func `a body without a length ends with the connection`() {
        let read = parse("HTTP/1.0 200 OK\r\n\r\nall of it", pieces: 4)
        #expect(read.responses.first?.body == Array("all of it".utf8))
        #expect(!read.keepsAlive)
        #expect(parse("HTTP/1.0 200 OK\r\n\r\nall of it", ends: false).responses == [])
    }

    @Test func `the answer to HEAD has no body`() {
        let response = HTTP1Response("hello")
        let text = String(decoding: response.serialized(isHead: true, keepsAlive: false), as: UTF8.self)
        #expect(text.hasSuffix("\r\n\r\n"))
        #expect(text.contains("content-length: 5\r\n"))
        let read = parse(text, isHead: true)
        #expect(read.responses.first?.body == [])
        #expect(!read.keepsAlive)
    }

    @Test func `informational responses are passed over`() {
        let text = String(decoding: HTTP1Response.continuing + HTTP1Response("x").serialized(), as: UTF8.self)
        #expect(parse(text).responses.map(\.status) == [200])
    }

    @Test func `nothing at all is no response`() {
        #expect(parse("").responses == [])
        #expect(parse("").failure == nil)
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "HTTP",
    ])
    func `I12 a response that is cut off is a failure, not a shorter response`(_ text: String) {
        let read = parse(text)
        #expect(read.responses == [])
        #expect(read.failure != nil)
    }

    @Test(arguments: [
        "HTTP/2 200\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 600 OK\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1\r\n\r\n", "\r\n\r\n", "SSH-2.0-x\r\n", "HTTP/1.1 200 OK\nX: y\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: " + String(repeating: "a", count: 16384) + "\r\n\r\n",
    ])
    func `what is no response is a failure`(_ text: String) {
        let read = parse(text, ends: false)
        #expect(read.responses == [])
        #expect(read.failure != nil)
    }

    @Test func `a large body in small pieces is appended, not copied each time`() {
        let body = String(repeating: "x", count: 8 << 20)
        let read = parse("HTTP/1.1 200 OK\r\nContent-Length: \(8 << 20)\r\n\r\n" + body, pieces: 16384)
        #expect(read.responses.first?.body.count == 8 << 20)
    }

    @Test func `a failure says itself what a server answers`() {
        let failure = parse("HTTP/3 200 OK\r\n").failure
        #expect(failure.map(HTTP1Response.init)?.status == 505)
    }
}
