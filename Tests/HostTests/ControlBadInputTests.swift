// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// Requests that no client of good will sends: each is told what is wrong, and nobody else notices.
    @Suite struct ControlBadInput {
        private func body(_ name: String, _ more: String = "") -> String {
            #"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"\#(name)"\#(more)}}"#
        }

        @Test func `malformed, huge and deep bodies, odd names and stale versions are refused by name`() throws {
            let bench = try ControlBench()
            let accounts = "/api/v1/namespaces/default/serviceaccounts"
            func expect(
                _ status: Int, _ word: String, _ method: String, _ path: String, type: String = "application/json",
                _ body: String? = nil,
                at location: SourceLocation = #_sourceLocation
            ) throws {
                let answer = try bench.request(method, path, type: type, body: body)
                #expect(answer.status == status, "\(answer.body.prefix(500))", sourceLocation: location)
                #expect(answer.body.contains(word), "\(answer.body.prefix(500))", sourceLocation: location)
                #expect(answer.body.contains(#""kind":"Status""#), "\(answer.body.prefix(200))", sourceLocation: location)
            }
            try expect(400, "line 1", "POST", accounts, "{nonsense")
            try expect(400, "no body", "POST", accounts, "")
            try expect(400, "48", "POST", accounts, String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000))
            try expect(413, "bytes", "POST", accounts, body(String(repeating: "a", count: 3_500_000)))
            try expect(415, "application/json", "POST", accounts, type: "text/html", body("a"))
            try expect(422, "metadata.name", "POST", accounts, body("UPPER"))
            try expect(400, "twice", "POST", accounts, #"{"kind":"ServiceAccount","kind":"ServiceAccount"}"#)
            try expect(400, "may not be", "GET", accounts + "/%2e%2e")
            // Refused before anybody looks what it means.
            #expect(try bench.request("GET", accounts + "/a%00b").status == 400)
            try expect(404, "not find", "GET", "/api/v1/namespaces/default/pods")
            try expect(404, "not find", "GET", "/apis/none.example/v1/things")
            try expect(405, "method", "POST", accounts + "/a", body("a"))
            #expect(try bench.request("POST", accounts, body: body("a")).status == 201)
            try expect(409, "already exists", "POST", accounts, body("a"))
            try expect(409, "modified", "PUT", accounts + "/a", body("a", #","resourceVersion":"1""#))
            try expect(400, "name", "PUT", accounts + "/a", body("b"))
            try expect(404, "not found", "PUT", accounts + "/b", body("b"))
            try expect(504, "Too large", "GET", accounts + "?resourceVersion=99999999")
            try expect(400, "continue", "GET", accounts + "?continue=x")
            try expect(400, "selector", "GET", accounts + "?labelSelector=a%20in%20%28")
            #expect(try bench.request("GET", accounts + "/a").status == 200)
        }

        @Test func `who sends nothing of ours is refused, and who sends no end is let go`() throws {
            let bench = try ControlBench()
            let root = "\(bench.folder)/root.pem"
            let none = try bench.outcome(["curl", "-sS", "--cacert", root, "\(bench.server)/api/v1/namespaces"])
            #expect(none.out.contains("Unauthorized") && none.out.contains("warren token create"), "\(none)")
            let other = try bench.outcome(["curl", "-sS", "\(bench.server)/api/v1/namespaces"])
            #expect(!other.succeeded, "a client that doesn't know our root must not talk to us")
            let join = try bench.outcome(
                [
                    "curl", "-sS", "--cacert", root, "-H", "content-type: application/json", "-d",
                    #"{"token":"wj1.x","node":"a","csr":"x"}"#,
                    "\(bench.server)/warren/v1/join",
                ])
            #expect(join.out.contains(#""status":"Failure""#), "\(join)")
            let discovery = try bench.outcome(
                [
                    "curl", "-sS", "--http2", "--cacert", root, "-D", "-", "-o", "/dev/null", "-H",
                    "content-type: application/grpc", "-H", "te: trailers",
                    "-X", "POST", "--max-time", "5",
                    "\(bench.server)/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
                ])
            #expect(discovery.out.contains("grpc-status: 16"), "\(discovery)")
            #expect(try bench.request("GET", "/api/v1/namespaces").status == 200)
        }

        @Test func `a hundred watches that nobody reads cost a bounded amount`() throws {
            let bench = try ControlBench()
            try Files.write(Self.watchers, to: "\(bench.folder)/watchers.py")
            let watchers = try RunningCommand(
                ["/usr/bin/python3", "\(bench.folder)/watchers.py", "\(bench.folder)/control.sock"], holdsInput: true)
            let end = Moment.now() + 10
            while !watchers.out.contains("up"), Moment.now() < end { usleep(10_000) }
            let before = bench.residentKilobytes
            let padding = String(repeating: "x", count: 100_000)
            for number in 0..<40 {
                let text =
                    #"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"n\#(number)","annotations":{"p":"\#(padding)"}}}"#
                #expect(try bench.request("POST", "/api/v1/namespaces/default/serviceaccounts", body: text).status == 201)
            }
            // 4 MB to each of them would be 400 MB.
            #expect(bench.residentKilobytes - before < 150_000, "\(before) kB before, \(bench.residentKilobytes) kB after")
            watchers.signal(SIGKILL)
            #expect(try bench.request("GET", "/api/v1/namespaces").status == 200)
        }

        private static let watchers = """
            import socket, sys
            held = []
            for _ in range(100):
                s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                s.connect(sys.argv[1])
                s.sendall(b'GET /api/v1/namespaces/default/serviceaccounts?watch=1 HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n')
                held.append(s)
            print('up', flush=True)
            sys.stdin.read()
            """
    }
}
