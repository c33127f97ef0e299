// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Support
import TLS
import Testing
import Transport

/// The service's end with clients that aren't ours: curl, OpenSSL, Python's gRPC.
@Suite struct ServiceTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        try body(folder)
    }

    private func curl(_ arguments: String...) throws -> Outcome {
        try RunningCommand.run(["curl", "--silent", "--show-error", "--max-time", "20"] + arguments)
    }

    @Test(arguments: ["--http1.1", "--http2-prior-knowledge"])
    func `requests in clear, by both versions`(_ version: String) throws {
        let bench = try ServiceBench()
        let base = "http://\(bench.address)"
        #expect(try curl(version, "\(base)/hello").out == "hello\n")
        #expect(try curl(version, "-H", "X-Word: abc", "\(base)/head").out == "GET \(bench.address) abc\n")
        #expect(try curl(version, "\(base)/stream").out == "one\ntwo\nthree\n")
        #expect(try curl(version, "-X", "POST", "--data-binary", "some text", "\(base)/echo").out == "some text")
        #expect(try curl(version, "-o", "/dev/null", "-w", "%{http_code}", "\(base)/none").out == "404")
        #expect(try curl(version, "-I", "\(base)/hello").out.contains("content-length: 6"))
        let head = try curl(version, "-I", "\(base)/stream")
        #expect(head.succeeded && head.out.contains("content-type: text/plain") && !head.out.contains("one"), "\(head)")
        #expect(try curl(version, "-o", "/dev/null", "-w", "%{size_download}", "\(base)/flood").out == "\(8 << 20)")
        #expect(try !curl(version, "\(base)/abort").succeeded)
    }

    @Test(arguments: ["--http1.1", "--http2"])
    func `bodies come whole within their limit, and larger ones are refused`(_ version: String) throws {
        let bench = try ServiceBench(.tls)
        try withFolder { folder in
            try Files.write(String(decoding: bench.authority.root.roots.pem, as: UTF8.self), to: "\(folder)/root.pem")
            try Files.write(String(repeating: "x", count: 1 << 20), to: "\(folder)/fits")
            try Files.write(String(repeating: "x", count: (1 << 20) + 1), to: "\(folder)/large")
            let url = "https://localhost:\(bench.address.port)/echo"
            let options = [
                version, "--cacert", "\(folder)/root.pem", "-o", "/dev/null", "-w",
                "%{http_code} %{size_download} %{http_version}",
            ]
            let number = version == "--http2" ? "2" : "1.1"
            func post(_ file: String) throws -> String {
                try RunningCommand.run(
                    ["curl", "--silent", "--max-time", "20"] + options + ["--data-binary", "@\(folder)/\(file)", url]
                ).out
            }
            #expect(try post("fits") == "200 \(1 << 20) \(number)")
            #expect(try post("large").hasPrefix("413 "))
            // curl 7.88 can't do this in clear: it begins its second request with another preface.
            let base = "https://localhost:\(bench.address.port)"
            let several = try curl(
                version, "--cacert", "\(folder)/root.pem", "\(base)/hello", "\(base)/stream", "\(base)/hello")
            #expect(several.out == "hello\none\ntwo\nthree\nhello\n", "\(several)")
        }
    }

    @Test func `a client may show a certificate of our roots, and no other`() throws {
        let bench = try ServiceBench(.tls)
        let stranger = try ServiceBench.Authority()
        try withFolder { folder in
            try Files.write(String(decoding: bench.authority.root.roots.pem, as: UTF8.self), to: "\(folder)/root.pem")
            func papers(_ name: String, _ shown: ShownCertificates) throws {
                try Files.write(String(decoding: shown.key.pem, as: UTF8.self), to: "\(folder)/\(name).key", mode: 0o600)
                try Files.write(
                    String(decoding: ([shown.leaf] + shown.intermediates).pem, as: UTF8.self), to: "\(folder)/\(name).pem")
            }
            try papers("good", bench.authority.client())
            try papers("bad", stranger.client())
            func ask(_ name: String?) throws -> Outcome {
                let shown = name.map { ["--cert", "\(folder)/\($0).pem", "--key", "\(folder)/\($0).key"] } ?? []
                return try RunningCommand.run(
                    ["curl", "--silent", "--max-time", "20", "--cacert", "\(folder)/root.pem"] + shown
                        + ["https://localhost:\(bench.address.port)/peer"])
            }
            #expect(try ask(nil).out == "none -\n")
            #expect(try ask("good").out == "spiffe://cluster.local/ns/shop/sa/web -\n")
            #expect(try !ask("bad").succeeded)
            #expect(
                try !RunningCommand.run(["curl", "--silent", "--max-time", "20", "https://localhost:\(bench.address.port)/peer"])
                    .succeeded)
        }
    }

    @Test func `over a Unix socket the kernel says who asks`() throws {
        try withFolder { folder in
            let bench = try ServiceBench(.unix("\(folder)/socket"))
            for version in ["--http1.1", "--http2-prior-knowledge"] {
                #expect(
                    try curl(version, "--unix-socket", "\(folder)/socket", "http://localhost/peer").out
                        == "none \(Limits.userID)\n")
            }
            withExtendedLifetime(bench) {}
        }
    }

    @Test func `Python's gRPC talks to it, over TLS: messages, ends, failures, a flood, a large message`() throws {
        let bench = try ServiceBench(.tls)
        try withFolder { folder in
            try Files.write(String(decoding: bench.authority.root.roots.pem, as: UTF8.self), to: "\(folder)/root.pem")
            try Files.write(Self.script, to: "\(folder)/client.py")
            let outcome = try RunningCommand.run(
                ["/usr/bin/python3", "\(folder)/client.py", "localhost:\(bench.address.port)", "\(folder)/root.pem"], seconds: 60)
            #expect(
                outcome.out == """
                    echo a,b
                    large True
                    many 1000 4000
                    status FAILED_PRECONDITION as you wish: 100 % größer
                    unknown UNIMPLEMENTED
                    cancelled

                    """, "\(outcome)")
        }
    }

    private static let script = """
        import sys, grpc
        roots = open(sys.argv[2], 'rb').read()
        channel = grpc.secure_channel(sys.argv[1], grpc.ssl_channel_credentials(roots))
        same = lambda value: value
        chat = channel.stream_stream('/test.Echo/Chat', request_serializer=same, response_deserializer=same)
        print('echo', ','.join(message.decode() for message in chat(iter([b'a', b'b']))))
        large = b'z' * 3000000
        print('large', list(chat(iter([large]))) == [large])
        many = list(chat(iter([b'many'])))
        print('many', len(many), len(many[0]))
        try:
            list(chat(iter([b'fail'])))
        except grpc.RpcError as error:
            print('status', error.code().name, error.details())
        other = channel.stream_stream('/test.Echo/None', request_serializer=same, response_deserializer=same)
        try:
            list(other(iter([b'a'])))
        except grpc.RpcError as error:
            print('unknown', error.code().name)
        import threading
        gate = threading.Event()
        def slowly():
            yield b'a'
            gate.wait(10)
        call = chat(slowly())
        next(call)
        call.cancel()
        gate.set()
        print('cancelled')
        """

    // MARK: - Bad clients

    private func bounds(_ change: (inout HTTPServerBounds) -> Void) -> HTTPServerBounds {
        var bounds = HTTPServerBounds()
        bounds.tick = .milliseconds(50)
        change(&bounds)
        return bounds
    }

    /// Says this and reads to the end.
    private func talk(_ bench: ServiceBench, _ text: String) throws -> String {
        let client = try RunningCommand.run(
            [
                "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/\(bench.address.port); printf '%b' \"$1\" >&3; timeout 15 cat <&3", "-",
                text,
            ])
        return client.out
    }

    @Test func `a slow head, a slow body and silence end in time`() throws {
        let bench = try ServiceBench(
            .plain,
            bounds {
                $0.requestTimeout = .milliseconds(200)
                $0.handshakeTimeout = .milliseconds(200)
                $0.idleTimeout = .milliseconds(400)
                $0.answerTimeout = .milliseconds(300)
            })
        #expect(try talk(bench, "").isEmpty)
        #expect(try talk(bench, "GET /hello HTTP/1.1\\r\\nhost:").contains("408"))
        #expect(try talk(bench, "POST /echo HTTP/1.1\\r\\nhost: a\\r\\ncontent-length: 10\\r\\n\\r\\nabc").contains("408"))
        #expect(try talk(bench, "GET /never HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n").contains("503"))
        #expect(try talk(bench, "GET /hello HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n").hasSuffix("hello\n"))
        #expect(try talk(bench, "nonsense\\r\\n\\r\\n").contains("400"))
        // HTTP/2's preface and then nothing.
        #expect(try !talk(bench, "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n").isEmpty)
    }

    @Test func `who takes nothing is let go, and others are served meanwhile`() throws {
        let bench = try ServiceBench(.plain, bounds { $0.stallTimeout = .milliseconds(500) })
        let script =
            "exec 3<>/dev/tcp/127.0.0.1/\(bench.address.port); printf 'GET /flood HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n' >&3; sleep 2; cat <&3 | wc -c"
        let stalled = try RunningCommand(["bash", "-c", script])
        #expect(try curl("http://\(bench.address)/hello").out == "hello\n")
        let outcome = stalled.finish(seconds: 20)
        let count = Int(outcome.out.split(separator: "\n").first ?? "") ?? 0
        #expect(count > 0 && count < 8 << 20)
    }

    @Test func `one address has its share of connections`() throws {
        let bench = try ServiceBench(.plain, bounds { $0.connectionsPerAddress = 2 })
        let script =
            "exec 3<>/dev/tcp/127.0.0.1/\(bench.address.port); exec 4<>/dev/tcp/127.0.0.1/\(bench.address.port); echo up; read x"
        let holder = try RunningCommand(["bash", "-c", script], holdsInput: true)
        let end = Instant.now() + .seconds(10)
        while holder.out.isEmpty, Instant.now() < end { Thread.sleep(.milliseconds(20)) }
        Thread.sleep(.milliseconds(100))
        #expect(try !curl("http://\(bench.address)/hello").succeeded)
        holder.signal(9)
        Thread.sleep(.milliseconds(300))
        #expect(try curl("http://\(bench.address)/hello").out == "hello\n")
    }

    @Test func `a server that drains finishes what is under way and takes nothing new`() throws {
        let bench = try ServiceBench()
        #expect(try curl("http://\(bench.address)/hello").out == "hello\n")
        bench.drain()
        Thread.sleep(.milliseconds(200))
        #expect(try !curl("http://\(bench.address)/hello").succeeded)
    }
}
