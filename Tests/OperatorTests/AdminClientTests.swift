// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Testing

@testable import Operator

/// The client against a server that answers bytes of the test's choice, over a real socket.
@Suite struct AdminClientTests {
    /// Listens, answers one connection with `parts` and closes, unless it `hangs`.
    private func exchange(
        _ parts: [String], hangs: Bool = false, timeout: Interval = .seconds(20)
    ) throws -> Result<AdminAnswer, AdminFailure> {
        let path = "/tmp/warren-client-\(Limits.processID)-\(randomBytes(4).map { String($0) }.joined()).sock"
        defer { try? File.remove(path) }
        let listener = Listener(try UnixSocket.listen(path: path, mode: 0o600, backlog: 1))
        let thread = try Thread(name: "answers") { listener.answer(parts, hangs: hangs) }
        let result = AdminClient.send(AdminRequest(.get, "/status", socket: path, timeout: timeout))
        thread.join()
        return result
    }

    /// A listener that a thread may have.
    private final class Listener: Sendable {
        private let descriptor: Descriptor
        init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

        func answer(_ parts: [String], hangs: Bool) {
            guard (try? descriptor.setBlocking()) != nil, let accepted = try? descriptor.accept() else { return }
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

    @Test func `an answer is read, whole or in pieces, with or without a length`() throws {
        for parts in [
            ["HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"a\":1}\n"],
            ["HTTP/1.1 2", "00 OK\r\nContent-Length:8\r\n\r", "\n{\"a\":1", "}\n"],
            ["HTTP/1.1 200 OK\r\n\r\n", "{\"a\":", "1}\n"], ["HTTP/1.0 200\r\n\r\n{\"a\":1}"],
        ] { #expect(try exchange(parts).get().document["a"]?.integerValue == 1) }
    }

    @Test func `a server that keeps the connection open doesn't keep us waiting`() throws {
        let answer = try exchange(["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"], hangs: true)
        #expect(throws: Never.self) { try answer.get() }
    }

    @Test(arguments: [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 43\r\n\r\n{\"error\":\"there is no /x\",\"remedy\":\"Look.\"}\n",
            "there is no /x", "Look.", false
        ),
        ("HTTP/1.1 500 Oops\r\n\r\nnot json", "warrend answered 500 to /status", "", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{\"a\"", "warrend's answer was cut off", "", false),
        ("SSH-2.0-OpenSSH\r\n", "what answered isn't warrend", "Look at its log: journalctl -u warrend.", false),
        ("HTTP/1.1 99999 OK\r\n\r\n", "what answered isn't warrend", "Look at its log: journalctl -u warrend.", false),
        ("", "warrend closed the connection without an answer", "Look at its log: journalctl -u warrend.", true),
    ])
    func `what is no good answer says so`(text: String, message: String, remedy: String, isUnreachable: Bool) throws {
        let answer = try exchange([text])
        #expect {
            try answer.get()
        } throws: { error in
            let failure = error as? AdminFailure
            return failure?.message == message && failure?.remedy == remedy && failure?.isUnreachable == isUnreachable
        }
    }

    @Test func `what is no JSON says so`() throws {
        let answer = try exchange(["HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n<a>"])
        #expect {
            try answer.get()
        } throws: { error in (error as? AdminFailure)?.message.hasPrefix("warrend's answer is no JSON") == true }
    }

    @Test func `a server that says nothing is given up`() throws {
        let answer = try exchange([], hangs: true, timeout: .milliseconds(50))
        #expect {
            try answer.get()
        } throws: { error in
            (error as? AdminFailure)?.message == "warrend didn't answer /status within 50 ms"
                && (error as? AdminFailure)?.isUnreachable == true
        }
    }

    @Test func `no socket, a dead socket and a file that is none are told apart`() throws {
        let path = "/tmp/warren-gone-\(Limits.processID).sock"
        let request = AdminRequest(.get, "/status", socket: path)
        let message = { () -> String in
            if case .failure(let failure) = AdminClient.send(request), failure.isUnreachable { return failure.message }
            return ""
        }
        #expect(message() == "no warrend at \(path): there is no such socket")
        try UnixSocket.listen(path: path, mode: 0o600, backlog: 1).close()
        #expect(message() == "no warrend at \(path): the socket is left over from one that ended")
        try File.remove(path)
        let long = AdminRequest(.get, "/", socket: String(repeating: "x", count: 200))
        guard case .failure(let failure) = AdminClient.send(long) else {
            Issue.record("a path that is too long was connected to")
            return
        }
        #expect(failure.isUnreachable)
    }

    @Test func `any bytes at all are an answer or a refusal`() {
        let words = [
            "HTTP/1.1 200 OK", "\r\n", "\r\n\r\n", "content-length: ", "-1", "99999999999999999999", "5", "{}", ":", " ", "\0",
            "HTTP/1.1", "é",
        ]
        var state: UInt64 = 42
        for _ in 0..<20_000 {
            var text = ""
            for _ in 0..<8 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += words[Int((state >> 33) % UInt64(words.count))]
            }
            let bytes = Array(text.utf8)
            let answer = try? HTTPAnswer(bytes)
            if let answer { #expect((100...599).contains(answer.status) && answer.body.count <= bytes.count) }
            if HTTPAnswer.isWhole(bytes) { #expect(answer != nil) }
        }
    }

    @Test(arguments: [
        ("info,tunnel:debug", "info,tunnel:debug"), ("a b&c=d", "a%20b%26c%3Dd"), ("\r\nx: y", "%0D%0Ax:%20y"), ("ü", "%C3%BC"),
        ("", ""),
    ])
    func `a query can't break the request`(text: String, escaped: String) { #expect(queryValue(text) == escaped) }
}
