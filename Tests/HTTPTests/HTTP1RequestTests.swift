// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// All requests of these bytes, or the failure.
private func parse(_ text: String, pieces: Int = .max) -> (requests: [HTTP1Request], failure: HTTP1Failure?) {
    var parser = HTTP1RequestParser()
    var requests: [HTTP1Request] = []
    let bytes = Array(text.utf8)
    var start = 0
    do throws(HTTP1Failure) {
        while start < bytes.count {
            let end = min(bytes.count, start + min(pieces, bytes.count))
            try feed(&parser, bytes[start..<end])
            while let request = try parser.next() { requests.append(request) }
            start = end
        }
        return (requests, nil)
    } catch {
        return (requests, error)
    }
}

private func feed(_ parser: inout HTTP1RequestParser, _ bytes: ArraySlice<UInt8>) throws(HTTP1Failure) {
    var failure: HTTP1Failure?
    unsafe bytes.withUnsafeBytes { bytes in
        do throws(HTTP1Failure) { try unsafe parser.feed(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
}

/// What the body throws.
private func failure(_ body: () throws(HTTP1Failure) -> Void) -> HTTP1Failure? {
    do throws(HTTP1Failure) { try body() } catch { return error }
    return nil
}

@Suite struct HTTP1RequestTests {
    @Test func `a request of curl is read`() {
        let (requests, failure) = parse(
            "GET /workloads?output=json HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n")
        #expect(failure == nil)
        let headers: HTTPHeaders = ["Host": "localhost", "User-Agent": "curl/7.88.1", "Accept": "*/*"]
        #expect(requests == [HTTP1Request(path: "/workloads", query: [.init("output", "json")], headers: headers)])
        #expect(requests.first?.parameter("output") == "json")
        #expect(requests.first?.keepsAlive == true)
    }

    private static let conversation =
        "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nPUT /log?level=debug HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
        + "\r\nPOST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nfirst\r\n6\r\nsecond\r\n0\r\nTrailer: x\r\n\r\n"
        + "HEAD /ready HTTP/1.0\r\n\r\n"

    @Test(arguments: [1, 2, 3, 7, 50, Int.max])
    func `requests one after the other, in pieces of any size, say the same`(_ pieces: Int) {
        let (requests, failure) = parse(Self.conversation, pieces: pieces)
        #expect(failure == nil)
        #expect(requests.map(\.method) == ["GET", "PUT", "POST", "HEAD"])
        #expect(requests.map(\.path) == ["/metrics", "/log", "/x", "/ready"])
        #expect(requests.map { String(decoding: $0.body, as: UTF8.self) } == ["", "hello", "firstsecond", ""])
        #expect(requests.map(\.keepsAlive) == [true, true, true, false])
        #expect(requests.last?.headers.isEmpty == true)
    }

    @Test(arguments: [
        ("/a%20b/c%2Fd", "/a b/c/d"), ("/", "/"), ("/%C3%A9", "/é"), ("http://host:80/x", "/x"), ("*", "*"), ("/a?b=1", "/a"),
        ("//x", "//x"),
    ])
    func `the path is decoded`(_ target: String, _ path: String) {
        #expect(parse("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n").requests.first?.path == path)
    }

    @Test func `the query is decoded, in order`() {
        let request = parse("GET /?a=1&b=x+y%26z&a=2&flag&=v HTTP/1.1\r\nHost: a\r\n\r\n").requests.first
        #expect(request?.query == [.init("a", "1"), .init("b", "x y&z"), .init("a", "2"), .init("flag", ""), .init("", "v")])
        #expect(request?.parameter("a") == "1")
    }

    @Test(arguments: [
        ("HTTP/1.1", "Connection: close", false), ("HTTP/1.1", "Connection: Keep-Alive , CLOSE", false),
        ("HTTP/1.1", "Connection: upgrade", true),
        ("HTTP/1.0", "Connection: keep-alive", true), ("HTTP/1.0", "X: y", false),
    ])
    func `the connection goes on as version and header say`(_ version: String, _ header: String, _ keepsAlive: Bool) {
        #expect(parse("GET / \(version)\r\nHost: a\r\n\(header)\r\n\r\n").requests.first?.keepsAlive == keepsAlive)
    }

    private static let head = "POST / HTTP/1.1\r\nHost: a\r\n"

    @Test(arguments: [
        "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\n\r\n", "GET / HTTP/1.1\rHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "GET x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /% HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%0g HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%+1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", "GET /é HTTP/1.1\r\nHost: a\r\n\r\n", "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        head + "Host : b\r\n\r\n", head + " folded\r\n\r\n", head + "\tfolded\r\n\r\n", head + ": empty\r\n\r\n",
        head + "no colon\r\n\r\n",
        head + "na me: x\r\n\r\n", head + "näme: x\r\n\r\n",
        head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", head + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
        head + "Content-Length: 5, 5\r\n\r\n", head + "Content-Length: +5\r\n\r\n", head + "Content-Length: -1\r\n\r\n",
        head + "Content-Length: 0x5\r\n\r\n", head + "Content-Length:\r\n\r\n",
        head + "Content-Length: 9999999999999999999\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\nx\r\n", head + "Transfer-Encoding: chunked\r\n\r\n\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", head + "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n", head + "Transfer-Encoding: chunked\r\n\r\n5 5\r\nhello\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloo\r\n", head + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\n123456789\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n",
    ])
    func `what two readers could understand differently is refused with 400`(_ text: String) {
        let (requests, failure) = parse(text)
        #expect(requests == [])
        #expect(failure?.status == 400)
        #expect(parse(text, pieces: 1).failure == failure)
    }

    @Test(arguments: [
        ("GET / HTTP/2.0\r\n\r\n", 505), ("GET / http/1.1\r\n\r\n", 505), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("GET / HTTP/1.11\r\n\r\n", 505), (head + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        (head + "Transfer-Encoding: identity\r\n\r\n", 501),
        (head + "Transfer-Encoding: \u{b}chunked\r\n\r\n", 400), (head + "Content-Length: 1048577\r\n\r\n", 413),
        (head + "Transfer-Encoding: chunked\r\n\r\n100001\r\n", 413),
        (head + "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413),
        ("GET /" + String(repeating: "a", count: 8192) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (String(repeating: "a", count: 8193), 414),
        (head + "X: " + String(repeating: "a", count: 65536) + "\r\n\r\n", 431),
        (head + String(repeating: "a", count: 65537), 431),
        (head + String(repeating: "a: b\r\n", count: 101) + "\r\n", 431),
        (head + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + String(repeating: "a: b\r\n", count: 101) + "\r\n", 431),
    ])
    func `what is too much or unknown is refused with its own status`(_ text: String, _ status: Int) {
        #expect(parse(text).failure?.status == status)
    }

    @Test func `a failure stays`() throws {
        var parser = HTTP1RequestParser()
        try feed(&parser, Array("BAD\r\n\r\n".utf8)[...])
        for _ in 0..<2 { #expect(failure { () throws(HTTP1Failure) in _ = try parser.next() } != nil) }
        let good = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        #expect(failure { () throws(HTTP1Failure) in try feed(&parser, good[...]) } != nil)
        let isWithinRequest = parser.isWithinRequest
        #expect(!isWithinRequest)
    }

    @Test func `a body of a megabyte is taken, byte for byte`() {
        let body = String(repeating: "0123456789abcdef", count: 65536)
        let (requests, failure) = parse(Self.head + "Content-Length: 1048576\r\n\r\n" + body, pieces: 10_000)
        #expect(failure == nil)
        #expect(requests.first?.body == Array(body.utf8))
    }

    @Test func `a peer that sends ahead without end is cut off`() {
        var parser = HTTP1RequestParser()
        let piece = [UInt8](repeating: 97, count: 65536)[...]
        let refusal = failure { () throws(HTTP1Failure) in for _ in 0..<100 { try feed(&parser, piece) } }
        #expect(refusal?.status == 413)
    }

    @Test func `who waits for a word gets it once, and only while it waits`() throws {
        var parser = HTTP1RequestParser()
        try feed(&parser, Array("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n".utf8)[...])
        let early = try parser.next()
        #expect(early == nil)
        let (isWithin, first, second) = (parser.isWithinRequest, parser.takeContinue(), parser.takeContinue())
        #expect(isWithin && first && !second)
        try feed(&parser, Array("ok".utf8)[...])
        let request = try parser.next()
        #expect(request?.body == Array("ok".utf8))
        try feed(&parser, Array("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok".utf8)[...])
        let whole = try parser.next()
        let third = parser.takeContinue()
        #expect(whole != nil && !third)
    }

    @Test func `noise never traps and never loops`() {
        var generator = SplitMix(state: 3)
        let pieces = [
            "GET ", "/", " HTTP/1.1", "\r\n", "\r", "\n", "Host: a", "Content-Length: ", "5", "Transfer-Encoding: chunked", "0",
            ":", " ", "%", "é", "\0",
        ]
        for _ in 0..<5000 {
            let text = (0..<Int.random(in: 0..<20, using: &generator)).map { _ in
                pieces[Int.random(in: 0..<16, using: &generator)]
            }.joined()
            _ = parse(text, pieces: 5)
        }
    }

    @Test func `a client's request is what a server reads`() {
        var request = HTTP1Request(
            method: "PUT", path: "/log/a b?c/é", query: [.init("level", "a&b=c d"), .init("x", "")], headers: ["x-y": "z"],
            body: Array("hello".utf8))
        let (requests, failure) = parse(String(decoding: request.serialized(), as: UTF8.self))
        #expect(failure == nil)
        request.headers = ["host": "localhost", "content-length": "5", "x-y": "z"]
        #expect(requests == [request])
    }

    @Test func `a client's request can't be split`() {
        let request = HTTP1Request(
            method: "GET / HTTP/1.1\r\nX", path: "/a HTTP/1.1\r\nEvil: 1\r\n\r\n", query: [.init("a\r\n", "b\r\n")],
            headers: ["a": "b\r\nEvil: 1"])
        let (requests, failure) = parse(String(decoding: request.serialized(), as: UTF8.self))
        #expect(failure == nil)
        #expect(requests.count == 1)
        #expect(requests.first?.path == "/a HTTP/1.1\r\nEvil: 1\r\n\r\n")
        #expect(requests.first?.headers["evil"] == nil)
    }
}
