// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// Control planes that share an etcd cluster of three members.
    @Suite struct ControlEtcd {
        private static func settings(_ etcd: EtcdMembers, _ more: String = "") -> String {
            let members = etcd.ports.map { "127.0.0.1:\($0)" }.joined(separator: ",")
            return
                "store: {etcd: 'etcd://\(members)/warren', ca: \(etcd.authority), certificate: \(etcd.certificate), key: \(etcd.key)}\n"
                + more
        }

        /// A second replica, with an intermediate of its own under the first one's root.
        private static func replica(beside first: ControlBench, _ etcd: EtcdMembers) throws -> ControlBench {
            let (ca, place) = ("\(first.folder)/state/ca", "\(first.folder)/replica")
            try first.run([
                try Programs.path("warren"), "ca", "intermediate", "--root", "\(ca)/root-1.pem", "--root-key", "\(ca)/root-1.key",
                "--directory", place,
            ])
            return try ControlBench(
                settings(
                    etcd,
                    "authority: {certificate: \(place)/intermediate.pem, key: \(place)/intermediate-key.pem, roots: \(place)/root.pem}\n"
                ))
        }

        @Test func `I23 what was acknowledged before a kill -9 is in etcd after it, and nothing is half there`() throws {
            let kills = Files.environment("WARREN_KILLS").flatMap { Int($0) } ?? 5
            let etcd = try EtcdMembers()
            let bench = try ControlBench(Self.settings(etcd))
            try Files.write(ControlCrash.writer, to: "\(bench.folder)/writer.py")
            var acknowledged = 0
            for round in 0..<kills {
                let writer = try RunningCommand(
                    ["/usr/bin/python3", "\(bench.folder)/writer.py", "\(bench.folder)/control.sock", "r\(round)"])
                let begin = Moment.now() + 10
                while writer.out.isEmpty, Moment.now() < begin { usleep(2000) }
                usleep(UInt32.random(in: 0...100_000))
                try bench.stop(SIGKILL)
                let outcome = writer.finish(seconds: 10)
                #expect(outcome.succeeded, "\(outcome)")
                try bench.start()
                let written = outcome.out.split(separator: "\n").map(String.init)
                acknowledged += written.count
                let list = try bench.request("GET", "/api/v1/namespaces/default/services?labelSelector=round=r\(round)")
                try Files.write(list.body, to: "\(bench.folder)/list.json")
                let check = try bench.outcome(
                    ["/usr/bin/python3", "-c", ControlCrash.checker, "\(bench.folder)/list.json"] + written)
                #expect(check.succeeded, "round \(round): \(check)")
            }
            #expect(acknowledged > kills)
        }

        @Test func `I22 I23 of two replicas over three members any one may go: writes go on within 5 s and none is lost`() throws
        {
            let etcd = try EtcdMembers()
            let first = try ControlBench(Self.settings(etcd))
            let second = try Self.replica(beside: first, etcd)
            // No key of an authority is in etcd.
            #expect(!(try etcd.control("get", "--prefix", "/warren", "--print-value-only")).contains("PRIVATE KEY"))
            // What one is told the other has.
            let made = try first.request("POST", "/api/v1/namespaces", body: Self.namespace("shop"))
            #expect(made.status == 201, "\(made)")
            #expect(try second.request("GET", "/api/v1/namespaces/shop").status == 200)
            let again = try second.request("POST", "/api/v1/namespaces", body: Self.namespace("shop"))
            #expect(again.status == 409, "\(again)")
            try Files.write(Self.writer, to: "\(first.folder)/writer.py")
            let sockets = [first, second].map { "\($0.folder)/control.sock" }
            let writer = try RunningCommand(["/usr/bin/python3", "\(first.folder)/writer.py"] + sockets)
            try waitUntil("the first writes", seconds: 5, detail: { writer.err }) { writer.out.split(separator: "\n").count > 20 }
            for index in 0..<etcd.count {
                etcd.stop(index)
                usleep(3_000_000)
                try etcd.start(index)
                try etcd.waitUntilHealthy(index)
            }
            try first.stop(SIGKILL)
            usleep(2_000_000)
            try first.start()
            usleep(500_000)
            writer.signal(SIGTERM)
            let outcome = writer.finish(seconds: 20)
            #expect(outcome.succeeded, "\(outcome)")
            let written = outcome.out.split(separator: "\n").filter { !$0.hasPrefix("gap") }.map(String.init)
            let gap =
                outcome.out.split(separator: "\n").last { $0.hasPrefix("gap") }.flatMap { Double($0.dropFirst(4)) } ?? .infinity
            #expect(gap < 5, "the longest time without a write: \(gap) s; what took its time:\n\(outcome.err)")
            for bench in [first, second] {
                let list = try bench.request("GET", "/api/v1/namespaces/shop/services")
                try Files.write(list.body, to: "\(bench.folder)/list.json")
                try Files.write(written.joined(separator: "\n"), to: "\(bench.folder)/written")
                let check = try bench.outcome(
                    ["/usr/bin/python3", "-c", Self.checker, "\(bench.folder)/list.json", "\(bench.folder)/written"])
                #expect(check.succeeded, "\(check)")
            }
        }

        @Test func `I22 a replica whose authority the mesh doesn't trust doesn't begin`() throws {
            let etcd = try EtcdMembers()
            let first = try ControlBench(Self.settings(etcd))
            defer { withExtendedLifetime(first) {} }
            do {
                _ = try ControlBench(Self.settings(etcd))
                Issue.record("it began")
            } catch let failure as LabFailure {
                #expect(failure.description.contains("warren ca intermediate"), "\(failure)")
            }
        }

        private static func namespace(_ name: String) -> String {
            #"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"\#(name)"}}"#
        }

        /// Makes services one after the other, each by whichever replica answers, until SIGTERM; names those that were acknowledged, and at the end
        /// the longest time between two of them.
        private static let writer = """
            import http.client, json, signal, socket, sys, time
            paths, over = sys.argv[1:], []
            signal.signal(signal.SIGTERM, lambda *_: over.append(1))
            class Connection(http.client.HTTPConnection):
                def __init__(self, path):
                    super().__init__('localhost', timeout=4)
                    self.path = path
                def connect(self):
                    self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    self.sock.settimeout(4)
                    self.sock.connect(self.path)
            begin = last = time.monotonic()
            number, gap = 0, 0
            def tell(since, path, result):
                if time.monotonic() - since > 0.5:
                    took = time.monotonic() - since
                    print(f'after {since - begin:.1f} s, {path.split("/")[-2]}, for {took:.1f} s: {result}', file=sys.stderr, flush=True)
            while not over:
                path = paths[number % len(paths)]
                name = f's-{number}'
                number += 1
                body = {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': name},
                        'spec': {'ports': [{'port': 80}], 'selector': {'app': 'x'}}}
                since = time.monotonic()
                try:
                    connection = Connection(path)
                    connection.request('POST', '/api/v1/namespaces/shop/services', json.dumps(body), {'content-type': 'application/json'})
                    answer = connection.getresponse()
                    text = answer.read()
                    connection.close()
                except (OSError, http.client.HTTPException) as failure:
                    tell(since, path, failure)
                    time.sleep(0.02)
                    continue
                tell(since, path, f'{answer.status}: {text[:300]}')
                if answer.status == 201:
                    print(name, flush=True)
                    gap, last = max(gap, time.monotonic() - last), time.monotonic()
                elif answer.status not in (409, 500, 503, 504):
                    sys.exit(f'{answer.status}: {text}')
            print(f'gap {gap}', flush=True)
            """

        private static let checker = """
            import json, sys
            items = json.load(open(sys.argv[1]))['items']
            there = {item['metadata']['name']: item for item in items}
            written = open(sys.argv[2]).read().split()
            lost = [name for name in written if name not in there]
            assert written and not lost, f'lost: {lost}'
            addresses = [item['spec']['clusterIP'] for item in items]
            assert len(set(addresses)) == len(addresses), 'an address twice'
            """
    }
}
