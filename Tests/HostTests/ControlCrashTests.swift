// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// A control plane that is killed while it writes (Done when 4 of its issue asks for 200 moments: WARREN_KILLS=200).
    @Suite struct ControlCrash {
        @Test func `I23 what was acknowledged before a kill -9 is there after it, and nothing is half there`() throws {
            let kills = Files.environment("WARREN_KILLS").flatMap { Int($0) } ?? 20
            let bench = try ControlBench()
            try Files.write(Self.writer, to: "\(bench.folder)/writer.py")
            var acknowledged = 0
            for round in 0..<kills {
                let writer = try RunningCommand(
                    ["/usr/bin/python3", "\(bench.folder)/writer.py", "\(bench.folder)/control.sock", "r\(round)"])
                let begin = Moment.now() + 10
                while writer.out.isEmpty, Moment.now() < begin { usleep(2000) }
                usleep(UInt32.random(in: 0...60_000))
                try bench.stop(SIGKILL)
                let outcome = writer.finish(seconds: 10)
                #expect(outcome.succeeded, "\(outcome)")
                try bench.start()
                let written = outcome.out.split(separator: "\n").map(String.init)
                acknowledged += written.count
                let list = try bench.run([
                    "curl", "-sS", "--unix-socket", "\(bench.folder)/control.sock",
                    "http://localhost/api/v1/namespaces/default/services?labelSelector=round=r\(round)",
                ])
                try Files.write(list, to: "\(bench.folder)/list.json")
                let check = try bench.outcome(
                    ["/usr/bin/python3", "-c", Self.checker, "\(bench.folder)/list.json"] + written)
                #expect(check.succeeded, "round \(round): \(check)")
            }
            #expect(acknowledged > kills)
        }

        /// Makes services one after the other and names each that was acknowledged, until the connection ends.
        static let writer = """
            import http.client, json, socket, sys
            path, round = sys.argv[1:3]
            class Connection(http.client.HTTPConnection):
                def connect(self):
                    self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    self.sock.connect(path)
            connection = Connection('localhost', timeout=5)
            number = 0
            try:
                while number < 2000:
                    name = f'{round}-{number}'
                    body = {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': name, 'labels': {'round': round}},
                            'spec': {'ports': [{'port': 80}], 'selector': {'app': 'x' * (number % 60 + 1)}}}
                    connection.request('POST', '/api/v1/namespaces/default/services', json.dumps(body),
                                       {'content-type': 'application/json'})
                    answer = connection.getresponse()
                    text = answer.read()
                    assert answer.status == 201, text
                    assert len(text) > 300
                    print(name, flush=True)
                    number += 1
            except (OSError, http.client.HTTPException):
                pass
            """

        /// Every acknowledged service is there, whole; at most one more, the one that was under way; no address twice.
        static let checker = """
            import json, sys
            items = json.load(open(sys.argv[1]))['items']
            there = {item['metadata']['name']: item for item in items}
            written = sys.argv[2:]
            lost = [name for name in written if name not in there]
            assert not lost, f'lost: {lost}'
            assert len(there) <= len(written) + 1, f'{len(there)} of {len(written)}'
            for item in items:
                assert item['spec']['ports'] == [{'port': 80, 'protocol': 'TCP', 'targetPort': 80}], item
                assert item['metadata']['uid'] and item['spec']['clusterIP'].startswith('240.240.'), item
            addresses = [item['spec']['clusterIP'] for item in items]
            assert len(set(addresses)) == len(addresses), 'an address twice'
            """
    }
}
