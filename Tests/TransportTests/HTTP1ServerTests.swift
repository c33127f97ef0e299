// SPDX-License-Identifier: Apache-2.0

import HTTP
import Kernel
import Loop
import Support
import Testing

@testable import Transport

/// The HTTP/1 server with clients as they should be.
@Suite struct HTTP1ServerTests {
    @Test func `a request is answered, and the connection is kept for the next`() throws {
        let bench = try ServerBench()
        let client = try bench.client(get("/one"))
        try bench.run("the first answer") { client.text.hasSuffix("GET /one \n") }
        client.send(get("/two"))
        try bench.run("the second answer") { client.text.hasSuffix("GET /two \n") }
        #expect(client.answers(200) == 2)
        bench.settle()
        #expect(client.end == nil)
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nhost: a\r\n\r\n",
    ]) func `a client that wants no second answer sees the end behind the first`(_ request: String) throws {
        let bench = try ServerBench()
        let client = try bench.client(request)
        try bench.run("the end") { client.end != nil }
        #expect(client.end == .finished)
        #expect(client.answers(200) == 1)
        #expect(client.text.contains("connection: close\r\n"))
    }

    @Test func `a request that comes byte by byte is a request`() throws {
        let bench = try ServerBench()
        let client = try bench.client()
        for byte in Array("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello".utf8) {
            client.send([byte])
            bench.turn()
        }
        try bench.run("the answer") { client.text.hasSuffix("POST /x hello\n") }
        #expect(bench.requests.count == 1)
    }

    @Test func `requests in one piece are answered one after the other, each once the last one was`() throws {
        let bench = try ServerBench()
        bench.isLate = true
        let client = try bench.client(get("/1") + get("/2") + get("/3"))
        for number in 1...3 {
            try bench.run("request \(number)") { bench.requests.count == number }
            bench.settle()
            #expect(bench.requests.count == number, "asked before the last answer was given")
            bench.owed[number - 1](HTTP1Response("answer \(number)\n"))
        }
        try bench.run("the answers") { client.answers(200) == 3 }
        let places = (1...3).compactMap { client.text.firstRange(of: "answer \($0)\n")?.lowerBound }
        #expect(places.count == 3 && places == places.sorted())
    }

    @Test func `thousands of requests in one piece are answered without going deeper for each`() throws {
        let bench = try ServerBench()
        bench.respond = { _ in HTTP1Response(status: 204) }
        let request = "GET / HTTP/1.1\r\nhost:\r\n\r\n"
        let client = try bench.client(String(repeating: request, count: 20_000))
        try bench.run("all answers") { client.received == 20_000 * "HTTP/1.1 204 No Content\r\n\r\n".utf8.count }
        #expect(bench.requests.count == 20_000)
    }

    @Test func `the answer to a HEAD has the length of a GET's and no body`() throws {
        let bench = try ServerBench()
        let client = try bench.client("HEAD /x HTTP/1.1\r\nhost: a\r\n\r\n" + get("/y"))
        try bench.run("both answers") { client.text.hasSuffix("GET /y \n") }
        #expect(client.text.contains("content-length: 9\r\n"))
        #expect(!client.text.contains("HEAD /x"))
        #expect(client.answers(200) == 2)
    }

    @Test func `a client that waits for a word before its body gets it`() throws {
        let bench = try ServerBench()
        let client = try bench.client("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n")
        try bench.run("the word") { client.answers(100) == 1 }
        #expect(bench.requests.isEmpty)
        client.send("body")
        try bench.run("the answer") { client.text.hasSuffix("POST /x body\n") }
    }

    @Test func `a large answer reaches a slow reader whole, and others aren't kept waiting`() throws {
        let bench = try ServerBench()
        let body = [UInt8](repeating: 0x61, count: 20_000_000)
        bench.respond = { $0.path == "/large" ? HTTP1Response(status: 200, body: body) : HTTP1Response("small\n") }
        let slow = try bench.client(get("/large"))
        slow.isReading = false
        try bench.run("the request") { bench.requests.count == 1 }
        let other = try bench.client(get("/small"))
        try bench.run("the other's answer") { other.text.hasSuffix("small\n") }
        slow.isReading = true
        try bench.run("all of it") { slow.received > body.count }
        let head = try #require(slow.text.firstRange(of: "\r\n\r\n"))
        let headCount = slow.text.utf8.distance(from: slow.text.startIndex, to: head.upperBound)
        #expect(slow.received == headCount + body.count)
        slow.send(get("/small"))
        let before = slow.received
        try bench.run("its next answer") { slow.received > before }
    }

    @Test func `many clients at once each get their own`() throws {
        let bench = try ServerBench()
        let clients = try (0..<50).map { try bench.client(get("/\($0)")) }
        try bench.run("all") { clients.allSatisfy { $0.answers(200) == 1 } }
        for (number, client) in clients.enumerated() { #expect(client.text.hasSuffix("GET /\(number) \n")) }
    }
}
