// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Support
import Testing

@testable import Operator

/// A server that answers bytes of the test's choice, over a real socket, each connection the next of them.
final class ByteServer: Sendable {
    let path: String
    private let descriptor: Descriptor
    private let answers: [[String]]
    private let hangs: Bool

    init(_ answers: [[String]], hangs: Bool = false) throws {
        // As the program does: a client that has enough is no reason to die.
        ignoreBrokenPipes()
        path = "/tmp/warren-plane-\(Limits.processID)-\(randomBytes(4).map { String($0) }.joined()).sock"
        descriptor = try UnixSocket.listen(path: path, mode: 0o600, backlog: 4)
        self.answers = answers
        self.hangs = hangs
    }

    /// Serves while the body runs; what was asked, head and body of each.
    func serve<Result>(_ body: (String) throws -> Result) throws -> Result {
        defer { try? File.remove(path) }
        let thread = try Thread(name: "answers") { [self] in run() }
        defer { thread.join() }
        return try body(path)
    }

    private func run() {
        guard (try? descriptor.setBlocking()) != nil else { return }
        for parts in answers {
            guard let accepted = try? descriptor.accept() else { return }
            try? accepted.descriptor.setBlocking()
            var request: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 4096)
            while !request.suffix(4).elementsEqual("\r\n\r\n".utf8),
                case .moved(let count)? = try? accepted.descriptor.read(into: &chunk)
            {
                request += chunk.prefix(count)
            }
            for part in parts { try? accepted.descriptor.writeAll(Array(part.utf8)) }
            // Silence until the client gives up.
            if hangs { _ = try? accepted.descriptor.read(into: &chunk) }
        }
    }
}

/// The client over a real socket, against answers that are fine and such that aren't.
@Suite struct ControlClientTests {
    private func send(
        _ parts: [String], hangs: Bool = false, bounds: SocketControlClient.Bounds = .init()
    ) throws -> Result<ControlAnswer, ControlFailure> {
        try ByteServer([parts], hangs: hangs).serve { path in
            let client = SocketControlClient(path: path, token: "wa1.x", bounds: bounds)
            return Result { () throws(ControlFailure) in try client.send(ControlRequest(.get, "/api")) }
        }
    }

    private func failure(_ result: Result<ControlAnswer, ControlFailure>) -> ControlFailure? {
        if case .failure(let failure) = result { failure } else { nil }
    }

    @Test(arguments: [
        ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"], ["HTTP/1.1 2", "00 OK\r\nContent-Length:\t2 \r", "\n\r\n{", "}"],
        ["HTTP/1.1 200 OK\r\n\r\n", "{}"], ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}rest"],
        ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\ntrailer: x\r\n\r\n"],
        ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r", "\n1\r", "\n{\r\n0", "1\r\n}\r\n0\r\n\r", "\n"],
    ])
    func `an answer is read by length, in chunks or to the end, however it is cut`(parts: [String]) throws {
        let answer = try send(parts).get()
        #expect(answer.status == 200 && answer.body == Array("{}".utf8))
    }

    @Test func `warnings come with an answer, as their headers say them`() throws {
        let head = "HTTP/1.1 200 OK\r\nWarning: 299 - \"one\"\r\nx: y\r\nwarning:299 - \"two\"\r\ncontent-length: 2\r\n\r\n{}"
        #expect(try send([head]).get().warnings.map(ServerWarning.text) == ["one", "two"])
    }

    @Test(
        arguments: [
            ("299 - \"unknown field \\\"spec.x\\\"\"", "unknown field \"spec.x\""), ("299 kube \"a \\\\ b\" \"date\"", "a \\ b"),
            ("199 - \"miscellaneous\"", nil), ("299 - \"\"", nil), ("299 - \"no end", nil), ("299 - \"no end\\\"", nil),
            ("299 - bare", nil), ("299", nil), ("", nil),
        ] as [(String, String?)])
    func `a warning is the quoted text of code 299 alone`(value: String, text: String?) {
        #expect(ServerWarning.text(value) == text)
    }

    @Test(arguments: [
        ("", "closed the connection without an answer", true), ("SSH-2.0-OpenSSH\r\n", "isn't a control plane", false),
        ("HTTP/1.1 999 X\r\n\r\n", "isn't a control plane", false), ("HTTP/2 200\r\n\r\n", "isn't a control plane", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", "was cut off", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: -9\r\n\r\n{}", "isn't a control plane", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}", "isn't a control plane", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\n{}", "isn't a control plane", false),
        ("HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\n{}", "isn't a control plane", false),
        ("HTTP/1.1 200 OK\r\nx: y\r\n content-length: 2\r\n\r\n{}", "isn't a control plane", false),
        ("HTTP/1.1 200 OK\r\n: y\r\n\r\n{}", "isn't a control plane", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n{}", "isn't a control plane", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}", "was cut off", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "isn't a control plane", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n", "isn't a control plane", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{}\r\n", "isn't a control plane", false),
        ("HTTP/1.1 200 OK\r\nno header\r\n\r\n", "isn't a control plane", false),
    ])
    func `what is no good answer says so`(text: String, message: String, isUnreachable: Bool) throws {
        let failure = failure(try send(text.isEmpty ? [] : [text]))
        #expect(
            failure?.message.contains(message) == true && failure?.isUnreachable == isUnreachable, "\(failure?.message ?? "none")"
        )
    }

    @Test func `an answer that is too large, or a head without an end, is refused`() throws {
        var bounds = SocketControlClient.Bounds()
        bounds.answer = 1000
        let large = "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 2000)
        #expect(failure(try send([large], bounds: bounds))?.message == "the control plane's answer is too large")
        let head = "HTTP/1.1 200 OK\r\nx: " + String(repeating: "x", count: 70_000)
        #expect(failure(try send([head], hangs: false))?.message == "what answered isn't a control plane")
    }

    @Test func `a server that says nothing, or that doesn't end, is given up`() throws {
        var bounds = SocketControlClient.Bounds()
        bounds.idle = .milliseconds(50)
        #expect(failure(try send([], hangs: true, bounds: bounds))?.isUnreachable == true)
        #expect(
            failure(try send(["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{"], hangs: true, bounds: bounds))?.isUnreachable
                == true)
    }

    @Test func `no socket and a dead one are told apart, with the exit code for it`() throws {
        let desk = Desk()
        let real = Session(
            console: Console(isTerminal: false, hasColours: false, output: { _ in }, errors: { _ in }),
            environment: { desk.environment[$0] })
        let path = "/tmp/warren-no-plane-\(Limits.processID).sock"
        #expect(Warren.run(["api-resources", "--server", "unix://\(path)"], real) == .unreachable)
        try UnixSocket.listen(path: path, mode: 0o600, backlog: 1).close()
        defer { try? File.remove(path) }
        let client = SocketControlClient(path: path, token: nil)
        let result = Result { () throws(ControlFailure) in try client.send(ControlRequest(.get, "/")) }
        #expect(failure(result)?.message.hasSuffix("the socket is left over from one that ended") == true)
    }

    @Test func `lines of a stream come one by one, and a refusal of it is told`() throws {
        let stream = [
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "5\r\n{\"a\":\r\n", "a\r\n1}\n\n{\"b\":2\r\n3\r\n}\n{\r\n",
            "0\r\n\r\n",
        ]
        try ByteServer([stream, ["HTTP/1.1 410 Gone\r\ncontent-length: 2\r\n\r\n{}"]]).serve { path in
            let client = SocketControlClient(path: path, token: nil)
            var lines: [String] = []
            let end = try client.follow(ControlRequest(.get, "/watch")) { line in
                lines.append(String(decoding: line, as: UTF8.self))
                return true
            }
            #expect(end == nil && lines == ["{\"a\":1}", "{\"b\":2}"])
            let refusal = try client.follow(ControlRequest(.get, "/watch")) { _ in true }
            #expect(refusal?.status == 410)
        }
    }

    @Test func `who has enough of a stream ends it`() throws {
        try ByteServer([["HTTP/1.1 200 OK\r\n\r\n", "1\n2\n3\n"]]).serve { path in
            var lines = 0
            _ = try SocketControlClient(path: path, token: nil).follow(ControlRequest(.get, "/watch")) { _ in
                lines += 1
                return lines < 2
            }
            #expect(lines == 2)
        }
    }

    @Test func `any bytes at all are an answer or a refusal`() {
        let words = [
            "HTTP/1.1 200 OK", "\r\n", "\r\n\r\n", "content-length: ", "transfer-encoding: chunked", "-1", "99999999999999999999",
            "5", "{}",
            ":", " ", "\0", "0", "a", "é",
        ]
        var state: UInt64 = 42
        for _ in 0..<20_000 {
            var reader = ControlAnswerReader()
            var count = 0
            var sum = 0
            do throws(ControlFailure) {
                for _ in 0..<10 {
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    let bytes = Array(words[Int((state >> 33) % UInt64(words.count))].utf8)
                    sum += bytes.count
                    try reader.feed(bytes[...])
                    count += reader.takeBody().count
                }
                try reader.end()
                #expect(reader.isWhole && reader.status != nil)
            } catch {}
            #expect(count <= sum)
        }
    }

    @Test func `a Status without a body, and a page of another program, have words of their own`() {
        let desk = Desk()
        for (body, message) in [
            ("", "the control plane answered 502 to GET /api"), ("<html>", "the control plane answered 502 to GET /api"),
            ("{\"error\":\"no\\u001bpe\",\"remedy\":\"go\"}", "no?pe"),
            ("{\"kind\":\"Status\",\"message\":5,\"details\":7}", "answered 502"),
        ] {
            desk.plane.answers["GET /api"] = ControlAnswer(status: 502, body: Array(body.utf8))
            #expect(desk.run("api-resources") == .failed)
            #expect(desk.errors.contains(message), "\(desk.errors)")
        }
    }
}
